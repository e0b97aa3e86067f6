"""Words to cues: what is on screen together, in which lines, from when to when.

In: timed words (`types.Word`, seconds) and a `CaptionProfile`. Out: `Cue`s in integer milliseconds. It does not style,
write files, or change a word.

A dynamic programme over the places between words finds the cheapest division. A cue of the words i…j costs
`_CUE`, plus the cost of ending after j (`phrases`), of its line break and the imbalance of its lines, of silences and
sentence ends inside it, of being too short or too fast to read, and of standing alone as one word. Nothing is compared
beyond what fits into one cue, so the work grows linearly with the text.

When rules conflict, the later one yields:
1. every word appears, in order, and cues do not overlap;
2. the number of lines and their width (a single word wider than a line stays whole);
3. in-time at the sound;
4. the gap between cues (taken from the tail of the last word; it shrinks only for cues under a third of a second);
5. the longest duration (only a single longer word exceeds it); silences and paragraphs end a cue;
6. the shortest duration; then phrase ends, lone words, reading speed and balance, weighed against each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from f5_serverless.subtitles import neutral
from f5_serverless.subtitles.phrases import Boundary, boundaries
from f5_serverless.subtitles.profiles import CaptionProfile, text_columns
from f5_serverless.subtitles.timecode import to_ms
from f5_serverless.types import Break, Word

_CUE = 20.0
_LINE_BREAK = 0.5  # a line break divides less than the change of a cue
_IMBALANCE = 25.0
_TOP_HEAVY = 4.0
_LONE_LINE = 30.0
_LONE_CUE = 80.0
_SMALL_CUE = 30.0
_INNER_SENTENCE = 14.0
_SILENCE_PER_SECOND = 100.0
_TOO_SHORT = 100.0
_TOO_FAST = 60.0
_TINY = 4  # columns: what reads like a single word
_FLASH_MS = 40  # the least distance between the starts of two cues, whatever the times say


@dataclass(frozen=True, slots=True)
class CueWord:
    """A word on screen. Milliseconds, within its cue. ``glued``: no space before the next word."""

    text: str
    start_ms: int
    end_ms: int
    glued: bool = False


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on screen at one time, ``start_ms`` inclusive to ``end_ms`` exclusive."""

    start_ms: int
    end_ms: int
    lines: tuple[tuple[CueWord, ...], ...]

    @property
    def words(self) -> tuple[CueWord, ...]:
        """All words in reading order."""
        return tuple(word for line in self.lines for word in line)


def joined(line: Sequence[CueWord]) -> str:
    """The words of a line with their spaces, as displayed."""
    return "".join(word.text if word.glued else word.text + " " for word in line).strip()


def make_cues(
    words: Sequence[Word], profile: CaptionProfile, *, fps: float = 24.0, audio_ms: int | None = None
) -> tuple[Cue, ...]:
    """Divide ``words`` into cues.

    ``fps`` gives gaps their length (24 is safe for faster videos). No cue outlives ``audio_ms``, unless a word does.
    Words without a visible character are left out, unshowable characters in others too; overlapping or unordered times
    are put in order.
    """
    cleaned = [replace(word, text=neutral.shown(word.text)) for word in words]
    shown = [word for word in cleaned if neutral.is_visible(word.text)]
    if not shown:
        return ()
    layout = _Layout(shown, profile, fps, audio_ms)
    spans = layout.divide()
    return layout.timed(spans)


