"""English: expressions of several written words. Each word keeps its own share of the reading.

``May 5, 2024`` → May | fifth, | twenty twenty-four; ``$5 million`` → five | million dollars; ``5 km`` → five |
kilometers; ``(555) 123-4567``; ``10 - 20``; ``1 1/2``; ``Henry VIII``. Every rule takes the words and an index and
returns one `Said` per word it reads, or None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from f5_serverless.text import numbers_en as say
from f5_serverless.text.amounts_en import NUMBER, SIGN, SIGNED, amount, digit_groups, is_year, money, number, unit
from f5_serverless.text.capitals_en import (
    FAMOUS_NOT_ROMAN,
    MONARCH_VERBS,
    ROMAN_CARDINAL_AFTER,
    ROMAN_ORDINAL_NAMES,
    YEAR_NOT_BEFORE,
)
from f5_serverless.text.reading import Reading, Rule, Said
from f5_serverless.text.tables_en import ABBREVIATIONS, BETWEEN_NUMBERS, CLOCK, MONTH_WORDS, SIGNS
from f5_serverless.text.tokens import Raw
from f5_serverless.text.units_en import CURRENCIES, CURRENCY_CODES, LETTER_UNITS_APART, MAGNITUDE_WORDS, PER, UNITS
from f5_serverless.text.wordlists import word_set

_NUMBER = re.compile(NUMBER)
_SIGNED = re.compile(SIGNED)
_MONEY = re.compile(rf"({SIGN})({NUMBER})(?:(?:-|–)(?:{SIGN})?({NUMBER}))?")
_DAY = re.compile(r"(\d{1,2})(st|nd|rd|th)?")
_DAYS = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-–—](\d{1,2})(?:st|nd|rd|th)?")
_UNIT_PER = re.compile(r"([^\d/]+\d?)(?:/(\w{1,6}))?")
_ROMAN = re.compile(r"(?=[IVXLCDM])(M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))('s)?")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_PHONE_WORDS = word_set("phone telephone tel call fax mobile cell number dial text at")
_CAPITALS = re.compile(r"[A-Z]\.?[A-Z]")


def _open(word: Raw) -> bool:
    """Nothing divides this word from the next."""
    return not word.trail and not word.pause and word.gap == 0


def _following(words: Sequence[Raw], index: int) -> Raw | None:
    """The next word, where nothing stands between."""
    return words[index + 1] if index + 1 < len(words) and _open(words[index]) else None


def month_day(words: Sequence[Raw], index: int) -> Reading | None:
    """``May 5, 2024``, ``Jan. 5th``, ``May 5–7``, ``May 2024``."""
    word = words[index]
    name = _month(word)
    if name is None or index + 1 == len(words) or word.pause:
        return None
    swallow = 1 if word.trail[:1] == "." else 0
    if word.trail[swallow:]:
        return None
    following = words[index + 1]
    if len(following.core) == 4 and is_year(following.core):
        return [Said(name, swallow), Said(say.year(following.core))]
    days = _days(following.core)
    if days is None or following.lead:
        return None
    reading = [Said(name, swallow), Said(days)]
    if (
        following.trail in ("", ",")
        and index + 2 < len(words)
        and not following.pause
        and is_year(words[index + 2].core)
    ):
        reading.append(Said(say.year(words[index + 2].core)))
    return reading


def _month(word: Raw) -> str | None:
    if not word.core[:1].isupper() or word.lead:
        return None
    return MONTH_WORDS.get(word.core.lower())


def _days(text: str) -> str | None:
    day = _DAY.fullmatch(text)
    if day:
        return say.ordinal(str(int(day[1]))) if 1 <= int(day[1]) <= 31 else None
    days = _DAYS.fullmatch(text)
    if days and 1 <= int(days[1]) < int(days[2]) <= 31:
        return f"{say.ordinal(str(int(days[1])))} to {say.ordinal(str(int(days[2])))}"
    return None


def day_month(words: Sequence[Raw], index: int) -> Reading | None:
    """``5 May 2024`` → the fifth of | May | twenty twenty-four."""
    following = _following(words, index)
    day = _DAY.fullmatch(words[index].core)
    if following is None or day is None or not 1 <= int(day[1]) <= 31 or words[index].lead:
        return None
    name = _month(following)
    if name is None:
        return None
    the = "" if index and words[index - 1].core.lower() in ("the", "this", "next", "last") else "the "
    swallow = (
        1 if following.trail[:1] == "." and following.core.lower() not in ("may",) and len(following.core) < 5 else 0
    )
    reading = [Said(f"{the}{say.ordinal(str(int(day[1])))} of"), Said(name, swallow)]
    after = words[index + 2] if index + 2 < len(words) and following.trail[swallow:] in ("", ",") else None
    if after is not None and is_year(after.core) and not following.pause:
        reading.append(Said(say.year(after.core)))
    return reading


def large_money(words: Sequence[Raw], index: int) -> Reading | None:
    """``$5 million`` → five | million dollars; ``$5-10 billion``."""
    following = _following(words, index)
    match = _MONEY.fullmatch(words[index].core)
    if following is None or match is None or following.core.lower() not in MAGNITUDE_WORDS:
        return None
    sign, low, high = match.groups()
    amount_words = f"{number(low)} to {number(high)}" if high else number(low)
    return [Said(amount_words), Said(f"{following.core} {CURRENCIES[sign][1]}")]


def number_unit(words: Sequence[Raw], index: int) -> Reading | None:
    """``5 km``, ``20 °C``, ``60 km/h``, ``500 sq ft``, ``45 €``, ``45 USD``, ``5 %``."""
    word, following = words[index], _following(words, index)
    if following is None or following.lead or not following.core:
        return None
    read = amount(word.core) if not _SIGNED.fullmatch(word.core) else number(word.core)
    if read is None or not word.core[-1].isdigit():
        return None
    name = following.core
    currency = CURRENCIES.get(name) or CURRENCY_CODES.get(name)
    if currency and _NUMBER.fullmatch(word.core):
        return _apart(money(word.core, currency), read, currency)
    if name == "sq" and index + 2 < len(words) and words[index + 2].core in UNITS:
        return [
            Said(read),
            Said("square", 1 if following.trail[:1] == "." else 0),
            Said(UNITS[words[index + 2].core][1]),
        ]
    match = _UNIT_PER.fullmatch(name)
    if match is None or match[1] not in UNITS or (match[2] and match[2] not in PER) or name in LETTER_UNITS_APART:
        return None
    swallow = int(following.trail[:1] == "." and f"{name}." in ABBREVIATIONS)
    return [Said(read), Said(unit(word.core, match[1], match[2]), swallow)]


def _apart(whole: str, read: str, names: tuple[str, str, str, str]) -> Reading:
    """An amount before its currency: the number's word ends where the first currency name begins."""
    for name in (names[1], names[0]):
        head, found, tail = whole.partition(f" {name}")
        if found and not tail.strip(" s").startswith(name):
            return [Said(head), Said(f"{name}{tail}")]
    return [Said(read), Said(names[1])]


