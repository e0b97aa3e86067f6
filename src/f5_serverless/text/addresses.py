"""Web and mail addresses: which words are one, and their parts. How a part is read is each language's own matter."""

from __future__ import annotations

import re

from f5_serverless.text.wordlists import word_set

_TOP_LEVEL = word_set(
    "com org net edu gov mil int io ai co uk us ca de fr es it pt nl be ch at eu au nz jp cn in br mx se no dk "
    "fi pl ru tv me app dev info biz xyz gg ly fm to cc cloud tech online site shop blog store news"
)
_ADDRESS = re.compile(
    r"(?:(?:https?|ftp)://|www\.)[^\s]{2,}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    rf"|[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{0,4}}\.(?:{'|'.join(sorted(_TOP_LEVEL))})(?:[/?#][^\s]*)?"
)
_ADDRESS_PIECES = re.compile(r"[^\W\d_]+|\d+|.", re.DOTALL)
_SCHEME = re.compile(r"^(?:https?|ftp|mailto):(?://)?")
_LONGEST = 2000


def address_pieces(core: str) -> list[str] | None:
    """Words, runs of digits and signs of an address, its scheme left out; None for what is no address.

    >>> address_pieces("https://a.com/b1")
    ['a', '.', 'com', '/', 'b', '1']
    """
    if ("." not in core and "@" not in core) or len(core) > _LONGEST or not _ADDRESS.fullmatch(core):
        return None
    return _ADDRESS_PIECES.findall(_SCHEME.sub("", core).rstrip("/"))