class _Layout:
    """One text, measured once: prefix sums of widths and penalties, and the programme over them."""

    def __init__(self, words: list[Word], profile: CaptionProfile, fps: float, audio_ms: int | None) -> None:
        self.words, self.profile = words, profile
        self.gap = math.ceil(profile.gap_frames * 100 / fps) * 10  # whole centiseconds: no rounding of ASS narrows it
        self.chain = math.ceil(profile.chain_frames * 1000 / fps)
        self.starts, self.ends = _ordered_times(words)
        self.limit = max(audio_ms if audio_ms is not None else 1 << 60, self.ends[-1])
        self.after: list[Boundary] = boundaries(words, profile.language)
        self.left = [0]  # column at which word i begins, were the text one line
        self.right = [0]  # column at which the words before i end, without the last one's space
        self.inner = [0.0]  # penalties of the boundaries before i when they lie inside a cue
        self.must_end: list[bool] = []
        self.cut: list[float] = []  # cost of ending a cue after i
        for k, word in enumerate(words):
            silence = self.starts[k + 1] - self.ends[k] if k + 1 < len(words) else 0
            kind = self.after[k].kind
            self.right.append(self.left[-1] + text_columns(word.text))
            self.left.append(self.right[-1] + (0 if word.glued else 1))
            inner = silence / 1000 * _SILENCE_PER_SECOND if silence >= 200 else 0.0
            self.inner.append(self.inner[-1] + inner + (_INNER_SENTENCE if kind >= Break.SENTENCE else 0.0))
            self.must_end.append(kind is Break.PARAGRAPH or silence >= profile.split_ms)
            # A pause is heard as a phrase end, whatever the words are.
            self.cut.append(self.after[k].cost * max(0.0, 1 - silence / 1000))
        self.line_cut = [0.0] + [_LINE_BREAK * boundary.cost for boundary in self.after]  # a line break before word i
        self.near = self._line_starts()

    def _line_starts(self) -> list[int]:
        """For each j the first word of the longest line that ends before word j."""
        near, i = [0], 0
        for j in range(1, len(self.words) + 1):
            while i < j - 1 and self.right[j] - self.left[i] > self.profile.columns:
                i += 1
            near.append(i)
        return near

    def columns(self, i: int, j: int) -> int:
        """Width of a line that holds the words i…j-1."""
        return self.right[j] - self.left[i]

    def divide(self) -> list[tuple[int, int, int]]:
        """The cheapest cues as (first word, first word of the second line, end); one line: the middle is the end."""
        count = len(self.words)
        best = [0.0] + [math.inf] * count
        choice: list[tuple[int, int]] = [(0, 0)] * (count + 1)
        for j in range(1, count + 1):
            one_line = self.near[j]
            lowest = one_line if self.profile.max_lines == 1 else self.near[one_line]
            for i in range(j - 1, lowest - 1, -1):
                if i < j - 1 and (self.must_end[i] or self.ends[j - 1] - self.starts[i] > self.profile.max_ms):
                    break
                cost, middle = (0.0, j) if i >= one_line else self._second_line(i, j)
                cost += best[i] + self._cue_cost(i, j)
                if cost < best[j]:
                    best[j], choice[j] = cost, (i, middle)
        spans: list[tuple[int, int, int]] = []
        end = count
        while end:
            first, middle = choice[end]
            spans.append((first, middle, end))
            end = first
        return spans[::-1]

    def _second_line(self, i: int, j: int) -> tuple[float, int]:
        """Cost and place of the best line break in the words i…j-1, which two lines hold."""
        left, right, near, line_cut = self.left, self.right, self.near, self.line_cut
        begin, end = left[i], right[j]
        scale = _IMBALANCE / self.profile.columns
        best, middle = math.inf, near[j]
        for m in range(max(near[j], i + 1), j):
            if near[m] > i:
                break  # the first line is full
            top, bottom = right[m] - begin, end - left[m]
            cost = line_cut[m] + (scale * (bottom - top) if bottom >= top else _TOP_HEAVY + scale * (top - bottom))
            if m - i == 1 or j - m == 1 or top <= _TINY or bottom <= _TINY:
                cost += _LONE_LINE
            if cost < best:
                best, middle = cost, m
        return best, middle

    def _cue_cost(self, i: int, j: int) -> float:
        profile = self.profile
        columns = self.right[j] - self.left[i]
        start = self.starts[i]
        shown = self._end(start, i, j) - start
        cost = _CUE + self.inner[j - 1] - self.inner[i] + (self.cut[j - 1] if j < len(self.words) else 0.0)
        if columns < profile.columns / 4 and profile.max_lines > 1:
            sentence = self.after[j - 1].kind >= Break.SENTENCE and (i == 0 or self.after[i - 1].kind >= Break.SENTENCE)
            if not sentence:
                cost += _LONE_CUE if j - i == 1 or columns <= _TINY else _SMALL_CUE
        if shown < profile.min_ms:
            cost += _TOO_SHORT * (1 - shown / profile.min_ms)
        excess = columns * 1000 / max(shown, 1) / profile.columns_per_second - 1
        return cost + (_TOO_FAST * min(excess, 2.0) if excess > 0 else 0.0)

    def _end(self, start: int, i: int, j: int, following: int | None = None) -> int:
        """Out-time of the words i…j-1 shown from ``start``; the next cue starts with word j, or at ``following``."""
        profile, sound = self.profile, self.ends[j - 1]
        reading = math.ceil(self.columns(i, j) * 1000 / profile.columns_per_second)
        wanted = max(sound + profile.linger_ms, start + profile.min_ms, start + reading)
        wanted = max(sound, min(wanted, start + profile.max_ms))
        if j == len(self.words):
            return max(start + _FLASH_MS, min(wanted, self.limit))
        following = self.starts[j] if following is None else following
        # A very short cue gives at most a quarter of its time to the gap.
        latest = following - min(self.gap, max(0, following - start) // 4)
        if following - wanted < self.chain:
            wanted = latest if latest - start <= profile.max_ms else wanted
        return min(wanted, latest)

    def timed(self, spans: list[tuple[int, int, int]]) -> tuple[Cue, ...]:
        """Give the divided words their in- and out-times."""
        starts: list[int] = []
        for first, _, _ in spans:
            starts.append(max(self.starts[first], starts[-1] + _FLASH_MS) if starts else self.starts[first])
        cues = []
        for index, (i, m, j) in enumerate(spans):
            start = starts[index]
            end = self._end(start, i, j, starts[index + 1] if index + 1 < len(starts) else None)
            shown = [
                CueWord(w.text, _within(self.starts[k], start, end), _within(self.ends[k], start, end), w.glued)
                for k, w in enumerate(self.words[i:j], start=i)
            ]
            lines = (tuple(shown[: m - i]), tuple(shown[m - i :])) if m < j else (tuple(shown),)
            cues.append(Cue(start, end, lines))
        return tuple(cues)


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def _ordered_times(words: Sequence[Word]) -> tuple[list[int], list[int]]:
    """Starts and ends in milliseconds: none starts before its predecessor, none lasts beyond its follower's start."""
    starts: list[int] = []
    ends: list[int] = []
    for word in words:
        start = max(to_ms(word.start), starts[-1] if starts else 0)
        if ends:
            ends[-1] = min(ends[-1], start)
        starts.append(start)
        ends.append(max(start, to_ms(word.end)))
    return starts, ends
