"""From the request's text to what is shown, what is said, and what is synthesised in one go.

`normalizer.normalize` gives every displayed word its spoken form; `chunker.chunk` cuts the result into pieces
that an engine speaks one at a time. This room knows no audio and no engine.
"""
