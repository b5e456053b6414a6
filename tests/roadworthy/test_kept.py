"""What is kept: found again by its inputs, vouched for by the ledger, and never believed when it was changed."""

from __future__ import annotations

import json
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import StorageError, TamperedError
from roadworthy.kept import Kept
from roadworthy.ledger import Ledger
from roadworthy.verify import verify
from tests.roadworthy.records import HOSTILE, make_workspace

KEY = {"reference": "ab12", "columns": ["age", HOSTILE]}


def open_kept(root: Path, model: str = "credit", version: str = "1.0.0") -> Kept:
    return Kept(root / "kept", Ledger.open(f"sqlite:///{root}/state.sqlite"), model, version)


def files(root: Path) -> list[Path]:
    return sorted((root / "kept").iterdir())


def test_what_was_kept_is_found_by_the_same_inputs_and_by_no_others(tmp_path: Path):
    kept = open_kept(tmp_path)
    assert kept.get("profile", KEY) is None
    kept.put("profile", KEY, {"rows": 3, "word": HOSTILE, "edge": 1e-300})
    assert kept.get("profile", KEY) == {"rows": 3, "word": HOSTILE, "edge": 1e-300}
    assert kept.get("profile", {**KEY, "reference": "ab13"}) is None
    assert kept.get("importance", KEY) is None
    assert open_kept(tmp_path, "bikes").get("profile", KEY) is None
    assert open_kept(tmp_path, version="2.0.0").get("profile", KEY) is not None, "one reference is the same for two versions"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
).filter(lambda value: "\\ud" not in json.dumps(value))


@settings(max_examples=30, deadline=None)
@given(content=_json)
def test_any_json_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, content: object):
    kept = open_kept(tmp_path_factory.mktemp("kept"))
    kept.put("profile", KEY, content)
    assert kept.get("profile", KEY) == content


def test_a_changed_file_is_never_believed(tmp_path: Path):
    kept = open_kept(tmp_path)
    kept.put("profile", KEY, {"rows": 3})
    [file] = files(tmp_path)
    file.write_bytes(b'{"rows":4}')
    with pytest.raises(TamperedError, match="is not what entry 1 of the ledger recorded"):
        kept.get("profile", KEY)


def test_a_file_that_is_gone_is_computed_again_and_what_replaces_it_counts(tmp_path: Path):
    kept = open_kept(tmp_path)
    kept.put("profile", KEY, {"rows": 3})
    files(tmp_path)[0].unlink()
    assert kept.get("profile", KEY) is None
    kept.put("profile", KEY, {"rows": 4})
    assert kept.get("profile", KEY) == {"rows": 4}


def test_nothing_half_written_is_left_and_the_same_content_is_one_file_and_one_entry(tmp_path: Path):
    kept = open_kept(tmp_path)
    for _ in range(3):
        kept.put("profile", KEY, {"rows": 3})
    assert [f.suffix for f in files(tmp_path)] == [".json"]
    assert Ledger.open(f"sqlite:///{tmp_path}/state.sqlite").head()[0] == 1


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path):
    (tmp_path / "kept").write_text("a file is in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        open_kept(tmp_path).put("profile", KEY, {"rows": 3})


def _keep(root: Path, number: int) -> None:
    kept = open_kept(root)
    for turn in range(20):
        kept.put("profile", KEY, {"rows": 3})
        kept.put("own", {"of": [number, turn]}, {"number": number})


def test_two_processes_may_keep_the_same_thing_at_once(tmp_path: Path):
    open_kept(tmp_path)
    context = get_context("spawn")
    both = [context.Process(target=_keep, args=(tmp_path, number)) for number in (1, 2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
        assert one.exitcode == 0
    kept = open_kept(tmp_path)
    assert kept.get("profile", KEY) == {"rows": 3}
    assert all(kept.get("own", {"of": [number, turn]}) == {"number": number} for number in (1, 2) for turn in range(20))


def test_verify_names_a_kept_file_that_was_changed_and_does_not_miss_one_that_is_gone(tmp_path: Path):
    workspace = make_workspace(tmp_path)
    ledger = Ledger.open(workspace.state_url)
    kept = Kept(workspace.made / "kept", ledger, "credit", "1.0.0")
    kept.put("profile", KEY, {"rows": 3})
    kept.put("profile", {"reference": "other"}, {"rows": 5})
    assert verify(workspace).state == "valid"
    one, other = sorted((workspace.made / "kept").iterdir())
    other.unlink()
    assert verify(workspace).state == "valid", "it can be computed again"
    one.write_bytes(one.read_bytes() + b" ")
    report = verify(workspace)
    assert report.state == "tampered" and any(one.name in line for line in report.lines)
