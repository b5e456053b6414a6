"""`roadworthy passport lint`: each mistake ends as one clear sentence with file and line, and none hides another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flows import init, lint
from flows.cli import run
from roadworthy.canonical import digest_file
from roadworthy.errors import UsageError
from roadworthy.signing import public_of
from roadworthy.waivers import sign_waiver
from roadworthy.workspace import Workspace
from tests.flows.test_init import fill_in

PASSPORT = "models/example/1.0.0.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace in which nothing is wrong."""
    folder = tmp_path / "w s"
    init.make(folder)
    fill_in(folder)
    return folder


def change(root: Path, old: str, new: str, file: str = PASSPORT) -> None:
    text = (root / file).read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{old!r} is not in {file}"
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(root: Path, text: str, file: str = PASSPORT) -> int:
    lines = (root / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


HIGH = ("risk_tier: limited", "risk_tier: high")
SECRET = "holds a literal secret. Write a reference instead: env:NAME, file:PATH (mode 0600) or prefect:BLOCK."

# What is changed in the passport; text on the line that the sentence must name; the sentence.
MISTAKES: dict[str, tuple[list[tuple[str, str]], str, str]] = {
    "an unknown key": (
        [("human_oversight:", "human_oversite: x\n  human_oversight:")], "human_oversite",
        "the key 'use.human_oversite' is not known. Did you mean 'human_oversight'?"),
    "a wrong type": (
        [("maturity_days: 0", "maturity_days: soon")], "maturity_days",
        "'task.maturity_days' is text ('soon'), but must be a whole number."),
    "a number where text must be": (
        [('version: "1.0.0"', "version: 1.0")], "version: 1.0",
        "'version' is a number ('1.0'), but must be text; put it in quotes."),
    "a word that YAML takes for true": (
        [("female: women}", "yes: women}")], "yes: women",
        "a key of 'protected[1].values' is yes, on or true, which YAML does not read as text; put the key in quotes."),
    "a key of two types": (
        [("below: 25}", "below: x}")], "below: x", "'protected[2].bins[1].below' is text ('x'), but must be a number."),
    "a high-risk model whose rows may be kept for ever": (
        [HIGH, ("retention:\n  days: 400\n  because: Somebody may complain for a year.\n", "")], "risk_tier",
        "the data of a high-risk model tell of people, and nothing says how long a day's rows may be kept. "
        "Write 'retention: {days: ..., because: ...}'."),
    "a sensitive column that is known already": (
        [("retention:", "quasi_identifiers: [age]\nsensitive: [age]\nretention:")], "sensitive: [age]",
        "'age' is a quasi-identifier: who knows it cannot learn it, so it is not 'sensitive' as well."),
    "a missing role": ([("  guardian: the.guardian\n", "")], "roles:", "the key 'roles.guardian' is missing."),
    "a role nobody has": (
        [("guardian: the.guardian", "guardian: somebody")], "somebody",
        "names 'somebody' as guardian, who is not in people.yaml. Add the person or name another."),
    "a role the person does not have": (
        [("guardian: the.guardian", "guardian: the.owner")], "guardian: the.owner",
        "names 'the.owner' as guardian, but people.yaml gives The Owner only: owner."),
    "a bin that does not cover the data": (
        [("at_least: 25}", "at_least: 25, below: 45}")], "bins:",
        "the bins of 'age' do not cover the reference data: 1 of 4 rows lie outside, with values from 50 to 50. "
        "Widen a bin or add one."),
    "a gap between bins": (
        [("below: 25}", "below: 21}")], "name: age",
        "protected attribute 'age': bin 'under 25' ends at 21 and '25 and over' starts at 25; "
        "bins must follow each other without gap or overlap."),
    "an Owner who is also the Guardian of a high-risk model": (
        [HIGH, ("guardian: the.guardian", "guardian: the.owner")], "roles:",
        "a high-risk model needs three different people; owner is the.owner, guardian the.owner, operator the.operator."),
    "a literal secret by its name": (
        [("use:\n", "extensions:\n  api_key: hunter2hunter2\nuse:\n")], "api_key", f"'extensions.api_key' {SECRET}"),
    "a literal secret by its form": (
        [("use:\n", "inference_url: https://u:hunter2@host/\nuse:\n")], "inference_url", f"'inference_url' {SECRET}"),
    "a key that stands twice": (
        [("  kind: binary", "  kind: multiclass\n  kind: binary")], "kind: binary",
        "the key 'kind' stands here a second time. Keep one."),
    "a misspelt column": (
        [("- income", "- incme")], "- incme",
        "the column 'incme' (feature) is not in the reference data. Did you mean 'income'?"),
    "a misspelt reference group": (
        [("reference: men", "reference: mens")], "reference: mens",
        "no row of the reference data is in the group 'mens' of 'sex', with which the others are compared. Did you mean 'men'?"),
    "a label value that is not declared": (
        [("label: label", "label: age"), ("- age\n  ", "")], "label: age",
        "the column 'age' (label) holds '20' (1 row), '30' (1 row), '40' (1 row), '50' (1 row), "
        "which 'positive' and 'negative' do not name."),
    "a path that leaves the workspace": (
        [("reference/example.parquet", "../example.parquet")], "../example.parquet",
        "the path '../example.parquet' leaves the workspace; paths are relative to it."),
    "a reference that is not there": (
        [("reference/example.parquet", "reference/none.parquet")], "reference/none.parquet",
        "the reference 'reference/none.parquet' does not exist."),
    "a policy that is not there": (
        [("risk_tier: limited", "policy: strict\nrisk_tier: limited")], "policy: strict",
        "the policy 'strict' is missing: there is no policies/strict.yaml. Known: high, limited, minimal."),
    "a suite that is not there": (
        [("suites/example.yaml", "suites/none.yaml")], "suites/none.yaml",
        "no file is at 'suites/none.yaml'. Put the suite there or change the path."),
    "telemetry that is not there": (
        [("use:\n", "telemetry: {path: t.parquet, rows: n}\nuse:\n")], "telemetry:",
        "no file is at 't.parquet'. Put it there or change the path."),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_and_line(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    changes, at, says = MISTAKES[name]
    for old, new in changes:
        change(root, old, new)
    assert run(["passport", "lint", "--workspace", str(root)]) == 1
    out, err = capsys.readouterr()
    assert err.splitlines() == [f"{PASSPORT}:{line_of(root, at)}: {says}"]
    assert out == ""


def test_a_vendor_must_be_known(root: Path) -> None:
    change(root, "use:\n", "vendor: acme\nuse:\n")
    place = f"{PASSPORT}:{line_of(root, 'vendor: acme')}: names the vendor 'acme'"
    assert lint.check(Workspace.open(root)) == [
        f"{place}, but vendors.yaml cannot tell who that is.", "vendors.yaml: there is no such file.",
    ]
    (root / "vendors.yaml").write_text("schema_version: 1\nvendors:\n  - {id: other}\n", encoding="utf-8")
    assert lint.check(Workspace.open(root)) == [f"{place}, who is not in vendors.yaml. Known: other."]
    change(root, "other", "acme", "vendors.yaml")
    assert lint.check(Workspace.open(root)) == []
    change(root, "{id: acme}", "{id: acme, supplies: [another]}", "vendors.yaml")
    assert lint.check(Workspace.open(root)) == [f"{place}, who in vendors.yaml supplies only: another."]


def test_a_document_of_a_vendor_must_be_in_order(root: Path) -> None:
    change(root, "use:\n", "vendor: acme\nuse:\n")
    digest = "0" * 64
    (root / "vendors.yaml").write_text(
        "schema_version: 1\nvendors:\n  - id: acme\n    documents:\n"
        f"      - {{id: dpa, path: papers/dpa.pdf, sha256: \"{digest}\"}}\n", encoding="utf-8",
    )
    place = "vendors.yaml:5: the document 'dpa' is not in order."
    assert lint.check(Workspace.open(root)) == [f"{place} There is no such file."]
    (root / "papers").mkdir()
    (root / "papers" / "dpa.pdf").write_bytes(b"agreed")
    found = digest_file(root / "papers" / "dpa.pdf")
    assert lint.check(Workspace.open(root)) == [
        f"{place} The file has digest {found[:12]}..., the register says {digest[:12]}..."
    ]
    change(root, digest, found, "vendors.yaml")
    assert lint.check(Workspace.open(root)) == []


def test_the_command_itself_says_it_in_a_shell(root: Path) -> None:
    change(root, "- income", "- incme")
    done = subprocess.run(
        [sys.executable, "-c", "from flows.console import main; main()", "passport", "lint", "-w", str(root)],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 1 and done.stdout == ""
    expected = "the column 'incme' (feature) is not in the reference data. Did you mean 'income'?"
    assert done.stderr.strip() == f"{PASSPORT}:{line_of(root, 'incme')}: {expected}"


def test_a_complete_workspace_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passport", "lint", "-w", str(root)]) == 0
    assert capsys.readouterr().out == "1 passport complete: example@1.0.0.\n"


def test_a_mistake_in_a_suite_has_its_own_line(root: Path) -> None:
    change(root, "expect_column_values_to_not_be_null", "expect_column_values_to_not_be_nul", "suites/example.yaml")
    said = lint.check(Workspace.open(root))
    assert len(said) == 1
    assert said[0].startswith(f"suites/example.yaml:{line_of(root, 'not_be_nul', 'suites/example.yaml')}: ")
    assert "Did you mean 'expect_column_values_to_not_be_null'?" in said[0]


def test_a_mistake_in_a_policy_has_its_own_line(root: Path) -> None:
    change(root, "metric: data_quality.expectation", "metric: data_quality.expectations", "policies/limited.yaml")
    said = lint.check(Workspace.open(root))
    assert len(said) == 1 and said[0].startswith("policies/limited.yaml:")
    assert "Did you mean 'data_quality.expectation'?" in said[0]


def test_one_broken_passport_hides_no_other_and_broken_people_are_said_once(root: Path) -> None:
    for version in ("2.0.0", "3.0.0"):
        text = (root / PASSPORT).read_text(encoding="utf-8").replace("1.0.0", version)
        (root / "models" / "example" / f"{version}.yaml").write_text(text, encoding="utf-8")
    change(root, "- income", "- incme", "models/example/2.0.0.yaml")
    change(root, "task:", "tasks:", PASSPORT)
    (root / "models" / "example" / "3.0.0.yaml").write_text("model: [", encoding="utf-8")
    change(root, "roles: [owner]", "roles: [boss]", "people.yaml")
    said = lint.check(Workspace.open(root))
    assert [sentence.partition(":")[0] for sentence in said] == [
        "people.yaml", PASSPORT, PASSPORT, "models/example/2.0.0.yaml", "models/example/3.0.0.yaml",
    ]
    assert "incme" in said[3]
    only = lint.check(Workspace.open(root), "example@2.0.0")
    assert [sentence.partition(":")[0] for sentence in only] == ["people.yaml", "models/example/2.0.0.yaml"]


def test_an_artifact_is_the_declared_file_in_a_safe_format(root: Path) -> None:
    (root / "m.bin").write_bytes(b"model")
    digest = digest_file(root / "m.bin")
    artifact = f"artifact: {{path: m.bin, sha256: {digest}, format: joblib}}\n"
    change(root, "no_artifact_because: It runs elsewhere.\n", artifact)
    assert lint.check(Workspace.open(root)) == []
    change(root, *HIGH)
    said = lint.check(Workspace.open(root))
    assert len(said) == 1 and "a joblib file can run code when it is loaded" in said[0]
    change(root, "format: joblib", "format: json")
    assert lint.check(Workspace.open(root)) == []
    (root / "m.bin").write_bytes(b"another")
    said = lint.check(Workspace.open(root))
    assert len(said) == 1 and "not the declared one" in said[0] and f":{line_of(root, 'm.bin')}:" in said[0]
    (root / "m.bin").unlink()
    assert "no file is at 'm.bin'" in lint.check(Workspace.open(root))[0]


def test_the_recipes_files_are_there_and_are_the_recorded_ones(root: Path) -> None:
    for name in ("rows.csv", "fit.py", "lock.txt", "record.json", "frozen.parquet"):
        (root / name).write_text(f"{name}\n", encoding="utf-8")
    digests = {name: digest_file(root / name) for name in ("rows.csv", "fit.py", "lock.txt", "record.json")}
    recipe = (
        "recipe:\n  command: [python, fit.py, '{out}', '{record}']\n  seed: 1\n"
        f"  data:\n    rows.csv: {digests['rows.csv']}\n  code:\n    fit.py: {digests['fit.py']}\n"
        f"  lock: lock.txt\n  lock_sha256: {digests['lock.txt']}\n"
        f"  record: record.json\n  record_sha256: {digests['record.json']}\n  frozen: frozen.parquet\n"
    )
    path = root / PASSPORT
    path.write_text(path.read_text(encoding="utf-8") + recipe, encoding="utf-8")
    assert lint.check(Workspace.open(root)) == []
    for name in ("rows.csv", "fit.py", "lock.txt", "record.json"):
        (root / name).write_text("changed\n", encoding="utf-8")
        (said,) = lint.check(Workspace.open(root))
        place = line_of(root, f"{name}: " if name in ("rows.csv", "fit.py") else f": {name}")
        assert f"the file '{name}' has digest " in said and said.startswith(f"{PASSPORT}:{place}:")
        (root / name).write_text(f"{name}\n", encoding="utf-8")
    (root / "frozen.parquet").unlink()
    (said,) = lint.check(Workspace.open(root))
    assert "no file is at 'frozen.parquet', which the recipe names" in said


def waive(root: Path, rule: str = "data-usual", model: str = "example", guardian: str = "the.guardian") -> Path:
    (root / "waivers").mkdir(exist_ok=True)
    path = root / "waivers" / "w1.yaml"
    path.write_text(
        f"schema_version: 1\nid: w1\nmodel: {model}\nrule: {rule}\nreason: The supplier mends it.\n"
        f"granted_by: {guardian}\ngranted_on: 2026-01-01\nexpires: 2026-03-01\n", encoding="utf-8")
    return path


def test_a_waiver_is_honoured_or_lint_says_why_not(root: Path) -> None:
    key = Ed25519PrivateKey.generate()
    change(root, "roles: [guardian]", f"roles: [guardian]\n    public_key: {public_of(key)}", "people.yaml")
    rule = Workspace.open(root).policy("limited").rules[0].id
    path = waive(root, rule)
    assert "waivers/w1.yaml:6: the waiver is not honoured. It is not signed" in lint.check(Workspace.open(root))[0]
    sign_waiver(path, key)
    assert lint.check(Workspace.open(root)) == [], "that it has expired is no mistake"
    sign_waiver(waive(root, "no-such-rule"), key)
    assert lint.check(Workspace.open(root)) == ["waivers/w1.yaml:4: policies/limited.yaml has no rule 'no-such-rule'."]
    sign_waiver(waive(root, rule, guardian="the.owner"), key)
    assert "the Guardian of example@1.0.0 is the.guardian" in lint.check(Workspace.open(root))[0]
    waive(root, model="other")
    assert lint.check(Workspace.open(root)) == ["waivers/w1.yaml:3: there is no passport of 'other'. Known: example@1.0.0."]
    path.write_text("id: w1\n", encoding="utf-8")
    assert all(sentence.startswith("waivers/w1.yaml:1: the key ") for sentence in lint.check(Workspace.open(root)))


def test_bad_usage_is_64(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passport", "lint", "nobody", "-w", str(root)]) == 64
    assert "There is no model 'nobody'" in capsys.readouterr().err
    assert run(["passport", "lint", "-w", str(tmp_path / "nowhere")]) == 64
    assert "is not a workspace" in capsys.readouterr().err
    assert run(["passport", "lint", "--no-such-option"]) == 64
    change(root, "time_zone: UTC", "time_zone: Mars/Olympus", "roadworthy.yaml")
    assert run(["passport", "lint", "-w", str(root)]) == 64
    assert "there is no time zone 'Mars/Olympus'" in capsys.readouterr().err


def test_a_model_may_be_chosen_by_name_or_version(root: Path) -> None:
    here = Workspace.open(root)
    assert lint.chosen(here, None) == lint.chosen(here, "example") == lint.chosen(here, "example@1.0.0") == ["example@1.0.0"]
    with pytest.raises(UsageError, match=r"Known: example@1\.0\.0"):
        lint.chosen(here, "example@9")


def test_a_workspace_without_passports_is_not_complete(root: Path) -> None:
    (root / PASSPORT).unlink()
    assert lint.check(Workspace.open(root)) == [
        "models: holds no passport yet. Write models/<model>/<version>.yaml; docs/files.md names its keys.",
    ]
