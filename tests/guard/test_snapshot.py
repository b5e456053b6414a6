"""What comes over the wire is believed only if a pinned key signed it for this very request."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_guard import Clock, GuardError
from roadworthy_guard.content import read
from roadworthy_guard.core import Core
from roadworthy_guard.kept import Kept, KeptEnvelope
from roadworthy_guard.keys import pinned
from roadworthy_guard.snapshot import Ignored, Snapshot, envelope, fits, fresh
from roadworthy_guard.stopfiles import StopFiles
from tests.guard.service import Key, canonical, content, stop

KEY, OTHER = Key(1), Key(2)
PINNED = pinned([KEY.public])
DATA = canonical(content(57, stops=[stop()]))
NONCE = "n" * 32


def test_the_signature_is_the_one_of_rfc_8032() -> None:
    """Test 3 of section 7.1: two bytes signed with a key that nobody here made."""
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    from roadworthy_guard.keys import verifies

    key = next(iter(pinned([base64.b64encode(public).decode()]).values()))
    assert verifies(key, signature, bytes.fromhex("af82")) and not verifies(key, signature, bytes.fromhex("af83"))


def test_an_envelope_of_the_pinned_key_is_read() -> None:
    found = envelope(KEY.envelope(DATA), PINNED)
    assert found.order == (1, 57) and found.stops["credit"][0].fence == 12
    assert found.digest == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize(("body", "kind"), [
    (OTHER.envelope(DATA), "signature"),
    (KEY.envelope(DATA).replace(b'"keyid":"' + KEY.keyid.encode(), b'"keyid":"' + OTHER.keyid.encode()), "signature"),
    (canonical({**json.loads(KEY.envelope(DATA)), "signature": base64.b64encode(bytes(64)).decode()}), "signature"),
    (canonical({**json.loads(KEY.envelope(DATA)), "content": base64.b64encode(DATA + b" ").decode()}), "signature"),
    (b"", "garbage"), (b"<html>502</html>", "garbage"), (b"[]", "garbage"), (b"null", "garbage"), (b'{"content": 1}', "garbage"),
    (b"[" * 100_000, "garbage"), (b"x" * 5_000_000, "garbage"), (b'{"content": NaN}', "garbage"), (b"\xff\xfe", "garbage"),
    (b'{"content":"","content":""}', "garbage"),
])
def test_what_is_not_signed_or_not_understood_is_ignored(body: bytes, kind: str) -> None:
    with pytest.raises(Ignored) as ignored:
        envelope(body, PINNED)
    assert ignored.value.kind == kind


WRONG: list[tuple[str, Any]] = [
    ("epoch", "1"), ("epoch", True), ("epoch", -1), ("epoch", 1.0), ("epoch", 2**63), ("sequence", None), ("schema_version", 2),
    ("schema_version", True), ("bounds", {}), ("bounds", {"high": 0, "limited": 1, "minimal": 1}),
    ("bounds", {"high": True, "limited": 1, "minimal": 1}), ("service", []), ("service", {"Credit": {}}),
    ("service", {"credit": {"1": {"fallback": 1, "lease_until": "", "tier": "high"}}}),
    ("service", {"credit": {"1": {"fallback": True, "lease_until": "tomorrow", "tier": "high"}}}),
    ("service", {"credit": {"1": {"fallback": True, "lease_until": "", "tier": "medium"}}}),
    ("service", {"credit": {"1": {"fallback": True, "tier": "high"}}}), ("stops", {}), ("stops", [1]),
    ("stops", [stop(state="resting")]), ("stops", [stop(state=["disabled"])]), ("stops", [stop(fence="12")]),
    ("stops", [stop(until="2026-13-01T00:00:00.000000Z")]), ("stops", [stop(then_state="off")]), ("stops", [stop(model="../x")]),
    ("stops", [stop(segment=None)]), ("stops", [stop(version="v" * 5000)]), ("stops", [{}]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_type_makes_the_whole_snapshot_void_even_if_it_is_signed(name: str, value: Any) -> None:
    with pytest.raises(Ignored) as ignored:
        envelope(KEY.envelope(canonical({**content(), name: value})), PINNED)
    assert ignored.value.kind == "garbage"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["active", "high", "", "credit"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["epoch", "service", "stops", "credit", "1.0.0"]), inner),
    max_leaves=8,
))
def test_no_json_whatever_ends_in_another_error(value: Any) -> None:
    for candidate in (value, {**content(), "service": value}, {**content(), "stops": value}, {**content(), "stops": [value]}):
        try:
            read(json.dumps(candidate).encode())
        except ValueError:
            continue


@pytest.mark.parametrize(("change", "kind"), [
    ({"nonce": "m" * 32}, "stale"), ({"age_ms": -1}, "garbage"), ({"age_ms": "0"}, "garbage"), ({"age_ms": 1.5}, "garbage"),
    ({"time": "now"}, "garbage"), ({"nonce": None}, "garbage"), ({"epoch": None}, "garbage"),
])
def test_a_token_counts_only_for_the_request_that_asked(change: dict[str, Any], kind: str) -> None:
    right = {
        "age_ms": 120, "digest": hashlib.sha256(DATA).hexdigest(), "epoch": 1, "nonce": NONCE, "sequence": 57,
        "time": "2026-11-29T03:00:00.000000Z",
    }
    assert fresh(KEY.fresh(**right), PINNED, NONCE).age == 0.12
    with pytest.raises(Ignored) as ignored:
        fresh(KEY.fresh(**{**right, **change}), PINNED, NONCE)
    assert ignored.value.kind == kind


@pytest.mark.parametrize("header", [None, "", ".", "a.b", "x" * 5000, OTHER.token(DATA, NONCE, at=0.0)])
def test_a_token_that_is_missing_or_of_another_key_is_ignored(header: str | None) -> None:
    with pytest.raises(Ignored):
        fresh(header, PINNED, NONCE)


def test_a_token_of_another_content_does_not_fit() -> None:
    token = fresh(KEY.token(canonical(content(58)), NONCE), PINNED, NONCE)
    with pytest.raises(Ignored):
        fits(read(DATA), token)


def test_ten_thousand_replays_of_one_answer_do_not_make_it_younger() -> None:
    header, believed = KEY.token(DATA, NONCE), 0
    for number in range(10_000):
        try:
            token = fresh(header, PINNED, NONCE if number == 0 else f"{number:032d}")
            fits(read(DATA), token)
            believed += 1
        except Ignored:
            continue
    assert believed == 1


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=12))
@settings(max_examples=50)
def test_a_reader_never_goes_back(orders: list[tuple[int, int]]) -> None:
    core, highest = Core(Clock(ticks=lambda: 0.0), {}, StopFiles()), (-1, -1)
    for epoch, sequence in orders:
        held = read(canonical(content(sequence, epoch=epoch)))
        try:
            core.take(Snapshot(held, 0.0, 0.0, 0.0))
            assert (epoch, sequence) >= highest
            highest = (epoch, sequence)
        except Ignored:
            assert (epoch, sequence) < highest
        assert core.order == highest


def test_equal_order_with_other_content_is_taken() -> None:
    core = Core(Clock(), {}, StopFiles())
    core.take(Snapshot(read(canonical(content(3))), core.clock.ticks(), 0.0, 0.0))
    assert core.check("credit", "1.0.0").serves
    core.take(Snapshot(read(canonical(content(3, stops=[stop(fence=0)]))), core.clock.ticks(), 0.0, 0.0))
    assert core.check("credit", "1.0.0").state == "disabled"


@pytest.mark.parametrize("keys", [[], ["x"], ["AAAA"], "AAAA", [base64.b64encode(bytes(33)).decode()]])
def test_keys_that_cannot_be_pinned_are_said(keys: Any) -> None:
    with pytest.raises(GuardError):
        pinned(keys)


# --- what is kept on disk


def kept(path: Path, ticks: float = 100.0, wall: float = 2000.0) -> KeptEnvelope:
    return KeptEnvelope(Kept(path), PINNED, Clock(ticks=lambda: ticks, wall=lambda: wall))


def test_what_was_kept_comes_back_as_old_as_it_is_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "guard.json"
    kept(path).write(KEY.envelope(DATA), KEY.token(DATA, NONCE, age_ms=500, at=1990.0), 100.0)
    assert path.stat().st_mode & 0o777 == 0o600 and [p.name for p in path.parent.iterdir()] == ["guard.json"]
    back = kept(path, ticks=160.0).read()
    assert back is not None and not back.confirmed and back.content.order == (1, 57)
    assert back.age_at(160.0) == pytest.approx(60.5)


def test_after_a_new_boot_the_wall_clock_is_asked_and_one_set_back_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "guard.json"
    kept(path).write(KEY.envelope(DATA), KEY.token(DATA, NONCE, at=1990.0), 100.0)
    path.write_bytes(path.read_bytes().replace(json.loads(path.read_text())["boot"].encode() or b'"boot":""', b"another"))
    back = kept(path, ticks=5.0).read()
    assert back is not None and back.age_at(5.0) == pytest.approx(10.0)
    back = kept(path, ticks=5.0, wall=1000.0).read()
    assert back is not None and back.age_at(5.0) == math.inf


@pytest.mark.parametrize("data", [
    b"", b"{}", b"[]", b'{"schema_version":1}', bytes(range(100)), b'{"schema_version":1,"envelope":"x","fresh":"y"}',
])
def test_a_kept_file_that_is_damaged_is_not_believed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "guard.json").write_bytes(data)
    with pytest.raises(Ignored):
        kept(tmp_path / "guard.json").read()


def test_a_kept_file_of_another_key_is_not_believed(tmp_path: Path) -> None:
    kept(tmp_path / "guard.json").write(OTHER.envelope(DATA), OTHER.token(DATA, NONCE), 100.0)
    with pytest.raises(Ignored):
        kept(tmp_path / "guard.json").read()
