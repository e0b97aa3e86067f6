"""What is synthesised in one go: a `Script` cut into chunks at places that depend on their content alone.

In: a script, an engine's estimate of seconds, a budget. Out: chunks that cover every token once, in order.

- A chunk is one sentence. A changed or inserted sentence changes its own chunk, at most its neighbour's: that is what
  makes a cache of finished chunks worth keeping.
- A sentence shorter than ``min_seconds`` is joined to a neighbour in its paragraph. Which one is decided by comparing
  hashes of the sentences at each border with those of the borders beside it, never by counting from the start.
- A sentence over budget is halved, at a clause near the middle, else between words, until every part fits. One word
  over budget stays whole; scripts without spaces are cut between characters.
- An explicit pause ends a chunk. What is shown and not said (an emoji) goes with a neighbour: every chunk says
  something.

Silence after a chunk, in seconds, is `PAUSES` by what ends it; an explicit pause replaces it exactly; after the last
chunk there is only an explicit one. This module knows no engine.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from f5_serverless.errors import LimitExceeded
from f5_serverless.types import Break, Chunk, Script, Token

PAUSES: dict[Break, float] = {Break.NONE: 0.0, Break.CLAUSE: 0.1, Break.SENTENCE: 0.25, Break.PARAGRAPH: 0.6}
"""Seconds of silence after a chunk, by the break it ends with. NONE: a sentence cut between two words."""
_JOIN_ROUNDS = 6
_CLAUSE_REACH = 0.25
"""How far from the best place a clause may be for a cut there, as a share of two parts of the usual length."""

Estimate = Callable[[str], float]


@dataclass(slots=True)
class _Piece:
    """Consecutive tokens on their way to a chunk. ``first``/``last``: the spoken text of its outermost sentences."""

    tokens: list[Token]
    seconds: float
    first: str
    last: str

    @property
    def closed(self) -> bool:
        """Nothing may be joined behind: a paragraph or an explicit pause ends here."""
        end = self.tokens[-1]
        return end.break_after == Break.PARAGRAPH or end.pause_after > 0


def chunk(
    script: Script, *, estimate: Estimate, max_seconds: float, max_chunks: int, min_seconds: float = 1.5
) -> tuple[Chunk, ...]:
    """``script`` in chunks of at most ``max_seconds``, as ``estimate`` (spoken text → seconds) has it.

    Raises `LimitExceeded` (field ``text``) for more than ``max_chunks``.
    """
    sentences = sentence_split(script.tokens)
    pieces = [_piece(sentence, estimate) for sentence in sentences]
    joined = _join_short(pieces, estimate, max_seconds, min_seconds)
    parts: list[list[Token]] = []
    for piece in joined:
        parts += (
            [piece.tokens]
            if piece.seconds <= max_seconds
            else _split(piece.tokens, piece.seconds, estimate, max_seconds)
        )
        if len(parts) > max_chunks:
            raise LimitExceeded(
                f"The text makes more than {max_chunks} chunks of speech.",
                field="text",
                hint="Split the text into several jobs, or raise F5_MAX_CHUNKS where the worker is configured.",
            )
    return _numbered(parts)


def sentence_split(tokens: Sequence[Token]) -> list[list[Token]]:
    """``tokens`` by sentences: each ends with a sentence break or an explicit pause, and says something."""
    groups: list[list[Token]] = []
    current: list[Token] = []
    for token in tokens:
        current.append(token)
        if token.break_after >= Break.SENTENCE or token.pause_after > 0:
            groups.append(current)
            current = []
    if current:
        groups.append(current)
    sentences: list[list[Token]] = []
    waiting: list[Token] = []
    for group in groups:
        if any(token.words for token in group):
            sentences.append(waiting + group)
            waiting = []
        elif sentences:
            sentences[-1] = sentences[-1] + group
        else:
            waiting += group
    return sentences


def spoken_text(tokens: Sequence[Token]) -> str:
    """What is said by ``tokens``, as `Chunk.spoken` has it."""
    return Chunk(0, tuple(tokens)).spoken


def _piece(tokens: list[Token], estimate: Estimate) -> _Piece:
    spoken = spoken_text(tokens)
    return _Piece(tokens, estimate(spoken), spoken, spoken)


# ------------------------------------------------------------------------------------------------ joining short ones


def _join_short(pieces: list[_Piece], estimate: Estimate, longest: float, shortest: float) -> list[_Piece]:
    """Joins pieces under ``shortest``. Each round joins across borders whose key is lower than both neighbours'."""
    for _ in range(_JOIN_ROUNDS):
        keys = _border_keys(pieces, longest, shortest)
        chosen = [
            key is not None
            and (index == 0 or (left := keys[index - 1]) is None or key < left)
            and (index + 1 == len(keys) or (right := keys[index + 1]) is None or key <= right)
            for index, key in enumerate(keys)
        ]
        if not any(chosen):
            break
        joined = [pieces[0]]
        for join, piece in zip(chosen, pieces[1:], strict=True):
            if join:
                joined[-1] = _together(joined[-1], piece, estimate)
            else:
                joined.append(piece)
        pieces = joined
    return pieces


