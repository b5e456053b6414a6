"""A workspace on disk: found, read, and checked against itself."""

from __future__ import annotations

import pytest
import yaml

from roadworthy.errors import DocumentError, UsageError, WorkspaceError
from roadworthy.workspace import FILE, Workspace
from tests.roadworthy.judging import ROWS, rule
from tests.support import passport_of

SETTINGS = {"schema_version": 1, "name": "Test", "time_zone": "Europe/Berlin"}
PEOPLE = {"schema_version": 1, "people": [
    {"id": "olga", "name": "Olga", "roles": ["owner"]}, {"id": "gustav", "name": "Gustav", "roles": ["guardian"]},
    {"id": "oscar", "name": "Oscar", "roles": ["operator"]},
]}


def put(root, name, data):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def passport(**changes):
    return passport_of(**changes).model_dump(mode="python", exclude_none=True, exclude_defaults=True)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "w [1] 日本"
    put(folder, FILE, SETTINGS)
    put(folder, "people.yaml", PEOPLE)
    put(folder, "policies/limited.yaml", {"schema_version": 1, "policy": "limited", "title": "L", "rules": [rule(ROWS)]})
    put(folder, "models/loan/1.0.0.yaml", passport())
    return folder


# ------------------------------------------------------------------------------------------------ finding it


def test_a_workspace_is_the_nearest_folder_upward(root, monkeypatch):
    monkeypatch.delenv("ROADWORTHY_WORKSPACE", raising=False)
    (root / "models" / "loan").mkdir(exist_ok=True)
    assert Workspace.find(None, root / "models" / "loan").root == root
    put(root / "models", FILE, {**SETTINGS, "name": "Inner"})
    assert Workspace.find(None, root / "models" / "loan").settings.name == "Inner"


def test_a_named_workspace_comes_before_the_environment_and_that_before_the_folder(root, tmp_path, monkeypatch):
    for name in ("a", "b"):
        put(tmp_path / name, FILE, {**SETTINGS, "name": name})
    monkeypatch.setenv("ROADWORTHY_WORKSPACE", str(tmp_path / "b"))
    assert Workspace.find(str(tmp_path / "a"), root).settings.name == "a"
    assert Workspace.find(None, root).settings.name == "b"
    monkeypatch.setenv("ROADWORTHY_WORKSPACE", "")
    assert Workspace.find(None, root).settings.name == "Test"


@pytest.mark.parametrize("named", ["nowhere", "", "file", "loop", "x" * 300])
def test_what_is_no_workspace_is_a_sentence(tmp_path, monkeypatch, named):
    monkeypatch.delenv("ROADWORTHY_WORKSPACE", raising=False)
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match=r"is not a workspace|No workspace here") as caught:
        Workspace.find(str(tmp_path / named) if named else None, tmp_path)
    assert caught.value.exit_code == 64 and "roadworthy init" in caught.value.do


# ------------------------------------------------------------------------------------------------ its settings


@pytest.mark.parametrize(("change", "said"), [
    *(({"time_zone": zone}, "roadworthy.yaml:3: there is no time zone") for zone in (
        "", "Mars/Base", "Europe", "../x", "/etc/localtime", "europe/berlin ", "x" * 300)),
    *(({"due_by": due}, "'due_by' is ") for due in ("24:00", "6:00", "06:60", "06:00:00", "noon", "06:00\n")),
    ({"due_by": 600}, "roadworthy.yaml:4: 'due_by' is a whole number ('600'), but must be text; put it in quotes."),
    ({"clock": "fast"}, "'clock' is 'fast', but must be 'wall' or 'replay'."),
    ({"alerts": {"owner": ["json://host/hunter2"]}}, "an alert address is a secret; write a reference to it"),
    ({"alerts": {"boss": ["env:X"]}}, "the key 'alerts.boss' is not known. Known keys: guardian, operator, owner."),
    ({"state_url": "postgres://u:hunter2@host/db"}, "roadworthy.yaml:4: 'state_url' holds a literal secret."),
    ({"switch": {"services": ["https://u:hunter2@host"], "token": "env:X"}}, "holds a literal secret"),
    ({"switch": {"services": ["https://host/?hunter2"], "token": "env:X"}}, "this is not the address of a service"),
    ({"switch": {"services": ["http://host:1"], "token": "env:X"}}, "host would get the token in the clear"),
    ({"switch": {"services": ["https://host"], "token": "hunter2"}}, "holds a literal secret"),
    ({"switch": {"services": ["https://host"]}}, "'services' need a 'token'"),
    ({"mlflow_url": "https://u:hunter2@host"}, "holds a literal secret"),
    ({"schema_version": "1"}, "roadworthy.yaml:1: 'schema_version' is '1', but must be 1."),
    ({"evidence": "x"}, "the key 'evidence' is not known. Did you mean 'evidence_url'?"),
])
def test_a_mistake_in_the_settings_is_one_sentence_and_repeats_no_secret(root, change, said):
    put(root, FILE, {**SETTINGS, **change})
    with pytest.raises(DocumentError) as caught:
        Workspace.open(root)
    (problem,) = caught.value.problems
    assert said in problem and "hunter2" not in problem and len(problem) < 250


