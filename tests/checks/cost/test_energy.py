"""Energy: of serving by the log; else CodeCarbon's estimate of what answers to the inspection take, and named as such."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from checks import cost
from checks.cost import energy
from checks.cost.log import Log
from checks.cost.sheet import Sheet
from checks.isolation import Answer, IsolationError
from checks.subject import Subject
from roadworthy.catalogue import catalogue
from roadworthy.measurement import Measurement
from roadworthy.window import Window
from tests.checks.explainability.worlds import answered, model, opened, people, stored
from tests.support import DAY, make_subject, passport_of

METRIC = "cost.energy_kwh_per_1000"
PARTS = [[2000, 0.5, 1.0, 5.0, 0.0], [2000, 0.5, 1.5, 5.0, 0.0], [2000, 0.5, 2.0, 5.0, 0.0]]
MACHINE = {"cpu_model": "a processor", "cpu_count": "2", "codecarbon_version": "3.3.2"}


def inside(parts: Any = PARTS, seconds: float = 9.0) -> Callable[..., Answer]:
    return lambda *_, **__: Answer({"parts": parts, "machine": MACHINE}, isolation="network namespace", seconds=seconds)


def by_part(subject: Subject, asked: Callable[..., Answer], there: bool = True) -> Mapping[str, Measurement]:
    sheet = Sheet()
    window = Window.ending(DAY, 28)
    energy.measure(subject, Log(window, (), 0, subject.batch, "insufficient", "There is no log."), sheet, asked, lambda: there)
    assert all(m.metric == METRIC for m in sheet.found)
    assert {tuple(m.over) for m in sheet.found} <= {(), tuple(catalogue()[METRIC].by)}
    return {"".join(map(str, m.over.values())): m for m in sheet.found}


def asking(root: Path, asked: Callable[..., Answer], there: bool = True) -> Mapping[str, Measurement]:
    root.mkdir(exist_ok=True)
    fitted = model()
    passport = stored(root, fitted, measure_energy=True)
    with opened(root, passport, answered(fitted, people(60, 1)), answered(fitted, people(60, 2))) as subject:
        return by_part(subject, asked, there)


def test_known_joules_give_known_kilowatt_hours_and_say_whose_they_are(tmp_path: Path) -> None:
    found = asking(tmp_path, inside())
    own = found["whole sample"]
    assert own.value == pytest.approx(19.5 / 6000 * 1000 / 3.6e6) and own.n == 6000
    assert own.low is not None and own.high is not None and own.low < own.value < own.high
    assert own.details["mean_watts"] == pytest.approx({"processor": 3.0, "memory": 10.0, "graphics_card": 0.0})
    assert own.details["machine"] == MACHINE and energy.LABEL in own.method
    assert found[""].status == "insufficient", "what serving takes is not known from it"


def test_nobody_asked_so_nothing_is_run(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of()) as subject:
        assert {part: m.status for part, m in by_part(subject, _never).items()} == {"": "not_applicable"}


def test_without_codecarbon_it_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    found = asking(tmp_path, _never, there=False)
    assert {part: m.status for part, m in found.items()} == {"": "insufficient", "whole sample": "error"}
    assert all("pip install 'roadworthy[energy]'" in m.reason for m in found.values())


def _never(*_: Any, **__: Any) -> Answer:
    raise AssertionError("nothing should be run")


def _fails(*_: Any, **__: Any) -> Answer:
    raise IsolationError("It was stopped, for it had not ended after 120 s.")


@pytest.mark.parametrize("asked", [
    _fails, inside(None), inside([]), inside(PARTS[:1]), inside([[*PARTS[0][:2], -1.0, 0.0, 0.0], PARTS[1]]),
    inside([[1, 2]] * 2), inside([[0, *PARTS[0][1:]], PARTS[1]]),
    inside([["9", *PARTS[0][1:]], PARTS[1]]), inside(PARTS, seconds=1.0),
])
def test_a_process_that_gives_no_answer_or_none_that_can_be_is_an_error(tmp_path: Path, asked: Callable[..., Answer]) -> None:
    assert asking(tmp_path, asked)["whole sample"].status == "error"


def test_a_model_without_an_artifact_has_nothing_that_could_be_run(tmp_path: Path) -> None:
    with make_subject(tmp_path, passport_of(measure_energy=True)) as subject:
        assert set(by_part(subject, _never)) == {""}


def test_codecarbon_itself_measures_this_process_and_leaves_nothing_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("codecarbon", reason="CodeCarbon is not installed: pip install 'roadworthy[energy]'")
    for name in ("home", "temporary", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "here")
    fitted = model()
    passport = stored(tmp_path, fitted, measure_energy=True)
    with opened(tmp_path, passport, answered(fitted, people(200, 1)), answered(fitted, people(200, 2))) as subject:
        before = sorted(tmp_path.rglob("*"))
        found = [m for m in cost.measure(dataclasses.replace(subject)) if m.metric == METRIC and m.over]
        assert sorted(tmp_path.rglob("*")) == before
    [own] = found
    assert own.status == "measured", own.reason
    watts, machine = own.details["mean_watts"], own.details["machine"]
    # Of a second of the processor's time no machine makes less than a joule; counted of another process it would be anything.
    joules = watts["processor"] * own.stats["seconds"]
    assert joules > machine["processor_seconds"] > 0 and watts["memory"] > 0 and machine["tracking_mode"] == "process"
    assert capfd.readouterr() == ("", "")
