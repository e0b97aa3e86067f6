"""German, French, Spanish, Italian, Portuguese: how written words are read in their context.

One set of rules reads all five; what differs is in `tongue.Tongue` and `tables_eu`. In: the words and an index. Out: a
reading of one or more words. Single words with digits are read by `amounts_eu`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from f5_serverless.text import tongue as say
from f5_serverless.text.amounts_eu import (
    SIGNED,
    address,
    amount,
    day_of_month,
    german_ordinal,
    leftover,
    money,
    noun_name,
    number,
    parse,
    percentage,
    word,
)
from f5_serverless.text.grammar_eu import (
    CENTURY,
    FEMININE,
    GERMAN_ARTICLE,
    GERMAN_WEAK,
    MASCULINE_IN_A,
    NOT_NOUNS,
    NUMBERED_PARTS,
)
from f5_serverless.text.reading import Reading, Said
from f5_serverless.text.tables_eu import TONGUES
from f5_serverless.text.tokens import Raw
from f5_serverless.text.tongue import Noun, Tongue

_DAY = re.compile(r"(\d\d?)")
_FIRST = re.compile(r"1(?:er|º|°|ª)?")
_GROUP = re.compile(r"\d{3}(?:,\d+)?")
_HAS_DIGIT = re.compile(r"\d")
_ROMAN = re.compile(r"(X{0,2}(?:IX|IV|V?I{0,3}))(e|er|ème)?")


def reader(code: str) -> Callable[[Sequence[Raw], int], Reading]:
    """The `read` function of one language ("de", "fr", "es", "it", "pt", "pt-br")."""
    base = code.split("-")[0]
    return partial(_read, tongue=TONGUES[base], code=code if code == "pt-br" else base)


def _read(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading:
    core = words[index].core
    if core.isalpha() and core.islower() and words[index].trail[:1] != "." and len(core) > 4:
        return [Said(core)]
    for rule in _RULES:
        reading = rule(words, index, tongue, code)
        if reading is not None:
            return reading
    return [Said(word(core, tongue))]


# ------------------------------------------------------------------------------------------------------------ phrases


def _before(words: Sequence[Raw], index: int) -> str:
    return words[index - 1].core if index else ""


def _next(words: Sequence[Raw], index: int) -> Raw | None:
    if index + 1 >= len(words) or words[index].trail or words[index].pause:
        return None
    return words[index + 1]


def _abbreviation(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    raw = words[index]
    key = raw.core.lower()
    period = raw.trail[:1] == "."
    following = words[index + 1] if index + 1 < len(words) else None
    name = tongue.abbreviations.get(f"{key}." if period else key)
    if name is None:
        return _spaced_abbreviation(words, index, tongue)
    if key in ("b", "c", "m", "d", "r", "z") and not _stands(words, index, key, tongue):
        return None
    if key in ("es", "ex", "min", "max", "art", "me", "pr", "st", "abs") and not period and not raw.core[:1].isupper():
        return None
    if key in ("es", "ex") and _before(words, index).lower() not in ("per", "par", "por", "ad", "p"):
        return None
    ends = following is None or key in ("etc", "usw", "ecc", "uu", "c", "chr")
    if name[:1].islower() and raw.core[:1].isupper():
        name = name[0].upper() + name[1:] if index == 0 else name
    return [Said(name, int(period), ends)]


def _stands(words: Sequence[Raw], index: int, key: str, tongue: Tongue) -> bool:
    """A single letter is an abbreviation only before a name (M. Dupont, D. Juan), or as part of "z. B."."""
    following = words[index + 1].core if index + 1 < len(words) else ""
    if tongue.code == "de":
        return (key == "z" and following.lower() == "b") or (key == "b" and _before(words, index).lower() == "z")
    return words[index].core.isupper() and following[:1].isupper() and len(following) > 1


def _spaced_abbreviation(words: Sequence[Raw], index: int, tongue: Tongue) -> Reading | None:
    """``d. h.``, ``p. ej.``, ``EE. UU.``: two written words, one expression."""
    if index + 1 >= len(words) or words[index].trail != "." or words[index + 1].trail[:1] != ".":
        return None
    joined = f"{words[index].core}.{words[index + 1].core}.".lower()
    name = tongue.abbreviations.get(joined)
    if name is None:
        return None
    first, _, rest = name.partition(" ")
    return [Said(first, 1, False), Said(rest, 1)]


def _grouped(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``1 234 567``: thousands parted by spaces. The words are shared out at the scales."""
    if not re.fullmatch(r"[1-9]\d{0,2}", words[index].core):
        return None
    groups = [words[index].core]
    position = index
    while (following := _next(words, position)) and _GROUP.fullmatch(following.core) and len(groups) < 7:
        groups.append(following.core)
        position += 1
        if "," in following.core:
            break
    if len(groups) == 1:
        return None
    noun = _noun_at(words, position, tongue)
    text = "".join(groups)
    if noun is not None:
        head, tail = money(text, noun, tongue, code)
    else:
        head, tail = number(text, tongue, code) if "," in text else say.whole(text, code), ""
    reading = [Said(share) for share in _shares(head.split(" "), len(groups))]
    return [*reading, Said(tail)] if noun is not None else reading


