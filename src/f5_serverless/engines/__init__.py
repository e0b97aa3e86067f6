"""Engines: what speaks, what finds words in sound, what writes down sound. They know no HTTP, no S3, no subtitles."""
