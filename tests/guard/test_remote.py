"""A guard beside a service that works, and beside one that does everything wrong."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadworthy_guard import Clock, Guard, GuardError
from roadworthy_guard.core import LOOK
from tests.guard.service import TOKEN, Answer, Key, Service, canonical, content, stamp, stop
from tests.guard.support import BOUND, KEY, heard, refuses, served, until

OTHER = Key(2)
HERE = "http://127.0.0.1:1"
#: What a busy machine may add to a bound.
SLACK = 1.5


def test_a_stop_arrives_by_event_and_is_acknowledged() -> None:
    with served(bounds={}, poll=60.0) as (service, guard):
        until(lambda: guard.health()["streaming"])
        assert guard.check("credit", "1.0.0").serves
        service.put(content(2, stops=[stop()]))
        until(lambda: refuses(guard), 3.0)
        decision = guard.check("credit", "1.0.0")
        assert (decision.state, decision.epoch, decision.sequence, decision.fence) == ("disabled", 1, 2, 12)
        assert guard.check("flights", "1.0.0").serves
        until(lambda: service.beats[-1]["sequence"] == 2, 3.0)
        beat = service.beats[-1]
        assert beat["epoch"] == 1 and beat["models"] == ["bare", "bikes", "credit", "flights"] and beat["acted_at"].endswith("Z")
        service.put(content(3))
        until(lambda: not refuses(guard), 3.0)
    assert service.beats[-1] == {"instance": beat["instance"], "leaving": True}


def test_a_stop_arrives_by_polling_where_there_are_no_events() -> None:
    with Service(KEY, content(), streams=False) as service, heard(service, bounds={}, poll=0.2) as guard:
        service.put(content(2, stops=[stop()]))
        until(lambda: refuses(guard), 3.0)
        assert not guard.health()["streaming"]


def test_unchanged_answers_keep_it_young_and_carry_no_body() -> None:
    with served() as (service, guard):
        time.sleep(2 * BOUND)
        assert guard.check("credit", "1.0.0").serves
        assert guard.health()["ignored"] == {} and service.asked > 3


OLDER = canonical(content(0))
WRONG = canonical({**content(2), "stops": "none"})
EVIL: dict[str, Callable[[Answer, str], Answer]] = {
    "garbage": lambda answer, nonce: (200, answer[1], b"<html>bad gateway</html>"),
    "an error": lambda answer, nonce: (500, {}, b""),
    "a redirect": lambda answer, nonce: (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "wrong types": lambda answer, nonce: (
        200, {"Roadworthy-Fresh": KEY.token(WRONG, nonce)}, KEY.envelope(WRONG)
    ),
    "a huge answer": lambda answer, nonce: (200, answer[1], b" " * (4 * 1024 * 1024 + 1)),
    "an older sequence": lambda answer, nonce: (200, {"Roadworthy-Fresh": KEY.token(OLDER, nonce)}, KEY.envelope(OLDER)),
    "a forged signature": lambda answer, nonce: (
        200, {"Roadworthy-Fresh": OTHER.token(canonical(content(2)), nonce)}, OTHER.envelope(canonical(content(2)))
    ),
    "no token": lambda answer, nonce: (answer[0], {}, answer[2]),
    "a recording": lambda answer, nonce: (304, {"Roadworthy-Fresh": KEY.token(canonical(content()), "r" * 32)}, b""),
    "a nonce used again": lambda answer, nonce: (200, {"Roadworthy-Fresh": RECORDED[0]}, RECORDED[1]),
    "an old reading": lambda answer, nonce: (
        304, {"Roadworthy-Fresh": KEY.token(canonical(content()), nonce, age_ms=60_000)}, b""
    ),
    "a broken number": lambda answer, nonce: (200, {**answer[1], "Content-Length": "99999"}, answer[2]),
}
RECORDED: list[Any] = [KEY.token(canonical(content()), "q" * 32), KEY.envelope(canonical(content()))]


@pytest.mark.parametrize("what", EVIL)
def test_whatever_the_service_answers_a_high_risk_model_is_refused_within_its_bound(what: str) -> None:
    with served() as (service, guard):
        service.mischief = EVIL[what]
        took = until(lambda: refuses(guard))
        assert took < BOUND + SLACK
        assert guard.check("credit", "1.0.0").state == "unknown" and refuses(guard, "bare")
        assert guard.check("flights", "1.0.0").serves and guard.check("bikes", "1.0.0").serves
        until(lambda: guard.health()["stale"], 3.0)
        assert guard.health()["sequence"] == 1
        if what != "an old reading":
            assert sum(guard.health()["ignored"].values()) > 0
        service.mischief = None
        until(lambda: not refuses(guard))


def test_an_empty_set_that_is_signed_refuses_everything_at_once() -> None:
    with served(bounds={}) as (service, guard):
        until(lambda: guard.health()["streaming"])
        service.put(content(2, service={}))
        until(lambda: refuses(guard), 3.0)
        assert [guard.check(model, "1.0.0").state for model in ("credit", "flights", "bikes")] == ["unknown"] * 3


def test_a_service_that_drips_is_given_up(tmp_path: Path) -> None:
    """One byte a moment would keep a plain read alive for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def drip() -> None:
        listener.settimeout(0.1)
        while not ended.is_set():
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=drop, args=(peer,), daemon=True).start()

    def drop(peer: socket.socket) -> None:
        try:
            peer.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.05):
                peer.sendall(b"X")
        except OSError:
            pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    with Guard.remote(f"http://127.0.0.1:{listener.getsockname()[1]}", TOKEN, keys=[KEY.public]) as guard:
        until(lambda: guard.health()["ignored"].get("unreachable", 0) >= 2, 8.0)
        assert refuses(guard)
    ended.set()
    thread.join()
    listener.close()


