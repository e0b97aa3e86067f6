"""Where a text may be divided: for each word, what it costs to end a line or a cue after it.

In: words as displayed, and the language. Out: one `Boundary` per word. Cost 0 is the end of a sentence, `FORBIDDEN` a
place where typesetting rules let nothing end (between a word and its closing bracket). Purely textual: silences are
weighed by `captions`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from f5_serverless.subtitles.profiles import base_language
from f5_serverless.types import Break, Word

FORBIDDEN = 5000.0
PLAIN = 60.0
_BIND = 140.0
_BEFORE_CONJUNCTION = 24.0
_BEFORE_PREPOSITION = 34.0
_BREAK_COST = {Break.PARAGRAPH: 0.0, Break.SENTENCE: 0.0, Break.CLAUSE: 10.0}

_SENTENCE_END = frozenset(".!?…。！？؟۔।｡")
_CLAUSE_END = frozenset(",;:—–、，；：،؛､")
_CLOSERS = "\"'”’»›)]}）」』】》〉〕］｝"
_OPENERS = "\"'“„‘‚«»([{"
_NO_LINE_START = frozenset(
    "、。，．・：；？！ー‐゠–〜～…‥々ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ％%,.!?:;" + _CLOSERS
)
_NO_LINE_END = frozenset("([{（「『【《〈〔［｛“‘«‹$€£¥￥＄#")

_ABBREVIATIONS = frozenset(
    {"mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "etc.", "e.g.", "i.e.", "no.", "fig.", "jr.", "sr.", "hr."}
    | {"fr.", "nr.", "z.b.", "d.h.", "bzw.", "ca.", "sra.", "dra.", "m.", "mme."}
)

_ARTICLES = {
    "en": "a an the this that these those my your his her its our their no every each some any",
    "de": "der die das den dem des ein eine einen einem einer eines kein keine mein dein sein ihr unser "
    "diese dieser dieses",
    "fr": "le la les un une des du de au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre votre leur leurs",
    "es": "el la los las un una unos unas mi tu su este esta estos estas del al nuestro nuestra",
    "it": "il lo la i gli le un uno una del della dei degli delle al alla nel nella questo questa mio mia suo sua",
    "pt": "o a os as um uma uns umas do da dos das no na nos nas meu minha seu sua este esta",
}
_CONJUNCTIONS = {
    "en": "and but or nor so yet because although though while when where which who that if unless until since whereas",
    "de": "und aber oder denn sondern dass weil wenn als ob obwohl damit während bevor nachdem sobald welche welcher",
    "fr": "et mais ou donc or ni car que qui quand lorsque parce puisque si comme quoique dont où",
    "es": "y e pero o u sino porque que cuando donde aunque si mientras como quien cual",
    "it": "e ed ma o oppure perché che quando dove anche se mentre come chi quale",
    "pt": "e mas ou porque que quando onde embora se enquanto como quem qual",
}
_PREPOSITIONS = {
    "en": "of in on at by for with from to into onto about over under after before between through during without "
    "against among around behind beyond across toward towards upon within near like as",
    "de": "in im an am auf aus bei beim mit nach von vom zu zum zur über unter vor hinter zwischen durch für "
    "gegen ohne um",
    "fr": "à dans sur sous avec sans pour par chez vers entre contre depuis pendant avant après en",
    "es": "a en de con sin por para sobre entre hacia hasta desde contra según durante",
    "it": "a in di con senza per su tra fra da verso contro durante dal dalla sul sulla",
    "pt": "a em de com sem por para sobre entre até desde contra durante pelo pela",
}
_BINDERS = {
    # subjects, auxiliaries, negations and titles: they belong to the word that follows
    "en": "i you he she it we they not very too than mr. mrs. ms. dr. prof. st. is are was were be been am have has "
    "had do does did will would can could may might shall should must don't doesn't didn't isn't aren't won't can't",
    "de": "ich du er sie es wir ihr nicht sehr herr frau dr. prof.",
    "fr": "je tu il elle on nous vous ils elles ne se me te très m. mme est sont a ont sera",
    "es": "yo tú él ella nosotros no muy se me te sr. sra. es son ha han fue",
    "it": "io tu lui lei noi voi loro non molto si mi ti è sono ha hanno",
    "pt": "eu tu ele ela nós vocês não muito se me te sr. sra. é são foi",
}
_OBJECTS = {"en": "me him us them"}

_JA_PARTICLES = frozenset("はがをにでともへの")
_ZH_AFTER = frozenset("的了着过吗呢吧们么")


@dataclass(frozen=True, slots=True)
class Boundary:
    """What stands after a word. ``cost`` of dividing there; ``kind`` of phrase end."""

    cost: float
    kind: Break


@dataclass(frozen=True, slots=True)
class _Lexicon:
    binds: frozenset[str]
    objects: frozenset[str]
    conjunctions: frozenset[str]
    prepositions: frozenset[str]


def _lexicon(language: str) -> _Lexicon:
    def words(*tables: dict[str, str]) -> frozenset[str]:
        return frozenset(word for table in tables for word in table.get(language, "").split())

    return _Lexicon(
        binds=words(_ARTICLES, _BINDERS, _PREPOSITIONS, _CONJUNCTIONS),
        objects=words(_OBJECTS),
        conjunctions=words(_CONJUNCTIONS),
        prepositions=words(_PREPOSITIONS),
    )


def boundaries(words: Sequence[Word], language: str) -> list[Boundary]:
    """One `Boundary` per word; the last one ends the text and costs nothing."""
    code = base_language(language)
    lexicon = _lexicon(code)
    found = [
        Boundary(_cost(word, after, phrase_end(word), lexicon, code), phrase_end(word))
        for word, after in pairwise(words)
    ]
    if words:
        found.append(Boundary(0.0, Break.PARAGRAPH))
    return found


def phrase_end(word: Word) -> Break:
    """The kind of phrase that ends after ``word``: as the text room says, else read off its punctuation."""
    if word.break_after is not None:
        return word.break_after
    core = word.text.rstrip(_CLOSERS)
    if not core:
        return Break.NONE
    if core[-1] in _SENTENCE_END:
        return Break.NONE if core.lower().lstrip(_OPENERS) in _ABBREVIATIONS else Break.SENTENCE
    return Break.CLAUSE if core[-1] in _CLAUSE_END else Break.NONE


def _cost(word: Word, after: Word, kind: Break, lexicon: _Lexicon, language: str) -> float:
    last, first = word.text[-1:], after.text[:1]
    if word.glued:
        if first in _NO_LINE_START or last in _NO_LINE_END or not (is_cjk(last) or is_cjk(first)):
            return FORBIDDEN
        if kind is Break.NONE:
            return _cjk_cost(last, first, language)
    elif first and after.text.strip(_CLOSERS + "…–—,.!?:;。、") == "":
        return FORBIDDEN  # a free-standing punctuation mark belongs to the word before it
    if kind is not Break.NONE:
        return _BREAK_COST[kind]
    bare, follower = word.text.lower().strip("\"'“”‘’«»("), after.text.lower().strip("\"'“”‘’«»(,.")
    if bare in lexicon.binds or follower in lexicon.objects:
        return _BIND
    if follower in lexicon.conjunctions:
        return _BEFORE_CONJUNCTION
    if follower in lexicon.prepositions:
        return _BEFORE_PREPOSITION
    if bare[-1:].isdigit() or (word.text[:1].isupper() and after.text[:1].isupper()):
        return PLAIN + 30  # a number and its unit; first and last name
    return PLAIN


def _cjk_cost(last: str, first: str, language: str) -> float:
    """Between two glued characters without punctuation. Scripts change where Japanese phrases begin."""
    before, after = _script(last), _script(first)
    if before == after and before in ("katakana", "other"):
        return _BIND
    if language == "ja":
        if before == "hiragana" and after != "hiragana":
            return _BEFORE_CONJUNCTION if last in _JA_PARTICLES else PLAIN - 10
        return PLAIN + (50 if after == "hiragana" else 30)
    if first in _ZH_AFTER:
        return _BIND
    return PLAIN - 20 if last in _ZH_AFTER else PLAIN + 10


def is_cjk(char: str) -> bool:
    """Whether lines may break beside this character without a space: Han, kana, and full-width signs."""
    return bool(char) and not "\uac00" <= char <= "\ud7a3" and unicodedata.east_asian_width(char) in "WF"


def _script(char: str) -> str:
    if "\u3041" <= char <= "\u309f":
        return "hiragana"
    if "\u30a0" <= char <= "\u30ff":
        return "katakana"
    return "han" if is_cjk(char) else "other"
