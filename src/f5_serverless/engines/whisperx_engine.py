"""Word times with WhisperX's alignment models, and the choice of the best aligner at hand.

The model and the table of languages are the package's own (``whisperx.load_align_model``); the way through
the model's output is ours (`ctc`), on the same topology. One acoustic pass gives both the word times and the greedy
reading that verification compares. Unknown characters are wildcards, so every word gets a time. No diarisation,
no transcription here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from f5_serverless.engines.base import Aligner, AlignItem
from f5_serverless.engines.later import imported_later
from f5_serverless.errors import AlignmentImpossible, EngineFailed, EngineUnavailable, OutOfMemory
from f5_serverless.types import Alignment, Audio, OnProgress, Progress, Word

if TYPE_CHECKING:
    from f5_serverless.engines.ctc import Floats, Path

RATE = 16_000
SHORTEST = 400  # samples a wav2vec2 model needs at least
WINDOW = 30.0  # seconds of sound the model hears at once
CONTEXT = 2.0  # seconds heard on either side of a window and then dropped
BATCH_SECONDS = 120.0  # seconds of sound in one acoustic pass
LEAST_WORD = 0.04  # seconds; less sound per word than this cannot be speech
WITHOUT_SPACES = frozenset({"ja", "zh"})
IMPOSSIBLE = -1e4  # log probability of a text that does not fit into the sound: low, but a number
BLANKS = ("[pad]", "<pad>")
LATER = ("transformers", "pandas", "nltk", "nltk.data")
INSTALL = "pip install torchaudio transformers pandas nltk && pip install --no-deps whisperx==3.8.6"


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A loaded model: ``dictionary`` letter → column, ``blank`` column, whether padding leaves results unchanged."""

    network: Any
    kind: str
    dictionary: Mapping[str, int]
    blank: int
    masks: bool

    @property
    def letters(self) -> dict[int, str]:
        """Column → letter, without control symbols such as ``<s>``."""
        return {column: letter for letter, column in self.dictionary.items() if len(letter) == 1}


class WhisperXAligner:
    """An `Aligner` for the languages of WhisperX's table. Models load once per language; thread-safe."""

    name = "whisperx"

    def __init__(
        self,
        device: str = "cpu",
        models: Mapping[str, str] | None = None,
        model_dir: str | None = None,
        download: bool = True,
    ) -> None:
        """``models``: language → local directory or hub name, in place of the table's entry. ``download``: whether
        a model that is not at hand may be fetched."""
        self.device = device
        self._models = dict(models or {})
        self._dir = model_dir
        self._download = download
        self._lock = threading.Lock()
        self._loaded: dict[str, _Model] = {}

    def supports(self, language: str) -> bool:
        """Whether there is a model for ``language``. Raises `EngineUnavailable` if WhisperX cannot be imported."""
        code = _code(language)
        if code in self._models:
            return True
        package = _package()
        return code in package.DEFAULT_ALIGN_MODELS_TORCH or code in package.DEFAULT_ALIGN_MODELS_HF

    def align(self, items: Sequence[AlignItem], language: str, progress: OnProgress) -> list[Alignment]:
        """One `Alignment` per item, ``method`` "ctc", with ``heard``; a word's score is its letters' mean probability.

        An item whose letters do not fit into its sound is spread over the detected speech ("interpolated").
        Raises `AlignmentImpossible` for far more words than sound, `EngineUnavailable`, `EngineFailed`,
        `OutOfMemory`, or what ``progress`` raises.
        """
        code = _code(language)
        with self._lock:
            model = self._load(code)
        for item in items:
            if item.audio.duration < LEAST_WORD * len(item.words):
                raise AlignmentImpossible(
                    f"{len(item.words)} words cannot be said in {item.audio.duration:.2f} s of sound.", field="text"
                )
        emissions = _emissions(model, [item.audio for item in items], self.device, progress)
        return [
            read_emission(emission, item, code, model.dictionary, model.blank, progress)
            for item, emission in zip(items, emissions, strict=True)
        ]

    def _load(self, code: str) -> _Model:
        if code in self._loaded:
            return self._loaded[code]
        if not self.supports(code):
            raise EngineUnavailable(f"WhisperX has no alignment model for {code!r}.")
        try:
            network, about = _package().load_align_model(
                code,
                self.device,
                model_name=self._models.get(code),
                model_dir=self._dir,
                model_cache_only=not self._download,
            )
        except (ValueError, OSError) as error:
            raise EngineUnavailable(
                f"The alignment model for {code!r} could not be loaded.",
                hint="Allow the download, or put the model into a local directory and name it in the settings.",
            ) from error
        network.eval()
        dictionary: dict[str, int] = about["dictionary"]
        blank = next((dictionary[name] for name in BLANKS if name in dictionary), 0)
        masks = about["type"] == "huggingface" and network.config.feat_extract_norm == "layer"
        self._loaded[code] = _Model(network, about["type"], dictionary, blank, masks)
        return self._loaded[code]


