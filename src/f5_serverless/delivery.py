"""The end of a job: captions, encoding, the store, the answer; and finding an answer that was given before.

In: the finished sound and its displayed words. Out: an `Answer`. Files are made whole before the first is stored, and
the index entry that makes a job findable is stored when all of them are. Addresses are signed when an answer is
given, never kept.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from f5_serverless.audio import codec
from f5_serverless.errors import LimitExceeded
from f5_serverless.request import Options
from f5_serverless.response import Answer
from f5_serverless.storage.cache import ResultIndex
from f5_serverless.storage.manifest import Manifest, manifest_key
from f5_serverless.storage.outputs import NO_METADATA, Store
from f5_serverless.subtitles import captions, profiles, styles, subtitle_generator, timecode
from f5_serverless.types import Audio, Word

JOBS = "jobs/"


@dataclass(frozen=True)
class Files:
    """What a job made: the sound's file (None in mode subtitle), and the subtitles by format."""

    audio: bytes | None
    subtitles: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return len(self.audio or b"") + sum(map(len, self.subtitles.values()))


def write_subtitles(words: Sequence[Word], duration: float, language: str, options: Options) -> dict[str, bytes]:
    """The subtitle files that ``options`` ask for, by format. ``duration``: of the sound, in seconds."""
    if not options.create_subtitles:
        return {}
    style = styles.subtitle_style(options.subtitle_style)
    profile = profiles.caption_profile(language, style.layout)
    cues = captions.make_cues(words, profile, audio_ms=timecode.to_ms(duration))
    return {
        name: subtitle_generator.render(cues, name, style, language=language).encode("utf-8")
        for name in options.subtitle_formats
    }


def write_audio(audio: Audio, options: Options) -> bytes:
    """The sound as a file of the format that ``options`` ask for."""
    return codec.encode(audio, options.audio_format)


def data_url(audio: bytes, options: Options) -> str:
    """A sound's file as a ``data:`` URL."""
    mime = codec.FORMATS[options.audio_format].mime
    return f"data:{mime};base64,{base64.b64encode(audio).decode('ascii')}"


def inline(answer: Answer, files: Files, options: Options, limit: int) -> Answer:
    """The answer with its files inside. Raises `LimitExceeded` where that is more than ``limit`` bytes."""
    size = files.size * 4 // 3
    if size > limit:
        raise LimitExceeded(
            f"The result has {size:,} bytes; at most {limit:,} can be part of the answer.",
            field="options.return",
            hint="Use `return: url`, a compressed audio_format, or less text.",
        )
    sound = None
    if files.audio is not None:
        sound = data_url(files.audio, options)
    return replace(
        answer, audio=sound, subtitles={name: content.decode("utf-8") for name, content in files.subtitles.items()}
    )


def store(
    answer: Answer,
    files: Files,
    options: Options,
    key: str,
    manifest: Manifest,
    target: Store,
    expires: int,
    limit: int,
) -> Answer:
    """The answer with the addresses of its files, which are in ``target`` under ``jobs/<key>/`` from now on.

    An answer of more than ``limit`` bytes is more than a queue takes: then its words are a file too.
    """
    folder = f"{JOBS}{key[:32]}"
    contents: dict[str, tuple[str, bytes]] = {}
    if files.audio is not None:
        contents["audio"] = (f"{folder}/speech.{codec.FORMATS[options.audio_format].extension}", files.audio)
    for name, content in files.subtitles.items():
        contents[name] = (f"{folder}/speech.{name}", content)
    if len(json.dumps(answer.to_dict())) > limit:
        contents["words"] = (f"{folder}/words.json", json.dumps(answer.to_dict()["words"]).encode())
        answer = replace(answer, words=())
    about = manifest_key(contents["audio"][0] if files.audio is not None else f"{folder}/speech")
    keys = {name: place for name, (place, _) in contents.items()} | {"manifest": about}
    contents["manifest"] = (about, replace(manifest, outputs=keys).to_json())
    # All at once, since each waits for the disk or the network; what makes them findable comes after.
    with ThreadPoolExecutor(len(contents), thread_name_prefix="store") as pool:
        for done in [pool.submit(_put, target, name, *contents[name], manifest) for name in contents]:
            done.result()
    ResultIndex(target).put(key, {"answer": answer.to_dict(), "keys": keys}, list(keys.values()))
    return _addressed(answer, keys, target, expires)


def _put(target: Store, name: str, key: str, content: bytes, manifest: Manifest) -> None:
    target.put(key, content, metadata=manifest.metadata() if name == "audio" else NO_METADATA)


def find(key: str, source: Store, expires: int) -> Answer | None:
    """The answer of a job that was stored under ``key``, with addresses signed now; None if there is none."""
    known = ResultIndex(source).get(key)
    if known is None:
        return None
    answer = replace(Answer.from_dict(known["answer"]), reused=True)
    return _addressed(answer, known["keys"], source, expires)


def _addressed(answer: Answer, keys: Mapping[str, str], source: Store, expires: int) -> Answer:
    urls = {name: source.url(key, expires) for name, key in keys.items()}
    return replace(
        answer,
        audio_url=urls.pop("audio", None),
        manifest_url=urls.pop("manifest", None),
        words_url=urls.pop("words", None),
        subtitle_urls=urls,
    )
