"""Speech with known faults: what a synthesiser may do wrong, made on purpose on real voices.

A `Case` is a sentence that was asked for and the sound that came, with the name of the fault, or "clean". Faults are
made in two ways: by saying another text, and by cutting the sound at word boundaries. Everything follows from the seed.
"""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.truth import speak
from f5_serverless.types import Alignment, Audio, SynthesisSettings, no_progress

SENTENCES = (
    "The harbour was quiet in the morning, and the fishing boats came home before the storm.",
    "She had never seen so many birds in one place, and she stood there for almost an hour.",
    "Doctor Marlowe asked for forty-five dollars and fifty cents, which nobody wanted to pay.",
    "We left the village on the third of March and reached the coast eleven days later.",
    "If you want to understand the machine, you have to take it apart at least once.",
    "The museum opens at nine o'clock, but the garden behind it is never closed.",
    "He wrote three letters to his brother in Canada, and none of them was answered.",
    "Nobody knows why the lights went out, although everyone has a theory about it.",
    "My grandmother kept her recipes in a blue notebook that smelled of cinnamon.",
    "The committee will meet again on Thursday to discuss the budget for the new library.",
    "It took the engineers two years to find out that the sensor had been mounted upside down.",
    "A small dog followed us from the station to the hotel and waited outside all night.",
    "There are seventy thousand people in the stadium, and every one of them is singing.",
    "The price of coffee has risen by twelve percent since the beginning of the year.",
    "I don't think that we should sell the house before the summer is over.",
    "When the orchestra began to play, the old man closed his eyes and smiled.",
    "Professor Okafor explained that the river had changed its course several times.",
    "You can't open the window without breaking the lock, so leave it as it is.",
    "They walked along the canal until they found a bridge that was wide enough for the cart.",
    "The last train to Manchester leaves at a quarter past ten from platform six.",
    "Some of the children were asleep, and the others were whispering in the dark.",
    "Her speech was short, clear and honest, and it changed the mood in the room.",
    "In nineteen sixty-nine, millions of people watched the landing on television.",
    "The bread should rest for twenty minutes before you put it into the oven.",
    "What surprised me most was how little the city had changed since my childhood.",
    "The captain ordered the crew to lower the sails and wait for the wind to turn.",
    "Two of the five samples were contaminated, so the experiment had to be repeated.",
    "Mister Lindqvist sold his bicycle and bought a violin with the money.",
    "We could hear the river long before we could see it through the trees.",
    "The report, which has two hundred pages, was written in less than a month.",
    "Please turn left after the church and drive on until you see the water tower.",
    "He is the only person in the office who knows how to repair the printer.",
    "The snow had covered the path, and we had to follow the fence back to the farm.",
    "Her flight from Reykjavik was delayed, so the meeting started without her.",
    "It was one of those evenings when the whole street smells of rain and jasmine.",
    "The teacher put the book on the table and asked who had finished reading it.",
    "Nothing grows on the northern side of the mountain except moss and heather.",
    "We need six eggs, half a litre of milk and a little patience for this cake.",
    "The lawyer spoke so quietly that the jury had to lean forward to hear him.",
    "Between the two world wars the factory produced mostly clocks and radios.",
    "The ferry crosses the strait twice a day unless the wind comes from the west.",
    "Her uncle repaired watches in a tiny workshop behind the railway station.",
    "By the time the doctor arrived, the fever had already gone down.",
    "Thirty-two volunteers planted more than nine hundred trees along the motorway.",
    "He kept the ticket in his wallet for years, although the concert had been terrible.",
    "The recipe calls for olive oil, but butter works just as well.",
    "Missus Abernathy has taught chemistry at this school since nineteen eighty-seven.",
    "They were told to bring warm clothes, a torch and enough water for two days.",
    "A thick layer of dust covered the piano that nobody had played since the war.",
    "The second chapter explains how bees find their way back to the hive.",
    "I would rather walk than wait another half hour for the bus.",
    "Our neighbours are moving to Toronto because of his new job.",
    "The judge dismissed the case after only fifteen minutes.",
    "Before you paint the wall, you should wash it and let it dry.",
    "Scientists believe that the lake was formed by a meteorite.",
    "It is cheaper to rent the equipment than to buy it for a single weekend.",
    "The boy counted the steps on his way up and forgot the number at the top.",
    "Every spring the meadow behind the school turns yellow with dandelions.",
    "She answered the question without looking up from her newspaper.",
    "The tunnel is four kilometres long, and there is no light at the end of it yet.",
)
HELD_OUT_SENTENCES = (
    "The baker opens his shop at five in the morning, long before the first customers arrive.",
    "No one in the audience noticed that the violinist had skipped a whole page.",
    "His collection of stamps was worth more than the house he lived in.",
    "The valley is so narrow that the sun reaches the village for only three hours.",
    "We were surprised to hear that the bridge would be closed until October.",
    "A friend of mine learned to sail when she was almost sixty years old.",
    "The translation is accurate, but it lacks the humour of the original.",
    "Captain Ferreira steered the ship through the fog without saying a word.",
    "After the flood, people carried their furniture out into the street to dry.",
    "There was nothing left in the cupboard but rice and a jar of honey.",
    "The invention of the printing press changed the way we think about knowledge.",
    "Could you tell me how to get to the nearest pharmacy from here?",
    "The company employs two thousand people and sells its tools in forty countries.",
    "My brother thinks that the film was too long, and I agree with him.",
    "On the last day of the holiday it rained so hard that we stayed in bed.",
    "The mayor thanked the firefighters and promised them a new engine.",
    "If the battery is empty, the alarm will not go off in the event of a fire.",
    "Archaeologists found a silver coin under the floor of the monastery.",
    "He speaks five languages, yet he has never left the county where he was born.",
    "The cat slept on the warm stones until the shadow of the tower reached her.",
)
REFERENCE = "and that is how the old lighthouse got its name"
FOREIGN = (
    "giraffe",
    "umbrella",
    "yesterday",
    "helicopter",
    "purple",
    "potato",
    "seventeen",
    "orchid",
    "because",
    "under",
)
KINDS = ("dropped", "doubled", "swapped", "foreign", "leaked", "cut")