def _code(language: str) -> str:
    return language.lower().replace("_", "-").split("-")[0]


def _package() -> Any:
    """``whisperx.alignment``, without what only some languages need: two thirds of the time of a worker's imports.

    The first job in such a language imports it with that language's model.
    """
    try:
        import torch  # noqa: F401  its own imports must not meet the stand-ins

        with imported_later(*LATER):
            import whisperx.alignment
    except (ImportError, OSError) as error:
        missing = getattr(error, "name", None) or "one of its libraries"
        raise EngineUnavailable(
            f"WhisperX cannot be imported: {missing} is missing.", hint=f"Install it: {INSTALL}"
        ) from error
    return whisperx.alignment


# ------------------------------------------------------------------------------------------------- sound → emissions


@dataclass(frozen=True, slots=True)
class _Window:
    """Samples ``first`` to ``last`` of item ``owner``; of its frames, ``skip`` are context on the left."""

    owner: int
    first: int
    last: int
    keep_first: int
    keep_last: int


def _emissions(model: _Model, sounds: Sequence[Audio], device: str, progress: OnProgress) -> list[Floats]:
    """Log probabilities (T, V) for each sound. Long sounds are heard in windows with context on both sides."""
    import numpy as np

    waves = [_wave(sound) for sound in sounds]
    windows = [window for index, wave in enumerate(waves) for window in _windows(index, len(wave))]
    order = sorted(range(len(windows)), key=lambda i: windows[i].last - windows[i].first)
    pieces: dict[int, Floats] = {}
    for batch in _batches([windows[i] for i in order], order, model.masks):
        progress(Progress("listen", len(pieces), len(windows)))
        cut = [waves[windows[i].owner][windows[i].first : windows[i].last] for i in batch]
        for index, emission in zip(batch, _listen(model, cut, device), strict=True):
            pieces[index] = _kept(emission, windows[index])
    return [
        np.concatenate([pieces[i] for i, window in enumerate(windows) if window.owner == index])
        for index in range(len(sounds))
    ]


def _windows(owner: int, length: int) -> list[_Window]:
    size, context = round(WINDOW * RATE), round(CONTEXT * RATE)
    if length <= size + 2 * context:
        return [_Window(owner, 0, length, 0, length)]
    return [
        _Window(owner, max(0, at - context), min(length, at + size + context), at, min(length, at + size))
        for at in range(0, length, size)
    ]


def _kept(emission: Floats, window: _Window) -> Floats:
    """The frames of ``emission`` that belong to the window itself and not to its context."""
    per_sample = len(emission) / (window.last - window.first)
    first = round((window.keep_first - window.first) * per_sample)
    last = round((window.keep_last - window.first) * per_sample)
    return emission[first:last]


def _batches(windows: Sequence[_Window], names: Sequence[int], masks: bool) -> list[list[int]]:
    """``windows``, sorted by length, in groups for one pass. Without masks only equal lengths go together."""
    groups: list[list[int]] = []
    length, total = -1, 0
    for window, name in zip(windows, names, strict=True):
        size = window.last - window.first
        fits = groups and total + size <= BATCH_SECONDS * RATE and (masks or size == length)
        if not fits:
            groups.append([])
            total = 0
        groups[-1].append(name)
        length, total = size, total + size
    return groups


def _listen(model: _Model, waves: Sequence[Floats], device: str) -> list[Floats]:
    """One acoustic pass. Padding is masked, so that a wave's result does not depend on its neighbours."""
    import numpy as np
    import torch

    sizes = [max(len(wave), SHORTEST) for wave in waves]
    batch = torch.zeros(len(waves), max(sizes))
    for row, wave in enumerate(waves):
        batch[row, : len(wave)] = torch.from_numpy(wave)
    try:
        with torch.inference_mode():
            if model.kind == "torchaudio":
                logits, _ = model.network(batch.to(device))
                counts = [logits.shape[1]] * len(waves)
            else:
                mask = (
                    (torch.arange(max(sizes))[None, :] < torch.tensor(sizes)[:, None]).long() if model.masks else None
                )
                logits = model.network(
                    batch.to(device), attention_mask=mask if mask is None else mask.to(device)
                ).logits
                lengths = model.network._get_feat_extract_output_lengths(torch.tensor(sizes))
                counts = [int(length) for length in lengths]
            logits = torch.log_softmax(logits.float(), dim=-1).cpu()
    except torch.OutOfMemoryError as error:
        raise OutOfMemory("The alignment model does not fit into the device's memory.") from error
    except RuntimeError as error:
        raise EngineFailed("The alignment model failed.") from error
    return [np.ascontiguousarray(row[:count].numpy()) for row, count in zip(logits, counts, strict=True)]


