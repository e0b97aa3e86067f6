"""German, French, Spanish, Italian, Portuguese: one written word with digits in it → words.

In: the sound-bearing form of one word, its language. Out: how it is read, or None where no form fits. Both decimal
conventions are understood: of two marks the last is the decimal one, a single point before three digits parts
thousands, any other mark is decimal. Context beyond the word is in `rules_eu`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from f5_serverless.text import tongue as say
from f5_serverless.text.addresses import address_pieces
from f5_serverless.text.grammar_eu import (
    ADDRESS_SIGNS,
    FRACTIONS,
    FULL_STOP,
    GERMAN_ARTICLE,
    GERMAN_WEAK,
    OVER,
    PER_MILLE,
    PLUS,
    RATIO,
)
from f5_serverless.text.reading import letters_only
from f5_serverless.text.tongue import Noun, Tongue

NUMBER = r"(?:\d{1,3}(?:[.,']\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
SIGNED = re.compile(rf"[-+]?{NUMBER}")
_RANGE = re.compile(rf"({NUMBER})[-–—]({NUMBER}[^\d\s]*)")
_CLOCK = re.compile(r"(\d\d?)(?:[:h](\d\d)(?::(\d\d))?|h)")
_FRACTION = re.compile(r"(?:(\d+)[ -])?(\d+)/(\d+)")
_PIECES = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['-][^\W\d_]+)*|[&@]")
_ORDINALS = {
    "de": re.compile(r"(\d{1,4})(?:te[nrs]?|ste[nrs]?)()"),
    "fr": re.compile(r"(\d{1,4})(?:er|ers|e|es|ème|èmes|ième|nd|(re|ère|nde))"),
    "es": re.compile(r"(\d{1,4})\.?(?:º|°|o|er|ero|(ª|a|era))"),
    "it": re.compile(r"(\d{1,4})\.?(?:º|°|(ª))"),
    "pt": re.compile(r"(\d{1,4})\.?(?:º|°|o|(ª|a))"),
}
_DATES = (
    (re.compile(r"(\d\d?)[./](\d\d?)[./](\d{4}|\d\d)"), (1, 2, 3)),
    (re.compile(r"(\d\d?)-(\d\d?)-(\d{4})"), (1, 2, 3)),
    (re.compile(r"(\d{4})-(\d\d)-(\d\d)"), (3, 2, 1)),
)
_SPELLED = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{2,5}|USA|UE|EU|ONU|UNO|OTAN2|UK|IT2|AI|KI")
_LONGEST = 60


def parse(text: str) -> tuple[str, str]:
    """Digits before and after the decimal mark.

    >>> [parse(t) for t in ("1.234,56", "1,234.56", "3,14", "1.000", "3.14", "1'000")]
    [('1234', '56'), ('1234', '56'), ('3', '14'), ('1000', ''), ('3', '14'), ('1000', '')]
    """
    text = text.replace("'", "")
    last = max(text.rfind("."), text.rfind(","))
    if last < 0:
        return text, ""
    mark = text[last]
    single = text.count(mark) == 1
    other = "," if mark == "." else "."
    grouped = mark == "." and len(text) - last == 4 and text[:last].lstrip("0") != "" and other not in text
    if not single or grouped:
        return text.replace(".", "").replace(",", ""), ""
    return text[:last].replace(other, ""), text[last + 1 :]


def number(text: str, tongue: Tongue, code: str, noun: Noun | None = None) -> str:
    """A number with sign and decimals, before ``noun`` or by itself."""
    prefix = {"-": f"{tongue.minus} ", "+": f"{PLUS[tongue.code]} "}.get(text[:1], "")
    digits, rest = parse(text.lstrip("+-"))
    if rest:
        zeros = len(rest) - len(rest.lstrip("0"))
        by_digit = not tongue.decimals_as_number or len(rest) > 3 or zeros == len(rest)
        after = say.digits(rest if by_digit else rest[:zeros], code)
        if not by_digit:
            after = f"{after} {say.whole(rest[zeros:], code)}".strip()
        return f"{prefix}{say.whole(digits, code)} {tongue.point} {after}"
    if noun is not None and len(digits) < 16 and digits[:1] != "0":
        return prefix + say.counted(int(digits), code, noun.feminine)
    if len(digits) == 4 and noun is None and text.isdigit() and digits[0] != "0":
        return prefix + say.year(int(digits), code)
    return prefix + say.whole(digits, code)


def noun_name(text: str, noun: Noun) -> str:
    return noun.one if parse(text.lstrip("+-")) == ("1", "") else noun.many


def money(text: str, noun: Noun, tongue: Tongue, code: str) -> tuple[str, str]:
    """An amount: the words before the currency's name, and from the name on."""
    digits, rest = parse(text.lstrip("+-"))
    if len(rest) != 2 or not noun.part or not digits:
        return number(text, tongue, code, noun), noun_name(text, noun)
    whole, cents = int(digits), int(rest)
    part = noun.part_one if cents == 1 else noun.part
    sign = f"{tongue.minus} " if text.startswith("-") else ""
    if not whole and cents:
        return sign + say.counted(cents, code, False), part
    large = sign + say.counted(whole, code, noun.feminine)
    name = noun.one if whole == 1 else noun.many
    if not cents:
        return large, name
    small = f"{say.counted(cents, code, False)} {part}" if tongue.names_cents else say.cardinal(cents, code)
    return large, f"{name}{tongue.cents_after}{small}"


