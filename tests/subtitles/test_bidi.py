"""The order of mixed lines, against python-bidi (an independent implementation of UAX #9)."""

from __future__ import annotations

import pytest
from bidi import get_display
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.subtitles.bidi import visual_runs

ANYTHING = settings(deadline=None, derandomize=True, max_examples=60)


def seen(text: str, rtl: bool, borders: tuple[int, ...] = ()) -> str:
    """The line as it looks, with right-to-left runs turned round as a renderer does; brackets are not mirrored here."""
    return "".join(
        text[run.start : run.end][::-1] if run.rtl else text[run.start : run.end]
        for run in visual_runs(text, rtl, borders)
    )


@pytest.mark.parametrize("rtl", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "שלום עולם",
        "שלום world עולם!",
        "ואיש לא ידע (אפילו לא Dr. Smith) מדוע!",
        "זה עלה $45.50 בשנת 1923, באמת?",
        "كان السعر $45.50 في عام 1923، ولم يعرف أحد!",
        "مرحبا ١٢٣٫٤٥ هنا 12:30",
        "hello (שלום) there",
        "C++ ו-Python 3.11 [בטא]",
        "abc",
        "",
    ],
)
def test_lines_are_ordered_as_unicode_says(text: str, rtl: bool) -> None:
    assert seen(text, rtl) == get_display(text, base_dir="R" if rtl else "L")


@ANYTHING
@given(st.text(alphabet="abאבجد12٣ .,$%()[]-!", max_size=24), st.booleans())
def test_any_line_is_ordered_as_unicode_says(text: str, rtl: bool) -> None:
    assert seen(text, rtl) == get_display(text, base_dir="R" if rtl else "L")


@ANYTHING
@given(st.text(alphabet="abאבجد12٣ .,$()", min_size=1, max_size=24), st.booleans(), st.data())
def test_borders_cut_runs_and_change_nothing(text: str, rtl: bool, data: st.DataObject) -> None:
    borders = tuple(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    runs = visual_runs(text, rtl, borders)
    assert seen(text, rtl, borders) == seen(text, rtl)
    assert sorted(i for run in runs for i in range(run.start, run.end)) == list(range(len(text)))
    assert not any(run.start < border < run.end for run in runs for border in borders)
