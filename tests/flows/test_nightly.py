"""The night as Prefect runs it, on the demo fleet."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from roadworthy.ledger import Ledger
from roadworthy.verify import verify
from roadworthy.workspace import Workspace
from tests.acceptance.fleet import FLEET, copy_fleet

pytestmark = pytest.mark.prefect

EXPECTED: dict[str, Any] = yaml.safe_load((FLEET / "expected.yaml").read_text(encoding="utf-8"))
NIGHT: date = EXPECTED["night"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The four models of the demo, in a folder whose name has a space."""
    root = tmp_path_factory.mktemp("the fleet")
    for model in ("flights", "credit", "employment", "bikes"):
        workspace = copy_fleet(root, model, until=EXPECTED["next_night"])
    return workspace


@pytest.fixture(scope="module")
def first(prefect_server: None, fleet: Workspace) -> Any:
    from flows.nightly import main

    return main(fleet, NIGHT, None)


def test_the_cast_appears(first: Any) -> None:
    assert {i.identity: i.word for i in first.inspections} == EXPECTED["verdicts"]
    assert first.exit_code == 2
    assert [i.identity for i in first.inspections if i.acted.stopped] == ["bikes@1.0.0"]


def test_the_stopped_model_may_not_serve_and_the_others_may(first: Any, fleet: Workspace) -> None:
    from flows.switching import status

    assert {f"{r['model']}@{r['version']}": r["state"] for r in status(fleet, None)} == {
        "bikes@1.0.0": "disabled",
        "credit@1.0.0": "active",
        "employment@2014.1": "active",
        "flights@1.0.0": "active",
    }
    assert list((fleet.made / "switch").glob("STOP*")), "the STOP file is the last resort and must be there"


def test_every_model_has_a_card_and_the_night_a_report(first: Any, fleet: Workspace) -> None:
    assert (fleet.made / "site" / "night.html").is_file()
    for one in first.inspections:
        model, _, version = one.identity.partition("@")
        page = (fleet.made / "site" / "models" / model / version / "card.html").read_text(encoding="utf-8")
        assert "replayed" in page.lower()


def test_the_record_is_valid_and_names_every_run(first: Any, fleet: Workspace) -> None:
    assert verify(fleet).state == "valid"
    assert verify(fleet, rejudge=True).state == "valid"
    with Ledger.open(fleet.state_url) as ledger:
        assert {f"{e.body['model']}@{e.body['version']}" for e in ledger.entries("run")} == set(EXPECTED["verdicts"])


def test_prefect_tells_the_same_story(first: Any) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterName

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[f"nightly-{NIGHT}"])))
        assert [run.state_name for run in runs][:1] == ["Stop"]
        tables = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["night"])))
        assert {word for word in EXPECTED["verdicts"].values() if word in str(tables[0].data)} == set(
            EXPECTED["verdicts"].values()
        )


def test_the_same_night_again_changes_nothing(first: Any, fleet: Workspace) -> None:
    from flows.nightly import main

    with Ledger.open(fleet.state_url) as ledger:
        before = ledger.head()
        again = main(fleet, NIGHT, None)
        assert all(i.inspected.reused for i in again.inspections)
        assert not any(i.acted.stopped for i in again.inspections)
        assert ledger.head() == before
    assert again.exit_code == 1, "the stop stood already; what is left is employment's breach"


def test_a_broken_passport_is_undecided_and_stops_no_other_model(first: Any, fleet: Workspace) -> None:
    from flows.nightly import main

    passport = fleet.root / "models" / "flights" / "1.0.0.yaml"
    good = passport.read_text(encoding="utf-8")
    passport.write_text(good.replace("risk_tier: limited", "risk_tier: whatever"), encoding="utf-8")
    try:
        night = main(fleet, EXPECTED["next_night"], None)
    finally:
        passport.write_text(good, encoding="utf-8")
    words = {i.identity: i.word for i in night.inspections}
    assert words["flights@1.0.0"] == "undecided"
    assert words["bikes@1.0.0"] == "stop"
    broken = next(i for i in night.inspections if i.identity == "flights@1.0.0")
    assert "models/flights/1.0.0.yaml:" in broken.reason and "risk_tier" in broken.reason
    with Ledger.open(fleet.state_url) as ledger:
        assert ledger.newest("undecided", 1)[0].body["model"] == "flights"


def test_an_older_night_is_recorded_and_does_not_act(first: Any, fleet: Workspace) -> None:
    from flows.nightly import main

    with Ledger.open(fleet.state_url) as ledger:
        switched = len(list(ledger.entries("switch")))
        alerted = len(list(ledger.entries("alert")))
        night = main(fleet, date(2025, 4, 16), "bikes")
        assert not night.acting
        assert len(list(ledger.entries("switch"))) == switched
        assert len(list(ledger.entries("alert"))) == alerted
        assert ledger.newest("run", 1, model="bikes")[0].body["day"] == "2025-04-16"
