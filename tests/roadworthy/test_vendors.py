"""``vendors.yaml``: what loads, and the sentence, file and line where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy.errors import DocumentError
from roadworthy.vendors import read_vendors

DEMO = Path(__file__).resolve().parents[2] / "data"
DIGEST = "0" * 64


def read(root: Path, text: str) -> str:
    """Return the one sentence about a register."""
    (root / "vendors.yaml").write_text(f"schema_version: 1\nvendors:\n{text}", encoding="utf-8")
    with pytest.raises(DocumentError) as wrong:
        read_vendors(root)
    assert len(wrong.value.problems) == 1
    return wrong.value.problems[0]


def test_the_demos_register_loads_and_every_claim_has_a_source() -> None:
    vendor = read_vendors(DEMO).find("northgate")
    assert vendor is not None and vendor.supplies == ["employment"] and vendor.sub_processors == []
    assert vendor.contract is not None and vendor.contract.claim == "self-declared"
    assert read_vendors(DEMO).find("nobody") is None


@pytest.mark.parametrize(("text", "says"), [
    ("  - id: a\n  - id: a\n", "vendors.yaml:4: the id 'a' stands here a second time. Rename one."),
    ("  - id: a\n    contract: {exit_plan: plan}\n", "the document 'plan' is not in the register. Known: none."),
    ("  - id: a\n    contract:\n      dpa: {document: d, signed_on: 2024-01-01}\n", "vendors.yaml:5: the document 'd' is not"),
    ("  - id: a\n    security: {claim: document}\n", "'security' claims to be read off a document and names none."),
    (f"  - id: a\n    documents: [{{id: d, path: ../x, sha256: \"{DIGEST}\"}}]\n", "leaves the workspace"),
    ("  - id: a\n    documents: [{id: d, path: x, sha256: abc}]\n", "does not have the form"),
    ("  - id: a\n    certificates: [{standard: S, issued: 2025-01-02, expires: 2025-01-01}]\n", "before it was issued"),
    ("  - id: a\n    certificates:\n" + "      - {standard: S, expires: 2025-01-01}\n" * 2, "a second time"),
    ("  - id: a\n    contract: {sla: {availability: 99.9}}\n", "contract.sla.availability"),
    ("  - id: a\n    data: {countries: [Germany]}\n", "'vendors[1].data.countries[1]' is 'Germany'"),
    ("  - id: a\n    security: {breach_notice: 72}\n", "Did you mean 'breach_notice_hours'?"),
], ids=str)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    assert says in read(tmp_path, text)
