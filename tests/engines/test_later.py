"""Stand-ins for packages that are imported when they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from f5_serverless.engines.later import imported_later

HEAVY = """
class Cup:
    @classmethod
    def of(cls, what):
        return cls(), what

def pour():
    return "tea"
"""
USER = "import heavy as h\nfrom heavy import Cup, pour\n"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy.py").write_text(HEAVY)
    (tmp_path / "user_of_heavy.py").write_text(USER)
    (tmp_path / "user_of_missing.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("heavy", "user_of_heavy"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("packages")
def test_package_is_imported_when_it_is_used() -> None:
    with imported_later("heavy"):
        import user_of_heavy  # type: ignore[import-not-found]
    assert "heavy" not in sys.modules
    assert user_of_heavy.pour() == "tea"
    assert "heavy" in sys.modules
    cup, what = user_of_heavy.Cup.of("milk")
    assert type(cup) is sys.modules["heavy"].Cup
    assert what == "milk"
    assert user_of_heavy.h.pour() == "tea"


@pytest.mark.usefixtures("packages")
def test_missing_package_is_still_missed() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), imported_later("no_such_package"):
        import user_of_missing  # type: ignore[import-not-found]  # noqa: F401


def test_english_alignment_needs_neither_transformers_nor_pandas() -> None:
    pytest.importorskip("whisperx", reason="pip install --no-deps whisperx==3.8.6")
    code = (
        "import sys\n"
        "from f5_serverless.engines.whisperx_engine import WhisperXAligner\n"
        "assert WhisperXAligner().supports('en')\n"
        "print([name for name in ('transformers', 'pandas', 'nltk', 'sympy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if "torchaudio" in done.stderr:
        pytest.skip("torchaudio does not work here")
    assert done.stdout.strip() == "[]", done.stderr