def test_a_flood_of_events_does_not_become_a_flood_of_requests() -> None:
    with served(bounds={}) as (service, guard):
        until(lambda: guard.health()["streaming"])
        before = service.asked
        for number in range(100):
            service.put(content(number + 2))
            time.sleep(0.005)
        assert service.asked - before < 25
        until(lambda: guard.health()["sequence"] == 101, 3.0)


# --- clocks


def test_an_answer_that_took_long_is_as_old_as_its_question() -> None:
    def slowly(answer: Answer, nonce: str) -> Answer:
        time.sleep(0.5)
        return answer

    with Service(KEY, content(), streams=False) as service:
        service.mischief = slowly
        with heard(service, bounds={}) as guard:
            assert guard.health()["age_s"] >= 0.5


def test_the_wall_clock_of_the_host_has_no_part_in_an_age() -> None:
    wall = [time.time()]
    with served(clock=Clock(wall=lambda: wall[0])) as (service, guard):
        for jump in (-1e9, 1e9):
            wall[0] += jump
            assert guard.check("credit", "1.0.0").serves
        service.close()
        wall[0] = 0.0
        assert until(lambda: refuses(guard)) < BOUND + SLACK


def test_sleep_counts_as_age() -> None:
    asleep = [0.0]
    clock = Clock(ticks=lambda: time.monotonic() + asleep[0])
    with served(clock=clock, bounds={"high": 100}) as (service, guard):
        service.close()
        time.sleep(0.1)
        assert guard.check("credit", "1.0.0").serves
        asleep[0] = 101.0
        assert refuses(guard)


def test_a_lease_ends_by_the_service_s_clock_and_is_not_revived_by_setting_it_back() -> None:
    held = content()
    held["service"]["bare"]["1.0.0"]["lease_until"] = stamp(time.time() + 3600)
    with Service(KEY, held) as service, heard(service, bounds={"high": 3}) as guard:
        assert guard.check("bare", "1.0.0").serves
        service.clock = lambda: time.time() + 7200
        until(lambda: refuses(guard, "bare"))
        assert guard.check("bare", "1.0.0").state == "disabled" and guard.check("credit", "1.0.0").serves
        service.clock = time.time
        time.sleep(1.2)
        assert refuses(guard, "bare") and guard.health()["clock_set_back_s"] > 7000
        service.put({**held, "epoch": 2})
        until(lambda: not refuses(guard, "bare"))


# --- starting without the service


def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_without_a_service_and_without_a_file_everything_refuses() -> None:
    with Guard.remote(closed(), TOKEN, keys=[KEY.public]) as guard:
        assert all(refuses(guard, model) for model in ("credit", "flights", "bikes")) and not guard.wait(0.05)