def _wave(audio: Audio) -> Floats:
    import numpy as np
    import soxr

    samples = audio.samples if audio.sample_rate == RATE else soxr.resample(audio.samples, audio.sample_rate, RATE)
    return np.ascontiguousarray(samples, dtype=np.float32)


# ------------------------------------------------------------------------------------------------- emissions → words


def read_emission(
    emission: Floats, item: AlignItem, language: str, dictionary: Mapping[str, int], blank: int, progress: OnProgress
) -> Alignment:
    """The words of ``item`` in log probabilities (T, V) of its sound, and what the model reads there by itself."""
    from f5_serverless.engines import ctc
    from f5_serverless.engines.spread import spread

    letters = {column: letter for letter, column in dictionary.items() if len(letter) == 1}
    heard = ctc.greedy(emission, letters, blank)
    judge = CtcJudge(heard, emission, language, dictionary, blank)
    tokens, bounds = spell(item.words, language, dictionary, emission.shape[1])
    if emission.shape[1] in tokens:
        emission = ctc.with_wildcard(emission, blank)
    seconds = item.audio.duration / max(len(emission), 1)
    on_frame = partial(_report, progress, seconds, item.audio.duration)
    path = ctc.long_path(emission, tokens, blank, on_frame) if tokens else None
    if path is None:
        spread_out = spread(item.audio, item.words)
        return Alignment(spread_out.words, spread_out.method, heard, judge)
    words = tuple(
        _word(text, path, first, last, seconds) for text, (first, last) in zip(item.words, bounds, strict=True)
    )
    return Alignment(words, "ctc", heard, judge)


@dataclass(frozen=True, slots=True, eq=False)
class CtcJudge:
    """A `Judge` from one piece's emission: ``text`` is its greedy reading. Unknown characters fit whatever is there."""

    text: str
    emission: Floats
    language: str
    dictionary: Mapping[str, int]
    blank: int

    def likelihood(self, text: str) -> float:
        """log P(``text`` | sound); of letters only, since the model knows no punctuation."""
        from f5_serverless.engines import ctc

        words = [kept for word in text.split() if (kept := "".join(c for c in word if c.isalnum() or c in "'’-"))]
        tokens, _ = spell(words, self.language, self.dictionary, self.emission.shape[1])
        emission = self.emission
        if emission.shape[1] in tokens:
            emission = ctc.with_wildcard(emission, self.blank)
        return max(ctc.log_likelihood(emission, tokens, self.blank), IMPOSSIBLE)


def spell(
    words: Sequence[str], language: str, dictionary: Mapping[str, int], wildcard: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Columns of all letters in order (``wildcard`` for unknown ones), and each word's range ``(first, last + 1)``."""
    separator = None if language in WITHOUT_SPACES else dictionary.get("|")
    tokens: list[int] = []
    bounds: list[tuple[int, int]] = []
    for index, word in enumerate(words):
        if index and separator is not None:
            tokens.append(separator)
        first = len(tokens)
        known = [dictionary.get(letter, wildcard) for letter in word.lower() if not letter.isspace()]
        tokens += known or [wildcard]
        bounds.append((first, len(tokens)))
    return tokens, bounds


def _word(text: str, path: Path, first: int, last: int, seconds: float) -> Word:
    score = float(path.scores[first:last].mean())
    return Word(text, float(path.starts[first] * seconds), float(path.ends[last - 1] * seconds), min(1.0, score))


def _report(progress: OnProgress, seconds: float, total: float, frame: int) -> None:
    progress(Progress("align", round(frame * seconds), round(total), "seconds"))


# ------------------------------------------------------------------------------------------------------- the choice


@dataclass(frozen=True, slots=True)
class Choice:
    """An aligner, and why it was chosen: a sentence for the answer's warnings, or "" where it is the best there is."""

    aligner: Aligner
    reason: str


def choose_aligner(language: str, *, whisperx: WhisperXAligner | None, pocketsphinx: Aligner | None) -> Choice:
    """The best of the given aligners for ``language``; None stands for one that this deployment does not have.

    WhisperX first, then pocketsphinx (English), then an estimate from the detected speech. Whether WhisperX is usable
    is found out by loading its model, once; that it cannot be used is said in ``reason``, not hidden.
    """
    reasons: list[str] = []
    if whisperx is not None:
        try:
            if whisperx.supports(language):
                whisperx.align([], language, lambda _: None)
                return Choice(whisperx, "")
            reasons.append(f"WhisperX has no alignment model for {language!r}.")
        except EngineUnavailable as error:
            reasons.append(error.message)
    if pocketsphinx is not None and pocketsphinx.supports(language):
        return Choice(pocketsphinx, " ".join(reasons))
    from f5_serverless.engines.spread import SpreadAligner

    reasons.append(f"Word times for {language!r} are estimated: no aligner for it is installed.")
    return Choice(SpreadAligner(), " ".join(reasons))
