"""When each displayed word is heard: chunk times plus the booked offset of the chunk, and nothing else.

Input: a chunk with its tokens, the alignment of its spoken words (seconds from the start of the chunk's audio) and the
second at which that audio starts in the joined sound. Output: one `Word` per token, in order, monotone, inside the
chunk. No second alignment takes place, so there is nothing that could drift.
"""

from __future__ import annotations

from collections.abc import Sequence

from f5_serverless.types import Alignment, Audio, Chunk, Word


def displayed_words(chunk: Chunk, alignment: Alignment, offset: float, duration: float) -> list[Word]:
    """The words of ``chunk`` as they are shown, with the times at which they are said.

    ``offset`` and ``duration`` (seconds): where the chunk's audio starts in the whole, and its length. A token that is
    said with several words lasts from the first to the last of them. A token that is not said (an emoji) is shown in
    the gap after the word before it.
    """
    spoken = alignment.words
    if len(spoken) != len(chunk.words):
        raise ValueError(f"{len(spoken)} times for {len(chunk.words)} words")
    words: list[Word] = []
    position = 0
    now = max(0.0, min((word.start for word in spoken), default=0.0))
    for token in chunk.tokens:
        parts = spoken[position : position + len(token.words)]
        position += len(token.words)
        if parts:
            start, end = parts[0].start, parts[-1].end
            scores = [part.score for part in parts if part.score is not None]
        else:
            start, end = now, (spoken[position].start if position < len(spoken) else duration)
            scores = []
        start = min(max(start, now), duration)
        now = min(max(end, start), duration)
        if not parts:
            now = start  # what is not said takes no time from the words after it
        words.append(
            Word(
                text=token.text,
                start=offset + start,
                end=offset + (now if parts else max(start, min(end, duration))),
                score=min(scores) if scores else None,
                glued=token.glued,
                break_after=token.break_after,
            )
        )
    return words


def check_words(words: Sequence[Word], audio: Audio) -> None:
    """Raises `ValueError` when words overlap backwards or lie outside ``audio``: a fault of this package."""
    previous = 0.0
    for word in words:
        if not previous - 1e-6 <= word.start <= word.end <= audio.duration + 1e-6:
            raise ValueError(f"word times out of order at {word.start:.3f} s")
        previous = word.start
