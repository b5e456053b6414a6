"""Release states follow the ledger, and one broken passport hides no other model."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from roadworthy.errors import RefusedError, RoadworthyError, UsageError
from roadworthy.ledger import Ledger
from roadworthy.registry import ALLOWED, STATES, Registry, State
from roadworthy.workspace import Workspace
from tests.roadworthy.records import NOW, add_version, at, make_workspace

WAY: dict[State, tuple[State, ...]] = {
    "candidate": (),
    "judged": ("judged",),
    "awaiting-signatures": ("judged", "awaiting-signatures"),
    "approved": ("judged", "awaiting-signatures", "approved"),
    "rejected": ("judged", "rejected"),
    "expired": ("judged", "awaiting-signatures", "expired"),
    "live": ("judged", "awaiting-signatures", "approved", "live"),
    "retired": ("judged", "awaiting-signatures", "approved", "live", "retired"),
}


def opened(workspace: Workspace) -> tuple[Ledger, Registry]:
    ledger = Ledger.open(workspace.state_url)
    return ledger, Registry(workspace, ledger)


def walk(registry: Registry, version: str, way: tuple[State, ...]) -> None:
    for to in way:
        registry.move("credit", version, to, "gustav", "A test.", NOW)


@pytest.mark.parametrize("start", STATES)
def test_a_release_moves_only_along_the_road(tmp_path: Path, start: State) -> None:
    workspace = make_workspace(tmp_path)
    ledger, registry = opened(workspace)
    for number, to in enumerate(STATES):
        version = f"2.{number}"
        add_version(tmp_path, "credit", version, adopted=None)
        walk(registry, version, WAY[start])
        assert registry.state("credit", version) == start
        before = ledger.head()
        if to in ALLOWED[start]:
            assert registry.move("credit", version, to, "gustav", "A test.", at(1)).body["from"] == start
            assert registry.state("credit", version) == to
        else:
            with pytest.raises(RefusedError, match=f"is {start} and cannot become {to}"):
                registry.move("credit", version, to, "gustav", "A test.", at(1))
            assert ledger.head() == before


def test_nothing_is_live_that_was_not_approved_or_adopted() -> None:
    assert {start for start, ends in ALLOWED.items() if "live" in ends} == {"approved"}


def test_an_adopted_version_is_live_before_and_after_it_is_recorded(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    add_version(tmp_path, "credit", "2.0.0", adopted=None)
    ledger, registry = opened(workspace)
    assert [one.identity for one in registry.live()] == ["bikes@2.0.0", "credit@1.0.0"]
    assert registry.state("credit", "2.0.0") == "candidate"
    assert registry.release("credit", "1.0.0").since == "2026-01-01"
    assert [e.actor for e in registry.adopt_all(NOW)] == ["olga", "olga"]
    assert registry.adopt_all(at(60)) == []
    assert ledger.head()[0] == 2
    assert [one.identity for one in registry.live()] == ["bikes@2.0.0", "credit@1.0.0"]
    assert registry.release("credit", "1.0.0").since == "2026-11-22T06:00:00.000000Z"


def test_a_retired_version_stays_retired_although_its_passport_says_adopted(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    ledger, registry = opened(workspace)
    registry.adopt_all(NOW)
    registry.move("credit", "1.0.0", "retired", "olga", "Replaced.", at(1))
    assert registry.adopt_all(at(2)) == []
    assert [one.identity for one in registry.live()] == ["bikes@2.0.0"]
    assert registry.champion("credit") is None
    assert ledger.verify() == []


def test_a_broken_passport_hides_no_other_model_and_is_listed_with_its_sentence(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    _, registry = opened(workspace)
    (tmp_path / "models" / "bikes" / "2.0.0.yaml").write_text("schema_version: 1\nmodel: bikes\n  bad: [")
    found = {one.identity: one for one in registry.live()}
    assert found["credit@1.0.0"].problem == ""
    assert found["credit@1.0.0"].passport is not None
    assert "models/bikes/2.0.0.yaml" in found["bikes@2.0.0"].problem
    assert found["bikes@2.0.0"].passport is None
    assert [e.body["model"] for e in registry.adopt_all(NOW)] == ["credit"]


def test_a_live_version_whose_passport_is_gone_is_listed_and_a_retired_one_is_not(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    _, registry = opened(workspace)
    registry.adopt_all(NOW)
    registry.move("bikes", "2.0.0", "retired", "olga", "Replaced.", at(1))
    for path in ("bikes/2.0.0.yaml", "credit/1.0.0.yaml"):
        (tmp_path / "models" / path).unlink()
    assert [(one.identity, bool(one.problem)) for one in registry.live()] == [("credit@1.0.0", True)]


def test_broken_people_make_every_model_undecided_and_none_disappear(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    _, registry = opened(workspace)
    (tmp_path / "people.yaml").write_text("nobody: here\n")
    assert [(one.identity, bool(one.problem)) for one in registry.live()] == [("bikes@2.0.0", True), ("credit@1.0.0", True)]


def test_the_champion_is_the_version_that_went_live_last(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    _, registry = opened(workspace)
    add_version(tmp_path, "credit", "0.9.0", adopted={"since": date(2026, 2, 1), "by": "olga", "because": "A second one."})
    assert registry.champion("credit") == "credit@0.9.0"
    registry.adopt_all(NOW)
    add_version(tmp_path, "credit", "0.1.0", adopted=None)
    walk(registry, "0.1.0", WAY["live"])
    assert registry.champion("credit") == "credit@0.1.0"
    assert registry.champion("nothing") is None


def test_a_move_that_is_repeated_after_a_crash_is_recorded_once(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    add_version(tmp_path, "credit", "2.0.0", adopted=None)
    ledger, registry = opened(workspace)
    first = registry.move("credit", "2.0.0", "judged", "automation", "go", NOW, evidence="ab", key="gate:r1")
    assert registry.move("credit", "2.0.0", "judged", "automation", "go", at(1), evidence="ab", key="gate:r1") == first
    assert ledger.head()[0] == 1
    assert first.body["evidence"] == "ab"


def test_unknown_versions_and_states_are_said(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    _, registry = opened(workspace)
    with pytest.raises(UsageError, match="no model version 'credit@9'"):
        registry.state("credit", "9")
    with pytest.raises(UsageError, match="no release state 'Live'"):
        registry.move("credit", "1.0.0", "Live", "olga", "x", NOW)  # type: ignore[arg-type]
    with pytest.raises(RoadworthyError):
        registry.move("nothing", "1", "judged", "olga", "x", NOW)


def test_the_version_before_is_the_last_that_went_live_before_this_one(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)  # credit@1.0.0 is adopted
    _, registry = opened(workspace)
    assert registry.before("credit", "1.0.0") is None
    for version in ("2.0.0", "3.0.0"):
        add_version(tmp_path, "credit", version, adopted=None)
        wanted = {"2.0.0": "1.0.0", "3.0.0": "2.0.0"}[version]
        assert registry.before("credit", version) == wanted, "a candidate follows what is live"
        walk(registry, version, WAY["live"])
    assert [registry.before("credit", version) for version in ("1.0.0", "2.0.0", "3.0.0")] == [None, "1.0.0", "2.0.0"]
    registry.adopt_all(NOW)
    assert registry.before("credit", "2.0.0") == "1.0.0", "recording late that it was adopted does not make it younger"
    assert registry.before("nobody", "1.0.0") is None