@dataclass(frozen=True, eq=False)
class Case:
    """``words`` were asked for; ``audio`` came. ``fault``: one of `KINDS` or "clean"; ``detail``: what was done."""

    words: tuple[str, ...]
    audio: Audio
    fault: str
    voice: str
    detail: str = ""


@dataclass(frozen=True, eq=False)
class _Take:
    """A sentence as said: ``starts`` and ``ends`` in seconds, one per word."""

    words: tuple[str, ...]
    audio: Audio
    starts: tuple[float, ...]
    ends: tuple[float, ...]


def plain(text: str) -> tuple[str, ...]:
    """The words of ``text`` as an aligner wants them."""
    return tuple(word.strip(".,;:!?") for word in text.split())


@cache
def _preview() -> tuple[Callable[[str, int, float], Audio], Callable[[Audio, Sequence[str]], Alignment]]:
    from f5_serverless.engines.base import AlignItem, SynthesisItem
    from f5_serverless.engines.preview_engine import PocketsphinxAligner, PreviewSynthesizer

    voice, aligner = PreviewSynthesizer(), PocketsphinxAligner()

    def say(text: str, seed: int, speed: float) -> Audio:
        settings = SynthesisSettings(seed, speed=speed)
        return voice.synthesize(None, [SynthesisItem(text, seed)], settings, no_progress)[0].audio

    def align(audio: Audio, words: Sequence[str]) -> Alignment:
        return aligner.align([AlignItem(audio, tuple(words))], "en", no_progress)[0]

    return say, align


def _preview_take(text: str, seed: int, speed: float) -> _Take:
    say, align = _preview()
    audio, words = say(text, seed, speed), plain(text)
    found = align(audio, words).words
    return _Take(words, audio, tuple(word.start for word in found), tuple(word.end for word in found))


def _espeak_take(text: str, seed: int, variant: str) -> _Take:
    clip = speak(text, voice=variant, words_per_minute=125 + seed % 20, pitch=40 + seed % 20)
    # Where espeak-ng ran two or more words together, they share the time.
    known = [index for index, start in enumerate(clip.starts) if not math.isnan(start)]
    places, times = [*known, len(clip.starts)], [*(clip.starts[index] for index in known), clip.audio.duration]
    starts = [float(time) for time in np.interp(range(len(clip.starts)), places, times)]
    limits = [*starts[1:], clip.audio.duration]
    ends = [limit if math.isnan(end) or end > limit else end for end, limit in zip(clip.ends, limits, strict=True)]
    return _Take(plain(text), clip.audio, tuple(starts), tuple(ends))


def _flite_take(text: str, seed: int, voice: str) -> _Take:
    """A take of Debian's `flite`, whose word times come from the aligner, as the preview voice's do."""
    program = shutil.which("flite")
    if program is None:
        raise RuntimeError("The program flite is missing: apt-get install flite")
    stretch = 0.95 + 0.01 * (seed % 15)
    call = [program, "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}", "-t", text, "-o", "/dev/stdout"]
    said = subprocess.run(call, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(said)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(len(said)), np.int16).astype(np.float32) / 32768
    audio, words = Audio(samples, rate), plain(text)
    found = _preview()[1](audio, words).words
    return _Take(words, audio, tuple(word.start for word in found), tuple(word.end for word in found))


VOICES: dict[str, Callable[[str, int], _Take]] = {
    "preview": lambda text, seed: _preview_take(text, seed, 1.0),
    "preview, slow": lambda text, seed: _preview_take(text, seed, 0.85),
    "preview, fast": lambda text, seed: _preview_take(text, seed, 1.2),
    "flite slt": lambda text, seed: _flite_take(text, seed, "slt"),
    "flite rms": lambda text, seed: _flite_take(text, seed, "rms"),
    "flite awb": lambda text, seed: _flite_take(text, seed, "awb"),
    "flite kal16": lambda text, seed: _flite_take(text, seed, "kal16"),
    "espeak-ng": lambda text, seed: _espeak_take(text, seed, "en-us"),
}


