"""The published schemas agree with the classes that read the files, and with files that people really wrote."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flows import schemas
from roadworthy.documents import load
from roadworthy.errors import DocumentError

ROOT = Path(__file__).resolve().parents[2]
NAMES = [one.name for one in schemas.published()]
FILES = [
    ("workspace", "data/roadworthy.yaml"),
    ("people", "data/people.yaml"),
    ("vendors", "data/vendors.yaml"),
    *(("passport", str(p.relative_to(ROOT))) for p in sorted((ROOT / "data" / "models").glob("*/*.yaml"))),
    *(("policy", str(p.relative_to(ROOT))) for p in sorted((ROOT / "data" / "policies").glob("*.yaml"))),
    *(("suite", str(p.relative_to(ROOT))) for p in sorted((ROOT / "data" / "suites").glob("*.yaml"))),
    ("catalogue", "roadworthy/catalogue.yaml"),
]


def packaged(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "roadworthy" / "schemas" / f"{name}.json").read_text(encoding="utf-8"))


def as_json(value: Any) -> Any:
    """What a JSON Schema sees of a YAML file: a date is text."""
    return json.loads(json.dumps(value, default=lambda d: d.isoformat() if isinstance(d, datetime.date) else str(d)))


def of(name: str) -> schemas.Published:
    return next(one for one in schemas.published() if one.name == name)


def test_the_packaged_schemas_are_what_the_classes_say() -> None:
    assert schemas.stale() == []


def test_the_page_of_files_is_what_the_classes_say() -> None:
    assert (ROOT / schemas.PAGE).read_text(encoding="utf-8") == schemas.page(), "run: make schemas"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_2020_12_and_names_itself(name: str) -> None:
    schema = packaged(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].startswith("urn:roadworthy:schema:") and schema["$id"].endswith(name)
    assert schema["title"] and schema["description"]


@pytest.mark.parametrize("name", NAMES)
def test_every_key_says_what_it_means(name: str) -> None:
    silent = [key for key, meaning, _ in schemas.keys(packaged(name)) if len(meaning) < 4]
    assert silent == []


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_real_file_passes_its_schema(name: str, file: str) -> None:
    value = as_json(yaml.safe_load((ROOT / file).read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator(packaged(name), format_checker=jsonschema.FormatChecker()).validate(value)


@pytest.mark.parametrize(("name", "file"), [FILES[0], FILES[1], FILES[2], *(f for f in FILES if f[0] in ("policy", "suite"))])
def test_schema_and_class_refuse_the_same_mistakes(name: str, file: str, tmp_path: Path) -> None:
    """An unknown key, a missing key and a wrong type, for every top-level key of the file: neither reader lets one through."""
    good = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(packaged(name))
    broken: list[tuple[str, dict[str, Any]]] = [("unknown", {**good, "no_such_key": 1})]
    broken += [(f"missing {key}", {k: v for k, v in good.items() if k != key}) for key in packaged(name)["required"]]
    broken += [(f"type of {key}", {**good, key: {"a": {"b": [0.5]}}}) for key in good]
    for what, value in broken:
        path = tmp_path / "file.yaml"
        path.write_text(yaml.safe_dump(value), encoding="utf-8")
        assert not validator.is_valid(as_json(value)), f"the schema takes {what}"
        with pytest.raises(DocumentError):
            load(path, of(name).model)


def test_stale_names_a_changed_and_a_missing_schema(tmp_path: Path) -> None:
    paths = schemas.write(tmp_path / "new folder")
    assert sorted(p.name for p in paths) == sorted(f"{name}.json" for name in NAMES)
    assert {p.name: p.read_text(encoding="utf-8") for p in paths} == schemas.written()
    paths[0].unlink()
    paths[1].write_text("{}", encoding="utf-8")
    assert schemas.stale(tmp_path / "new folder") == [paths[0].name, paths[1].name]
