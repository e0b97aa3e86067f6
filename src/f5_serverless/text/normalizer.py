"""Text with two faces: what captions show and what is said, word by word.

In: the request's text, its language, a lexicon. Out: a `Script` whose tokens are all displayed words, in order, with
their offsets in the request; each knows how it is read. The steps: `cleaning` (markup, control characters, pauses),
`tokens` (words and their marks), lexicon, the language's rules, and here the assembly: closing marks that the voice
needs are kept, quotation marks are not, brackets become pauses for breath, signs and emoji are shown and not said.

Displayed: the word without Markdown or HTML around it. Override tags such as ``{\\an8}`` stay as they were typed,
unsaid. Languages with rules: en, de, fr, es, it, pt, zh, ja; any other passes through, with a warning where digits
remain. This module knows no audio and no engine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from f5_serverless.errors import InputError
from f5_serverless.text import rules_en, rules_eu, rules_han
from f5_serverless.text.cleaning import clean
from f5_serverless.text.lexicon import Lexicon
from f5_serverless.text.reading import Reading, Said, letters_only, sounding
from f5_serverless.text.tokens import UNSPACED, Raw, mark_break, peel, split_words
from f5_serverless.text.wordlists import word_set
from f5_serverless.types import Script, Token

Reader: TypeAlias = Callable[[Sequence[Raw], int], Reading]

_READERS: dict[str, Reader] = {
    "en": rules_en.read,
    **{code: rules_eu.reader(code) for code in ("de", "fr", "es", "it", "pt")},
    "zh": rules_han.reader(rules_han.CHINESE),
    "ja": rules_han.reader(rules_han.JAPANESE),
}
_BRAZILIAN = rules_eu.reader("pt-br")
COVERED = frozenset(_READERS)
"""Languages in which no digit is left unsaid."""

_KEPT_MARKS = re.compile(r"\.{3,}|…+|[.,;:!?。，、；：！？؟،؛۔।]|[—―]+|--+")
_MARK_FORM = {"…": "...", "—": ",", "―": ",", "--": ","}
_STRENGTH = ("。.!?！？؟۔।", ";:；：؛", ",，、،")
_DASHES = frozenset("—–-―−/|•")
_CLOSERS = frozenset(")]）】")
_CHARACTER = re.compile(f"[{UNSPACED}]")
_SHORT_YEAR = re.compile(r"\d\d?0?s|\d\d")


def normalize(text: str, language: str = "en", *, lexicon: Mapping[str, str] | None = None) -> Script:
    """``text`` as a `Script`. ``language``: a code such as "en" or "pt-BR". Raises `InputError` (field ``text``).

    >>> [(token.text, token.spoken) for token in normalize("It costs $45.50.").tokens]
    [('It', 'It'), ('costs', 'costs'), ('$45.50.', 'forty-five dollars and fifty cents.')]
    """
    code = language.lower().replace("_", "-").split("-")[0]
    words, lead_pause = split_words(clean(text))
    for word in words:
        _sound(word)
    marks = _read_all(words, _reader(language), Lexicon(_without_digits(lexicon or {}, language)))
    tokens: list[Token] = []
    speaking = False
    for index, word in enumerate(words):
        following = next((words[i] for i in range(index + 1, min(index + 4, len(words))) if words[i].core), None)
        mark_break(
            word, marks[index], words[index + 1] if index + 1 < len(words) and not words[index + 1].core else following
        )
        token = _token(word)
        speaking = speaking or bool(token.words)
        if token.pause_after and not speaking:
            lead_pause += token.pause_after
            token = replace(token, pause_after=0.0)
        tokens.append(token)
    if not speaking:
        raise InputError(
            "The text has no word that can be spoken.", field="text", hint="Send text with letters or digits in it."
        )
    return Script(tuple(tokens), language, _warnings(code, tokens), lead_pause)


def _reader(language: str) -> Reader:
    """The rules of a language, of its variety where that has its own."""
    code = language.lower().replace("_", "-")
    return _BRAZILIAN if code == "pt-br" else _READERS.get(code.split("-")[0], _pass_through)


def _without_digits(lexicon: Mapping[str, str], language: str) -> dict[str, str]:
    """The lexicon with numbers in its values read like those of a text."""
    read: dict[str, str] = {}
    for written, said in lexicon.items():
        if any(character.isdigit() for character in said):
            said = " ".join(token.spoken.strip() for token in normalize(said, language).tokens if token.spoken)
        read[written] = said
    return read


def _sound(word: Raw) -> None:
    """Brings a word's marks and core to the form that rules read."""
    core = sounding(word.core)
    if core != word.core:
        lead, word.core, trail = peel(core)
        word.lead, word.trail = word.lead + lead, trail + word.trail
    if word.lead.endswith(("'", "’", "‘")) and _SHORT_YEAR.fullmatch(word.core):
        word.core = "'" + word.core  # '90s


