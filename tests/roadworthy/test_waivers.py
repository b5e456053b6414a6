"""A waiver counts only signed by its model's Guardian, unchanged, and until its day; whatever else is said and not honoured."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import DocumentError, RefusedError, UsageError
from roadworthy.signing import generate, is_signed_by, load_private, public_of, sign
from roadworthy.waivers import Waiver, load_waivers, sign_waiver
from roadworthy.workspace import Workspace
from tests.roadworthy.records import HOSTILE, add_version, make_workspace, write_yaml

WORDS = b"a sentence to remember"
DAY = date(2026, 4, 9)


class Home:
    """A workspace whose Guardian has a key, with one waiver in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_workspace(root)
        self.publish("gustav", generate(root / "gustav.pem", WORDS))
        self.path = self.write()
        self.sign()

    def publish(self, who: str, key: str | None) -> None:
        path = self.root / "people.yaml"
        data = yaml.safe_load(path.read_text())
        for person in data["people"]:
            if person["id"] == who:
                person.pop("public_key", None)
                if key is not None:
                    person["public_key"] = key
        write_yaml(path, data)

    def write(self, **changes: Any) -> Path:
        data = {
            "schema_version": 1, "id": "w-1", "model": "credit", "rule": "four-fifths", "reason": f"Known and small. {HOSTILE}",
            "granted_by": "gustav", "granted_on": date(2026, 4, 1), "expires": date(2026, 4, 30),
        }  # fmt: skip
        return write_yaml(self.root / "waivers" / "w-1.yaml", {k: v for k, v in {**data, **changes}.items() if v is not None})

    def sign(self, key: str = "gustav.pem") -> None:
        sign_waiver(self.path, load_private(self.root / key, WORDS))

    def load(self, day: date = DAY, identity: str = "credit@1.0.0") -> list[Waiver]:
        workspace = Workspace.open(self.root)
        return load_waivers(workspace, workspace.passport(identity), day)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


# Known answer: RFC 8032, section 7.1, test 3.


