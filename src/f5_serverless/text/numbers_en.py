"""English numbers as words: American usage ("one hundred five"), hyphens as in print ("forty-five").

In: strings of ASCII digits, already recognised as what they are. Out: words without punctuation. This module does not
look at context; `rules_en` decides what a number is.
"""

from __future__ import annotations

from f5_serverless.text.wordlists import word_row

ONES = word_row(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST = 3 * len(SCALES)


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    parts = [f"{ONES[hundreds]} hundred"] if hundreds else []
    if rest or not hundreds:
        parts.append(_below_hundred(rest))
    return " ".join(parts)


def digits(text: str) -> str:
    """Every digit by itself.

    >>> digits("007")
    'zero zero seven'
    """
    return " ".join(ONES[int(character)] for character in text if character.isdigit())


def cardinal(text: str) -> str:
    """How many. Numbers too long to have a name are read digit by digit.

    >>> cardinal("1,234,567")
    'one million two hundred thirty-four thousand five hundred sixty-seven'
    """
    plain = text.replace(",", "")
    if len(plain) > _LONGEST or (len(plain) > 1 and plain[0] == "0"):
        return digits(plain)
    number = int(plain)
    if number == 0:
        return "zero"
    parts: list[str] = []
    for scale in SCALES:
        number, rest = divmod(number, 1000)
        if rest:
            parts.append(f"{_below_thousand(rest)} {scale}".strip())
        if not number:
            break
    return " ".join(reversed(parts))


def ordinal(text: str) -> str:
    """Which one.

    >>> ordinal("21")
    'twenty-first'
    """
    head, separator, last = _split_last(cardinal(text))
    regular = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return head + separator + _IRREGULAR.get(last, regular)


def _split_last(words: str) -> tuple[str, str, str]:
    cut = max(words.rfind(" "), words.rfind("-"))
    return (words[:cut], words[cut], words[cut + 1 :]) if cut >= 0 else ("", "", words)


def plural(words: str) -> str:
    """The plural of a number word.

    >>> plural("nineteen ninety")
    'nineteen nineties'
    """
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def decimal(text: str) -> str:
    """A number with or without a decimal point.

    >>> decimal("3.14")
    'three point one four'
    """
    whole, point, fraction = text.partition(".")
    if not point:
        return cardinal(whole)
    return f"{cardinal(whole)} point {digits(fraction)}" if whole else f"point {digits(fraction)}"


def year(text: str) -> str:
    """Four digits as a year.

    >>> [year("1905"), year("2000"), year("2005"), year("2024"), year("1800")]
    ['nineteen oh five', 'two thousand', 'two thousand five', 'twenty twenty-four', 'eighteen hundred']
    """
    if len(text) != 4 or text[0] == "0":
        return cardinal(text)
    high, low = int(text[:2]), int(text[2:])
    if high % 10 == 0 and low < 10:
        return cardinal(text)
    if low == 0:
        return f"{_below_hundred(high)} hundred"
    return f"{_below_hundred(high)} {'oh ' if low < 10 else ''}{_below_hundred(low)}"


def pairs(text: str) -> str:
    """Three or four digits as in a model or flight number: "seven forty-seven", "forty ninety".

    >>> [pairs("747"), pairs("4090"), pairs("105"), pairs("300")]
    ['seven forty-seven', 'forty ninety', 'one oh five', 'three hundred']
    """
    if len(text) == 4:
        return year(text)
    if len(text) != 3 or text[0] == "0" or text.endswith("00"):
        return cardinal(text)
    low = int(text[1:])
    return f"{ONES[int(text[0])]} {'oh ' if low < 10 else ''}{_below_hundred(low)}"


DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}


def fraction(numerator: str, denominator: str) -> str:
    """A fraction.

    >>> [fraction("1", "2"), fraction("3", "4"), fraction("2", "3"), fraction("12", "25")]
    ['one half', 'three quarters', 'two thirds', 'twelve twenty-fifths']
    """
    below = int(denominator)
    if below in DENOMINATORS:
        one, many = DENOMINATORS[below]
    elif below in (0, 1):
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    else:
        one = ordinal(denominator)
        many = one + "s"
    return f"{cardinal(numerator)} {one if int(numerator) == 1 else many}"