def voices() -> list[str]:
    """The voices that can speak here: flite's only where the program is installed."""
    return [name for name in VOICES if not name.startswith("flite") or shutil.which("flite")]


def cases(seed: int, clean: int, faulty: int, sentences: Sequence[str] = SENTENCES) -> list[Case]:
    """``clean`` and ``faulty`` cases in random order, voices in turn, kinds of fault equally often."""
    rng = np.random.default_rng(seed)
    kinds = ["clean"] * clean + [KINDS[number % len(KINDS)] for number in range(faulty)]
    speakers = voices()
    made: list[Case] = []
    for number, place in enumerate(rng.permutation(len(kinds))):
        kind, voice = kinds[place], speakers[number % len(speakers)]
        text = sentences[int(rng.integers(len(sentences)))]
        audio, detail = _FAULTS[kind](rng, text, VOICES[voice])
        made.append(Case(plain(text), audio, kind, voice, detail))
    return made


def _clean(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    return voice(text, int(rng.integers(1000))).audio, ""


def _dropped(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    words = text.split()
    index = int(rng.integers(len(words)))
    if rng.random() < 0.5:
        return voice(" ".join(words[:index] + words[index + 1 :]), 1).audio, f"said without {words[index]!r}"
    take = voice(text, 1)
    return _without(take.audio, take.starts[index], take.ends[index]), f"cut out {words[index]!r}"


def _doubled(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    words = text.split()
    index = int(rng.integers(len(words)))
    if rng.random() < 0.5:
        twice = [*words[:index], words[index].strip(".,"), *words[index:]]
        return voice(" ".join(twice), 1).audio, f"said {words[index]!r} twice"
    take = voice(text, 1)
    first, last = take.starts[index], take.ends[index]
    return _inserted(take.audio, last, _slice(take.audio, first, last)), f"pasted {words[index]!r} twice"


def _swapped(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    words = list(plain(text))
    pairs = [i for i in range(len(words) - 1) if words[i].lower() != words[i + 1].lower()]
    index = pairs[int(rng.integers(len(pairs)))]
    words[index], words[index + 1] = words[index + 1], words[index]
    return voice(" ".join(words) + ".", 1).audio, f"said {words[index]!r} before {words[index + 1]!r}"


def _foreign(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    words = text.split()
    index = int(rng.integers(1, len(words)))
    word = FOREIGN[int(rng.integers(len(FOREIGN)))]
    if rng.random() < 0.5:
        return voice(" ".join([*words[:index], word, *words[index:]]), 1).audio, f"said {word!r} as word {index}"
    take, other = voice(text, 1), voice(f"the {word} there", 1)
    return _inserted(take.audio, take.starts[index], _slice(other.audio, other.starts[1], other.ends[1])), (
        f"pasted {word!r} as word {index}"
    )


def _leaked(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    count = int(rng.integers(1, 5))
    take, reference = voice(text, 1), voice(REFERENCE, 1)
    tail = _slice(reference.audio, reference.starts[-count], reference.ends[-1])
    at_start = rng.random() < 0.7
    where = max(0.0, take.starts[0] - 0.05) if at_start else take.ends[-1]
    return _inserted(take.audio, where, tail), f"{count} reference words at the {'start' if at_start else 'end'}"


def _cut(rng: np.random.Generator, text: str, voice: Callable[[str, int], _Take]) -> tuple[Audio, str]:
    take = voice(text, 1)
    while True:  # half a second that is mostly speech
        start = float(rng.uniform(take.starts[0], take.ends[-1] - 0.5))
        spoken = sum(
            max(0.0, min(end, start + 0.5) - max(begin, start))
            for begin, end in zip(take.starts, take.ends, strict=True)
        )
        if spoken > 0.35:
            break
    if rng.random() < 0.5:
        return _without(take.audio, start, start + 0.5), f"half a second gone at {start:.2f}"
    samples = take.audio.samples.copy()
    rate = take.audio.sample_rate
    samples[round(start * rate) : round((start + 0.5) * rate)] = 0
    return Audio(samples, rate), f"half a second silent at {start:.2f}"


_FAULTS: dict[str, Callable[[np.random.Generator, str, Callable[[str, int], _Take]], tuple[Audio, str]]] = {
    "clean": _clean,
    "dropped": _dropped,
    "doubled": _doubled,
    "swapped": _swapped,
    "foreign": _foreign,
    "leaked": _leaked,
    "cut": _cut,
}


def _slice(audio: Audio, start: float, end: float) -> np.ndarray:
    return audio.samples[round(start * audio.sample_rate) : round(end * audio.sample_rate)]


def _without(audio: Audio, start: float, end: float) -> Audio:
    first, last = round(start * audio.sample_rate), round(end * audio.sample_rate)
    return Audio(np.concatenate([audio.samples[:first], audio.samples[last:]]), audio.sample_rate)


def _inserted(audio: Audio, at: float, sound: np.ndarray) -> Audio:
    place = round(at * audio.sample_rate)
    return Audio(np.concatenate([audio.samples[:place], sound, audio.samples[place:]]), audio.sample_rate)