def test_signatures_are_those_of_rfc_8032() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"))
    expected = (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    public = base64.b64encode(bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")).decode()
    assert base64.b64decode(sign(key, bytes.fromhex("af82"))).hex() == expected
    assert public_of(key) == public
    assert is_signed_by(public, bytes.fromhex("af82"), base64.b64encode(bytes.fromhex(expected)).decode())


def test_private_keys_are_encrypted_and_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "ada.pem"
    public = generate(path, WORDS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert public_of(load_private(path, WORDS)) == public
    with pytest.raises(RefusedError, match="passphrase is wrong"):
        load_private(path, b"something else")
    with pytest.raises(UsageError, match="exists already"):
        generate(path, WORDS)
    with pytest.raises(UsageError, match="at least 8"):
        generate(tmp_path / "short.pem", b"short")
    path.chmod(0o640)
    with pytest.raises(RefusedError, match=r"may be read by others \(mode 0640\)"):
        load_private(path, WORDS)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(RefusedError, match="does not open"):
        load_private(path, WORDS)
    with pytest.raises(UsageError, match="cannot be read"):
        load_private(tmp_path / "nowhere.pem", WORDS)


@given(text=st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_no_text_is_a_signature_by_accident(text: str) -> None:
    assert not is_signed_by(base64.b64encode(b"k" * 32).decode(), b"data", text)
    assert not is_signed_by(text, b"data", base64.b64encode(b"s" * 64).decode())


# What is honoured.


def test_a_waiver_of_the_guardian_is_honoured_and_covers_its_rule(home: Home) -> None:
    (waiver,) = home.load()
    assert (waiver.honoured, waiver.why_not, waiver.id, waiver.version) == (True, "", "w-1", None)
    assert waiver.covers("four-fifths", {"group": {"sex": "female"}})
    assert not waiver.covers("four-fifths-2", {})
    json.dumps(waiver.as_dict(), allow_nan=False)
    assert waiver.as_dict()["expires"] == "2026-04-30"


def test_a_waiver_of_one_part_covers_exactly_that_part(home: Home) -> None:
    home.write(over={"group": {"sex": "female"}}, version="1.0.0")
    home.sign()
    (waiver,) = home.load()
    assert waiver.covers("four-fifths", {"group": {"sex": "female"}})
    assert not waiver.covers("four-fifths", {"group": {"sex": "male"}})
    assert not waiver.covers("four-fifths", {})


def test_it_is_honoured_on_its_last_day_and_not_the_day_after(home: Home) -> None:
    def honoured(day: date) -> bool:
        return home.load(day)[0].honoured

    assert [honoured(date(2026, 4, d)) for d in (1, 30)] == [True, True]
    assert [honoured(d) for d in (date(2026, 3, 31), date(2026, 5, 1))] == [False, False]
    assert home.load(datetime(2026, 4, 30, 23, 59, tzinfo=UTC))[0].honoured
    assert home.load(date(2026, 5, 1))[0].why_not == "It expired on 2026-04-30."


def test_waivers_of_other_models_and_versions_are_not_ours(home: Home) -> None:
    add_version(home.root, "credit", "2.0.0")
    assert home.load(identity="bikes@2.0.0") == []
    home.write(version="2.0.0")
    home.sign()
    assert home.load() == []
    assert [w.honoured for w in home.load(identity="credit@2.0.0")] == [True]


# What is not.


def why_not(home: Home) -> str:
    (waiver,) = home.load()
    assert not waiver.honoured
    assert not waiver.covers("four-fifths", {})
    return waiver.why_not


def test_any_changed_byte_of_the_file_or_the_signature_voids_it(home: Home) -> None:
    for path in (home.path, home.path.with_suffix(".sig")):
        whole = path.read_bytes()
        for offset in range(0, len(whole), 7):
            changed = bytearray(whole)
            changed[offset] ^= 1
            path.write_bytes(changed)
            assert all(not w.honoured and w.why_not for w in home.load()), (path.name, offset)
        path.write_bytes(whole)
    assert home.load()[0].honoured


def test_an_unsigned_one_is_not_honoured(home: Home) -> None:
    home.path.with_suffix(".sig").unlink()
    assert why_not(home) == "It is not signed: waivers/w-1.sig is missing."
    home.path.with_suffix(".sig").write_bytes(b"\xff\xfe")
    assert "cannot be read" in why_not(home)
    home.path.with_suffix(".sig").unlink()
    home.path.with_suffix(".sig").mkdir()
    assert "cannot be read" in why_not(home)


def test_a_signature_of_someone_else_is_not_honoured(home: Home) -> None:
    home.publish("gerda", generate(home.root / "gerda.pem", WORDS))
    home.sign("gerda.pem")
    assert why_not(home).startswith("Its signature is not Gustav's over this text")


def test_a_guardian_of_another_model_cannot_grant_it(home: Home) -> None:
    home.publish("gerda", generate(home.root / "gerda.pem", WORDS))
    home.write(granted_by="gerda")
    home.sign("gerda.pem")
    assert why_not(home) == "It is granted by gerda, but the Guardian of credit@1.0.0 is gustav."


def test_a_guardian_without_a_key_cannot_be_checked(home: Home) -> None:
    home.publish("gustav", None)
    assert why_not(home) == "people.yaml holds no public key of Gustav, so the signature cannot be checked."


def test_a_key_that_was_replaced_voids_what_the_old_one_signed(home: Home) -> None:
    home.publish("gustav", generate(home.root / "new.pem", WORDS))
    assert "is not Gustav's" in why_not(home)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expires": None}, "'expires' is missing"), ({"expires": "soon"}, "'expires'"), ({"rulle": "x"}, "'rulle' is not known"),
        ({"reason": "short"}, "reason"), ({"expires": date(2026, 3, 1)}, "before it is granted"), ({"id": "w-2"}, "says 'w-2'"),
        ({"over": {"x": date(2026, 1, 1)}}, "over"), ({"schema_version": 2}, "schema_version"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_waiver_is_shown_to_every_model_and_honoured_by_none(
    home: Home, changes: dict[str, Any], says: str
) -> None:
    home.write(**changes)
    for identity in ("credit@1.0.0", "bikes@2.0.0"):
        (waiver,) = home.load(identity=identity)
        assert not waiver.honoured
        assert says in waiver.why_not
        assert "waivers/w-1.yaml" in waiver.why_not
        json.dumps(waiver.as_dict(), allow_nan=False)
    with pytest.raises(DocumentError):
        home.sign()


@given(garbage=st.binary(max_size=80))
@settings(max_examples=40, deadline=None)
def test_garbage_is_never_a_waiver(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    workspace = make_workspace(tmp_path_factory.mktemp("w"))
    (workspace.root / "waivers").mkdir()
    (workspace.root / "waivers" / "x.yaml").write_bytes(garbage)
    (waiver,) = load_waivers(workspace, workspace.passport("credit@1.0.0"), DAY)
    assert not waiver.honoured and waiver.why_not


def test_a_workspace_without_waivers_has_none(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    assert load_waivers(workspace, workspace.passport("credit@1.0.0"), DAY) == []
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (waiver,) = load_waivers(workspace, workspace.passport("credit@1.0.0"), DAY)
    assert "no such file" in waiver.why_not.lower()
