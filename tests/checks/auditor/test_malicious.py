"""No file that runs or hides something is called clean, and none is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from checks.auditor import Bounds, Danger, audited_pickle, opinion_of
from checks.isolation import IsolationError, ask
from roadworthy.canonical import digest_file
from tests.checks.auditor.malicious import MALICIOUS

SMALL = Bounds(content=4 << 20)


@pytest.mark.parametrize("name", MALICIOUS)
def test_none_is_called_clean_and_none_is_run(tmp_path: Path, name: str) -> None:
    bad, marker = MALICIOUS[name], tmp_path / "marker"
    content = bad.made(marker)
    opinion = opinion_of(content, bad.kind, SMALL)
    assert not opinion.clean and opinion.said.endswith(".") and opinion.steps == 0
    if bad.kind in ("pickle", "joblib"):
        with pytest.raises(Danger):
            audited_pickle(content, bad.kind, SMALL)
    assert not marker.exists()


def test_the_payloads_are_real(tmp_path: Path) -> None:
    """Loaded by a process without walls each of them runs, so the silence above is the auditor's."""
    real = [name for name, bad in MALICIOUS.items() if bad.runs]
    for place, name in enumerate(real):
        (tmp_path / f"{place}.bin").write_bytes(MALICIOUS[name].made(tmp_path / f"{place}.ran"))
    load = (
        "import sys, joblib, pathlib\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.bin'):\n"
        "    try:\n        joblib.load(path)\n    except Exception as problem:\n        print(path.name, problem)\n"
    )
    done = subprocess.run([sys.executable, "-c", load, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    silent = [name for place, name in enumerate(real) if not (tmp_path / f"{place}.ran").exists()]
    assert silent == [] and len(real) >= 15, done.stdout


@pytest.mark.parametrize("name", ["lzma", "type of the system"])
def test_none_is_loaded_inside_either(tmp_path: Path, name: str) -> None:
    bad, path, marker = MALICIOUS[name], tmp_path / "model", tmp_path / "marker"
    path.write_bytes(bad.made(marker))
    order = {"format": bad.kind, "sha256": digest_file(path), "trusted": ["os.system"], "pickle_trusted": []}
    with pytest.raises(IsolationError, match="was not loaded"):
        ask("checks.isolation.trial", order, files={"artifact": path})
    assert not marker.exists()


@pytest.mark.parametrize(("name", "said"), [
    ("dotted name", "'sklearn.datasets._base:os.system', which is not on the list"),
    ("field of objects", "says something else of its cells than its code does"),
    ("after the end", "bytes follow the end of the pickle"),
    ("lz4", "packed as lz4, which is not looked into"),
    ("bomb", "unpacks to more than"),
    ("in two frames", "reaches beyond its frame"),
    ("cells of another size", "cells are of another size"),
    ("type of the system", "names 'os.system'"),
    ("file beside the schema", "'more.pkl', of which its schema knows nothing"),
    ("operator of its own", "operators of 'evil.ops'"),
])
def test_what_was_found_is_said(tmp_path: Path, name: str, said: str) -> None:
    bad = MALICIOUS[name]
    assert said in opinion_of(bad.made(tmp_path / "marker"), bad.kind, SMALL).said
