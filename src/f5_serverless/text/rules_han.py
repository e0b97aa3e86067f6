"""Chinese and Japanese: numbers, dates, times, money, percent and units in Han numerals.

In: the words and an index; every Han character is a word of its own, a run of digits and letters another. Out: a
reading. Chinese years go digit by digit (二零二四年), Japanese ones are numbers (二千二十四年). Japanese counters keep
their written form: how a numeral and its counter melt is left to the voice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from f5_serverless.text.reading import Reading, Said, letters_only
from f5_serverless.text.tokens import Raw

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_SIGNED = re.compile(rf"([-+]?)({_NUMBER})")
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?")
_DATE = re.compile(r"(\d{4})([-/.])(\d\d?)\2(\d\d?)")
_RATIO = re.compile(r"(\d+):(\d+)")
_FRACTION = re.compile(r"(\d+)/(\d+)")
_RANGE = re.compile(rf"({_NUMBER})[-–—~～〜]({_NUMBER})(%?)")
_PHONE = re.compile(r"\+?\d{2,4}(?:-\d{3,8}){1,3}|1\d{10}")
_ATTACHED = re.compile(rf"([-+]?{_NUMBER})([^\d\s.,]{{1,4}}\d?(?:/h)?)")
_MONEY = re.compile(rf"(-?)([$€£¥₩])({_NUMBER})")
_PIECES = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|%")
_PLACES = ("", "十", "百", "千")
_SCALES = ("", "万", "亿", "兆", "京")
_SCALES_JA = ("", "万", "億", "兆", "京")
_TWO_BEFORE = frozenset(
    "个個只条条本张張位次天周杯瓶件家块塊双雙辆輛台座种種把份层層句岁歲万萬千亿億倍名间間斤米里点點小"
)
_SCALE_CHARACTERS = frozenset("万萬亿億兆")
_EMERGENCY = frozenset({"110", "119", "120", "122"})


@dataclass(frozen=True, slots=True)
class Han:
    """How one language says numbers in Han characters."""

    digits: str
    scales: tuple[str, ...]
    short: bool
    """Japanese: no 一 before 十, 百, 千, and no 零 for skipped places."""
    point: str
    minus: str
    percent: str
    percent_first: bool
    to: str
    parts: str
    """Between denominator and numerator."""
    hour: str
    minute: str
    currencies: dict[str, str]
    units: dict[str, str]
    plus: str
    ratio: str


CHINESE = Han(
    digits="零一二三四五六七八九",
    scales=_SCALES,
    short=False,
    point="点",
    minus="负",
    percent="百分之",
    percent_first=True,
    to="到",
    parts="分之",
    hour="点",
    minute="分",
    currencies={"¥": "元", "$": "美元", "€": "欧元", "£": "英镑", "₩": "韩元"},
    units={
        "km": "公里",
        "m": "米",
        "cm": "厘米",
        "mm": "毫米",
        "kg": "公斤",
        "g": "克",
        "mg": "毫克",
        "L": "升",
        "l": "升",
        "ml": "毫升",
        "h": "小时",
        "min": "分钟",
        "s": "秒",
        "km/h": "公里每小时",
        "m2": "平方米",
        "km2": "平方公里",
        "°C": "摄氏度",
        "°": "度",
        "GB": "吉字节",
        "MB": "兆字节",
        "W": "瓦",
        "kW": "千瓦",
        "V": "伏",
        "Hz": "赫兹",
    },
    plus="加",
    ratio="比",
)
JAPANESE = Han(
    digits="ゼ一二三四五六七八九",
    scales=_SCALES_JA,
    short=True,
    point="点",
    minus="マイナス",
    percent="パーセント",
    percent_first=False,
    to="から",
    parts="分の",
    hour="時",
    minute="分",
    currencies={"¥": "円", "$": "ドル", "€": "ユーロ", "£": "ポンド", "₩": "ウォン"},
    units={
        "km": "キロメートル",
        "m": "メートル",
        "cm": "センチメートル",
        "mm": "ミリメートル",
        "kg": "キログラム",
        "g": "グラム",
        "mg": "ミリグラム",
        "L": "リットル",
        "l": "リットル",
        "ml": "ミリリットル",
        "h": "時間",
        "min": "分",
        "s": "秒",
        "km/h": "キロメートル毎時",
        "m2": "平方メートル",
        "km2": "平方キロメートル",
        "°C": "度",
        "°": "度",
        "GB": "ギガバイト",
        "MB": "メガバイト",
        "W": "ワット",
        "kW": "キロワット",
        "V": "ボルト",
        "Hz": "ヘルツ",
    },
    plus="プラス",
    ratio="対",
)


def reader(han: Han) -> Callable[[Sequence[Raw], int], Reading]:
    """The `read` function of one language."""
    return partial(_read, han=han)


def _read(words: Sequence[Raw], index: int, han: Han) -> Reading:
    core = words[index].core
    if len(core) == 1 and not core.isdigit():
        return [Said(letters_only(core))]
    if not any(character.isdigit() for character in core):
        return [Said(letters_only(core))]
    if core in _EMERGENCY and index and words[index - 1].core in ("打", "拨", "叫") and not han.short:
        return [Said(by_digit(core, han, phone=True))]
    money_words = _MONEY.fullmatch(core)
    if money_words and index + 1 < len(words) and words[index + 1].core in _SCALE_CHARACTERS and not words[index].trail:
        name = han.currencies[money_words[2]]
        return [Said(number(money_words[1] + money_words[3], han)), Said(words[index + 1].core + name)]
    following = words[index + 1].core[:1] if index + 1 < len(words) and not words[index].trail else ""
    return [Said(amount(core, following, han))]


def by_digit(text: str, han: Han, *, phone: bool = False) -> str:
    """Digit by digit; a Chinese telephone says 幺 for one.

    >>> by_digit("2024", CHINESE)
    '二零二四'
    """
    said = "".join(han.digits[int(character)] for character in text if character.isdigit())
    if han.short:
        return said.replace("ゼ", "ゼロ")
    return said.replace("一", "幺") if phone else said


def cardinal(text: str, han: Han) -> str:
    """How many.

    >>> [cardinal(t, CHINESE) for t in ("10", "105", "1000", "20010")], cardinal("11020", JAPANESE)
    (['十', '一百零五', '一千', '两万零一十'], '一万千二十')
    """
    if (len(text) > 1 and text[0] == "0") or len(text) > 4 * len(han.scales):
        return by_digit(text, han)
    number = int(text)
    if number == 0:
        return "ゼロ" if han.short else "零"
    parts: list[str] = []
    groups: list[int] = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    for place in reversed(range(len(groups))):
        group = groups[place]
        if not group:
            continue
        if parts and not han.short and group < 1000:
            parts.append("零")
        said = "两" if group == 2 and place and not han.short else _group(group, han, first=not parts)
        parts.append(said + han.scales[place])
    return "".join(parts)


def _group(number: int, han: Han, *, first: bool) -> str:
    """One to 9999."""
    parts: list[str] = []
    skipped = False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if not digit:
            skipped = bool(parts)
            continue
        if skipped and not han.short:
            parts.append(han.digits[0])
        skipped = False
        bare = digit == 1 and place and (han.short or (place == 1 and first and not parts))
        parts.append(("" if bare else han.digits[digit]) + _PLACES[place])
    return "".join(parts)


def number(text: str, han: Han) -> str:
    """A number with sign and decimals."""
    match = _SIGNED.fullmatch(text)
    if match is None:
        return by_digit(text, han)
    whole, _, rest = match[2].replace(",", "").partition(".")
    sign = {"-": han.minus, "+": han.plus}.get(match[1], "")
    return sign + cardinal(whole, han) + (han.point + by_digit(rest, han) if rest else "")


def percent(text: str, han: Han) -> str:
    return han.percent + number(text, han) if han.percent_first else number(text, han) + han.percent


def _money(text: str, han: Han) -> str:
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    return number(f"{whole}.{rest}" if rest else whole, han)


def amount(core: str, following: str, han: Han) -> str:
    """A word with digits before the character ``following``."""
    if core.isdigit():
        return _plain(core, following, han)
    if match := _MONEY.fullmatch(core):
        return (han.minus if match[1] else "") + _money(match[3], han) + han.currencies[match[2]]
    if match := _DATE.fullmatch(core):
        year = by_digit(match[1], han) if not han.short else cardinal(match[1], han)
        return f"{year}年{cardinal(str(int(match[3])), han)}月{cardinal(str(int(match[4])), han)}日"
    match = _CLOCK.fullmatch(core)
    if match and int(match[1]) < 25 and int(match[2]) < 60:
        return _clock(match, han)
    if match := _RATIO.fullmatch(core):
        return cardinal(match[1], han) + han.ratio + cardinal(match[2], han)
    if _PHONE.fullmatch(core):
        return by_digit(core, han, phone=True)
    if match := _FRACTION.fullmatch(core):
        return f"{cardinal(match[2], han)}{han.parts}{cardinal(match[1], han)}"
    if match := _RANGE.fullmatch(core):
        ends = [percent(match[i], han) if match[3] else number(match[i], han) for i in (1, 2)]
        return han.to.join(ends)
    if _SIGNED.fullmatch(core):
        return _money(core, han) if following in ("元", "块", "円") and following else number(core, han)
    if match := _ATTACHED.fullmatch(core):
        if match[2] == "%":
            return percent(match[1], han)
        if match[2] in han.units:
            return number(match[1], han) + han.units[match[2]]
    return _leftover(core, han)


def _plain(core: str, following: str, han: Han) -> str:
    """Digits alone: a year, a telephone, a count."""
    if not han.short:
        if following == "年" and len(core) in (2, 4) and core[0] != "0" and (len(core) == 4 or int(core) > 49):
            return by_digit(core, han)
        if len(core) == 11 and core[0] == "1":
            return by_digit(core, han, phone=True)
        if core == "2" and following and following in _TWO_BEFORE:
            return "两"
        if core == "2" and following == "年":
            return "两"
    return cardinal(core, han)


def _clock(match: re.Match[str], han: Han) -> str:
    hours, minutes = int(match[1]), int(match[2])
    hour = "两" if hours == 2 and not han.short else cardinal(str(hours), han)
    words = hour + han.hour
    if minutes:
        zero = han.digits[0] if minutes < 10 and not han.short else ""
        words += zero + cardinal(str(minutes), han) + han.minute
    if match[3] and int(match[3]):
        words += cardinal(str(int(match[3])), han) + "秒"
    return words


def _leftover(core: str, han: Han) -> str:
    """Letters and digits together: ``iPhone15``."""
    parts: list[str] = []
    for piece in _PIECES.findall(core):
        parts.append(number(piece, han) if piece[0].isdigit() else "" if piece == "%" else piece)
    return " ".join(part for part in parts if part)