def _read_all(words: list[Raw], reader: Reader, lexicon: Lexicon) -> list[str]:
    """Fills in what is said; returns the closing marks that count for each word."""
    marks: list[str] = []
    index = 0
    while index < len(words):
        reading = lexicon.read(words, index) if lexicon else None
        if reading is None:
            reading = reader(words, index) if words[index].core else [Said("")]
        for said in reading:
            word = words[index]
            rest = word.trail[said.swallow :]
            ends = said.swallow and not rest and _sentence_follows(words, index, said.may_end)
            marks.append("." if ends else rest)
            word.spoken = said.text.strip()
            _add_marks(words, index, marks[-1])
            index += 1
    return marks


def _sentence_follows(words: Sequence[Raw], index: int, may_end: bool) -> bool:
    """Whether the period of an abbreviation ends the sentence as well."""
    if index + 1 == len(words):
        return True
    word, following = words[index], words[index + 1]
    if word.gap:
        return True
    return may_end and following.core[:1].isupper() and following.core.lower() in _STARTERS


_STARTERS = word_set(
    "the a an this that these those it he she they we i you there here what when where why how who but and so "
    "if in on at for his her their our my your its all some no not yes as after before then now however let do "
    "did is are was"
)


def _add_marks(words: Sequence[Raw], index: int, trail: str) -> None:
    """Gives the spoken form its closing mark, or passes it back to the last word that is said."""
    word = words[index]
    mark = spoken_mark(trail)
    if not mark and (_CLOSERS & set(trail) or (not word.spoken and set(word.text) <= _DASHES)):
        mark = ","
    if "(" in word.lead or "（" in word.lead:
        _mark_previous(words, index, ",")
    if not word.spoken:
        if mark:
            _mark_previous(words, index, mark)
        return
    if mark:
        word.spoken = word.spoken.rstrip(",") + mark


def _mark_previous(words: Sequence[Raw], index: int, mark: str) -> None:
    for i in range(index - 1, max(-1, index - 4), -1):
        if words[i].spoken:
            if words[i].spoken[-1].isalnum():
                words[i].spoken += mark
            return


def spoken_mark(trail: str) -> str:
    """The one closing mark that the voice needs out of a word's trail.

    >>> [spoken_mark('!"'), spoken_mark("?!?!"), spoken_mark("...)"), spoken_mark(",—"), spoken_mark('"')]
    ['!', '?', '...', ',', '']
    """
    found: list[str] = _KEPT_MARKS.findall(trail)
    if not found:
        return ""
    for strength in _STRENGTH:
        for mark in found:
            if mark[0] in strength:
                return "..." if len(mark) > 1 else mark
    return _MARK_FORM.get(found[0][:2], _MARK_FORM.get(found[0][:1], found[0]))


def _token(word: Raw) -> Token:
    spoken = word.spoken
    words = aligned_words(spoken)
    if not words:
        spoken = ""
    elif word.glued and not word.unspaced and not _CHARACTER.search(spoken):
        spoken += " "  # "well—yes" is two words for the voice
    return Token(word.text, spoken, words, word.start, word.end, word.glued, word.break_after, word.pause)


def aligned_words(spoken: str) -> tuple[str, ...]:
    """The words an aligner looks for. Scripts without spaces: one per character.

    >>> aligned_words("forty-five dollars, o'clock.")
    ('forty-five', 'dollars', "o'clock")
    """
    found: list[str] = []
    for part in spoken.split():
        if part.isalpha() and part.isascii():
            found.append(part)
        elif _CHARACTER.search(part):
            found += _characters(part)
        else:
            _, core, _ = peel(part)
            core = core.strip("-'_")
            if any(unicodedata.category(character)[0] in "LN" for character in core):
                found.append(core)
    return tuple(found)


def _characters(part: str) -> list[str]:
    """Each character with the marks that follow it; a run of other letters stays whole."""
    found: list[str] = []
    run = False
    for character in part:
        if unicodedata.category(character)[0] == "M" and found:
            found[-1] += character
        elif _CHARACTER.match(character):
            found.append(character)
            run = False
        elif character.isalnum():
            if run:
                found[-1] += character
            else:
                found.append(character)
            run = True
        else:
            run = False
    return found


def _pass_through(words: Sequence[Raw], index: int) -> Reading:
    """A language without rules: the word as it stands, without signs."""
    core = words[index].core
    return [Said(core if core.isalpha() else " ".join(letters_only(part) for part in core.split()))]


def _warnings(code: str, tokens: Sequence[Token]) -> tuple[str, ...]:
    if code in COVERED:
        return ()
    count = sum(any(character.isdigit() for character in token.spoken) for token in tokens)
    if not count:
        return ()
    words = "1 word" if count == 1 else f"{count} words"
    return (f"There are no reading rules for language {code!r}: {words} with digits are left as written.",)
