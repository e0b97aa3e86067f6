"""What the real WhisperX package needs to run without its downloads: a tiny model, empty sentence data, no torchaudio.

The model is a random ``Wav2Vec2ForCTC`` of some 40,000 parameters with the letters of English. It hears nothing;
it drives the package's own code. `FixedEmissions` goes further and answers with emissions made by hand, whose true
boundaries are known.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"etaonihsrdlumwcfgypbvk'xjqz")
DICTIONARY = {letter: column for column, letter in enumerate(LETTERS)}
BLANK = 0
FRAME_SAMPLES = 320  # 20 ms at 16 kHz


def prepare(directory: Path) -> None:
    """Makes ``whisperx.alignment`` importable: a stand-in for torchaudio, NLTK's data, empty."""
    data = directory / "nltk" / "tokenizers" / "punkt_tab" / "english"
    data.mkdir(parents=True, exist_ok=True)
    for name in ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab"):
        (data / name).touch()
    os.environ["NLTK_DATA"] = str(directory / "nltk")
    import nltk.data

    if str(directory / "nltk") not in nltk.data.path:
        nltk.data.path.insert(0, str(directory / "nltk"))
    if "whisperx.alignment" in sys.modules:
        return
    from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor  # noqa: F401  (before the stand-in is there)

    stand_in = types.ModuleType("torchaudio")
    stand_in.pipelines = types.SimpleNamespace(__all__=[])  # type: ignore[attr-defined]
    before = sys.modules.get("torchaudio")
    sys.modules["torchaudio"] = stand_in
    try:
        importlib.import_module("whisperx.alignment")
    finally:
        del sys.modules["torchaudio"]
        if before is not None:
            sys.modules["torchaudio"] = before


def save_checkpoint(directory: Path, norm: str = "group", seed: int = 0) -> Path:
    """A checkpoint that ``whisperx.load_align_model(language, device, model_name=directory)`` loads."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = directory / "vocab.json"
    vocabulary.write_text(json.dumps(DICTIONARY))
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=BLANK,
    )
    Wav2Vec2ForCTC(config).save_pretrained(directory)
    tokenizer = Wav2Vec2CTCTokenizer(str(vocabulary), pad_token="<pad>", word_delimiter_token="|")
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer", do_normalize=norm == "layer")
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(directory)
    return directory


class FixedEmissions:
    """In the place of a model: answers with ``emission``, log probabilities of shape (T, V)."""

    def __init__(self, emission: np.ndarray) -> None:
        self.emission = emission

    def __call__(self, waves: Any, **_: Any) -> Any:
        import torch

        return types.SimpleNamespace(logits=torch.from_numpy(self.emission)[None])


def package_words(emission: np.ndarray, text: str) -> list[dict[str, Any]]:
    """What ``whisperx.align`` makes of ``emission``, at 20 ms a frame: ``{word, start, end, score}`` each."""
    import whisperx

    sound = np.zeros(len(emission) * FRAME_SAMPLES, np.float32)
    segment = {"text": text, "start": 0.0, "end": len(sound) / 16_000}
    about = {"language": "en", "dictionary": DICTIONARY, "type": "huggingface"}
    words: list[dict[str, Any]] = whisperx.align([segment], FixedEmissions(emission), about, sound, "cpu")[
        "word_segments"
    ]
    return words


def random_emission(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Log probabilities (T, V) without any speech in them."""
    return _log_softmax(rng.normal(0, 3, (frames, len(LETTERS))))


def spoken_emission(rng: np.random.Generator, words: list[str]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Log probabilities (T, V) of ``words`` as a sure model would hear them, and each word's frames (first, end).

    A word's end is where the separator after it is heard: CTC has no other notion of an end.
    """
    columns: list[int] = [BLANK] * int(rng.integers(3, 12))
    bounds: list[tuple[int, int]] = []
    for index, word in enumerate(words):
        first = len(columns)
        for letter in word:
            columns += [DICTIONARY[letter]] + [BLANK] * int(rng.integers(1, 6))
        bounds.append((first, len(columns)))
        if index < len(words) - 1:
            columns += [DICTIONARY["|"]] + [BLANK] * int(rng.integers(0, 6))
    last = len(columns)
    bounds[-1] = (bounds[-1][0], last)
    logits = rng.normal(0, 1, (last, len(LETTERS)))
    logits[np.arange(last), columns] += 12
    return _log_softmax(logits), bounds


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(np.float32)