def test_what_runs_make_lies_inside_unless_said_otherwise(root, tmp_path):
    here = Workspace.open(root)
    assert here.evidence == root / ".roadworthy" / "evidence" and here.made == root / ".roadworthy"
    assert here.state_url == f"sqlite:///{root}/.roadworthy/state.sqlite"
    for written, evidence, state in [
        ("kept", root / "kept", "sqlite:///kept.db"), (f"{tmp_path}/out", tmp_path / "out", f"sqlite:////{tmp_path}/s.db"),
        (f"file://{tmp_path}/out", tmp_path / "out", "postgresql://host/db"),
    ]:
        put(root, FILE, {**SETTINGS, "evidence_url": written, "state_url": state})
        here = Workspace.open(root)
        assert here.evidence == evidence
        assert here.state_url == (f"sqlite:///{root}/kept.db" if state == "sqlite:///kept.db" else state)


def test_object_storage_is_refused_before_anything_is_measured(root):
    put(root, FILE, {**SETTINGS, "evidence_url": "s3://bucket/x"})
    with pytest.raises(WorkspaceError, match="is object storage"):
        _ = Workspace.open(root).evidence


# ------------------------------------------------------------------------------------------------ what it declares


def test_passports_are_found_by_model_and_version(root):
    put(root, "models/loan/2.0.0.yaml", passport(version="2.0.0"))
    put(root, "models/Odd Name/1.yaml", "{}")
    here = Workspace.open(root)
    assert list(here.passports()) == ["Odd Name@1", "loan@1.0.0", "loan@2.0.0"]
    assert here.passport("loan@2.0.0").version == "2.0.0" and here.policy("limited").policy == "limited"


def test_what_editors_and_systems_leave_behind_is_no_passport(root):
    for name in ("loan/._1.0.0.yaml", "loan/.1.0.0.yaml", ".git/1.0.0.yaml", "loan/1.0.0.yaml~", "x.yaml"):
        put(root, f"models/{name}", "\x00")
    assert list(Workspace.open(root).passports()) == ["loan@1.0.0"]


@pytest.mark.parametrize("identity", ["loan@9", "nobody@1.0.0", "loan", "", "../loan@1.0.0", "loan@1.0.0.yaml"])
def test_an_unknown_version_names_the_known_ones(root, identity):
    with pytest.raises(UsageError) as caught:
        Workspace.open(root).passport(identity)
    assert identity in str(caught.value) and caught.value.do == "Known: loan@1.0.0."


@pytest.mark.parametrize(("roles", "said"), [
    ({"owner": "nobody"}, "names 'nobody' as owner, who is not in people.yaml. Add the person or name another."),
    ({"guardian": "olga"}, "names 'olga' as guardian, but people.yaml gives Olga only: owner."),
    ({"operator": "gustav"}, "names 'gustav' as operator, but people.yaml gives Gustav only: guardian."),
    ({"deputy": "nobody"}, "names 'nobody' as deputy, who is not in people.yaml."),
])
def test_a_role_is_held_by_someone_who_may(root, roles, said):
    put(root, "models/loan/1.0.0.yaml", passport(roles={"owner": "olga", "guardian": "gustav", "operator": "oscar", **roles}))
    with pytest.raises(DocumentError) as caught:
        Workspace.open(root).passport("loan@1.0.0")
    (problem,) = caught.value.problems
    (role,) = roles
    line = (root / "models/loan/1.0.0.yaml").read_text().splitlines().index(f"  {role}: {roles[role]}") + 1
    assert problem.startswith(f"models/loan/1.0.0.yaml:{line}: ") and said in problem


def test_each_role_that_is_wrong_has_its_own_sentence(root):
    put(root, "models/loan/1.0.0.yaml", passport(roles={"owner": "a", "guardian": "b", "operator": "c", "deputy": "gustav"}))
    with pytest.raises(DocumentError) as caught:
        Workspace.open(root).passport("loan@1.0.0")
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("missing", ["people.yaml", "policies/limited.yaml"])
def test_a_file_that_is_missing_is_named(root, missing):
    (root / missing).unlink()
    here = Workspace.open(root)
    with pytest.raises(DocumentError, match=f"^{missing}: there is no such file.$"):
        here.people() if missing == "people.yaml" else here.policy("limited")
