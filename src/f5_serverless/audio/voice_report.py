"""How good a reference recording is, in numbers, and what to do about what is wrong with it.

In: the recording, the part of it that is used, its text, and what a recogniser heard, where there is one. Out: a
`VoiceReport`. A cloned voice inherits everything in its reference: noise, clipping, haste, and words that the text
does not name, which then leak into the speech. It changes no sound and refuses none.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from f5_serverless.audio.samples import frame_rms, gain_to_db, peak
from f5_serverless.types import Audio, Finding, VoiceReport

LOWEST_DB = -100.0
"""What digital silence is reported as."""

_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts in which one character is about one syllable (kana, Han, Hangul)."""

_VOWELS = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýаеёиоуыэюяєіїαεηιουωάέήίόύώ]+", re.IGNORECASE)
_NOT_WORD = re.compile(r"[^\w]+")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A finding and when it applies. ``message`` may name the report's fields."""

    code: str
    applies: Callable[[VoiceReport], bool]
    message: str
    advice: str
    severity: str = "warning"


def _snr(report: VoiceReport) -> float:
    return report.level_db - report.noise_floor_db


_RULES: tuple[_Rule, ...] = (
    _Rule(
        "too_short",
        lambda r: r.used_duration < 1.5,
        "Only {used_duration:.1f} s of speech: too little to clone a voice from.",
        "Record 5 to 12 s of fluent speech.",
        "error",
    ),
    _Rule(
        "short",
        lambda r: 1.5 <= r.used_duration < 4.0,
        "{used_duration:.1f} s of speech is little.",
        "A reference of 5 to 12 s gives a closer and steadier voice.",
    ),
    _Rule(
        "cut",
        lambda r: r.used_duration < r.duration - r.lead_silence - r.tail_silence - 0.1,
        "The recording of {duration:.1f} s was cut at a pause after {used_duration:.1f} s, together with its text.",
        "Send the 5 to 12 s that you like best to choose the part yourself.",
        "info",
    ),
    _Rule(
        "clipping",
        lambda r: r.clipped_share > 0.001,
        "{clipped_share:.2%} of the samples are clipped: the voice will sound harsh.",
        "Record again at a lower level; peaks should stay below -3 dBFS.",
    ),
    _Rule(
        "noise",
        lambda r: _snr(r) < 25.0 and r.noise_floor_db > -60.0,
        "The background noise is at {noise_floor_db:.0f} dBFS, close under speech at {level_db:.0f} dBFS.",
        "Record in a quiet room, close to the microphone, or remove the noise first: it will be cloned too.",
    ),
    _Rule(
        "quiet",
        lambda r: r.level_db < -40.0,
        "The speech is very quiet ({level_db:.0f} dBFS).",
        "Record closer to the microphone or raise the level; peaks around -6 dBFS are good.",
    ),
    _Rule(
        "silence_at_ends",
        lambda r: r.lead_silence > 1.0 or r.tail_silence > 1.0,
        "Silence at the ends ({lead_silence:.1f} s before, {tail_silence:.1f} s after) was trimmed.",
        "Nothing needs to be done; a trimmed recording uploads faster.",
        "info",
    ),
    _Rule(
        "fast",
        lambda r: r.speech_rate is not None and r.speech_rate > 8.0,
        "{speech_rate:.1f} syllables a second: hurried, or the text says more than the recording.",
        "Check that ref_text is exactly what is said; read more slowly if it is.",
    ),
    _Rule(
        "slow",
        lambda r: r.speech_rate is not None and r.speech_rate < 2.0,
        "{speech_rate:.1f} syllables a second: slow, or the recording says more than the text.",
        "Check that ref_text holds every word that is said; long pauses will be imitated.",
    ),
    _Rule(
        "text_mismatch",
        lambda r: r.text_match is not None and r.text_match < 0.6,
        "ref_text is not what is heard in the recording ({text_match:.0%} alike).",
        "Correct ref_text, or leave it out to have the recording transcribed.",
        "error",
    ),
    _Rule(
        "text_differs",
        lambda r: r.text_match is not None and 0.6 <= r.text_match < 0.85,
        "ref_text differs from what is heard in the recording ({text_match:.0%} alike).",
        "Compare them word by word: words without text leak into the speech.",
    ),
)


def grade(
    original: Audio,
    used: Audio,
    ref_text: str,
    *,
    lead_silence: float = 0.0,
    tail_silence: float = 0.0,
    whole_text: str | None = None,
    heard: str | None = None,
) -> VoiceReport:
    """The report on ``original``, of which ``used`` (before any scaling, without its tail) conditions the model.

    ``ref_text`` is the text of ``used``, ``whole_text`` that of ``original`` where it was cut; ``heard`` is what a
    recogniser read in ``original``. Silences in seconds.
    """
    levels = frame_rms(used.samples, max(1, used.sample_rate // 50))
    loudest = peak(levels)
    active = levels[levels >= loudest * 10 ** (-30 / 20)] if loudest else levels
    floor = float(np.percentile(levels, 5)) if len(levels) else 0.0
    level = float(np.sqrt(np.mean(np.square(active)))) if len(active) else 0.0
    syllables = count_syllables(ref_text)
    report = VoiceReport(
        duration=original.duration,
        used_duration=used.duration,
        clipped_share=clipped_share(used),
        noise_floor_db=max(LOWEST_DB, gain_to_db(floor)),
        level_db=max(LOWEST_DB, gain_to_db(level)),
        lead_silence=lead_silence,
        tail_silence=tail_silence,
        speech_rate=syllables / used.duration if syllables and used.duration else None,
        text_match=text_match(whole_text or ref_text, heard) if heard is not None else None,
    )
    values = {name: getattr(report, name) for name in VoiceReport.__slots__}
    findings = tuple(
        Finding(rule.code, rule.message.format(**values), rule.advice, rule.severity)
        for rule in _RULES
        if rule.applies(report)
    )
    return replace(report, findings=findings)


def clipped_share(audio: Audio) -> float:
    """The share of samples on flat tops: three or more in a row at the recording's own peak, whatever its level."""
    top = peak(audio.samples)
    if top < 0.1:
        return 0.0
    flat = np.abs(audio.samples) >= 0.999 * top
    inside = flat[1:-1] & flat[:-2] & flat[2:]
    covered = np.zeros(len(flat), bool)
    covered[1:-1] |= inside
    covered[:-2] |= inside
    covered[2:] |= inside
    return float(covered.mean())


def count_syllables(text: str) -> int:
    """About how many syllables ``text`` has: groups of vowels, one for each dense character, one for any other word.

    >>> count_syllables("A quiet morning"), count_syllables("你好世界"), count_syllables("12 %")
    (5, 4, 1)
    """
    dense = len(_DENSE.findall(text))
    words = _DENSE.sub(" ", text).split()
    return dense + sum(max(1, len(_VOWELS.findall(word))) for word in words if any(c.isalnum() for c in word))


def text_match(written: str, heard: str) -> float:
    """How alike two texts are, 0 to 1, by their letters; case, accents, punctuation and spaces do not count."""
    left, right = _letters(written), _letters(heard)
    if not left and not right:
        return 1.0
    return difflib.SequenceMatcher(None, left, right, autojunk=False).ratio()


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _NOT_WORD.sub("", "".join(c for c in plain if not unicodedata.combining(c)))
