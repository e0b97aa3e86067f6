"""Subtitles: timed words in, the text of a subtitle file out. Knows nothing of audio, engines or storage.

`captions` makes cues of words, `profiles` holds the limits of each language, `phrases` knows where a text may be
divided, `styles` how it looks, `subtitle_generator` writes ASS, SRT, WebVTT and JSON.
"""