def _border_keys(pieces: Sequence[_Piece], longest: float, shortest: float) -> list[tuple[int, bytes] | None]:
    """For each border between two pieces: None where they stay apart, else how eagerly they join (low: eagerly).

    The key holds the content at the border and how often this very border came before without a break, so that
    a row of equal sentences is joined in pairs too.
    """
    keys: list[tuple[int, bytes] | None] = []
    run, before = 0, ("", "")
    for left, right in pairwise(pieces):
        border = (left.last, right.first)
        run, before = (run + 1 if border == before else 0), border
        short = min(left.seconds, right.seconds) < shortest
        if left.closed or not short or left.seconds + right.seconds > longest:
            keys.append(None)
            continue
        both = left.seconds < shortest and right.seconds < shortest
        digest = hashlib.blake2b(f"{border[0]}\0{border[1]}\0{run}".encode(), digest_size=8).digest()
        keys.append((0 if both else 1, digest))
    return keys


def _together(left: _Piece, right: _Piece, estimate: Estimate) -> _Piece:
    tokens = left.tokens + right.tokens
    return _Piece(tokens, estimate(spoken_text(tokens)), left.first, right.last)


# ---------------------------------------------------------------------------------------------- splitting long ones


def _split(tokens: list[Token], seconds: float, estimate: Estimate, longest: float) -> list[list[Token]]:
    """``tokens``, which take ``seconds``, in parts that fit, in order. Silent tokens stay with the word before them.

    Places are weighed once; the estimate is asked again only for parts that may fit.
    """
    weights = [0.0, *accumulate(estimate(token.spoken) if token.words else 0.0 for token in tokens)]
    scale = seconds / weights[-1] if weights[-1] else 1.0
    done: list[list[Token]] = []
    stack = [(0, len(tokens))]
    while stack:
        begin, end = stack.pop()
        rough = (weights[end] - weights[begin]) * scale
        part = tokens[begin:end]
        cut = 0
        if rough > 2 * longest or (rough := estimate(spoken_text(part))) > longest:
            cut = _cut(part, weights[begin : end + 1], rough, longest)
        if cut:
            stack += [(begin + cut, end), (begin, begin + cut)]
        else:
            done.append(part)
    return done


def _cut(tokens: Sequence[Token], weights: Sequence[float], seconds: float, longest: float) -> int:
    """Where to divide ``tokens``: the length of the first part, or 0 where there is no place.

    ``weights[i]``: how heavy everything before token ``i`` is.
    """
    places = [index for index, token in enumerate(tokens) if token.words][1:]
    count = max(2, -int(-seconds // longest))
    total = weights[-1] - weights[0]
    target = weights[0] + total * (count // 2) / count
    clauses = [i for i in places if tokens[i - 1].break_after >= Break.CLAUSE]
    near = _nearest(clauses, weights, target)
    if near and abs(weights[near] - target) <= _CLAUSE_REACH * total / count * 2:
        return near
    return _nearest(places, weights, target)


def _nearest(places: Sequence[int], weights: Sequence[float], target: float) -> int:
    """The place whose part before it weighs nearest to ``target``; 0 where there are none."""
    if not places:
        return 0
    position = bisect_left(places, target, key=lambda index: weights[index])
    around = places[max(0, position - 1) : position + 1]
    return min(around, key=lambda index: abs(weights[index] - target))


# ------------------------------------------------------------------------------------------------------------ the end


def _numbered(parts: Sequence[list[Token]]) -> tuple[Chunk, ...]:
    """The chunks with their index, their occurrence, and the silence after each."""
    seen: Counter[str] = Counter()
    chunks: list[Chunk] = []
    for index, tokens in enumerate(parts):
        spoken = spoken_text(tokens)
        explicit = sum(token.pause_after for token in tokens)
        silence = explicit or (PAUSES[_break_of(tokens)] if index + 1 < len(parts) else 0.0)
        chunks.append(Chunk(index, tuple(tokens), seen[spoken], silence))
        seen[spoken] += 1
    return tuple(chunks)


def _break_of(tokens: Sequence[Token]) -> Break:
    """The strongest break from the last word said on."""
    strongest = Break.NONE
    for token in reversed(tokens):
        strongest = max(strongest, token.break_after)
        if token.words:
            break
    return strongest