def test_without_a_service_the_kept_file_holds_its_stops_and_serves_low_risk(tmp_path: Path) -> None:
    keep = tmp_path / "guard.json"
    with Service(KEY, content(7, stops=[stop("flights")])) as service, heard(service, keep=keep):
        until(keep.exists)
    with Guard.remote(closed(), TOKEN, keys=[KEY.public], keep=keep) as guard:
        assert guard.check("bikes", "1.0.0").serves
        assert guard.check("flights", "1.0.0").state == "disabled"
        assert guard.check("credit", "1.0.0").state == "unknown"
    # And the service that comes back with an older state is not believed.
    with Service(KEY, content(6)) as service, Guard.remote(service.url, TOKEN, keys=[KEY.public], keep=keep) as guard:
        until(lambda: guard.health()["ignored"].get("order"))
        assert guard.check("flights", "1.0.0").state == "disabled" and refuses(guard)
        service.put(content(1, epoch=2))
        until(lambda: not refuses(guard))


def test_a_file_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with served(keep=tmp_path / "file" / "guard.json") as (_, guard):
        assert guard.check("credit", "1.0.0").serves
        until(lambda: "cannot be written" in guard.health()["kept"])  # it is written after it is answered from


# --- STOP files


def test_a_stop_file_stops_every_check_from_5_ms_later_on(tmp_path: Path) -> None:
    with served(stop_folders=[tmp_path, tmp_path / "missing"]) as (_, guard):
        assert guard.check("credit", "1.0.0").serves and guard.check("flights", "1.0.0").serves
        (tmp_path / "STOP.credit").touch()
        time.sleep(LOOK)
        assert guard.check("credit", "1.0.0").state == "disabled" and guard.check("flights", "1.0.0").serves
        (tmp_path / "STOP").mkdir()
        time.sleep(LOOK)
        assert guard.check("flights", "1.0.0").state == "disabled"
        (tmp_path / "STOP").rmdir()
        (tmp_path / "STOP.credit").unlink()
        time.sleep(LOOK)
        assert guard.check("flights", "1.0.0").serves and guard.check("credit", "1.0.0").serves


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_stops_the_model_and_not_the_guard(tmp_path: Path) -> None:
    with served(stop_folders=[tmp_path]) as (_, guard):
        os.mkfifo(tmp_path / "STOP.credit")
        assert guard.check("credit", "1.0.0").state == "disabled"


@pytest.mark.parametrize(("text", "state"), [
    ("", "disabled"), ("\n", "disabled"), ("stop it!", "unknown"), ("{}", "unknown"), ("[" * 9999, "unknown"),
    (json.dumps({"schema_version": 1, **stop("credit", "active"), "at": "2026-11-29T03:00:00.000000Z"}), "unknown"),
    (json.dumps({"schema_version": 1, **stop("flights"), "at": "2026-11-29T03:00:00.000000Z"}), "unknown"),
    (json.dumps({"schema_version": 1, **stop("credit", "quarantined"), "at": "2026-11-29T03:00:00.000000Z"}), "quarantined"),
    (json.dumps({"schema_version": 1, **stop("credit", version="2.0.0"), "at": "2026-11-29T03:00:00.000000Z"}), "active"),
])
def test_what_stands_in_a_stop_file(tmp_path: Path, text: str, state: str) -> None:
    with served(stop_folders=[tmp_path]) as (_, guard):
        (tmp_path / "STOP.credit").write_text(text)
        assert guard.check("credit", "1.0.0").state == state


def test_a_line_added_to_a_stop_file_is_read_within_its_second(tmp_path: Path) -> None:
    line = json.dumps({"schema_version": 1, **stop("credit", version="2.0.0"), "at": "2026-11-29T03:00:00.000000Z"})
    with served(stop_folders=[tmp_path]) as (_, guard):
        (tmp_path / "STOP.credit").write_text(line + "\n")
        assert guard.check("credit", "1.0.0").serves
        with (tmp_path / "STOP.credit").open("a") as file:
            file.write(line.replace("2.0.0", "*") + "\n")
        until(lambda: refuses(guard), 3.0)


