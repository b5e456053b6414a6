"""Signatures made by model-signing itself hold; whatever is changed about them is refused, by name, without the library."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from checks.artifact import inside, seal
from roadworthy.canonical import digest_file
from tests.checks.artifact.signed import sign

MADE = Path(__file__).resolve().parents[2] / "data" / "signing"
LIBRARY = importlib.util.find_spec("model_signing") is not None


def digests(folder: Path) -> dict[str, str]:
    return {path.name: digest_file(path) for path in sorted(folder.iterdir())}


def check(bundle: bytes, key: str = "release.pub", **changed: str) -> None:
    seal.check(bundle, (MADE / key).read_bytes(), {".": digest_file(MADE / "model.json"), **changed})


def test_signatures_of_the_library_hold() -> None:
    check((MADE / "model.sig").read_bytes())
    seal.check((MADE / "folder.sig").read_bytes(), (MADE / "release.pub").read_bytes(), digests(MADE / "folder"))


def test_a_wrong_key_is_refused_with_and_without_its_fingerprint() -> None:
    signed = (MADE / "model.sig").read_bytes()
    with pytest.raises(seal.Broken, match="with another key than the passport names"):
        check(signed, "other.pub")
    bundle = json.loads(signed)
    bundle["verificationMaterial"]["publicKey"]["hint"] = ""
    with pytest.raises(seal.Broken, match="with another key, or changed"):
        check(json.dumps(bundle).encode(), "other.pub")
    for key in (b"", b"nothing", (MADE / "model.sig").read_bytes()):
        with pytest.raises(seal.Broken, match="no P-256 key"):
            seal.check(signed, key, {})


@pytest.mark.parametrize(("change", "said"), [
    (lambda folder: (folder / "model.json").write_bytes(b"{}"), "'model.json' is not what was signed"),
    (lambda folder: (folder / "extra.bin").write_bytes(b"x"), "'extra.bin' is there and was not signed"),
    (lambda folder: (folder / "words.txt").unlink(), "'words.txt' was signed and is not there"),
])
def test_what_is_changed_extra_or_missing_is_named(tmp_path: Path, change: Any, said: str) -> None:
    shutil.copytree(MADE / "folder", tmp_path / "folder")
    change(tmp_path / "folder")
    with pytest.raises(seal.Broken, match=said):
        seal.check((MADE / "folder.sig").read_bytes(), (MADE / "release.pub").read_bytes(), digests(tmp_path / "folder"))


def test_every_flipped_bit_of_what_is_signed_is_refused() -> None:
    bundle = json.loads((MADE / "model.sig").read_bytes())
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    for place in range(0, len(payload), 7):
        other = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(other).decode()
        with pytest.raises(seal.Broken):
            check(json.dumps(bundle).encode())


@pytest.mark.parametrize(("change", "said"), [
    (lambda told: told["subject"][0]["digest"].update(sha256="0" * 64), "digest of the whole"),
    (lambda told: told["subject"].append(told["subject"][0]), "no list of files"),
    (lambda told: told["predicate"]["resources"].append(told["predicate"]["resources"][0]), "no list of files"),
    (lambda told: told["predicate"]["resources"][0].update(algorithm="blake3"), "no list of files"),
    (lambda told: told["predicate"]["resources"][0].update(digest="a3"), "no list of files"),
    (lambda told: told["predicate"].update(resources=[]), "no list of files"),
    (lambda told: told["predicate"]["serialization"].update(method="shards"), "no list of files"),
    (lambda told: told.update(_type="https://in-toto.io/Statement/v0.1"), "no list of files"),
    (lambda told: told.update(predicateType="https://model_signing/Digests/v0.1"), "no list of files"),
])
def test_what_a_good_key_signed_must_agree_with_itself(tmp_path: Path, change: Any, said: str) -> None:
    there = {".": digest_file(MADE / "model.json")}
    key = sign(there, tmp_path / "sound.sig")
    seal.check((tmp_path / "sound.sig").read_bytes(), key, there)
    key = sign(there, tmp_path / "model.sig", change)
    with pytest.raises(seal.Broken, match=said):
        seal.check((tmp_path / "model.sig").read_bytes(), key, there)


def test_a_name_that_stands_twice_is_refused_for_readers_differ() -> None:
    signed = (MADE / "model.sig").read_text()
    with pytest.raises(seal.Broken, match="no signature"):
        check(signed.replace('"keyid":""', '"keyid":"","keyid":""').encode())
    with pytest.raises(seal.Broken, match="no signature"):
        check(signed.replace("bundle.v0.3+json", "bundle.v0.9+json").encode())
    check(signed.encode())


@pytest.mark.parametrize("bundle", [
    b"", b"[]", b"{}", b"[" * 100_000, b'{"dsseEnvelope": {"signatures": []}}',
    b'{"dsseEnvelope": {"signatures": [{"sig": "!"}], "payload": "", "payloadType": "x"}, "verificationMaterial": {}}',
])
def test_what_is_no_signature_is_told_as_such(bundle: bytes) -> None:
    with pytest.raises(seal.Broken, match="no signature of model-signing"):
        check(bundle)


def test_where_the_library_is_installed_it_is_asked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"artifact": MADE / "model.json", "signature": MADE / "model.sig", "public_key": MADE / "release.pub"}
    order = {"format": "json", "trusted": [], "pickle_trusted": [], "signed": {".": "artifact"}}
    found, _ = inside.main(order, {}, files)
    assert found["opinion"]["clean"] and found["signature"]["holds"] and found["signature"]["library"] is LIBRARY
    inner = {f"signed-{i}": path for i, path in enumerate(sorted((MADE / "folder").iterdir()))}
    order["signed"] = {path.name: place for place, path in inner.items()}
    found, _ = inside.main(order, {}, {**files, "signature": MADE / "folder.sig", **inner})
    assert found["signature"]["holds"] and found["signature"]["library"] is LIBRARY
    found, _ = inside.main(order, {}, {**files, **inner})
    assert found["signature"]["holds"] is False
