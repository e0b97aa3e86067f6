"""The SDK inside is as the worker knows it, and a change is told before the first job."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from f5_serverless.errors import SetupError
from f5_serverless.serve import sdk_patches


def test_the_installed_sdk_has_the_known_shape() -> None:
    sdk_patches.check_shape()


def test_a_changed_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from runpod.serverless.modules import rp_http

    async def _transmit(client_session: object, url: str, job_data: object) -> None:
        """Another release."""

    monkeypatch.setattr(rp_http, "_transmit", _transmit)
    monkeypatch.delattr(rp_http, "_handle_result")
    with pytest.raises(SetupError, match=r"rp_http:_transmit, \S+rp_http:_handle_result"):
        sdk_patches.check_shape()


def test_comments_do_not_count() -> None:
    def thing() -> int:
        return 1

    before = sdk_patches.fingerprint(thing)

    def thing() -> int:  # type: ignore[no-redef]
        # why

        return 1

    assert sdk_patches.fingerprint(thing) == before


def test_the_lean_import_leaves_no_stub_behind() -> None:
    code = """
        import sys
        from f5_serverless.serve import sdk_patches
        sdk_patches.load_sdk()
        assert not {"paramiko", "cpuinfo"} & set(sys.modules)
        import cpuinfo, paramiko
        assert paramiko.SSHClient and cpuinfo.get_cpu_info is not dict
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
