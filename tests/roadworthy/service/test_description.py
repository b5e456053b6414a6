"""The service is held against its own description by a program that makes up requests: no answer is an accident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from roadworthy.ledger import Ledger
from roadworthy.switch.snapshot import Signer
from tests.roadworthy.service.house import make_house, token
from tests.roadworthy.service.running import running

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def ask(url: str, who: str | None, examples: int) -> subprocess.CompletedProcess[str]:
    known = ["-H", f"Authorization: Bearer {token(who)}"] if who else []
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", CHECKS),
            *("--max-examples", str(examples), "--generation-deterministic", "--no-color", "--request-timeout", "20"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--exclude-path", "/v1/events", *known),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd="/",
    )


def held(tmp_path: Path, whos: tuple[str | None, ...], examples: int) -> None:
    workspace = make_house(tmp_path / "w")
    key = tmp_path / "service.pem"
    Signer.make(key)
    with running(workspace, key, most=1000) as service:
        for who in whos:
            done = ask(service.url, who, examples)
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert service.call("GET", "/healthz", None)[0] == 200
    with Ledger.open(workspace.state_url) as ledger:
        assert ledger.verify() == []


def test_no_request_that_the_description_allows_ends_in_an_accident(tmp_path: Path) -> None:
    held(tmp_path, ("gustav",), 10)


@pytest.mark.long
def test_no_request_of_any_principal_ends_in_an_accident(tmp_path: Path) -> None:
    held(tmp_path, ("gustav", "oscar", "nightly", "scoring", "adele", None), 60)
