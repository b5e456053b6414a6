"""People: who is there, once, and never a principal."""

from __future__ import annotations

import pytest

from roadworthy.documents import load
from roadworthy.errors import DocumentError
from roadworthy.people import PRINCIPALS, People

ANNA = "  - {id: anna, name: Anna, roles: [owner]}\n"
GUSTAV = "  - {id: gustav, name: Gustav, roles: [guardian, operator], contact: 'env:GUSTAV_URL'}\n"


def read(tmp_path, text):
    path = tmp_path / "people.yaml"
    path.write_text("schema_version: 1\npeople:\n" + text, encoding="utf-8")
    return load(path, People, "people.yaml")


def test_people_are_found_by_id(tmp_path):
    people = read(tmp_path, ANNA + GUSTAV)
    found = people.find("gustav")
    assert found is not None and found.roles == ["guardian", "operator"]
    assert people.find("Gustav") is None and people.find("nobody") is None


@pytest.mark.parametrize(("text", "said"), [
    (ANNA + GUSTAV + ANNA, "people.yaml:5: the id 'anna' stands here a second time. Rename one."),
    ("  - {id: Anna, name: Anna, roles: [owner]}\n", "people.yaml:3: 'Anna' cannot be a name"),
    ('  - {id: "anna\\n", name: Anna, roles: [owner]}\n', "people.yaml:3: 'anna\\n' cannot be a name"),
    ("  - {id: anna, name: Anna, roles: []}\n", "people.yaml:3: 'people[1].roles' cannot be '[]'"),
    ("  - {id: anna, name: Anna, roles: [boss]}\n", "'people[1].roles[1]' is 'boss', but must be 'owner', 'guardian', "),
    ("  - {id: anna, roles: [owner]}\n", "people.yaml:3: the key 'people[1].name' is missing."),
    ("  []\n", "people.yaml:2: 'people' cannot be '[]'"),
    ("  - {id: anna, name: Anna, roles: [owner], contact: 'mailto://a:hunter2@host'}\n", "contact' holds a literal secret"),
    *((ANNA + f"  - {{id: {p}, name: P, roles: [owner]}}\n", f"people.yaml:4: '{p}' cannot be a person") for p in PRINCIPALS),
])
def test_a_mistake_is_one_sentence_on_its_line(tmp_path, text, said):
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert said in problem and "hunter2" not in problem
