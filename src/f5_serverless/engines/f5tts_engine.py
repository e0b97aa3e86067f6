"""The F5-TTS engine: spoken chunks in a cloned voice.

`F5TTSEngine.load` once; then `synthesize` for any number of requests. In: a prepared `Voice` (mono, 24 kHz, its words)
and items with text and seed. Out: one `Speech` per item, mono float32 at 24 kHz, of exactly the fixed duration where
one was given. Chunks run in batches. On a CPU an item gives the same bytes alone and in any company; on a GPU the
same request does (see `f5.batching`). It knows no requests, no captions, no files but the checkpoint's.

Importing this module does not import torch. What is missing on a machine is said by `f5tts_check`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from f5_serverless.engines.base import SynthesisItem
from f5_serverless.errors import EngineFailed, EngineUnavailable, InputError, LimitExceeded, OutOfMemory
from f5_serverless.types import Audio, OnProgress, Progress, Speech, SynthesisSettings, Voice

if TYPE_CHECKING:
    from torch import Tensor

    from f5_serverless.f5.batching import Batch
    from f5_serverless.f5.config import ModelConfig
    from f5_serverless.f5.duration import Tempo
    from f5_serverless.f5.sampler import Plan, Sampler, Utterance
    from f5_serverless.f5.tokenizer import Vocabulary
    from f5_serverless.f5.vocoder import Vocos
    from f5_serverless.f5.weights import WeightsIO

SAMPLE_RATE = 24_000
TARGET_RMS = 0.1
"""A quieter reference is raised to this level for the model, and the speech lowered by as much, as officially."""

MAX_VOICES = 16
"""Prepared references kept in memory; the least recently used one goes first (1 MB each)."""

BATCH_FRAMES = {"cpu": 1_024, "cuda": 16_384}
"""Frames of one batch, reference included. 17 chunks of 10 s fill a GPU; a CPU is full with one, and then a small batch
is sooner cancelled."""

EDGE_DB = -40.0
"""Sound below this (relative to the loudest 10 ms) at the ends of a reference is not speech."""

INSTALL = "pip install 'f5-serverless[f5]'"


@dataclass(frozen=True, slots=True, eq=False)
class _Reference:
    """A voice as the model takes it. ``cond``: (frames, 100) log mel; ``gain`` undoes its change of level."""

    cond: Tensor
    text: str
    gain: float
    tempo: Tempo


class F5TTSEngine:
    """See the module's docstring. One request at a time: a lock holds a second caller back."""

    name = "f5"
    sample_rate = SAMPLE_RATE
    clones = True
    languages: frozenset[str] | None = None

    def __init__(
        self,
        sampler: Sampler,
        vocoder: Vocos,
        vocabulary: Vocabulary,
        *,
        model: str,
        licence: str = "unknown",
        int8: bool = False,
        max_batch_frames: int | None = None,
        exact_batches: bool = False,
    ) -> None:
        self.sampler, self.vocoder, self.vocabulary = sampler, vocoder, vocabulary
        self.model, self.licence, self.int8 = model, licence, int8
        self.device = sampler.model.device
        self.max_batch_frames = 1 if int8 else (max_batch_frames or BATCH_FRAMES[self.device.type])
        self.exact_batches = exact_batches
        self._references: OrderedDict[str, _Reference] = OrderedDict()
        self._tempos: OrderedDict[str, Tempo] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        checkpoint: Path,
        vocab: Path,
        vocoder: Path,
        *,
        config: str | Path | ModelConfig | None = None,
        device: str = "auto",
        dtype: str = "auto",
        int8: bool = False,
        weights_io: WeightsIO = "auto",
        max_batch_frames: int | None = None,
        cuda_graphs: bool = False,
        exact_batches: bool = False,
        licence: str = "unknown",
        threads: int | None = None,
    ) -> F5TTSEngine:
        """An engine ready for its first request.

        ``config``: a name, a file, or None for the file beside the checkpoint and else `F5TTS_v1_Base`. ``device``:
        auto, cpu, cuda or cuda:N. ``dtype``: auto (float32 on a CPU, float16 on a GPU), float32, float16, bfloat16.
        ``int8``: 8-bit linear layers on a CPU. ``weights_io``: how files are read (`f5.weights`). ``cuda_graphs``:
        see `f5.graphs`. ``exact_batches``: see `f5.batching`. ``threads``: of the CPU; None: all it may use.

        Raises `EngineUnavailable` without torch or the device, `ModelError` where a file is missing or does not fit.
        """
        _import_torch()
        from f5_serverless.f5 import checkpoint as files
        from f5_serverless.f5.config import DEFAULT_CONFIG, find_config, load_config
        from f5_serverless.f5.device import choose_device, choose_dtype, use_threads
        from f5_serverless.f5.graphs import GraphedVelocity, record_cuda
        from f5_serverless.f5.quantise import quantise_linears
        from f5_serverless.f5.sampler import Sampler
        from f5_serverless.f5.tokenizer import Vocabulary
        from f5_serverless.f5.weights import fingerprint

        place = choose_device(device)
        kind = choose_dtype(dtype, place)
        use_threads(threads)
        shape = load_config(config) if config is not None else find_config(checkpoint) or load_config(DEFAULT_CONFIG)
        vocabulary = Vocabulary.from_file(vocab)
        path = files.model_file(checkpoint)
        model = files.load_model(path, shape, vocabulary.size, device=place, dtype=kind, io=weights_io)
        voice = files.load_vocoder(vocoder, device=place, io=weights_io)
        if int8:
            quantise_linears(model)
        graphs = GraphedVelocity(model, record_cuda) if cuda_graphs and place.type == "cuda" else None
        marks = (shape.name, fingerprint(path), fingerprint(files.vocoder_file(vocoder))[:6], vocabulary.mark)
        label = "-".join((*marks, "int8" if int8 else str(kind).removeprefix("torch.")))
        return cls(
            Sampler(model, graphs),
            voice,
            vocabulary,
            model=label,
            licence=licence,
            int8=int8,
            max_batch_frames=max_batch_frames,
            exact_batches=exact_batches,
        )

    # ------------------------------------------------------------------------------------------------ the protocol

    def estimate_seconds(self, voice: Voice | None, text: str, settings: SynthesisSettings) -> float:
        """How long ``text`` will take in the tempo of ``voice``, in seconds. See `f5.duration`."""
        from f5_serverless.f5.duration import Tempo, estimate_seconds

        tempo = self._tempo(voice) if voice is not None else Tempo()
        return estimate_seconds(text, tempo, settings.language, settings.speed)

    def synthesize(
        self, voice: Voice | None, items: Sequence[SynthesisItem], settings: SynthesisSettings, progress: OnProgress
    ) -> list[Speech]:
        """One `Speech` per item, in order. ``progress`` is called after each step of each batch and may raise.

        Raises `InputError` without a voice or for a text that does not fit its duration, `OutOfMemory` where there is
        no room even for one chunk, `EngineFailed` where the model's numbers break down.
        """
        if voice is None:
            raise InputError("F5-TTS clones a voice and was given none.", field="voice_reference_url")
        if not items:
            return []
        plan = self._plan(settings)
        with self._lock:
            reference = self._reference(voice)
            utterances = [self._utterance(reference, item, voice, settings) for item in items]
            work = _Work(progress, len(items), plan.steps)
            mels: dict[int, Tensor] = {}
            for batch in self._batches(utterances):
                self._sample(batch, utterances, plan, work, mels)
            return [
                Speech(self._sound(reference, mels.pop(index), item), item.seed) for index, item in enumerate(items)
            ]

    def warm_up(self, seconds: float = 2.0) -> None:
        """Runs one short utterance, so that the first request finds kernels, schedules and memory prepared."""
        import numpy as np

        sound = 0.1 * np.sin(np.arange(int(seconds * SAMPLE_RATE)) / 20).astype(np.float32)
        voice = Voice(Audio(sound, SAMPLE_RATE), "Warm up.", hash="warm-up")
        item = SynthesisItem("Warm up.", seed=0, duration=seconds)
        self.synthesize(voice, [item], SynthesisSettings(seed=0), lambda _: None)
        self._references.pop("warm-up", None)

    # ------------------------------------------------------------------------------------------------- preparation

    def _plan(self, settings: SynthesisSettings) -> Plan:
        from f5_serverless.f5.sampler import DEFAULT_CFG, Plan
        from f5_serverless.f5.schedule import DEFAULT_STEPS, MAX_STEPS

        steps = DEFAULT_STEPS if settings.nfe_step is None else settings.nfe_step
        strength = DEFAULT_CFG if settings.cfg_strength is None else settings.cfg_strength
        if not 1 <= steps <= MAX_STEPS:
            raise InputError(f"nfe_step must be from 1 to {MAX_STEPS}, not {steps}.", field="nfe_step")
        return Plan(steps=steps, cfg_strength=strength)

    def _tempo(self, voice: Voice) -> Tempo:
        """The tempo of ``voice``, measured once."""
        from f5_serverless.f5.duration import tempo_of

        if voice.hash not in self._tempos:
            spoken = _spoken_seconds(voice.audio)
            self._tempos[voice.hash] = tempo_of(voice.ref_text, spoken, voice.language)
            if len(self._tempos) > MAX_VOICES:
                self._tempos.popitem(last=False)
        return self._tempos[voice.hash]

    def _reference(self, voice: Voice) -> _Reference:
        """``voice`` as the model takes it, computed once."""
        import torch

        from f5_serverless.f5.mel import N_FFT, log_mel

        if (known := self._references.get(voice.hash)) is not None:
            self._references.move_to_end(voice.hash)
            return known
        if voice.audio.sample_rate != SAMPLE_RATE or len(voice.audio.samples) <= N_FFT:
            raise InputError("A reference must be at 24 kHz and longer than 50 ms.", field="voice_reference_url")
        samples = torch.from_numpy(voice.audio.samples.copy())
        rms = float(samples.square().mean().sqrt())
        gain = rms / TARGET_RMS if 0 < rms < TARGET_RMS else 1.0
        reference = _Reference(
            cond=log_mel(samples / gain).clone(), text=_closed(voice.ref_text), gain=gain, tempo=self._tempo(voice)
        )
        self._references[voice.hash] = reference
        if len(self._references) > MAX_VOICES:
            self._references.popitem(last=False)
        return reference

    def _utterance(
        self, reference: _Reference, item: SynthesisItem, voice: Voice, settings: SynthesisSettings
    ) -> Utterance:
        """``item`` behind the reference. Raises `LimitExceeded` where it cannot fit."""
        import torch

        from f5_serverless.f5.dit import MAX_FRAMES
        from f5_serverless.f5.mel import HOP
        from f5_serverless.f5.sampler import Utterance

        seconds = item.duration or self.estimate_seconds(voice, item.text, settings)
        tokens = self.vocabulary.encode(reference.text + item.text)
        new = max(1, -(-round(seconds * SAMPLE_RATE) // HOP))
        frames = len(reference.cond) + new
        if item.duration is None:
            frames = max(frames, len(tokens) + 1)
        if frames > MAX_FRAMES:
            raise LimitExceeded(
                f"A chunk of {seconds:.1f} s is longer than the model can say at once.",
                field="text",
                hint="Lower F5_CHUNK_SECONDS, or shorten the reference.",
            )
        if frames <= len(tokens):
            raise LimitExceeded(
                f"{len(item.text)} characters cannot be said in {seconds:.2f} s.",
                field="text",
                hint="Give the text more time, or shorten it.",
            )
        return Utterance(reference.cond, torch.tensor(tokens, dtype=torch.long), frames, item.seed)

    # ---------------------------------------------------------------------------------------------------- the work

    def _batches(self, utterances: Sequence[Utterance]) -> list[Batch]:
        from f5_serverless.f5.batching import plan_batches

        padded = self.device.type != "cpu"
        lengths = [utterance.frames for utterance in utterances]
        return plan_batches(lengths, self.max_batch_frames, padded=padded, exact=self.exact_batches)

    def _sample(
        self, batch: Batch, utterances: Sequence[Utterance], plan: Plan, work: _Work, mels: dict[int, Tensor]
    ) -> None:
        """Samples ``batch`` into ``mels``; where there is no memory for it, its halves one after the other."""
        chosen = [utterances[index] for index in batch.indices]
        chosen += chosen[:1] * (batch.fill - len(chosen))
        size = len(batch.indices)
        try:
            results = self.sampler.sample(chosen, plan, padded_to=batch.padded_to, on_step=work.stepper(size))
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise EngineFailed(f"The model stopped with {type(error).__name__}.") from error
            results = None
        if results is not None:
            mels.update(zip(batch.indices, results, strict=False))
            work.finished(size)
            return
        self._release()
        if size == 1:
            raise OutOfMemory(f"There is no memory for a chunk of {chosen[0].frames} frames on {self.device}.")
        for half in batch.halves():
            self._sample(half, utterances, plan, work, mels)

    def _release(self) -> None:
        """Gives cached blocks back to the device before another attempt."""
        if self.device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _sound(self, reference: _Reference, mel: Tensor, item: SynthesisItem) -> Audio:
        """The new part of ``mel`` as sound. The reference's last frame goes along: n frames make n - 1 hops."""
        import torch

        sound = self.vocoder.decode(mel[len(reference.cond) - 1 :]) * reference.gain
        if not bool(torch.isfinite(sound).all()):
            raise EngineFailed(
                "The model's numbers broke down.",
                hint="Use dtype bfloat16 or float32; the weights may overflow float16.",
            )
        samples = sound.clamp(-1.0, 1.0).cpu().numpy()
        if item.duration is not None:
            samples = samples[: round(item.duration * SAMPLE_RATE)]
        return Audio(samples, SAMPLE_RATE)


class _Work:
    """Counts steps over all batches and reports them."""

    def __init__(self, progress: OnProgress, items: int, steps: int) -> None:
        self.progress, self.steps, self.total, self.done = progress, steps, items * steps, 0

    def stepper(self, size: int) -> Callable[[int], None]:
        return lambda step: self.progress(Progress("synthesise", self.done + step * size, self.total))

    def finished(self, size: int) -> None:
        self.done += size * self.steps


# ------------------------------------------------------------------------------------------------------- small parts


def _import_torch() -> None:
    """Raises `EngineUnavailable` where a package is missing."""
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise EngineUnavailable(f"The package {error.name} is not installed.", hint=f"Install it: {INSTALL}") from None


def _closed(ref_text: str) -> str:
    """The reference's words, ending in a full stop, and a space where the script uses spaces.

    >>> [_closed(text) for text in ("So it is", "Really?", "你好")]
    ['So it is. ', 'Really? ', '你好。']
    """
    text = ref_text.strip()
    if not text:
        return ""
    if text[-1] not in ".!?。！？…":
        text += "。" if "\u3040" <= text[-1] <= "\u9fff" else "."
    return text + " " if text[-1].isascii() else text


def _spoken_seconds(audio: Audio) -> float:
    """The length of ``audio`` between the first and the last 10 ms that are not silent."""
    import numpy as np

    size = audio.sample_rate // 100
    count = len(audio.samples) // size
    if count == 0:
        return audio.duration
    level = np.sqrt(np.mean(audio.samples[: count * size].reshape(count, size).astype(np.float64) ** 2, axis=1))
    loud = np.flatnonzero(level > level.max() * 10 ** (EDGE_DB / 20))
    return float((loud[-1] - loud[0] + 1) * 0.01) if len(loud) else audio.duration


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch found no memory, on a GPU or on the CPU."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
