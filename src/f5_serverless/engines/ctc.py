"""Dynamic programming over the frame-wise letter probabilities of a CTC model. Pure numpy, no model, no audio.

The topology is that of WhisperX's aligner, so that both find the same path: a letter takes the one frame in
which it is emitted and then waits in blanks until the next letter; what follows the last letter is free. One frame is
one vector operation over all letters, so a minute of speech takes some 50 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

WINDOW = 3_000  # frames searched at once on long recordings: one minute
TAIL = 250  # frames at a window's end that are too uncertain to keep
RATIO = 3.0  # how much denser than the average a window's letters may be


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where each letter was found. ``starts`` and ``ends``: frames (N,), end exclusive; ``scores``: mean probability
    of the letter's frames in [0, 1], (N,)."""

    starts: Ints
    ends: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.starts)


def with_wildcard(emission: Floats, blank: int) -> Floats:
    """``emission`` (T, V) with one more column: the best letter of each frame, for letters the model does not know."""
    letters = np.delete(emission, blank, axis=1)
    return np.concatenate([emission, letters.max(axis=1, keepdims=True)], axis=1)


def best_path(emission: Floats, tokens: Sequence[int], blank: int, *, whole: bool = True) -> Path | None:
    """The best way through ``emission``, log probabilities of shape (T, V), for letters ``tokens`` (N,).

    ``whole``: all letters must be found; None where there are fewer frames than letters. Otherwise the path runs to
    the last frame and covers as many letters as explain the frames best.
    """
    frames, count = len(emission), len(tokens)
    if not count or not frames or (whole and frames < count):
        return None
    advance, final = _forward(emission, np.asarray(tokens), blank)
    if whole:
        last, letter = int(np.argmax(final.by_frame)), count
    else:
        last, letter = frames, int(np.argmax(final.by_letter))
    starts = np.zeros(letter, np.int64)
    frame, end = last, last
    while letter > 0:
        frame -= 1
        if advance(frame, letter - 1):
            letter -= 1
            starts[letter] = frame
    ends = np.append(starts[1:], end) if len(starts) else starts
    return Path(starts, ends, _scores(emission, tokens, blank, starts, ends))


@dataclass(frozen=True, slots=True, eq=False)
class _Final:
    by_frame: Floats  # (T + 1,) score of having said all letters after so many frames
    by_letter: Floats  # (N + 1,) score of having said so many letters after the last frame


def _forward(emission: Floats, tokens: Ints, blank: int) -> tuple[Callable[[int, int], bool], _Final]:
    """Scores of all prefixes; for each (frame, letter), whether the best path emitted the letter in that frame."""
    frames, count = len(emission), len(tokens)
    said = np.ascontiguousarray(emission[:, tokens])  # (T, N)
    waits = emission[:, blank]
    moved = np.zeros((frames, (count + 7) // 8), np.uint8)
    score = np.full(count + 1, -np.inf, np.float32)
    score[0] = 0.0
    by_frame = np.full(frames + 1, -np.inf, np.float32)
    stay, go = np.empty(count, np.float32), np.empty(count, np.float32)
    for frame in range(frames):
        np.add(score[1:], waits[frame], out=stay)
        np.add(score[:-1], said[frame], out=go)
        moved[frame] = np.packbits(go > stay)
        np.maximum(stay, go, out=score[1:])
        score[0] += waits[frame]
        by_frame[frame + 1] = score[count]

    def advance(frame: int, letter: int) -> bool:
        return bool(moved[frame, letter >> 3] >> (7 - (letter & 7)) & 1)

    return advance, _Final(by_frame, score)


def _scores(emission: Floats, tokens: Sequence[int], blank: int, starts: Ints, ends: Ints) -> Floats:
    """Mean probability over each letter's frames: its own in the first, the blank's in the others."""
    waits = np.concatenate([[0.0], np.cumsum(np.exp(emission[:, blank], dtype=np.float64))])
    own = np.exp(emission[starts, np.asarray(tokens)[: len(starts)]])
    waited = waits[ends] - waits[np.minimum(starts + 1, ends)]
    scores: Floats = ((own + waited) / np.maximum(ends - starts, 1)).astype(np.float32)
    return scores


def long_path(emission: Floats, tokens: Sequence[int], blank: int, on_frame: Callable[[int], None]) -> Path | None:
    """`best_path` in windows, for recordings of any length: cost and memory grow with the length, not its square.

    What a window is sure of is kept, and the next one starts there. ``on_frame`` hears how far it is, and may raise.
    """
    frames, count = len(emission), len(tokens)
    parts: list[Path] = []
    at, done = 0, 0
    while done < count:
        on_frame(at)
        rest = tokens[done:]
        if frames - at <= WINDOW + TAIL:
            found = best_path(emission[at:], rest, blank)
            if found is None:
                return None
            parts.append(_shifted(found, at, len(found)))
            break
        coming = rest[: max(int(RATIO * len(rest) * WINDOW / (frames - at)), 50)]
        found = best_path(emission[at : at + WINDOW], coming, blank, whole=False)
        sure = 0 if found is None else int(np.searchsorted(found.ends, WINDOW - TAIL, side="right"))
        if found is None or sure == 0:  # nothing of the text here: look further on
            at += WINDOW - TAIL
            continue
        parts.append(_shifted(found, at, sure))
        at += int(found.ends[sure - 1])
        done += sure
    return Path(
        np.concatenate([p.starts for p in parts]),
        np.concatenate([p.ends for p in parts]),
        np.concatenate([p.scores for p in parts]),
    )


def _shifted(path: Path, frames: int, count: int) -> Path:
    return Path(path.starts[:count] + frames, path.ends[:count] + frames, path.scores[:count])


def greedy(emission: Floats, letters: Mapping[int, str], blank: int) -> str:
    """What the model reads without knowing the text: the best letter of each frame, repeats and blanks removed."""
    best = emission.argmax(axis=1)
    changes = np.flatnonzero(np.diff(best, prepend=-1))
    read = "".join(letters.get(int(i), "") for i in best[changes] if i != blank)
    return " ".join(read.replace("|", " ").split())


def log_likelihood(emission: Floats, tokens: Sequence[int], blank: int) -> float:
    """log P(``tokens`` | ``emission``), all ways to say them taken together: the CTC forward algorithm of Graves et al.
    (2006). ``emission``: log probabilities (T, V). Minus infinity where the frames are too few for the letters."""
    states = np.full(2 * len(tokens) + 1, blank, np.int64)
    states[1::2] = tokens
    said = emission[:, states].astype(np.float64)
    barred = np.full(len(states), -np.inf)  # skipping a blank is, unless another letter follows
    barred[2:][(states[2:] != blank) & (states[2:] != states[:-2])] = 0.0
    score = np.full(len(states), -np.inf)
    score[:2] = said[0, :2]
    for row in said[1:]:
        came = score.copy()
        came[1:] = np.logaddexp(came[1:], score[:-1])
        came[2:] = np.logaddexp(came[2:], score[:-2] + barred[2:])
        score = came + row
    return float(np.logaddexp.reduce(score[-2:]))
