"""What a vendor showed and signed, as of the day judged: each fact, and each way in which it is not so."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import vendor
from roadworthy.canonical import digest_bytes
from roadworthy.measurement import Measurement
from tests.support import DAY, make_subject, passport_of

PAPERS = {"dpa": b"agreed", "plan": b"how to leave", "iso": b"certificate"}


def register(**said: Any) -> dict[str, Any]:
    """Return a vendor with whom everything is in order."""
    return {
        "id": "acme", "supplies": ["loan"],
        "documents": [{"id": k, "path": f"papers/{k}.pdf", "sha256": digest_bytes(v)} for k, v in PAPERS.items()],
        "contract": {
            "signed_on": date(2025, 1, 1), "dpa": {"document": "dpa", "signed_on": date(2025, 1, 1)}, "exit_plan": "plan",
            "exit_notice_days": 90, "deletion_days": 30,
        },
        "data": {"countries": ["DE", "FR"], "trains_on_our_data": False},
        "security": {"breach_notice_hours": 24, "last_pen_test": date(2026, 1, 9), "claim": "document", "document": "iso"},
        "sub_processors": [{"name": "Host", "country": "DE", "purpose": "hosting"}],
        "certificates": [{"standard": "ISO/IEC 27001", "id": "C-1", "expires": date(2026, 7, 18), "document": "iso"}],
        "review": {"last": date(2026, 1, 9), "every_days": 90},
        **said,
    }


def measured(
    root: Path, one: dict[str, Any] | None, day: date = DAY, papers: dict[str, bytes] | None = None, **passport: Any
) -> list[Measurement]:
    (root / "papers").mkdir(exist_ok=True)
    for name, content in (PAPERS if papers is None else papers).items():
        (root / "papers" / f"{name}.pdf").write_bytes(content)
    if one is not None:
        (root / "vendors.yaml").write_text(yaml.safe_dump({"schema_version": 1, "vendors": [one]}), encoding="utf-8")
    said = {"vendor": "acme", "quasi_identifiers": ["age"], **passport}
    with make_subject(root, passport_of(**said), day=day) as subject:
        return vendor.measure(subject)


def value(found: list[Measurement], short: str, **over: str) -> float | None:
    [m] = [m for m in found if m.metric == f"vendor.{short}" and dict(m.over) == over]
    return m.value


def of(found: list[Measurement], short: str) -> Measurement:
    [m] = [m for m in found if m.metric == f"vendor.{short}"]
    return m


def test_everything_in_order_says_whose_word_it_is(tmp_path: Path) -> None:
    found = measured(tmp_path, register())
    assert {m.metric for m in found} == set(vendor.FAMILY) and {m.details["vendor"] for m in found} == {"acme"}
    assert value(found, "certificate_days_left", certificate="ISO/IEC 27001 C-1") == 100
    assert [value(found, "document_intact", document=k) for k in PAPERS] == [1, 1, 1]
    assert [value(found, s) for s in ("dpa_present", "exit_plan_present")] == [1, 1]
    counted = ("sub_processors_undeclared_country", "security_clauses_missing", "trains_on_our_data", "review_days_overdue")
    assert [value(found, s) for s in counted] == [0, 0, 0, 0]
    assert of(found, "security_clauses_missing").details["claim"]["security"] == "document"
    assert of(found, "trains_on_our_data").details["claim"] == "self-declared"
    assert all(m.inputs["vendors"] for m in found)


@pytest.mark.parametrize(("expires", "issued", "days"), [
    (DAY, None, 0), (DAY - timedelta(days=1), None, -1), (DAY + timedelta(days=400), DAY + timedelta(days=5), -5),
    (DAY + timedelta(days=400), DAY, 400),
])
def test_a_certificate_holds_through_its_last_day_and_not_before_its_first(
    tmp_path: Path, expires: date, issued: date | None, days: int
) -> None:
    said = {"standard": "SOC 2", "expires": expires, **({"issued": issued} if issued else {})}
    assert value(measured(tmp_path, register(certificates=[said])), "certificate_days_left", certificate="SOC 2") == days


@pytest.mark.parametrize("papers", [{}, {**PAPERS, "dpa": b"changed later"}], ids=["missing", "changed"])
def test_a_document_that_is_not_there_or_was_changed_proves_nothing(tmp_path: Path, papers: dict[str, bytes]) -> None:
    found = measured(tmp_path, register(), papers=papers)
    assert value(found, "document_intact", document="dpa") == 0 and value(found, "dpa_present") == 0
    assert of(found, "dpa_present").details["claim"] == "self-declared" and of(found, "dpa_present").details["differs"]


def test_a_link_out_of_the_workspace_is_no_document(tmp_path: Path) -> None:
    outside = tmp_path / "outside.pdf"
    outside.write_bytes(PAPERS["dpa"])
    root = tmp_path / "w"
    (root / "papers").mkdir(parents=True)
    (root / "papers" / "dpa.pdf").symlink_to(outside)
    found = measured(root, register(), papers={})
    assert value(found, "document_intact", document="dpa") == 0


def test_an_agreement_is_needed_only_where_a_column_that_points_at_a_person_reaches_the_vendor(tmp_path: Path) -> None:
    none = register(contract={"exit_notice_days": 1})
    assert value(measured(tmp_path, none), "dpa_present") == 0
    assert of(measured(tmp_path, none, quasi_identifiers=["not_sent"]), "dpa_present").status == "not_applicable"
    kept = register(contract={}, data={"receives": "nothing"})
    assert of(measured(tmp_path, kept), "dpa_present").status == "not_applicable"
    late = register(contract={"dpa": {"document": "dpa", "signed_on": DAY + timedelta(days=1)}})
    assert value(measured(tmp_path, late), "dpa_present") == 0


@pytest.mark.parametrize(("said", "short", "expected"), [
    ({"sub_processors": [{"name": "Far"}, {"name": "Away", "country": "US"}, {"name": "Near", "country": "FR"}]},
     "sub_processors_undeclared_country", 2),
    ({"security": {}}, "security_clauses_missing", 2),
    ({"security": {"breach_notice_hours": 1, "last_pen_test": DAY + timedelta(days=1)}}, "security_clauses_missing", 1),
    ({"data": {"trains_on_our_data": True}}, "trains_on_our_data", 1),
    ({"contract": {"exit_notice_days": 3}}, "exit_plan_present", 0),
    ({"review": {"last": DAY - timedelta(days=100), "every_days": 90}}, "review_days_overdue", 10),
    ({"review": {"last": DAY - timedelta(days=90), "every_days": 90}}, "review_days_overdue", 0),
], ids=str)
def test_what_is_missing_or_late_is_counted(tmp_path: Path, said: dict[str, Any], short: str, expected: int) -> None:
    assert value(measured(tmp_path, register(**said)), short) == expected


@pytest.mark.parametrize(("said", "short"), [
    ({"certificates": []}, "certificate_days_left"), ({"sub_processors": None}, "sub_processors_undeclared_country"),
    ({"review": None}, "review_days_overdue"), ({"data": {}}, "trains_on_our_data"),
    ({"review": {"last": DAY + timedelta(days=1), "every_days": 9}}, "review_days_overdue"),
    ({}, "availability_margin"), ({}, "latency_margin_p95"),
], ids=str)
def test_what_nobody_said_is_not_known(tmp_path: Path, said: dict[str, Any], short: str) -> None:
    assert of(measured(tmp_path, register(**said)), short).status == "insufficient"


def test_the_day_judged_decides_and_not_the_clock(tmp_path: Path) -> None:
    early, late = (measured(tmp_path, register(), day=day) for day in (date(2026, 1, 9), date(2029, 1, 1)))
    assert value(early, "review_days_overdue") == 0 and value(late, "review_days_overdue") == 998
    assert value(late, "certificate_days_left", certificate="ISO/IEC 27001 C-1") == -898


def test_without_a_vendor_nothing_applies_and_an_unknown_one_is_an_error(tmp_path: Path) -> None:
    assert {m.status for m in measured(tmp_path, register(), vendor=None)} == {"not_applicable"}
    unknown = measured(tmp_path, register(), vendor="other")
    assert {m.status for m in unknown} == {"error"} and "who is not in vendors.yaml" in unknown[0].reason
    (tmp_path / "vendors.yaml").write_text("schema_version: 1\nvendors: {}\n", encoding="utf-8")
    assert {m.status for m in measured(tmp_path, None)} == {"error"}
    (tmp_path / "vendors.yaml").unlink()
    assert {m.status for m in measured(tmp_path, None)} == {"error"}


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = '<script>"; drop table\'s --'
    said = {"certificates": [{"standard": name, "expires": DAY}], "sub_processors": [{"name": name}]}
    found = measured(tmp_path, register(**said))
    assert value(found, "certificate_days_left", certificate=name) == 0
    assert of(found, "sub_processors_undeclared_country").details["named"] == [name]
