"""The documents tell the truth: what exists is documented once, and what is documented exists."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from f5_serverless.cli import build_parser
from f5_serverless.config import BadSetting, Settings
from f5_serverless.request import Options, RequestModel, parse_request

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def table_keys(path: Path, heading: str) -> list[str]:
    """The first cells, in code marks, of the table under ``heading``."""
    section = re.split(rf"^#+ {re.escape(heading)}$", path.read_text(), flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", section, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


def test_every_setting_is_documented_once() -> None:
    known = Counter(item.metadata["env"] for item in dataclasses.fields(Settings))
    assert Counter(table_keys(ROOT / "docs" / "configuration.md", "Settings")) == known


def test_every_option_is_documented_once() -> None:
    known = Counter(field.alias or name for name, field in Options.model_fields.items())
    assert Counter(table_keys(ROOT / "docs" / "request.md", "Options")) == known


def test_every_field_is_documented_once() -> None:
    assert Counter(table_keys(ROOT / "docs" / "request.md", "Fields")) == Counter(list(RequestModel.model_fields))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_exists(path: Path) -> None:
    for block in re.findall(r"```(?:bash|sh|console)\n(.*?)```", path.read_text(), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ").split(" # ")[0].split(" | ")[-1].split(" > ")[0].split(" < ")[0].strip()
            words = shlex.split(line, comments=True)
            if words[:1] == ["make"]:
                targets = [word for word in words[1:] if "=" not in word]
                makefile = (ROOT / "Makefile").read_text()
                assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), line
            for position, word in enumerate(words):
                if word.endswith("f5-serverless") and "=" not in word and position + 1 < len(words) and position < 2:
                    build_parser().parse_args(words[position + 1 :])
                    break


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_request_shown_is_one(path: Path) -> None:
    for block in re.findall(r"```json\n(.*?)```", path.read_text(), flags=re.DOTALL):
        content = json.loads(block)
        if isinstance(content, dict) and "input" in content:
            parse_request(content["input"])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_linked_exists(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_settings_come_from_their_variables() -> None:
    settings = Settings.from_env({"F5_MAX_CHUNKS": "12", "F5_OUTPUT_DIR": "/srv/out", "UNRELATED": "x"})
    assert settings.max_chunks == 12
    assert settings.output_dir == Path("/srv/out")
    assert Settings.from_env({}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"), [("F5_MAX_CHUNKS", "many"), ("F5_CHUNK_SECONDS", "nan"), ("F5_MAX_CHUNKS", "-1")]
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(BadSetting, match=variable) as caught:
        Settings.from_env({variable: value})
    assert caught.value.field == variable