def currency_first(words: Sequence[Raw], index: int) -> Reading | None:
    """``USD 45.50`` → forty-five | US dollars and fifty cents: said in the order number, currency."""
    names = CURRENCY_CODES.get(words[index].core) or CURRENCIES.get(words[index].core)
    following = _following(words, index)
    if names is None or following is None or not _NUMBER.fullmatch(following.core):
        return None
    after = words[index + 2] if index + 2 < len(words) and _open(following) else None
    if after is not None and after.core.lower() in MAGNITUDE_WORDS:
        return [Said(number(following.core)), Said(after.core), Said(names[1])]
    return _apart(money(following.core, names), number(following.core), names)


def clock_apart(words: Sequence[Raw], index: int) -> Reading | None:
    """``3 PM`` → three | P M; ``10:00 a.m.`` → ten | A M."""
    following = _following(words, index)
    if following is None or following.core.lower() not in CLOCK or not words[index].core[:1].isdigit():
        return None
    match = re.fullmatch(r"(\d{1,2})(?::(\d\d))?", words[index].core)
    if match is None:
        return None
    hour = amount(f"{match[1]}:{match[2] or '00'}{'am'}")
    if hour is None:
        return None
    swallow = 1 if "." in following.core and following.trail[:1] == "." else 0
    half = " ".join(letter.upper() for letter in following.core if letter.isalpha())
    return [Said(hour.removesuffix(" A M")), Said(half, swallow)]


