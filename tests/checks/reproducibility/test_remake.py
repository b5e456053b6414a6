"""A recipe is run again: what is the same is found the same, and what differs is found and named."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checks.isolation import Answer
from checks.isolation.walls import FILES, NETWORK, NOT_ISOLATED
from checks.reproducibility import FACTS, REMADE, inside, making, measure, remake
from checks.reproducibility.account import compared_rows, read
from checks.reproducibility.facts import pins
from roadworthy.canonical import digest_bytes
from roadworthy.errors import DataError
from roadworthy.measurement import Measurement
from roadworthy.passport import Passport
from tests.checks.reproducibility.worlds import CODE, DATA, LOCK, PROGRAM, RECORD, Edit, nothing, rewritten, world
from tests.support import make_subject, passport_of, write_parquet


def found(root: Path, spoil: Edit = nothing, **world_of: Any) -> dict[str, Measurement]:
    with world(root, spoil, **world_of) as subject:
        return {m.metric.partition(".")[2]: m for m in [*measure(subject), *remake(subject)]}


def reason(root: Path, program: str, **recipe: Any) -> str:
    """What is said of a recipe that cannot be run to its end: the same of every metric."""
    with world(root, program=program, **recipe) as subject:
        made = remake(subject)
    assert [m.metric for m in made] == list(REMADE) and {m.status for m in made} == {"error"}
    assert len({m.reason for m in made}) == 1
    return made[0].reason


def needs(wall: str) -> None:
    if wall not in making.standing():
        pytest.skip(f"this kernel grants no such wall: {wall}")


# --- the same again


def test_what_nobody_changed_is_the_same_to_the_byte(tmp_path: Path) -> None:
    made = found(tmp_path)
    values = {name: m.value for name, m in made.items()}
    assert values == {
        "data_matches": 1, "code_matches": 1, "lock_matches": 1, "libraries_differ": 0, "artifact_identical": 1,
        "predictions_differ": None, "prediction_gap": None, "settings_differ": 0, "rows_differ": 0,
    }
    assert made["predictions_differ"].status == "not_applicable"
    assert "'json' cannot be run here" in made["predictions_differ"].reason
    assert made["artifact_identical"].details["differs"] == "Nothing differs."
    assert made["artifact_identical"].details["isolation"] == (NETWORK if NETWORK in making.standing() else NOT_ISOLATED)
    assert made["rows_differ"].n == 40 and made["settings_differ"].details["compared"] == ["seed", "row_order", "threads"]


# --- each change is found and named


@pytest.mark.parametrize(("spoil", "recipe", "named", "metric", "identical"), [
    (rewritten(CODE, "SEED, THREADS = 7, 1", "SEED, THREADS = 8, 1"), {}, "seed (recorded 7, used 8)", "settings_differ", 0),
    (nothing, {"seed": 9}, "seed (recorded 9, used 7)", "settings_differ", 1),
    (rewritten(CODE, "int(row[0])", "-int(row[0])"), {}, "row order (the same rows in another order)", "settings_differ", 0),
    (nothing, {"row_order": ["age"]}, "row order (recorded age, used id)", "settings_differ", 1),
    (nothing, {"libraries": {"numpy": "1.0"}}, "library numpy (recorded 1.0, installed ", "libraries_differ", 1),
    (rewritten(DATA, "17,3,2", "17,4,2"), {}, "training rows (1 changed; 40 recorded, 40 used)", "rows_differ", 0),
    (rewritten(DATA, "39,4,4\n", ""), {}, "training rows (1 removed; 40 recorded, 39 used)", "rows_differ", 0),
    (nothing, {"python": "3.1"}, "Python (recorded 3.1, here ", "", 1),
    (rewritten(CODE, "import json", "import  json"), {}, f"{CODE} was changed (recorded ", "code_matches", 1),
    (rewritten(LOCK, "numpy", "# numpy"), {}, f"{LOCK} was changed (recorded ", "lock_matches", 1),
])
def test_what_differs_is_named(
    tmp_path: Path, spoil: Edit, recipe: dict[str, Any], named: str, metric: str, identical: int
) -> None:
    made = found(tmp_path, spoil, **recipe)
    assert made["artifact_identical"].value == identical
    assert named in made["artifact_identical"].details["differs"]
    if metric:
        good = 1 if metric.endswith("_matches") else 0
        assert made[metric].value is not None and made[metric].value != good
    others = {"settings_differ": 0, "rows_differ": 0, "libraries_differ": 0, "lock_matches": 1}
    assert all(made[name].value == value for name, value in others.items() if name != metric and made[name].status == "measured")


@pytest.mark.parametrize("recipe", [
    {"libraries": {"numpy": "1.0"}}, {"python": "3.1"}, {"lock_sha256": "0" * 64}, {"libraries": {"no-such-library": "1.0"}},
])
def test_another_model_made_outside_the_locks_environment_is_undecided_and_the_same_one_is_not(
    tmp_path: Path, recipe: dict[str, Any]
) -> None:
    made = found(tmp_path / "same", **recipe)["artifact_identical"]
    assert made.value == 1 and made.details["environment"] == "not that of the lock"
    assert made.details["differs"].startswith("Not the lock's environment. Differs: ")
    spoil = rewritten(CODE, "SEED, THREADS = 7, 1", "SEED, THREADS = 8, 1")
    made = found(tmp_path / "other", spoil, **recipe)["artifact_identical"]
    assert made.status == "error" and "may be the libraries' doing. Not the lock's environment. Differs: " in made.reason
    assert "seed (recorded 7, used 8)" in made.details["differs"], "what else differs is named all the same"
    here = found(tmp_path / "here", spoil)["artifact_identical"]
    assert here.value == 0 and here.details["environment"] == "that of the lock"


def test_every_library_of_the_lock_is_compared_and_the_passport_may_not_contradict_it(tmp_path: Path) -> None:
    text = f"numpy==1.0\nno-such-library==2.0\nscikit_learn=={metadata.version('scikit-learn')}\n"

    def spoil(root: Path) -> None:
        (root / LOCK).write_text(text, encoding="utf-8")

    recipe = {"libraries": {"numpy": metadata.version("numpy")}, "lock_sha256": digest_bytes(text.encode())}
    made = found(tmp_path, spoil, **recipe)["libraries_differ"]
    assert made.value == 2 and made.n == 3
    assert "the lock file pins 1.0" in made.details["differs"] and "no-such-library (recorded 2.0, not" in made.details["differs"]


def test_what_differs_without_a_recorded_cause_is_not_called_the_same(tmp_path: Path) -> None:
    clock = PROGRAM.replace("noise = ", "import os; noise = os.getpid() + os.stat('/proc/self').st_ctime_ns + ")
    made = found(tmp_path, program=clock)
    assert made["artifact_identical"].value == 0
    assert made["artifact_identical"].details["differs"].startswith("Nothing that is recorded differs, so the recipe rests on")


def test_a_record_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    made = found(tmp_path, rewritten(RECORD, '"seed": 7', '"seed": 8'))
    assert made["settings_differ"].status == made["rows_differ"].status == "insufficient"
    assert "not the one whose digest" in made["rows_differ"].reason


def test_a_recipe_that_tells_nothing_is_no_pass(tmp_path: Path) -> None:
    silent = PROGRAM.replace("json.dump({\"seed\"", "sys.exit(0) or json.dump({\"seed\"")
    made = found(tmp_path, program=silent, record=None, record_sha256=None, lock=None, libraries=None)
    unknown = ("settings_differ", "rows_differ", "lock_matches", "libraries_differ")
    assert made["artifact_identical"].value == 1 and {made[name].status for name in unknown} == {"insufficient"}


# --- predictions, by processes that are made up: what is asked, and what is believed


def asking(values: dict[str, Any], seen: dict[str, Any], walls: tuple[str, ...] = (NETWORK,)) -> Callable[..., Answer]:
    """Stand for the processes: the recipe makes a file, and whoever is asked for predictions answers `values`."""
    def asked(job: str, order: Any, tables: Any = None, files: Any = None, limits: Any = None, wanted: Any = ()) -> Answer:
        if job == making.JOB:
            return Answer({"code": 0, "wanted": {}, "said": ""}, walls=walls, files={"out": b"made again"})
        seen.update(rows=tables["rows"].to_pydict(), order=order)
        return Answer(values)

    return asked


def predicted(
    root: Path, values: dict[str, Any], seen: dict[str, Any], walls: tuple[str, ...] = (NETWORK,), **recipe: Any
) -> dict[str, Measurement]:
    frozen = {"income": [5.0, 6.0, 7.0], "age": [1, 2, 3], "name": ["Anna", "Ben", "Cem"]}
    write_parquet(frozen, root / "frozen.parquet")
    passport = passport_of(
        artifact={"path": "m.skops", "sha256": "0" * 64, "format": "skops"}, no_artifact_because=None,
        recipe={"command": ["python", "x.py", "{out}"], "seed": 1, **recipe},
    )
    rows = {"age": [1], "income": [1], "label": [1], "prediction": [1], "score": [0.5]}
    with make_subject(root, passport, rows) as subject:
        return {m.metric.partition(".")[2]: m for m in remake(subject, asking(values, seen, walls))}


def test_both_models_are_asked_about_the_frozen_rows_and_their_inputs_alone(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    answer = {"rows": 3, "differ": 1, "gap": 0.5, "settings": ["depth of the model (recorded 3, used 4)"]}
    made = predicted(tmp_path, answer, seen, frozen="frozen.parquet", tolerance=0.25)
    assert seen["rows"] == {"age": [1, 2, 3], "income": [5.0, 6.0, 7.0]} and seen["order"]["tolerance"] == 0.25
    assert seen["order"]["again"]["sha256"] == digest_bytes(b"made again") != seen["order"]["recorded"]["sha256"] == "0" * 64
    differ, gap = made["predictions_differ"], made["prediction_gap"]
    assert (differ.value, differ.n, gap.value) == (pytest.approx(1 / 3), 3, 0.5)
    # Wilson's interval of 1 in 3 at 95 %, from the formula of 1927.
    assert (differ.low, differ.high) == (pytest.approx(0.0615, abs=1e-4), pytest.approx(0.7923, abs=1e-4))
    assert differ.details["sample"] == "3 rows of the frozen sample"
    assert "depth of the model (recorded 3, used 4)" in differ.details["differs"]
    assert predicted(tmp_path, {**answer, "rows": 1, "differ": 0}, seen)["predictions_differ"].n == 1, "the reference"


@pytest.mark.parametrize("answer", [
    {}, {"rows": 4, "differ": 0, "gap": 0.0, "settings": []}, {"rows": 3, "differ": 4, "gap": 0.0, "settings": []},
    {"rows": 3, "differ": -1, "gap": 0.0, "settings": []}, {"rows": 3, "differ": False, "gap": 0.0, "settings": []},
    {"rows": 3, "differ": 0, "gap": -1.0, "settings": []}, {"rows": 3, "differ": 0, "gap": "0", "settings": []},
    {"rows": 3, "differ": 0, "gap": 0.0, "settings": ["\x1b[31m"]}, {"rows": 3, "differ": 0, "gap": 0.0, "settings": ["x"] * 11},
])
def test_predictions_that_cannot_be_are_an_error_and_no_pass(tmp_path: Path, answer: dict[str, Any]) -> None:
    made = predicted(tmp_path, answer, {}, frozen="frozen.parquet")
    assert made["predictions_differ"].status == made["prediction_gap"].status == "error"
    assert "another shape" in made["predictions_differ"].reason and made["artifact_identical"].value == 0


def test_where_no_wall_stood_the_evidence_says_not_isolated(tmp_path: Path) -> None:
    made = predicted(tmp_path, {"rows": 1, "differ": 0, "gap": 0.0, "settings": []}, {}, walls=())
    told = {made[name].details["isolation"] for name in ("artifact_identical", "predictions_differ", "prediction_gap")}
    assert told == {NOT_ISOLATED}


def test_a_frozen_sample_that_is_not_there_is_an_error_and_the_reference_does_not_stand_in(tmp_path: Path) -> None:
    made = predicted(tmp_path, {}, {}, frozen="gone.parquet")
    assert made["predictions_differ"].reason == (
        "The two models could not be asked. The frozen sample that the passport names does not exist."
    )


# --- nothing to make again


def test_without_a_recipe_or_an_artifact_nothing_applies(tmp_path: Path) -> None:
    rows = {"age": [1], "income": [1], "label": [1], "prediction": [1], "score": [0.5]}
    with make_subject(tmp_path, passport_of(), rows) as subject:
        assert {m.status for m in [*measure(subject), *remake(subject)]} == {"not_applicable"}
        assert [m.metric for m in measure(subject)] == list(FACTS)
    bare = passport_of(recipe={"command": ["python", "x.py"], "seed": 1})
    with make_subject(tmp_path, bare, rows) as subject:
        assert {m.status for m in measure(subject)} == {"insufficient"}
        assert {m.status for m in remake(subject)} == {"not_applicable"}


# --- what a recipe may not do


def test_one_that_wants_the_network_is_told_so(tmp_path: Path) -> None:
    needs(NETWORK)
    said = reason(tmp_path, "import urllib.request\nurllib.request.urlopen('http://192.0.2.1/rows.csv', timeout=5)")
    assert said == "The recipe wanted the network, which it does not get, and ended with exit code 1."


def test_one_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    said = reason(tmp_path, "import os, time\nos.fork()\ntime.sleep(60)", seconds=2)
    assert said == "The recipe could not be run to its end. It was stopped, for it had not ended after 2 s."


def test_one_that_eats_memory_is_refused_it(tmp_path: Path) -> None:
    said = reason(tmp_path, "x = bytearray(1 << 31)")
    assert said == "The recipe wanted more memory than the 1,024 MB that it may use, and ended with exit code 1."


def test_one_that_writes_outside_or_reads_what_was_not_named_fails(tmp_path: Path) -> None:
    needs(FILES)
    outside = tmp_path / "outside"
    refused = "The recipe ended with exit code 1: PermissionError."
    assert reason(tmp_path / "a", f"open({str(outside)!r}, 'w').write('x')") == refused
    assert not outside.exists()
    assert reason(tmp_path / "b", f"open({str(tmp_path / 'a' / DATA)!r})") == refused
    assert "FileNotFoundError" in reason(tmp_path / "c", "open('model/model.json')")


def test_its_variables_are_those_declared_and_no_key_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_TEST_SECRET", "hunter2")
    program = (
        "import os, sys, threading\n"
        "assert 'hunter2' not in repr(dict(os.environ)) and not any('roadworthy.yaml' in p for p in sys.path)\n"
        "assert os.environ['FLAVOUR'] == 'a b;$(id)' and os.environ['OMP_NUM_THREADS'] == '3'\n"
        "print(dict(os.environ), file=sys.stderr)\n"
        "raise SystemExit('hunter' + repr(os.environ.get('ROADWORTHY_TEST_SECRET')))\n"
    )
    said = reason(tmp_path, program, environment={"FLAVOUR": "a b;$(id)"}, threads=3)
    assert said == "The recipe ended with exit code 1."


@pytest.mark.parametrize(("program", "said"), [
    ("import sys; sys.exit(0)", "The recipe ended without writing the file that stands for {out}."),
    ("import sys, os; os.symlink('/etc/passwd', sys.argv[1])", "left cannot be taken: its answer is no file."),
    ("import sys, os; os.mkfifo(sys.argv[1])", "left cannot be taken: its answer is no file."),
    ("raise ValueError('Anna Bergmann owes 4711')", "The recipe ended with exit code 1: ValueError."),
    ("raise SystemExit('Anna Bergmann owes 4711')", "The recipe ended with exit code 1."),
    ("import os; os.kill(os.getpid(), 9)", "The recipe ended with SIGKILL."),
])
def test_what_is_no_artifact_is_not_taken(tmp_path: Path, program: str, said: str) -> None:
    assert reason(tmp_path, program).endswith(said)


def test_a_program_that_is_not_there_and_a_command_without_a_place_to_write_are_told(tmp_path: Path) -> None:
    assert "'no-such-program' cannot be run" in reason(tmp_path / "a", PROGRAM, command=["no-such-program", "{out}", "{record}"])
    assert "does not hold {out}" in reason(tmp_path / "b", PROGRAM, command=["python", CODE, "{record}"])


# --- hostile names and words


def test_hostile_names_of_files_stay_names(tmp_path: Path) -> None:
    names = ["train/a b;$(touch x)`.csv", "train/\x1b[31m\u202e\n'\"<script>.csv", "train/*?[x].csv"]

    def more(root: Path) -> None:
        for name in names:
            (root / name).write_text("x", encoding="utf-8")

    listed = PROGRAM + "\nimport os\nassert sorted(os.listdir('train')) == " + repr(
        sorted([Path(n).name for n in names] + ["fit.py", "rows.csv", "requirements.lock"])
    )
    made = found(tmp_path, more, program=listed, data={**dict.fromkeys(names, "0" * 64), DATA: "0" * 64})
    said = made["artifact_identical"].details["differs"]
    assert made["artifact_identical"].value == 1 and made["data_matches"].stats["differ"] == 4
    assert said.isprintable() and "\x1b" not in said and "<script>" in said  # pages escape it


def test_a_file_that_is_missing_is_named_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    name = "train/\x1b[31m\ngone.csv"
    said = reason(tmp_path, PROGRAM, data={DATA: "0" * 64, name: "0" * 64})
    assert said.isprintable() and "gone.csv' cannot be read (No such file or directory)" in said


@pytest.mark.parametrize("bad", [
    {"data": {"../rows.csv": "0" * 64}}, {"code": {"/etc/passwd": "0" * 64}}, {"data": {"a": "0"}}, {"environment": {"A=B": "x"}},
    {"environment": {"A": "x\0"}}, {"command": ["python", "a\0"]}, {"tolerance": -1}, {"seconds": 0}, {"lock": "../x"},
    {"data": {"a": "0" * 64}, "code": {"a": "0" * 64}}, {"record": "r.json"}, {"frozen": "/x"}, {"threads": 0},
    {"python": "latest"},
])
def test_what_cannot_be_a_recipe_is_refused_in_the_passport(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="recipe"):
        passport_of(recipe={"command": ["python", "x.py", "{out}"], "seed": 1, **bad})


@pytest.mark.parametrize("content", [
    b"", b"[]", b"{", b'{"seed": true}', b'{"seed": 1.5}', b'{"rows": "abc"}', b'{"rows": [1]}', b'{"row_order": [null]}',
    b'{"rows": ["' + b"x" * 129 + b'"]}', b'{"threads": NaN}', b"[" * 100_000,
])
def test_an_account_of_another_shape_is_refused_without_its_content(content: bytes) -> None:
    with pytest.raises(DataError) as told:
        read(content, "the record")
    assert len(str(told.value)) < 80


# --- the parts


def test_rows_are_compared_as_multisets() -> None:
    same = compared_rows(["a", "b", "b"], ["a", "b", "b"])
    assert (same.differ, same.moved) == (0, False)
    mixed = compared_rows(["a", "a", "b"], ["a", "c", "d", "e"])
    assert (mixed.changed, mixed.added, mixed.removed, mixed.moved) == (2, 1, 0, False)


def test_predictions_are_compared_with_the_tolerance_and_no_number_equals_no_number() -> None:
    one = np.array([[0.0], [1.0], [np.nan], [np.inf], [np.nan], [1.0]])
    other = np.array([[0.0], [1.25], [np.nan], [np.inf], [0.0], [np.inf]])
    assert inside.compared(one, other, 0.0) == {"rows": 6, "differ": 3, "gap": 0.25}
    assert inside.compared(one, other, 0.25)["differ"] == 2
    assert inside.compared(np.array([["a"], ["b"]]), np.array([["a"], ["c"]]), 9.0) == {"rows": 2, "differ": 1, "gap": None}
    with pytest.raises(DataError, match="different shapes"):
        inside.compared(one, other[:3], 0.0)


def test_pins_of_another_system_and_ranges_are_no_pins() -> None:
    text = "a==1.0\nb>=2\nc==1.*\nd==3 ; sys_platform == 'no such'\ne[x]==4 \\\n --hash=sha256:00\n===\n-r more.txt\nf==1,<2\n"
    assert pins(text) == {"a": "1.0", "e": "4"}


def test_the_ending_of_the_artifact_is_kept_and_nothing_else_of_its_name() -> None:
    def named(path: str) -> str:
        artifact = {"path": path, "sha256": "0" * 64, "format": "json"}
        passport: Passport = passport_of(artifact=artifact, no_artifact_because=None)
        return making.file_name(passport)

    assert named("a/b.skops") == "artifact.skops"
    assert {named(path) for path in ("x; rm -rf", "x.a b", "x", ".hidden", "x." + "a" * 40)} == {"artifact"}
