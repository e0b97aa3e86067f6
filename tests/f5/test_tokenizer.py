"""Tokens are the official ones, on a thousand lines of every kind; Chinese packages are imported only for Chinese."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from f5_serverless.errors import ModelError
from f5_serverless.f5 import tokenizer
from f5_serverless.f5.tokenizer import Vocabulary, split
from tests.f5 import oracle

PIECES = {
    "english": "the|quick|brown|Fox|jumps|well-known|it's|don’t|U.S.A.|Mr.|3.14|50%|R&D|AT&T|C++|c#|a+b|#tag|x_y",
    "marks": ".|,|;|:|!|?|...|…|—|–|-|--|“|”|‘|’|\"|'|(|)|[|]|/|&|@|*|+|=|~|%|$|€|£|°|«|»|¿|¡|\t|  |\u3000|\xa0",
    "accented": "café|naïve|Straße|señor|Ångström|œuvre|façade|Łódź|Dvořák|Ø|ﬁne|e\u0301te",
    "chinese": "你好|世界|中国人民银行|我们一起去|重庆|银行行长|一个|儿子|〇|二〇年|台灣|㐀|𠀀|，|。|！|？|、|《|》",
    "asian": "こんにちは|カタカナ|東京|ー|안녕하세요|한국|สวัสดี|नमस्ते|ㄅㄆ|㈱|⺀|々|〆",
    "others": "Привет|мир|Γειά|שלום|مرحبا|😀|👩‍👩‍👧|🇫🇷|❤️|①|½|™|\U0001d400|\u200b|\ufeff",
}


def lines(count: int, seed: int) -> list[str]:
    """Mixed lines: some of one kind, some of all."""
    random_ = random.Random(seed)
    words = {kind: text.split("|") for kind, text in PIECES.items()}
    everything = [word for group in words.values() for word in group]
    made = []
    for index in range(count):
        kinds = [everything, words["english"] + words["marks"], words["chinese"] + words["english"], everything]
        pool = kinds[index % 4] if index % 8 else random_.choice(list(words.values()))
        joiner = random_.choice(["", " ", " "])
        made.append(joiner.join(random_.choice(pool) for _ in range(random_.randint(1, 12))))
    return made


def test_identical_to_the_official_tokens() -> None:
    utils = oracle.official().utils
    texts = lines(1200, seed=1)
    assert sum(bool(re.search("[\u4e00-\u9fff]", text)) for text in texts) > 300
    for text, expected in zip(texts, utils.convert_char_to_pinyin(texts), strict=True):
        assert split(text) == expected, text


def test_identical_ids_with_the_official_vocabulary() -> None:
    official = oracle.official()
    vocabulary = Vocabulary.from_file(official.vocab)
    expected_map, size = official.utils.get_tokenizer(str(official.vocab), "custom")
    assert (vocabulary.ids, vocabulary.size) == (expected_map, size)
    for text in lines(100, seed=2):
        (tokens,) = official.utils.convert_char_to_pinyin([text])
        assert vocabulary.encode(text) == official.utils.list_str_to_idx([tokens], expected_map)[0].tolist()


def test_cuts_without_chinese_are_jiebas() -> None:
    import rjieba

    random_ = random.Random(3)
    alphabet = "ab1Z9+#&._%-+#._%- '\"(),é€😀\r\n!:;~/=…あア가ไtо"
    for _ in range(3000):
        text = "".join(random_.choice(alphabet) for _ in range(random_.randint(1, 10)))
        if not tokenizer._NEEDS_CHINESE.search(text):
            assert tokenizer._CUT.findall(text) == rjieba.cut(text), repr(text)


def test_english_imports_no_chinese_packages() -> None:
    program = (
        "import sys; from f5_serverless.f5.tokenizer import split; split('Plain text, “quoted” — café 😀 한국');"
        "sys.exit('rjieba' in sys.modules or 'pypinyin' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_vocabulary_faults(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        Vocabulary.from_file(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_text("")
    with pytest.raises(ModelError, match="empty"):
        Vocabulary.from_file(tmp_path / "vocab.txt")
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.from_file(tmp_path / "vocab.txt")


def test_last_line_needs_no_line_end(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text(" \na\nb")
    assert Vocabulary.from_file(tmp_path / "vocab.txt").ids == {" ": 0, "a": 1, "b": 2}
