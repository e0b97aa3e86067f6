"""English: how each written word is read.

`read` looks at the words from an index on and reads one or more of them, the first rule that knows better wins:
phrases of several words (`phrases_en`), abbreviations, web addresses, words with digits (`amounts_en`), words with
signs, capitals. What no rule knows is read as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from f5_serverless.text.amounts_en import address, amount, leftover, letters
from f5_serverless.text.capitals_en import CAPITAL_WORDS, READ_AS, SPOKEN_ACRONYMS
from f5_serverless.text.phrases_en import PHRASES
from f5_serverless.text.reading import Reading, Rule, Said, letters_only
from f5_serverless.text.tables_en import (
    ABBREVIATIONS,
    BETWEEN_NUMBERS,
    CLOCK,
    DAYS,
    DAYS_BEFORE_SHORT,
    GREEK,
    MIXED_CASE,
    MONTH_WORDS,
    NEEDS_NAME_AFTER,
    NEEDS_NUMBER_AFTER,
    NEEDS_NUMBER_BEFORE,
    NEVER_ENDS,
    SIGNS,
    WITHOUT_PERIOD,
    WORDS_WITH_SLASH,
)
from f5_serverless.text.tokens import Raw
from f5_serverless.text.wordlists import word_set

_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]('s)?")
_ACRONYM = re.compile(r"([A-Z]{2,})('s|s)?")
_INITIALS = re.compile(r"[A-Z]{1,3}(?:&[A-Z]{1,3})+")
_DAY_RANGE = re.compile(r"([A-Z][a-z]{2,4})\.?[-–]([A-Z][a-z]{2,4})")
_AFTER_IT = word_set(
    "department support team staff manager guy sector industry infrastructure services specialist company security "
    "systems admin professional equipment director consultant budget project"
)
_VOWEL = re.compile(r"[AEIOUY]")
_SAYABLE = re.compile(r"[BCDFGHJKLMNPRSTVWZ]?[AEIOU](?:[BCDFGHJKLMNPRSTVWXZ]{1,2}[AEIOUY])+[BCDFGKLMNPRSTXZ]?")
_HAS_DIGIT = re.compile(r"\d")
_LONGEST_ADDRESS = 2000


def read(words: Sequence[Raw], index: int) -> Reading:
    """Reads the word at ``index``, and those after it that belong to the same expression. Never empty."""
    core = words[index].core
    if core.islower() and core.isalpha() and words[index].trail[:1] != "." and core not in WITHOUT_PERIOD:
        return [Said(GREEK.get(core, core))]
    for rule in RULES:
        reading = rule(words, index)
        if reading is not None:
            return reading
    return [Said(word(core))]


def word(core: str) -> str:
    """A word without context: capitals, hyphens and signs."""
    if core.isalpha():
        return capitals(core)
    if _INITIALS.fullmatch(core):
        return " and ".join(letters(part) for part in core.split("&"))
    parts: list[str] = []
    for part in core.replace("/", " ").replace("–", " ").replace("_", " ").replace("&", " and ").split():
        if _ACRONYM.fullmatch(part):
            parts.append(capitals(part))
        elif "-" in part.strip("-"):
            parts.append(_hyphenated(part))
        else:
            parts.append(letters_only(part))
    return " ".join(part for part in parts if part)


def _hyphenated(text: str) -> str:
    """A compound stays one word, unless a part of it is spelled."""
    pieces = [piece for piece in text.split("-") if piece]
    read_pieces = [
        capitals(letters_only(piece)) if _ACRONYM.fullmatch(piece) else letters_only(piece) for piece in pieces
    ]
    spelled = any(" " in piece for piece in read_pieces)
    return (" " if spelled else "-").join(piece for piece in read_pieces if piece)


def capitals(text: str) -> str:
    """An acronym spelled or said, a shouted word as a word, anything else as it is.

    >>> [capitals("FBI"), capitals("NASA"), capitals("STOP"), capitals("CEOs"), capitals("Paris")]
    ['F B I', 'NASA', 'stop', "C E O's", 'Paris']
    """
    match = _ACRONYM.fullmatch(text)
    if match is None:
        return text
    stem, ending = match[1], match[2] or ""
    if stem in READ_AS:
        return READ_AS[stem] + (ending if " " not in READ_AS[stem] else "'s" if ending else "")
    if stem in SPOKEN_ACRONYMS:
        return stem + ending
    if stem in CAPITAL_WORDS or len(stem) > 5:
        return text.lower()
    if _VOWEL.search(stem) and len(stem) >= 4 and _SAYABLE.fullmatch(stem):
        return text.lower()
    return letters(stem) + ("'s" if ending else "")


def abbreviation(words: Sequence[Raw], index: int) -> Reading | None:
    """``Dr.``, ``e.g.``, ``U.S.``, ``J. K.``: the period belongs to the word."""
    raw = words[index]
    core = raw.core
    period = raw.trail[:1] == "."
    key = core.lower() + ("." if period else "")
    if core.lower() in CLOCK and "." in core:
        return [Said(letters(core), int(period))]
    if _DOTTED.fullmatch(core) and key not in ABBREVIATIONS:
        return [Said(letters(core.removesuffix("'s")) + ("'s" if core.endswith("'s") else ""), int(period))]
    if not period:
        known = core.lower() in WITHOUT_PERIOD and not (core.isupper() and len(core) > 2)
        if known and (core[0].isupper() or core in ("vs", "etc", "dept", "govt", "approx")):
            return [Said(ABBREVIATIONS[f"{core.lower()}."])]
        return _street_or_saint(words, index) if core == "St" else None
    if core == "St":
        return _street_or_saint(words, index)
    named = index > 0 and words[index - 1].core[:1].isupper()
    if core == "Dr" and named and (len(raw.trail) > 1 or not _next_core(words, index)[:1].isupper()):
        return [Said("Drive", 1)]
    if len(core) == 1 and core.isalpha() and core.isupper() and _next_core(words, index)[:1].isupper() and core != "I":
        return [Said(core, 1, False)]
    if key in ("p.",) and _next_core(words, index)[:1].isdigit():
        return [Said("page", 1)]
    if key not in ABBREVIATIONS or not _fits(words, index, key):
        return None
    return [Said(_in_case(ABBREVIATIONS[key], core), 1, key not in NEVER_ENDS)]


def _fits(words: Sequence[Raw], index: int, key: str) -> bool:
    """Whether an abbreviation that is also a word stands where the abbreviation would."""
    after = _next_core(words, index)
    before = words[index - 1].core if index else ""
    numbered = bool(before) and before[-1].isdigit()
    if key in NEEDS_NUMBER_BEFORE:
        return numbered
    if key in NEEDS_NUMBER_AFTER:
        return after[:1].isdigit()
    if key in NEEDS_NAME_AFTER or key in DAYS_BEFORE_SHORT:
        return words[index].core[:1].isupper() and (after[:1].isupper() or (key in DAYS_BEFORE_SHORT and after != ""))
    if key in ("ed.", "al.", "co.", "ext.", "ref.", "temp."):
        return key != "al." or before.lower() == "et"
    return True


def _in_case(name: str, written: str) -> str:
    """A name at the start of a sentence keeps its capital."""
    return name[0].upper() + name[1:] if written[:1].isupper() and name[:1].islower() and " " not in name[:2] else name


def _street_or_saint(words: Sequence[Raw], index: int) -> Reading | None:
    """Saint before a name, Street after one."""
    swallow = int(words[index].trail[:1] == ".")
    before = words[index - 1].core if index else ""
    closed = len(words[index].trail) > swallow
    if _next_core(words, index)[:1].isupper() and not closed and not (before[:1].isupper() and _numbered(words, index)):
        return [Said("Saint", swallow)]
    if before[:1].isupper() or before[-2:] in ("st", "nd", "rd", "th"):
        return [Said("Street", swallow)]
    return None


def _numbered(words: Sequence[Raw], index: int) -> bool:
    """A house number stands before the street's name."""
    return any(words[i].core.isdigit() for i in range(max(0, index - 3), index))


