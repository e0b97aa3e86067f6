"""The hub's two files, against the fields that RunPod's publishing guide documents. Unknown fields are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from f5_serverless.config import Settings
from f5_serverless.request import parse_request

FOLDER = Path(__file__).parents[1] / ".runpod"
POOLS = Literal["AMPERE_16", "AMPERE_24", "ADA_24", "AMPERE_48", "ADA_48_PRO", "AMPERE_80", "ADA_80_PRO", "HOPPER_141"]
OUTSIDE = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RUNPOD_INIT_TIMEOUT"}
Cuda = Annotated[str, Field(pattern=r"^1[1-3]\.\d$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Choice(Strict):
    label: str
    value: str


class Input(Strict):
    name: str
    type: Literal["string", "number", "boolean", "huggingface"]
    description: str
    default: str | int | bool
    advanced: bool = False
    options: list[Choice] = []
    min: int | None = None
    max: int | None = None
    trueValue: str | None = None
    falseValue: str | None = None

    @model_validator(mode="after")
    def default_fits(self) -> Input:
        kinds: dict[str, type] = {"number": int, "boolean": bool}
        if type(self.default) is not kinds.get(self.type, str):
            raise ValueError("default is of another type")
        if self.options and self.default not in {choice.value for choice in self.options}:
            raise ValueError("default is none of the options")
        return self


class Variable(Strict):
    key: str
    value: str | None = None
    input: Input | None = None

    @model_validator(mode="after")
    def one_of_both(self) -> Variable:
        if (self.value is None) == (self.input is None):
            raise ValueError("either value or input")
        return self


class HubConfig(Strict):
    runsOn: Literal["GPU"]
    containerDiskInGb: int
    gpuCount: int
    gpuIds: str
    allowedCudaVersions: list[Cuda] = []
    env: list[Variable] = []


class Hub(Strict):
    title: str
    description: str
    type: Literal["serverless"]
    category: Literal["audio", "embedding", "language", "video", "image"]
    iconUrl: str | None = None
    config: HubConfig


class Case(Strict):
    name: str
    input: dict[str, Any]
    timeout: Annotated[int, Field(ge=1_000, le=600_000)]


class CaseConfig(Strict):
    gpuTypeId: str
    gpuCount: int
    env: list[Variable] = []
    allowedCudaVersions: list[Cuda] = []


class Cases(Strict):
    tests: Annotated[list[Case], Field(min_length=1)]
    config: CaseConfig


def test_the_listing_is_what_the_hub_reads() -> None:
    hub = Hub.model_validate_json((FOLDER / "hub.json").read_text())
    for pool in hub.config.gpuIds.split(","):
        assert pool in POOLS.__args__  # type: ignore[attr-defined]
    known = {field.metadata["env"] for field in Settings.__dataclass_fields__.values()} | OUTSIDE
    assert {variable.key for variable in hub.config.env} <= known


def test_the_hub_s_tests_are_requests_that_the_worker_takes() -> None:
    cases = Cases.model_validate_json((FOLDER / "tests.json").read_text())
    for case in cases.tests:
        assert parse_request(case.input).options.engine == "preview"


@pytest.mark.parametrize("change", [{"type": "pod"}, {"category": "music"}, {"tags": ["tts"]}])
def test_the_check_itself_refuses_what_the_hub_would(change: dict[str, Any]) -> None:
    hub = json.loads((FOLDER / "hub.json").read_text()) | change
    with pytest.raises(ValidationError):
        Hub.model_validate_json(json.dumps(hub))
