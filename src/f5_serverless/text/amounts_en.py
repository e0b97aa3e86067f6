"""English: one written word with digits in it → words. ``$45.50``, ``5km``, ``3:30pm``, ``10-20%``, ``1990s``.

In: the sound-bearing form of one word (`reading.sounding`), without closing marks. Out: how it is read, or None where
no form fits. Context beyond the word (months, units apart, phone numbers) is in `phrases_en`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from f5_serverless.text import numbers_en as say
from f5_serverless.text.addresses import address_pieces
from f5_serverless.text.tables_en import MONTHS, SPELLED_DOMAINS, URL_SIGNS, WORDS_WITH_SLASH
from f5_serverless.text.units_en import CURRENCIES, CURRENCY_CODES, MAGNITUDE_WORDS, MAGNITUDES, PER, UNITS


def _alternatives(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
NUMBER = rf"(?:{WHOLE}(?:\.\d+)?|\.\d+)"
SIGNED = rf"(?:[-+±~≈]?{NUMBER})"
DASH = r"(?:-|–|—|~|〜)"
SIGN = _alternatives(CURRENCIES)
CODE = _alternatives(CURRENCY_CODES)
MAGNITUDE = r"(?:[kKmMbBtT]|bn|mn|tn|BN|MM|Bn|Mn)"
UNIT = _alternatives(UNITS)
PER_WHAT = _alternatives(PER)
_POWERS = {"2": "squared", "3": "cubed"}
_PREFIX = {"-": "minus ", "+": "plus ", "±": "plus or minus ", "~": "about ", "≈": "about "}

Form = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]


def number(text: str) -> str:
    """A number with sign, thousands and decimals.

    >>> number("-1,234.5")
    'minus one thousand two hundred thirty-four point five'
    """
    prefix = _PREFIX.get(text[:1], "")
    return prefix + say.decimal((text[1:] if prefix else text).replace(",", ""))


def plain(text: str) -> str:
    """A number that may be a year: 1100–2099 without comma and sign."""
    return say.year(text) if is_year(text) else number(text)


def is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and 1100 <= int(text) <= 2099


def unit(amount: str, name: str, per: str | None = None) -> str:
    """The unit's name in the right number: "kilometers per hour"."""
    one, many = UNITS[name]
    word = one if amount.lstrip("+-") == "1" else many
    return f"{word} per {PER[per]}" if per else word


def money(amount: str, names: tuple[str, str, str, str], magnitude: str | None = None) -> str:
    """An amount of a currency.

    >>> money("45.50", CURRENCIES["$"])
    'forty-five dollars and fifty cents'
    """
    one, many, hundredth, hundredths = names
    amount = amount.replace(",", "")
    if magnitude:
        return f"{say.decimal(amount)} {MAGNITUDES[magnitude.lower()]} {many}"
    whole, _, rest = amount.partition(".")
    if rest and (len(rest) != 2 or not hundredth):
        return f"{say.decimal(amount)} {many}"
    cents = int(rest or 0)
    small = f"{say.cardinal(str(cents))} {hundredth if cents == 1 else hundredths}"
    if cents and not int(whole or 0):
        return small
    large = f"{say.cardinal(whole)} {one if int(whole) == 1 else many}"
    return f"{large} and {small}" if cents else large