def _next_core(words: Sequence[Raw], index: int) -> str:
    return words[index + 1].core if index + 1 < len(words) else ""


def signs(words: Sequence[Raw], index: int) -> Reading | None:
    """A sign by itself, ``w/o``, ``#tag``, ``@name``."""
    raw = words[index]
    core = raw.core
    if not core or (core[0].isalnum() and "/" not in core):
        return None
    if core in WORDS_WITH_SLASH:
        return [Said(WORDS_WITH_SLASH[core])]
    if core in SIGNS:
        if core == "@" or index == 0 or index + 1 == len(words):
            return [Said(SIGNS[core] if 0 < index < len(words) - 1 or core not in "@+=" else "")]
        return [Said(SIGNS[core])]
    if raw.text in ("-", "–") and index and words[index - 1].core[-1:].isdigit():
        return [Said("to" if _next_core(words, index).lower() in MONTH_WORDS else "")]
    if core in BETWEEN_NUMBERS and 0 < index < len(words) - 1 and core in "<>":
        near = words[index - 1].core[-1:] + words[index + 1].core[:1]
        return [Said(BETWEEN_NUMBERS[core] if near.isalnum() and len(near) == 2 else "")]
    sign = {"#": "hashtag", "@": "at"}.get(core[0])
    if sign and core[1:2].isalpha():
        name = core[1:]
        return [Said(f"{sign} {leftover(name, word) if _HAS_DIGIT.search(name) else word(name)}")]
    return None