def date(day: str, month: str, year: str, tongue: Tongue, code: str, before: str) -> str | None:
    if not (1 <= int(day) <= 31 and 1 <= int(month) <= 12):
        return None
    number = int(year) + (2000 if len(year) == 2 and int(year) < 50 else 1900 if len(year) == 2 else 0)
    joint = tongue.date_of
    first = day_of_month(int(day), tongue, code, before)
    return f"{first}{joint}{tongue.months[int(month) - 1]}{joint}{say.year(number, code)}"


def day_of_month(day: int, tongue: Tongue, code: str, before: str) -> str:
    """The day of a month, as the language counts days."""
    if tongue.code == "de":
        return german_ordinal(day, before)
    if day == 1 and tongue.code != "es":
        return say.ordinal(1, code)
    return say.cardinal(day, code)


def german_ordinal(number: int, before: str) -> str:
    stem = say.ordinal(number, "de")
    if before.lower() in GERMAN_WEAK:
        return stem + "n"
    return stem if before.lower() in GERMAN_ARTICLE else stem + "r"


@lru_cache(maxsize=20_000)
def amount(core: str, tongue: Tongue, code: str, before: str = "") -> str | None:
    """One written word with digits, or None where no form fits."""
    if len(core) > _LONGEST:
        return None
    for pattern, order in _DATES:
        match = pattern.fullmatch(core)
        if match and (words := date(match[order[0]], match[order[1]], match[order[2]], tongue, code, before)):
            return words
    match = _ORDINALS[tongue.code].fullmatch(core)
    if match and core[-1] != "." and not (tongue.code == "es" and core[-1] in "oa" and len(core) > 4):
        return say.ordinal(int(match[1]), code, bool(match[2]))
    if SIGNED.fullmatch(core):
        return number(core, tongue, code)
    for form in (_clock, _fraction, _affixed, _special):
        if words := form(core, tongue, code):
            return words
    return None


def _clock(core: str, tongue: Tongue, code: str) -> str | None:
    match = _CLOCK.fullmatch(core)
    if match is None or int(match[1]) > 24 or int(match[2] or 0) > 59:
        return None
    hours, minutes = int(match[1]), int(match[2] or 0)
    one, many = tongue.hour
    if "h" in core and not one:
        one, many = tongue.units["h"].one, tongue.units["h"].many
    feminine = tongue.code in ("fr", "pt", "es") or ("h" in core and tongue.code == "it")
    words = say.counted(hours, code, feminine) if hours and (one or tongue.code == "es") else say.cardinal(hours, code)
    if one:
        words += f" {one if hours == 1 else many}"
    if minutes or not one:
        joint = tongue.hour_joint if minutes else " "
        if minutes:
            words += joint + say.cardinal(minutes, code)
    return words


def _fraction(core: str, tongue: Tongue, code: str) -> str | None:
    match = _FRACTION.fullmatch(core)
    if match is None:
        return None
    above, below = int(match[2]), int(match[3])
    if len(match[2]) == 4 and len(match[3]) in (2, 4) and above > 1000:
        return f"{say.year(above, code)} {say.cardinal(below, code)}"  # 2023/24
    table = FRACTIONS[tongue.code]
    if below in table:
        one, many = table[below]
    elif 3 < below <= 12 and tongue.code != "de":
        one = say.ordinal(below, code)
        many = one[:-1] + "i" if tongue.code == "it" else one + "s"
    else:
        return f"{say.whole(match[2], code)} {OVER[tongue.code]} {say.whole(match[3], code)}"
    words = f"{say.counted(above, code, False)} {one if above == 1 else many}"
    if match[1]:
        joint = {"de": "und", "fr": "et", "es": "y"}.get(tongue.code, "e")
        return f"{say.whole(match[1], code)} {joint} {words.removeprefix('un ') if below == 2 else words}"
    return words