_SCALE = re.compile(r"mille?|mil|mi(?:ll|li|lh)(?:i?[oóõã].*|iard.*)|Milli.*", re.IGNORECASE)


def _shares(spoken: list[str], count: int) -> list[str]:
    """Words over written groups: a group ends with a scale word, the last takes the rest."""
    shares: list[list[str]] = [[]]
    for position, part in enumerate(spoken):
        shares[-1].append(part)
        more = position + 1 < len(spoken)
        if _SCALE.fullmatch(part) and len(shares) < count and more:
            shares.append([])
    if len(shares) < count and len(shares[-1]) > 1:
        shares.append([shares[-1].pop()])
    shares += [[] for _ in range(count - len(shares))]
    return [" ".join(share) for share in shares]


def _noun_at(words: Sequence[Raw], index: int, tongue: Tongue) -> Noun | None:
    """The currency or unit that stands after the word at ``index``."""
    following = _next(words, index)
    if following is None or following.lead:
        return None
    return tongue.currencies.get(following.core) or tongue.units.get(following.core)


def _counted(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``45,50 €``, ``5 km``, ``5 %``, ``3 Mio. €``, ``2 millions €``."""
    core = words[index].core
    following = _next(words, index)
    if following is None or not SIGNED.fullmatch(core):
        return None
    if following.core == "%":
        return [Said(percentage(core, tongue, code)), Said(tongue.percent)]
    period = "." if following.trail[:1] == "." else ""
    large = tongue.magnitudes.get(following.core + period) or tongue.magnitudes.get(following.core)
    if large:
        return _large(words, index, large, tongue, code)
    noun = _noun_at(words, index, tongue)
    if noun is None:
        return None
    if following.core in tongue.currencies:
        return [Said(part) for part in money(core, noun, tongue, code)]
    return [Said(number(core, tongue, code, noun)), Said(noun_name(core, noun))]


def _before_noun(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``21 años`` → veintiún, ``200 personas`` → doscientas, ``1 Stunde`` → eine: number and noun agree."""
    following = _next(words, index)
    core = words[index].core
    if following is None or following.lead or not SIGNED.fullmatch(core) or parse(core)[1]:
        return None
    noun = following.core
    if not noun.isalpha() or len(noun) < 3 or noun.isupper() or noun in NOT_NOUNS or _month(following, tongue):
        return None
    if tongue.code == "de":
        feminine = noun in FEMININE["de"]
        if words[index].core != "1" or not noun[0].isupper():
            return None
    elif tongue.code == "fr":
        feminine = noun in FEMININE["fr"]
    else:
        single = words[index].core == "1"
        feminine = noun.endswith("a" if single or tongue.code == "it" else "as") and noun not in MASCULINE_IN_A
        if tongue.code == "it" and not single:
            return None
        if not noun.islower() or not (single or noun.endswith("s")):
            return None
    return [Said(number(words[index].core, tongue, code, Noun("", "", feminine)))]


def _large(words: Sequence[Raw], index: int, large: tuple[str, str], tongue: Tongue, code: str) -> Reading:
    core, written = words[index].core, words[index + 1]
    single = parse(core) == ("1", "")
    feminine = tongue.code == "de"
    name = large[0] if single else large[1]
    swallow = int(f"{written.core}." in tongue.magnitudes and written.trail[:1] == ".")
    reading = [Said(number(core, tongue, code, Noun("", "", feminine))), Said(name, swallow, False)]
    noun = None
    if index + 2 < len(words) and not written.trail[swallow:] and not words[index + 2].lead:
        noun = tongue.currencies.get(words[index + 2].core)
    if noun is not None:
        reading.append(Said(_of(noun, tongue)))
    return reading


def _of(noun: Noun, tongue: Tongue) -> str:
    """A currency after a magnitude: "d'euros", "de dólares", "Euro"."""
    of = "de " if tongue.of_large == "d'" and noun.many[0] not in "aeiouyéè" else tongue.of_large
    return f"{of}{noun.many}"


def _sign_first(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``R$ 45,50``, ``€ 5``, ``USD 20``: said in the order number, currency."""
    noun = tongue.currencies.get(words[index].core)
    following = _next(words, index)
    if noun is None or following is None or not SIGNED.fullmatch(following.core):
        return None
    after = _next(words, index + 1)
    large = tongue.magnitudes.get(after.core) if after is not None else None
    if large:
        name = large[0] if parse(following.core) == ("1", "") else large[1]
        count = number(following.core, tongue, code, Noun("", "", tongue.code == "de"))
        return [Said(count), Said(name), Said(_of(noun, tongue))]
    head, tail = money(following.core, noun, tongue, code)
    return [Said(head), Said(tail)]


def _day_month(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``3. Mai 2024``, ``1er mai``, ``1 maggio``, ``1 de mayo``."""
    raw = words[index]
    digit = _DAY.fullmatch(raw.core) or (_FIRST.fullmatch(raw.core) and re.match(r"(1)", raw.core))
    if not digit or not 1 <= int(digit[1]) <= 31 or index + 1 >= len(words) or raw.pause:
        return None
    swallow = int(tongue.code == "de" and raw.trail == ".")
    if raw.trail[swallow:] or (tongue.code == "de" and not swallow):
        return None
    following = words[index + 1]
    at = index + 1
    if tongue.date_of.strip() and following.core == tongue.date_of.strip() and index + 2 < len(words):
        at = index + 2
    month = _month(words[at], tongue)
    if month is None:
        return None
    day = int(digit[1])
    first = day_of_month(day, tongue, code, _before(words, index)) if raw.core.isdigit() else say.ordinal(1, code)
    reading = [Said(first, swallow, False)]
    if at > index + 1:
        reading.append(Said(following.core))
    short = words[at].core.lower() in tongue.short_months and words[at].trail[:1] == "."
    reading.append(Said(month, int(short), False))
    return reading


def _month(raw: Raw, tongue: Tongue) -> str | None:
    lower = raw.core.lower()
    for name in tongue.months:
        if name.lower() == lower:
            return raw.core
    return tongue.short_months.get(lower)


def _german_ordinals(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``der 2. Platz``, ``im 19. Jahrhundert``: a number with a period after an article."""
    raw = words[index]
    if tongue.code != "de" or raw.trail != "." or not re.fullmatch(r"\d{1,3}", raw.core) or index + 1 == len(words):
        return None
    before = _before(words, index)
    if before.lower() not in GERMAN_WEAK | GERMAN_ARTICLE or not words[index + 1].core[:1].isalpha():
        return None
    return [Said(german_ordinal(int(raw.core), before), 1, False)]


def _hours(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``14:30 Uhr`` → vierzehn | Uhr dreißig; ``14 h 30`` is read word by word."""
    following = _next(words, index)
    if following is None or following.core != "Uhr" or tongue.code != "de":
        return None
    match = re.fullmatch(r"(\d\d?)(?:[:.](\d\d))?", words[index].core)
    if match is None or int(match[1]) > 24:
        return None
    minutes = int(match[2] or 0)
    return [
        Said(say.counted(int(match[1]), code, False)),
        Said(f"Uhr {say.cardinal(minutes, code)}" if minutes else "Uhr"),
    ]


def _century(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``XIXe siècle``, ``siglo XIX``, ``XX secolo``."""
    core = words[index].core
    match = _ROMAN.fullmatch(core)
    if match is None or not match[1]:
        return None
    century = _roman(match[1])
    names = CENTURY[tongue.code].split()
    following = words[index + 1].core if index + 1 < len(words) else ""
    if tongue.code in ("fr", "it") and following in names and (match[2] or tongue.code == "it"):
        return [Said(say.ordinal(century, code))]
    if tongue.code in ("es", "pt") and _before(words, index).lower() in names and not match[2]:
        return [
            Said(say.cardinal(century, code) if tongue.code == "es" or century > 10 else say.ordinal(century, code))
        ]
    return None


def _monarch(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``Ludwig XIV.`` → der Vierzehnte, ``Louis XIV`` → quatorze, ``Luigi XIV`` → quattordicesimo."""
    match = _ROMAN.fullmatch(words[index].core)
    if match is None or match[2] or len(match[1]) < 2 or not index or words[index - 1].trail:
        return None
    before, value = words[index - 1].core, _roman(match[1])
    if before in NUMBERED_PARTS:
        return [Said(say.cardinal(value, code))]
    if not before[:1].isupper() or before.isupper():
        return None
    if tongue.code == "de":
        if words[index].trail[:1] != ".":
            return None
        return [Said(f"der {say.ordinal(value, code).capitalize()}", 1, index + 1 == len(words))]
    if tongue.code == "it" or (tongue.code in ("es", "pt") and value <= 10):
        return [Said(say.ordinal(value, code))]
    return [Said(say.cardinal(value, code))]


def _address(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    said = address(words[index].core, tongue, code)
    return [Said(said)] if said else None


def _roman(text: str) -> int:
    values = {"I": 1, "V": 5, "X": 10}
    return sum(
        -values[a] if b and values[b] > values[a] else values[a] for a, b in zip(text, [*text[1:], ""], strict=True)
    )


def _spaced_range(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    """``10 - 20``: the dash is said."""
    following = _next(words, index)
    signs = {"-": tongue.to, "–": tongue.to, "—": tongue.to, "x": tongue.signs["×"]}
    if following is None or following.text not in signs or index + 2 >= len(words):
        return None
    if not SIGNED.fullmatch(words[index].core) or not words[index + 2].core[:1].isdigit():
        return None
    return [Said(number(words[index].core, tongue, code)), Said(signs[following.text])]


def _digits(words: Sequence[Raw], index: int, tongue: Tongue, code: str) -> Reading | None:
    core = words[index].core
    if not _HAS_DIGIT.search(core):
        return None
    return [Said(amount(core, tongue, code, _before(words, index)) or leftover(core, tongue, code))]


_RULES = (
    _day_month,
    _hours,
    _german_ordinals,
    _grouped,
    _counted,
    _before_noun,
    _sign_first,
    _spaced_range,
    _century,
    _monarch,
    _abbreviation,
    _address,
    _digits,
)