def acronym(words: Sequence[Raw], index: int) -> Reading | None:
    """Capitals that are a word elsewhere: ``the WHO``, ``IT department``, ``AM radio``; ``PhD``; ``Mon-Fri``."""
    core = words[index].core
    if core in MIXED_CASE:
        return [Said(MIXED_CASE[core])]
    days = _DAY_RANGE.fullmatch(core)
    if days and days[1].lower() in DAYS and days[2].lower() in DAYS:
        return [Said(f"{DAYS[days[1].lower()]} to {DAYS[days[2].lower()]}", int(words[index].trail[:1] == "."))]
    after = _next_core(words, index).lower()
    if core == "WHO" and index and words[index - 1].core.lower() == "the":
        return [Said("W H O")]
    if (core == "IT" and after in _AFTER_IT) or (core in ("AM", "FM") and after in ("radio", "station", "band")):
        return [Said(letters(core))]
    return None


def web(words: Sequence[Raw], index: int) -> Reading | None:
    core = words[index].core
    said = address(core) if len(core) <= _LONGEST_ADDRESS else None
    return [Said(said)] if said else None


def digits(words: Sequence[Raw], index: int) -> Reading | None:
    core = words[index].core
    if not _HAS_DIGIT.search(core):
        return None
    return [Said(amount(core) or leftover(core, word))]


def shouted(words: Sequence[Raw], index: int) -> Reading | None:
    """A whole line in capitals is loud, not a row of acronyms."""
    core = words[index].core
    if len(core) < 2 or not core.isupper() or not core.isalpha() or core in SPOKEN_ACRONYMS:
        return None
    near = [
        w.core for w in words[max(0, index - 3) : index + 4] if w.core.isalpha() and len(w.core) > 1 and w.core != core
    ]
    loud = [text for text in near if text.isupper()]
    if len(near) >= 2 and len(loud) == len(near) and any(text in CAPITAL_WORDS or len(text) > 5 for text in loud):
        return [Said(core.lower())]
    return None


RULES: tuple[Rule, ...] = (*PHRASES, abbreviation, acronym, signs, web, digits, shouted)
