"""The guided reader on the preview voice: it hears what was left out, said twice, or never asked for."""

from __future__ import annotations

import pytest

from f5_serverless.checker import Checker, CheckItem
from f5_serverless.engines.base import AlignItem, SynthesisItem
from f5_serverless.engines.pocketsphinx_reader import PocketsphinxReader, Reading
from f5_serverless.engines.preview_engine import PocketsphinxAligner, PreviewSynthesizer
from f5_serverless.types import Audio, SynthesisSettings, no_progress

TEXT = "The harbour was quiet, and the forty-five boats came home before the storm."
WORDS = tuple(TEXT.replace(",", "").replace(".", "").split())


@pytest.fixture(scope="module")
def voice() -> PreviewSynthesizer:
    return PreviewSynthesizer()


@pytest.fixture(scope="module")
def reader() -> PocketsphinxReader:
    return PocketsphinxReader()


def say(voice: PreviewSynthesizer, text: str) -> Audio:
    return voice.synthesize(None, [SynthesisItem(text, 1)], SynthesisSettings(seed=1), no_progress)[0].audio


def read(voice: PreviewSynthesizer, reader: PocketsphinxReader, text: str) -> Reading:
    return reader.read([AlignItem(say(voice, text), WORDS)], "en", no_progress)[0]


def test_the_text_itself_is_followed_word_by_word(voice: PreviewSynthesizer, reader: PocketsphinxReader) -> None:
    found = read(voice, reader, TEXT)
    assert tuple(word.key for word in found.heard) == found.keys
    assert len(set(found.owners)) == len(WORDS)
    times = [word.start for word in found.heard]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (TEXT.replace("boats ", ""), "the harbour was quiet and the forty-five came home before the storm"),
        (
            TEXT.replace("home", "home home"),
            "the harbour was quiet and the forty-five boats came home home before the storm",
        ),
    ],
)
def test_words_left_out_or_said_twice(
    voice: PreviewSynthesizer, reader: PocketsphinxReader, said: str, kept: str
) -> None:
    assert " ".join(word.key for word in read(voice, reader, said).heard) == kept


def test_a_foreign_word_is_a_stretch_of_phones(voice: PreviewSynthesizer, reader: PocketsphinxReader) -> None:
    found = read(voice, reader, TEXT.replace("came", "umbrella came"))
    foreign = [word for word in found.heard if not word.key]
    assert sum(word.phones for word in foreign) >= 3


def test_a_checker_without_a_recogniser_judges_a_job(voice: PreviewSynthesizer, reader: PocketsphinxReader) -> None:
    checker = Checker(PocketsphinxAligner(), reader)
    good, bad = say(voice, TEXT), say(voice, TEXT.replace("came ", ""))
    items = [CheckItem(good, WORDS)] * 3 + [CheckItem(bad, WORDS)]
    found = checker.check(items, "en", no_progress)
    assert checker.checked_by("en") == "pocketsphinx"
    assert checker.checked_by("de") == "sound only"
    assert [verdict.passed for _, verdict in found] == [True, True, True, False]
    assert all(len(alignment.words) == len(WORDS) for alignment, _ in found)


def test_what_was_heard_before_moves_no_word(voice: PreviewSynthesizer) -> None:
    """A worker's history must not show: the same job gives the same words wherever and whenever it runs."""
    items = []
    for place in ("river", "garden", "bridge", "summer", "window", "letter"):
        text = f"The {place} is close to the forest."
        items.append(AlignItem(say(voice, text), tuple(text.rstrip(".").split())))
    aligner, reader = PocketsphinxAligner(), PocketsphinxReader()
    aligned, found = aligner.align(items, "en", no_progress), reader.read(items, "en", no_progress)
    for index in (3, 0, 5, 4, 2, 1):
        assert aligner.align([items[index]], "en", no_progress) == [aligned[index]]
        assert reader.read([items[index]], "en", no_progress) == [found[index]]
    assert PocketsphinxAligner().align([items[-1]], "en", no_progress) == [aligned[-1]]