def spaced_range(words: Sequence[Raw], index: int) -> Reading | None:
    """``10 - 20`` → ten | to | twenty, also with a sum, ``$10 – $20``; ``3 + 4 = 7``; ``5 x 7``."""
    following = _following(words, index)
    core = words[index].core
    if following is None or index + 2 >= len(words) or not core or not core[-1].isalnum():
        return None
    sign = following.text
    if len(sign) > 2 or not (sign in BETWEEN_NUMBERS or sign in SIGNS or sign in ("–", "—")):
        return None
    left, right = _value(core), _value(words[index + 2].core)
    if left is None or right is None or following.gap:
        return None
    arithmetic = _is_sum(words, index)
    if sign in ("–", "—") or (sign in ("-", "−") and not arithmetic):
        between = "to"
    else:
        between = BETWEEN_NUMBERS.get(sign) or SIGNS[sign]
    return [Said(left), Said(between)]


def _value(core: str) -> str | None:
    return (
        amount(core)
        if any(character.isdigit() for character in core)
        else core
        if core.isalpha() and len(core) == 1
        else None
    )


def _is_sum(words: Sequence[Raw], index: int) -> bool:
    """An equals sign or another operator is near."""
    near = (word.text for word in words[max(0, index - 3) : index + 5])
    return any(sign in ("=", "+", "*", "×", "÷") for sign in near)


def mixed_number(words: Sequence[Raw], index: int) -> Reading | None:
    """``1 1/2`` → one | and a half."""
    following = _following(words, index)
    match = re.fullmatch(r"(\d+)/(\d{1,3})", following.core) if following else None
    if match is None or not words[index].core.isdigit() or int(match[2]) < 2 or int(match[1]) >= int(match[2]):
        return None
    words_of_fraction = say.fraction(match[1], match[2])
    if match[1] == "1":
        words_of_fraction = words_of_fraction.replace("one ", "an " if match[2] in ("8", "11", "18") else "a ", 1)
    return [Said(number(words[index].core)), Said(f"and {words_of_fraction}")]


def phone(words: Sequence[Raw], index: int) -> Reading | None:
    """``(555) 123-4567``, ``+44 20 7946 0958``, ``call 555 123 4567``: digit by digit."""
    first = words[index]
    if not re.fullmatch(r"\+?\d[\d.-]{0,15}", first.core):
        return None
    called = index > 0 and words[index - 1].core.lower() in _PHONE_WORDS
    if called and re.fullmatch(r"\d11|999|112|988", first.core):
        return [Said(say.digits(first.core))]
    groups = [first.core]
    position = index
    while (
        position + 1 < len(words)
        and len(groups) < 7
        and words[position].trail in ("", ")")
        and not words[position].pause
    ):
        following = words[position + 1]
        if not re.fullmatch(r"\d{2,5}(?:[.-]\d{2,5}){0,3}", following.core):
            break
        groups.append(following.core)
        position += 1
    shape = [len(group.lstrip("+")) for group in groups]
    total = sum(character.isdigit() for group in groups for character in group)
    bracketed = first.lead[-1:] == "(" and first.trail[:1] == ")" and len(groups) > 1 and shape[0] in (3, 4, 5)
    plus = first.core.startswith("+") and len(groups) > 1 and total >= 8
    cards = len(groups) >= 3 and set(shape) == {4}
    if called and len(groups) > 1 and total >= 7:
        return _spelled(groups)
    local = len(groups) > 1 and (shape in ([3, 3, 4], [1, 3, 3, 4]) or (shape[:1] == [1] and total == 11))
    if not (bracketed or plus or cards or (local and (called or shape != [3, 3, 4] or total == 10))):
        return None
    if not called and not bracketed and not plus and not cards and not 7 <= total <= 12:
        return None
    return _spelled(groups)


