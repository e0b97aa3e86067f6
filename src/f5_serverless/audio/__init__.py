"""Sound: decoding and encoding, joining pieces with exact books, loudness, reference voices. Knows no engine."""