def _affixed(core: str, tongue: Tongue, code: str) -> str | None:
    """A number written together with its currency, percent sign or unit; a range of such."""
    head = re.match(r"[-+]?", core)
    sign = head.group() if head else ""
    for written, noun in tongue.currencies.items():
        for text in (core.removeprefix(sign).removeprefix(written), core.removesuffix(written)):
            if text != core and text != core.removeprefix(sign) and SIGNED.fullmatch(text):
                return " ".join(money(sign + text.lstrip("+-") if sign else text, noun, tongue, code))
    match = re.fullmatch(rf"([-+]?{NUMBER})-?([^\d\s]+\d?(?:/\w)?)", core)
    if match:
        if match[2] == "%":
            return f"{percentage(match[1], tongue, code)} {tongue.percent}"
        if match[2] == "‰":
            return f"{percentage(match[1], tongue, code)} {PER_MILLE[tongue.code]}"
        if match[2] in tongue.units:
            noun = tongue.units[match[2]]
            return f"{number(match[1], tongue, code, noun)} {noun_name(match[1], noun)}"
    match = _RANGE.fullmatch(core)
    if match:
        right = amount(match[2], tongue, code)
        return f"{number(match[1], tongue, code)} {tongue.to} {right}" if right else None
    return None


def percentage(text: str, tongue: Tongue, code: str) -> str:
    """German says "ein Prozent", Spanish and Italian "uno"."""
    return number(text, tongue, code, Noun("", "") if tongue.code == "de" else None)


def _special(core: str, tongue: Tongue, code: str) -> str | None:
    """Decades, telephone numbers, versions, #5."""
    if tongue.code == "de" and (match := re.fullmatch(r"(\d\d|\d{4})er", core)):
        return say.year(int(match[1]), code) + "er"
    if re.fullmatch(r"\+?\d{1,5}(?:[-./]\d{2,8}){1,6}", core) and sum(c.isdigit() for c in core) > 6:
        groups = ", ".join(say.digits(group, code) for group in re.findall(r"\d+", core))
        return f"{PLUS[tongue.code]} {groups}" if core[0] == "+" else groups
    if re.fullmatch(r"[vV]?\d+(?:\.\d+){2,}", core):
        return f" {FULL_STOP[tongue.code]} ".join(say.whole(part, code) for part in re.findall(r"\d+", core))
    if match := re.fullmatch(r"(\d+):(\d+)", core):
        return f"{say.whole(match[1], code)} {RATIO[tongue.code]} {say.whole(match[2], code)}"
    if match := re.fullmatch(r"(?:#|§|[nN][°º.]+)(\d+)", core):
        return f"{tongue.abbreviations.get('n°', 'Nummer')} {say.whole(match[1], code)}"
    return None


def address(core: str, tongue: Tongue, code: str) -> str | None:
    """A web or mail address, its signs by name."""
    pieces = address_pieces(core)
    if pieces is None:
        return None
    names = {".": FULL_STOP[tongue.code], "@": tongue.signs["@"], "+": PLUS[tongue.code], **ADDRESS_SIGNS[tongue.code]}
    words = (say.whole(x, code) if x.isdigit() else " ".join(x) if x == "www" else names.get(x, x) for x in pieces)
    return " ".join(word for word in words if any(character.isalnum() for character in word))


def leftover(core: str, tongue: Tongue, code: str) -> str:
    parts: list[str] = []
    for piece in _PIECES.findall(core):
        if not piece[0].isdigit():
            parts.append(tongue.signs.get(piece) or word(piece, tongue))
        else:
            parts += [say.whole(part, code) for part in re.findall(r"\d+", piece)]
    return " ".join(part for part in parts if part)


def word(core: str, tongue: Tongue) -> str:
    """A word without digits: signs go, acronyms without a vowel are spelled."""
    if core in tongue.signs:
        return tongue.signs[core]
    if _SPELLED.fullmatch(core):
        return " ".join(core)
    if core.isalpha():
        return core
    return letters_only(core.replace("&", f" {tongue.signs['&']} ").replace("/", " "))