def date(year: str, month: str, day: str) -> str | None:
    """A date of numbers, or None where it is none."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{MONTHS[int(month) - 1]} {say.ordinal(str(int(day)))}, {_year_of_date(year)}"


def _year_of_date(year: str) -> str:
    if len(year) == 2:
        return ("oh " if year[0] == "0" else "") + say.cardinal(str(int(year)))
    return say.year(year)


def clock(hours: str, minutes: str, seconds: str | None = None, half: str | None = None) -> str | None:
    """A time of day.

    >>> [clock("3", "05", None, "pm"), clock("15", "00"), clock("7", "00")]
    ['three oh five P M', 'fifteen hundred', "seven o'clock"]
    """
    hour, minute = int(hours), int(minutes)
    if hour > 24 or minute > 59:
        return None
    words = say.cardinal(str(hour))
    if minute:
        words += f" oh {say.cardinal(str(minute))}" if minute < 10 else f" {say.cardinal(str(minute))}"
    elif not half and not seconds:
        words += " hundred" if hour > 12 else " o'clock" if hour else " hundred"
    if seconds:
        words += f" and {say.cardinal(str(int(seconds)))} second{'' if int(seconds) == 1 else 's'}"
    return f"{words} {letters(half)}" if half else words


def letters(text: str) -> str:
    """Spelled: "pm" → "P M"."""
    return " ".join(character.upper() for character in text if character.isalnum())


def digit_groups(text: str) -> str:
    """A telephone number: digit by digit, a comma between the groups."""
    groups = (say.digits(group) for group in re.findall(r"\d+", text))
    return ("plus " if text.startswith("+") else "") + ", ".join(groups)


def _money_form(m: re.Match[str]) -> str:
    minus, sign, amount, magnitude, per = m.groups()
    words = money(amount, CURRENCIES[sign], magnitude)
    return ("minus " if minus else "") + words + (f" per {PER[per]}" if per else "")


def _money_compound(m: re.Match[str]) -> str:
    """``$10-a-month``, ``$5-million``: the currency stays singular."""
    name = CURRENCIES[m[1]][0]
    rest = m[3].replace("-", " ")
    return f"{number(m[2])} {rest} {name}" if rest in MAGNITUDE_WORDS else f"{number(m[2])} {name} {rest}"


def _money_range(m: re.Match[str]) -> str:
    sign, low, low_magnitude, _, high, magnitude = m.groups()
    low_words = f" {MAGNITUDES[low_magnitude.lower()]}" if low_magnitude else ""
    return f"{number(low)}{low_words} to {money(high, CURRENCIES[sign], magnitude)}"


def _date_of_slashes(m: re.Match[str]) -> str | None:
    first, _, second, year = m.groups()
    return date(year, first, second) if int(first) <= 12 else date(year, second, first)


def _iso_time(m: re.Match[str]) -> str | None:
    day, time = date(m[1], m[2], m[3]), clock(m[4], m[5], None if m[6] in (None, "00") else m[6])
    return f"{day} at {time}" if day and time else None


def _decade(m: re.Match[str]) -> str:
    century, decade = m.groups()
    if decade == "00":
        return say.plural(say.year(f"{century}00")) if century else "two thousands"
    tens = say.plural(say.cardinal(decade))
    return f"{say.cardinal(century)} {tens}" if century else tens


def _duration(m: re.Match[str]) -> str:
    return " ".join(f"{number(v)} {unit(v, u)}" for v, u in zip(m.groups(), ("h", "min", "s"), strict=True) if v)


def _fraction(m: re.Match[str]) -> str:
    sign, whole, above, below = m.groups()
    if below == "1" and 1 <= int(above) <= 12 and not whole:
        return f"{MONTHS[int(above) - 1]} first"  # "by 5/1"
    over = len(below) > 4 or (int(above) > int(below) > 10)
    words = f"{number(above)} over {number(below)}" if over else say.fraction(above, below)
    if whole:
        rest = words.replace("one ", "a ", 1) if above == "1" else words
        words = f"{number(whole)} and {rest}"
    return ("minus " if sign else "") + words


def _between(m: re.Match[str]) -> str | None:
    """A range, a score, a page span: both ends read, "to" between them."""
    low, high = m[1], m[2]
    left, right = amount(low), amount(high)
    if left is None or right is None:
        return None
    if is_year(low) and re.fullmatch(r"\d\d", high):
        right = _year_of_date(high)
    return f"{left} to {right}"


def _version(m: re.Match[str]) -> str:
    points = " point ".join(say.cardinal(part) for part in m[2].split("."))
    return ("version " if m[1] else "") + points


def _scientific(m: re.Match[str]) -> str:
    return f"{number(m[1])} times ten to the power of {number(m[2])}"


def _from_half_day(m: re.Match[str]) -> str:
    """``a.m.-5``: the first half of a range whose other word is apart."""
    return f"{m[1].upper()} M to {amount(m[2])}"


def _size(text: str) -> str:
    return say.pairs(text) if len(text) == 4 else number(text)


def _sum(m: re.Match[str]) -> str:
    """An arithmetic expression without spaces: "3+4=7"."""
    parts = re.findall(rf"{NUMBER}|[-+=*/÷<>^×]", m[0])
    return " ".join(_OPERATORS.get(part) or number(part) for part in parts)


def _comparison(m: re.Match[str]) -> str | None:
    words = amount(m[2])
    return f"{_COMPARED[m[1]]} {words}" if words else None


def _thousands(m: re.Match[str]) -> str | None:
    if m[2] == "K" and len(m[1]) == 1:
        return f"{number(m[1])} K"  # 4K video
    return f"{number(m[1])} {MAGNITUDES[m[2].lower()]}"


def _compound(m: re.Match[str]) -> str:
    """Number and word with a hyphen: "10-year-old", "21st-century"."""
    head = say.ordinal(m[1]) if m[2] else plain(m[1])
    rest = m[3]
    if rest in UNITS:
        rest = UNITS[rest][0]
    return f"{head} {rest.replace('-', ' ')}"


FORMS: tuple[Form, ...] = tuple(
    (re.compile(pattern), reader)
    for pattern, reader in (
        (
            r"([1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)(?:st|nd|rd|th|ST|ND|RD|TH)",
            lambda m: say.ordinal(m[1].replace(",", "")),
        ),
        (rf"(-?)({SIGN})({NUMBER})({MAGNITUDE})?(?:/({PER_WHAT}))?", _money_form),
        (rf"({SIGN})({NUMBER})({MAGNITUDE})?{DASH}({SIGN})?({NUMBER})({MAGNITUDE})?", _money_range),
        (rf"({SIGN})({NUMBER})-([a-z][a-z-]*)", _money_compound),
        (rf"(?:{SIGN})({NUMBER})({CODE})", lambda m: money(m[1], CURRENCY_CODES[m[2]])),
        (rf"({NUMBER})({MAGNITUDE})?({SIGN})", lambda m: money(m[1], CURRENCIES[m[3]], m[2])),
        (rf"({CODE})({NUMBER})({MAGNITUDE})?", lambda m: money(m[2], CURRENCY_CODES[m[1]], m[3])),
        (rf"({NUMBER})({MAGNITUDE})?({CODE})", lambda m: money(m[1], CURRENCY_CODES[m[3]], m[2])),
        (r"(\d{4})-(\d\d)-(\d\d)", lambda m: date(m[1], m[2], m[3])),
        (r"(\d{4})/(\d\d?)/(\d\d?)", lambda m: date(m[1], m[2], m[3])),
        (r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?Z?", _iso_time),
        (r"(\d\d?)([/-])(\d\d?)\2(\d{4}|\d\d)", _date_of_slashes),
        (r"(\d\d?)\.(\d\d?)\.(\d{4})", lambda m: date(m[3], m[2], m[1])),
        (r"(\d\d?):(\d\d)(?::(\d\d))?(am|pm|AM|PM|a\.m|p\.m)?", lambda m: clock(m[1], m[2], m[3], m[4])),
        (r"(\d+):(\d+)", lambda m: f"{number(m[1])} to {number(m[2])}"),
        (r"(\d\d?)(am|pm|AM|PM|a\.m|p\.m)", lambda m: clock(m[1], "00", None, m[2])),
        (r"(\d+)h(\d\d?)m(?:in)?(?:(\d\d?)s)?", _duration),
        (r"'?(1[1-9]|20)?(\d0)'?s", _decade),
        (r"'(\d\d)", lambda m: _year_of_date(m[1])),
        (r"(?:\+?\d{1,3}[-.])?\d{3}[-.]\d{3}[-.]\d{4}|\d{3}-\d{4}|\d{3}-\d\d-\d{4}", lambda m: digit_groups(m[0])),
        (r"\+\d{1,3}[-.]?\d{2,4}(?:[-.]?\d{2,5}){1,4}", lambda m: digit_groups(m[0])),
        (r"(\d{4})/(\d{4})", lambda m: f"{plain(m[1])} {plain(m[2])}"),
        (r"(-?)(?:(\d+)[ -])?(\d+)/(\d{1,9})(?:st|nd|rd|th|ths)?", _fraction),
        (
            rf"({SIGNED})-?({UNIT})(?:/({PER_WHAT}))?(?:\^?([23]))?",
            lambda m: f"{number(m[1])} {unit(m[1], m[2], m[3])}",
        ),
        (rf"({NUMBER})(k|K|M|bn|mn)", _thousands),
        (rf"({SIGNED})[x×]", lambda m: f"{number(m[1])} times"),
        (rf"({NUMBER})[x×]({NUMBER})", lambda m: f"{_size(m[1])} by {_size(m[2])}"),
        (rf"{SIGNED}(?:[-+=*/÷<>^×]{NUMBER}){{0,6}}[+=*/÷<>^×]{SIGNED}", _sum),
        (rf"([<>≤≥])({SIGNED}\S*)", _comparison),
        (r"(\d{1,2})'(\d{1,2})(?:''|\")?", lambda m: f"{number(m[1])} foot {number(m[2])}"),
        (rf"({NUMBER}(?::\d\d)?[^\s–-]{{0,6}}){DASH}((?:{SIGN})?{NUMBER}(?::\d\d)?[^\s–-]{{0,6}})", _between),
        (r"([1-9]\d{0,3})(st|nd|rd|th)?-([A-Za-z][A-Za-z'-]*)", _compound),
        (
            r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?",
            lambda m: " dot ".join(map(say.digits, re.split(r"[.:]", m[0]))),
        ),
        (r"([vV])(\d+(?:\.\d+)*)", _version),
        (r"()(\d+(?:\.\d+){2,})", _version),
        (rf"({NUMBER})[eE]([-+]?\d+)", _scientific),
        (r"√(\d+)", lambda m: f"the square root of {number(m[1])}"),
        (r"([A-Za-z])\^([23])", lambda m: f"{m[1]} {_POWERS[m[2]]}"),
        (rf"({NUMBER})\^([23])", lambda m: f"{number(m[1])} {_POWERS[m[2]]}"),
        (r"([ap])\.?m\.?[-–](\d\d?(?::\d\d)?(?:[ap]\.?m)?)", _from_half_day),
        (r"#(\d+)", lambda m: f"number {number(m[1])}"),
        (r"§(\d+)", lambda m: f"section {number(m[1])}"),
        (r"No\.?(\d+)", lambda m: f"number {number(m[1])}"),
        (r"pp?\.(\d+)", lambda m: f"page {number(m[1])}"),
        (r"(\d{4})", lambda m: plain(m[1])),
        (rf"{SIGNED}", lambda m: number(m[0])),
    )
)
_OPERATORS = {
    "-": "minus",
    "+": "plus",
    "=": "equals",
    "*": "times",
    "×": "times",
    "/": "over",
    "÷": "divided by",
    "<": "is less than",
    ">": "is greater than",
    "^": "to the power of",
}
_COMPARED = {"<": "less than", ">": "more than", "≤": "at most", "≥": "at least"}
_HAS_DIGIT = re.compile(r"\d")
_PIECES = re.compile(r"\^[23](?!\d)|\d+(?:,\d{3})*(?:\.\d+)?|[^\W\d_]+(?:['-][^\W\d_]+)*|[&@=+^]")
_PIECE_SIGNS = {
    "&": "and",
    "@": "at",
    "=": "equals",
    "+": "plus",
    "^": "to the power of",
    "^2": "squared",
    "^3": "cubed",
}
_PREFIXED = re.compile(r"([A-Za-z]{2,})[-–](\d.*[^\d].*|\d{4})")
_LONGEST_FORM = 60


@lru_cache(maxsize=20_000)
def amount(core: str) -> str | None:
    """How a word with digits is read, or None where no form fits.

    >>> [amount("5km"), amount("10-20%"), amount("1990s")]
    ['five kilometers', 'ten to twenty percent', 'nineteen nineties']
    """
    if core in WORDS_WITH_SLASH:
        return WORDS_WITH_SLASH[core]
    if core[:1] in "mkcf" and core in UNITS and core[-1] in "23":
        return UNITS[core][1]
    if not _HAS_DIGIT.search(core) or len(core) > _LONGEST_FORM:
        return None
    for pattern, reader in FORMS:
        match = pattern.fullmatch(core)
        if match and (words := reader(match)) is not None:
            return words
    return None


def address(core: str) -> str | None:
    """A web or mail address, read sign by sign; the scheme is left out.

    >>> address("https://www.example.com/a-b")
    'W W W dot example dot com slash A dash B'
    """
    pieces = address_pieces(core)
    if pieces is None:
        return None
    words: list[str] = []
    for piece in pieces:
        if piece.isdigit():
            words.append(say.cardinal(piece) if len(piece) < 3 and piece[0] != "0" else say.digits(piece))
        elif piece.isalpha():
            spelled = len(piece) == 1 or piece.lower() == "www" or (words[-1:] == ["dot"] and piece in SPELLED_DOMAINS)
            words.append(letters(piece) if spelled or (piece.isupper() and len(piece) < 5) else piece)
        else:
            words.append(URL_SIGNS.get(piece, ""))
    return " ".join(word for word in words if word)


def leftover(core: str, word: Callable[[str], str]) -> str:
    """A word with digits that has no known form: letters by ``word``, short runs of digits as numbers.

    >>> leftover("COVID-19", str)
    'COVID nineteen'
    """
    stem = core.removesuffix("'s")
    if stem != core:
        return f"{amount(stem) or leftover(stem, word)}'s"
    prefixed = _PREFIXED.fullmatch(core) if len(core) < _LONGEST_FORM else None
    if prefixed and (words := amount(prefixed[2])):
        return f"{word(prefixed[1])} {words}"  # mid-1990s
    parts: list[str] = []
    for piece in _PIECES.findall(core):
        if not piece[0].isdigit():
            parts.append(_PIECE_SIGNS.get(piece) or word(piece))
        elif "," in piece or "." in piece:
            parts.append(number(piece))
        else:
            parts.append(say.pairs(piece) if len(piece) < 5 else say.digits(piece))
    return " ".join(parts)
