"""Evidence is there as a whole or not at all, is never written over, and shows one flipped byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import StorageError, TamperedError
from roadworthy.evidence import EvidenceStore, check_bundle, measurements_parquet, plain, read_bundle, read_measurements
from roadworthy.measurement import Measurement
from tests.roadworthy.records import DAY, HOSTILE, files_of, measurements


def stored(tmp_path: Path, **given_files: Any) -> tuple[EvidenceStore, Any]:
    store = EvidenceStore(tmp_path / "evidence")
    return store, store.write("credit", "1.0.0", DAY, "r1", files_of(**given_files))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# Known answers: tools that are not ours.


def test_a_bundle_can_be_checked_with_sha256sum_alone(tmp_path: Path) -> None:
    _, address = stored(tmp_path, attachments={"plot.svg": b"<svg/>"})
    done = subprocess.run(["sha256sum", "-c", "MANIFEST"], cwd=address.path, check=True, capture_output=True, text=True)
    assert done.stdout.count(": OK") == 7
    whole = subprocess.run(["sha256sum", "MANIFEST"], cwd=address.path, check=True, capture_output=True, text=True)
    assert whole.stdout.split()[0] == address.sha256


def test_measurements_can_be_read_with_duckdb_alone(tmp_path: Path) -> None:
    _, address = stored(tmp_path)
    with duckdb.connect() as con:
        rows = con.execute(
            "select metric, value, n, json_extract_string(stats, '$.positives') from read_parquet(?)",
            [str(address.path / "measurements.parquet")],
        ).fetchall()
    assert rows == [("fairness.selection_rate_ratio", 0.1 + 0.2, 76, "12"), ("drift.psi", None, 3, None)]


# What it promises.


def test_a_bundle_reads_back_exactly(tmp_path: Path) -> None:
    _, address = stored(tmp_path, attachments={"shap.json": b"{}"})
    bundle = read_bundle(address.path, address.sha256)
    assert bundle.measurements == measurements()
    assert bundle.findings[0].over == {"group": {"sex": HOSTILE}}
    assert bundle.findings[0].clauses == ("29 CFR 1607.4(D)",)
    assert (bundle.address, bundle.path) == (address.sha256, address.path)
    assert (bundle.verdict.word, bundle.verdict.when, bundle.judge_version) == ("clear", "nightly", "1")
    assert (bundle.run["run_id"], bundle.inputs["waivers"], bundle.state["points"]) == ("r1", [], {})
    assert bundle.attachments == ("shap.json",)
    assert bundle.attachment("shap.json") == b"{}"
    with pytest.raises(StorageError, match=r"no attachment 'x'"):
        bundle.attachment("x")


def test_equal_values_give_equal_bytes_in_another_process() -> None:
    digest = "hashlib.sha256(repr(sorted(files_of().items())).encode()).hexdigest()"
    code = f"import hashlib; from tests.roadworthy.records import files_of; print({digest})"
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env)
    assert done.stdout.strip() == hashlib.sha256(repr(sorted(files_of().items())).encode()).hexdigest()


def test_the_same_run_written_again_is_the_same_bundle(tmp_path: Path) -> None:
    store, address = stored(tmp_path)
    before = snapshot(address.path)
    assert store.write("credit", "1.0.0", DAY.isoformat(), "r1", files_of()) == address
    assert snapshot(address.path) == before
    assert store.find("credit", "1.0.0", DAY.isoformat(), "r1") == address.path
    assert store.find("credit", "1.0.0", DAY, "r2") is None
    assert list(store.bundles()) == [address.relative]


def test_a_recorded_run_is_never_written_over(tmp_path: Path) -> None:
    store, address = stored(tmp_path)
    before = snapshot(address.path)
    with pytest.raises(StorageError, match="recorded already, with other content"):
        store.write("credit", "1.0.0", DAY, "r1", files_of(word="watch"))
    assert snapshot(address.path) == before
    assert list(address.path.parent.iterdir()) == [address.path]


def test_files_are_read_only_and_can_still_be_removed_by_make_clean(tmp_path: Path) -> None:
    store, address = stored(tmp_path)
    assert all(p.stat().st_mode & 0o222 == 0 for p in address.path.rglob("*") if p.is_file())
    shutil.rmtree(store.folder)
    assert not store.folder.exists()


# Properties.

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
cells = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
mappings = st.dictionaries(words, cells, max_size=3)


@given(over=mappings, stats=mappings, details=mappings, value=finite, method=words, n=st.none() | st.integers(0, 2**62))
@settings(max_examples=150, deadline=None)
def test_any_measurement_survives_parquet(
    over: dict[str, Any], stats: dict[str, Any], details: dict[str, Any], value: float, method: str, n: int | None
) -> None:
    one = Measurement("drift.psi", over, value, value, value, 0.95, 0.5, n, stats, method, {"batch": "ab"}, details=details)
    (back,) = read_measurements(measurements_parquet([one]))
    assert back == one
    assert json.dumps(back.as_dict(), sort_keys=True) == json.dumps(
        one.as_dict(), sort_keys=True
    )  # tells -0.0 from 0.0, and 1 from 1.0


def test_numbers_of_numpy_become_plain_and_infinite_ones_are_refused() -> None:
    import numpy as np

    assert plain({"n": np.int64(3), "p": np.float32(0.5), "all": np.array([[1, 2]]), "t": (1,), "yes": np.bool_(True)}) == {
        "n": 3,
        "p": 0.5,
        "all": [[1, 2]],
        "t": [1],
        "yes": True,
    }
    for bad in (float("nan"), float("-inf"), np.float64("nan"), {1: "a"}, {"x": b"a"}, {"x": {2}}, DAY):
        with pytest.raises(ValueError):
            plain({"x": bad}, "details")


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_one_flipped_byte_in_any_file_is_found_and_named(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    _, address = stored(tmp_path_factory.mktemp("bundle"), attachments={"a.json": b"{}"})
    names = sorted(p.relative_to(address.path).as_posix() for p in address.path.rglob("*") if p.is_file())
    name = data.draw(st.sampled_from(names))
    file = address.path / name
    raw = bytearray(file.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    file.chmod(0o644)
    file.write_bytes(raw)
    with pytest.raises(TamperedError, match=name):
        read_bundle(address.path, address.sha256)
    assert any(name in sentence for sentence in check_bundle(address.path, address.sha256)[2])


# Attacks and faults.


@pytest.mark.parametrize("change", ["missing", "extra", "link", "added folder"])
def test_missing_and_added_files_are_named(tmp_path: Path, change: str) -> None:
    _, address = stored(tmp_path)
    file = address.path / "findings.json"
    if change == "missing":
        file.unlink()
    elif change == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file = address.path / ("more.json" if change == "extra" else "more/deep.json")
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
    with pytest.raises(TamperedError, match=file.relative_to(address.path).as_posix()):
        read_bundle(address.path, address.sha256)


def test_a_whole_bundle_put_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    store, address = stored(tmp_path)
    other = store.write("credit", "1.0.0", DAY, "r2", files_of(run_id="r2", word="watch"))
    shutil.rmtree(address.path)
    shutil.copytree(other.path, address.path)
    assert read_bundle(address.path).verdict.word == "watch"  # consistent in itself
    with pytest.raises(TamperedError, match="MANIFEST"):
        read_bundle(address.path, address.sha256)


@pytest.mark.parametrize(
    "line", [b"", b"zz\n", b"0" * 64 + b"  ../../x\n", b"0" * 64 + b"  /etc/passwd\n", b"0" * 64 + b"  MANIFEST\n", b"\xff\xfe\n"]
)
def test_a_forged_manifest_reaches_no_file_outside(tmp_path: Path, line: bytes) -> None:
    _, address = stored(tmp_path)
    manifest = address.path / "MANIFEST"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes() + line if line else b"")
    with pytest.raises(TamperedError):
        read_bundle(address.path)
    _, contents, problems = check_bundle(address.path)
    assert problems
    assert not set(contents) - {p.relative_to(address.path).as_posix() for p in address.path.rglob("*")}


@pytest.mark.parametrize("bad", ["../x", "a/b", "", ".hidden", "a b", "x" * 200, "a\n", "*", "é"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, bad: str) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    for names in ((bad, "1", "r"), ("m", bad, "r"), ("m", "1", bad)):
        with pytest.raises(ValueError):
            store.write(names[0], names[1], DAY, names[2], {})
    with pytest.raises(ValueError):
        store.write("m", "1", DAY, "r", {f"{bad}": b""} if "/" not in bad or ".." in bad else {"a//b": b""})
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize(
    "relative", ["../../x/y", "model=a/version=b/date=c", "model=../version=1/date=2/run=3", "/model=a/version=1/date=2/run=3"]
)
def test_a_place_outside_the_store_is_refused(tmp_path: Path, relative: str) -> None:
    with pytest.raises(StorageError, match="not the place of a bundle"):
        EvidenceStore(tmp_path).path_of(relative)


def test_a_missing_bundle_is_said_as_missing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="There is no bundle"):
        read_bundle(tmp_path / "nowhere")


def test_a_bundle_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    files = files_of()
    files["run.json"] = files["run.json"].replace(b'"schema_version": 1', b'"schema_version": 2')
    address = EvidenceStore(tmp_path).write("credit", "1.0.0", DAY, "r1", files)
    with pytest.raises(StorageError, match="newer version"):
        read_bundle(address.path, address.sha256)


def test_two_at_once_write_one_bundle(tmp_path: Path) -> None:
    store, files, seen = EvidenceStore(tmp_path), files_of(), []
    threads = [threading.Thread(target=lambda: seen.append(store.write("credit", "1.0.0", DAY, "r1", files))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1 and len(seen) == 6
    assert [p.name for p in seen[0].path.parent.iterdir()] == ["run=r1"]


KILLED = """
import os, sys
from pathlib import Path
from datetime import date
from roadworthy import evidence
from tests.roadworthy.records import files_of
real = os.fsync
left = int(sys.argv[2])
def fsync(handle):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    real(handle)
os.fsync = fsync
evidence.EvidenceStore(Path(sys.argv[1])).write("credit", "1.0.0", date(2026, 4, 9), "r1", files_of())
"""


@pytest.mark.parametrize("after", [0, 3, 7, 9])
def test_a_kill_leaves_a_whole_bundle_or_none(tmp_path: Path, after: int) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(after)], check=False)
    store = EvidenceStore(tmp_path)
    for relative in store.bundles():
        read_bundle(store.path_of(relative))
    address = store.write("credit", "1.0.0", DAY, "r1", files_of())
    assert read_bundle(address.path, address.sha256).run["run_id"] == "r1"


FULL = """
import resource, signal, sys
from datetime import date
from pathlib import Path
from roadworthy.errors import StorageError
from roadworthy.evidence import EvidenceStore
from tests.roadworthy.records import files_of
files = files_of(attachments={"big.json": b" " * 50_000})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    EvidenceStore(Path(sys.argv[1])).write("credit", "1.0.0", date(2026, 4, 9), "r1", files)
except StorageError as problem:
    print(problem.sentence)
"""


def test_a_disk_that_takes_no_more_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True, capture_output=True, text=True)
    assert "could not be written" in done.stdout
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_store_that_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file")
    with pytest.raises(StorageError, match="could not be written"):
        EvidenceStore(tmp_path / "evidence").write("credit", "1.0.0", date(2026, 4, 9), "r1", files_of())