def _spelled(groups: Sequence[str]) -> Reading:
    """Digit by digit, a comma between the groups."""
    read = [digit_groups(group) for group in groups]
    return [*(Said(text + ",") for text in read[:-1]), Said(read[-1])]


def roman(words: Sequence[Raw], index: int) -> Reading | None:
    """``Henry VIII`` → Henry | the Eighth; ``World War II`` → … | Two; ``Chapter IV``."""
    word = words[index]
    match = _ROMAN.fullmatch(word.core)
    if (
        match is not None
        and "II" in match[1]
        and set(match[1]) <= set("IVX")
        and (index == 0 or not _named(words, index))
    ):
        return [Said(say.cardinal(str(roman_value(match[1]))) + (match[2] or ""))]
    if match is None or index == 0 or not _open(words[index - 1]):
        return None
    before = words[index - 1].core
    value = str(roman_value(match[1]))
    possessive = match[2] or ""
    if before.lower() in ROMAN_CARDINAL_AFTER and (len(match[1]) > 1 or match[1] in "VX" or before[:1].isupper()):
        return [Said(say.cardinal(value) + possessive)]
    if (before.lower(), match[1]) in FAMOUS_NOT_ROMAN or not before[:1].isupper():
        return None
    if before in ROMAN_ORDINAL_NAMES:
        if match[1] == "I" and not _after_monarch(words, index):
            return None
        return [Said(f"the {say.ordinal(value).capitalize()}{possessive}")]
    if len(match[1]) > 1 and set(match[1]) <= set("IVX") and not before.isupper():
        return [Said(say.cardinal(value) + possessive)]
    return None


def _named(words: Sequence[Raw], index: int) -> bool:
    """A capitalised word stands right before."""
    return _open(words[index - 1]) and words[index - 1].core[:1].isupper()


def _after_monarch(words: Sequence[Raw], index: int) -> bool:
    word = words[index]
    if word.trail or index + 1 == len(words):
        return True
    return words[index + 1].core.lower() in MONARCH_VERBS


def roman_value(text: str) -> int:
    """The value of a Roman numeral.

    >>> roman_value("MCMXCIV")
    1994
    """
    total = 0
    for character, following in zip(text, [*text[1:], ""], strict=True):
        value = _ROMAN_VALUES[character]
        total += -value if following and _ROMAN_VALUES[following] > value else value
    return total


def year_or_count(words: Sequence[Raw], index: int) -> Reading | None:
    """Four digits before a plural are a count: ``1234 people`` is not a year. After capitals they are a model."""
    core = words[index].core
    before = words[index - 1].core if index else ""
    if (
        len(core) == 4
        and core.isdigit()
        and core[0] != "0"
        and len(before) > 1
        and before.isupper()
        and before.isalpha()
    ):
        return [Said(say.pairs(core))]  # RTX 4090
    if not is_year(core) or core.endswith("00") or core >= "1900":
        return None
    following = _following(words, index)
    if following is None or not following.core.islower() or not following.core.endswith("s"):
        return None
    if following.core in YEAR_NOT_BEFORE or following.core.endswith("ss"):
        return None
    return [Said(say.cardinal(core))]


def postal_code(words: Sequence[Raw], index: int) -> Reading | None:
    """``CA 90210``: five digits after the two capitals of a state are read one by one."""
    core = words[index].core
    if not re.fullmatch(r"\d{5}", core) or index == 0 or not _CAPITALS.fullmatch(words[index - 1].core):
        return None
    return [Said(say.digits(core))]


PHRASES: tuple[Rule, ...] = (
    month_day,
    day_month,
    large_money,
    currency_first,
    clock_apart,
    phone,
    number_unit,
    mixed_number,
    spaced_range,
    postal_code,
    year_or_count,
    roman,
)
