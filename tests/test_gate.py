"""An engine that fails at random behind the gate: what it says wrong is made again (figures: benchmarks.gate)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gate import measure, plain, script


def test_most_damage_stays_behind_the_gate(tmp_path: Path) -> None:
    wer, damaged, _, made = measure(4, 1, tmp_path / "open")
    assert damaged >= 2, "the engine must fail for this test to say anything"
    assert wer > 0.02
    behind, still_damaged, _, tried = measure(4, 3, tmp_path / "gate")
    assert still_damaged <= damaged // 2
    assert behind < wer / 2
    assert tried > made


def test_the_script_is_plain_words() -> None:
    assert plain(" ".join(script(0))).split()