# --- forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_hears_the_service_itself_and_refuses_when_it_is_gone() -> None:
    with served() as (service, guard):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                until(lambda: guard.check("credit", "1.0.0").serves, 8.0)  # a slow machine may be behind its bound at first
                os.write(write, b"1")
                until(lambda: guard.check("credit", "1.0.0").state == "disabled", 8.0)
                os.write(write, b"d")
                until(lambda: guard.health()["stale"], 8.0)
                status = 0
            except (AssertionError, OSError):
                traceback.print_exc()  # the child's own words; nothing else of it is left
            finally:
                os._exit(status)
        assert os.read(read, 1) == b"1"
        until(lambda: len({beat["instance"] for beat in service.beats}) == 2)
        service.put(content(2, stops=[stop()]))
        assert os.read(read, 1) == b"d", "the child was told of the stop"
        service.close()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(read)
        os.close(write)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_age_goes_on_in_a_child_that_cannot_reach_the_service() -> None:
    with served() as (service, guard):
        service.close()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                took = until(lambda: refuses(guard), 8.0)
                status = 0 if took < BOUND + SLACK else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- what is given, and what is shown


@pytest.mark.parametrize(("url", "given"), [
    ("ftp://127.0.0.1", {}), ("http://switch.example", {}), ("https://user:secret@switch.example", {}),
    ("https://switch.example:port", {}), ("switch.example", {}), (HERE, {"keys": []}), (HERE, {"bounds": {"medium": 3}}),
    (HERE, {"bounds": {"high": 0}}), (HERE, {"bounds": {"high": True}}), (HERE, {"poll": 0}),
])
def test_an_argument_that_cannot_be_used_is_said_in_a_sentence(url: str, given: dict[str, Any]) -> None:
    with pytest.raises(GuardError) as problem:
        Guard.remote(url, TOKEN, **{"keys": [KEY.public], **given})
    assert "secret" not in str(problem.value)


def test_a_token_comes_by_reference_and_is_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o644)
    with pytest.raises(GuardError, match="chmod 600"):
        Guard.remote("http://127.0.0.1:1", f"file:{file}", keys=[KEY.public])
    file.chmod(0o600)
    with Service(KEY, content()) as service, Guard.remote(service.url, f"file:{file}", keys=[KEY.public]) as guard:
        assert guard.wait(5.0)
        service.close()
        until(lambda: not guard.health()["connected"], 12.0)
        shown = f"{guard!r} {vars(guard)} {guard.health()} {caplog.text}"
        assert TOKEN not in shown
    for wrong in ("env:ROADWORTHY_NO_SUCH_VARIABLE", f"file:{tmp_path}/none", "two words", ""):
        with pytest.raises(GuardError):
            Guard.remote("http://127.0.0.1:1", wrong, keys=[KEY.public])


def test_a_change_is_one_line_in_the_log_and_an_evaluation_none() -> None:
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    def lines() -> list[str]:
        return [line for line in said if "'1.0.0': disabled" in line]

    log, kept = logging.getLogger("roadworthy_guard"), Kept()
    level, disabled = log.level, logging.root.manager.disable
    logging.disable(logging.NOTSET)
    log.addHandler(kept)
    log.setLevel(logging.INFO)
    try:
        with served() as (service, guard):
            service.put(content(2, stops=[stop()]))
            until(lambda: refuses(guard))
            until(lambda: bool(lines()))  # what listens says it after the refusal is in force
            for _ in range(1000):
                guard.check("credit", "1.0.0")
            assert len(lines()) == 1 and lines()[0].startswith("credit '1.0.0': disabled, was active")
    finally:
        log.removeHandler(kept)
        log.setLevel(level)
        logging.disable(disabled)


def test_a_looser_bound_has_no_effect() -> None:
    with served(bounds={"high": 9999}) as (_, guard):
        assert guard.health()["bounds"]["high"] == 15


def test_a_caller_that_makes_up_segments_does_not_fill_the_memory() -> None:
    with served() as (_, guard):
        for number in range(6000):
            assert guard.check("credit", "1.0.0", f"segment {number}").serves
        assert len(guard._core.view.entries) <= 4096
