"""auditd's records are counted by what was done, by whatever way they write names, and what cannot be read is counted too."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.artifact.auditd import ACTIONS, accesses, rules
from roadworthy.errors import UsageError

DAY = date(2026, 4, 9)
AT = int(datetime(2026, 4, 9, 3, tzinfo=UTC).timestamp())
FOLDER = PurePosixPath("artifacts/credit")
# As auditd writes it (log_format = RAW), shortened; the second name holds a blank, so it is in hexadecimal.
LOG = f"""----
time->Thu Apr  9 03:00:00 2026
type=PROCTITLE msg=audit({AT}.100:41): proctitle=2F7573722F62696E2F707974686F6E
type=PATH msg=audit({AT}.100:41): item=0 name="/srv/fleet/artifacts/credit/1.0.0.skops" inode=7 nametype=NORMAL cap_fp=0
type=CWD msg=audit({AT}.100:41): cwd="/srv/fleet"
type=SYSCALL msg=audit({AT}.100:41): arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c comm="python" key="roadworthy-read"
----
type=SYSCALL msg=audit({AT}.200:42): arch=c000003e syscall=257 success=yes exit=4 comm="sh" key="roadworthy-write"
type=CWD msg=audit({AT}.200:42): cwd="/srv/fleet"
type=PATH msg=audit({AT}.200:42): item=0 name={b"artifacts/credit/new model".hex().upper()} nametype=CREATE
type=SYSCALL msg=audit({AT}.300:43): arch=c000003e syscall=90 success=no exit=-13 comm="chmod" key="roadworthy-attribute"
type=PATH msg=audit({AT}.300:43): item=0 name="/srv/fleet/artifacts/credit/1.0.0.skops" nametype=NORMAL
type=SYSCALL msg=audit({AT}.400:44): arch=c000003e syscall=257 success=yes comm="sh" key="roadworthy-write"
type=PATH msg=audit({AT}.400:44): item=0 name="/srv/fleet/artifacts/flights/1.0.0.skops" nametype=NORMAL
type=SYSCALL msg=audit({AT}.500:45): arch=c000003e syscall=87 success=yes comm="rm" key="roadworthy"
type=PATH msg=audit({AT}.500:45): item=1 name="/srv/fleet/artifacts/credit/old.skops" nametype=DELETE
type=SYSCALL msg=audit({AT}.600:46): arch=c000003e syscall=257 success=yes comm="sh" key="someone-else"
type=CONFIG_CHANGE msg=audit({AT}.700:47): auid=0 op=remove_rule key="roadworthy-write" list=4 res=1
type=CONFIG_CHANGE msg=audit({AT}.710:48): auid=0 op=add_rule key="roadworthy-write" list=4 res=1
type=SYSCALL msg=audit({AT - 86400}.000:1): arch=c000003e syscall=257 success=yes comm="sh" key="roadworthy-write"
type=SYSCALL msg=audit({AT}.800:49): arch=c000003e syscall=257 success=yes comm="sh" \
key={b"theirs" .hex().upper()}01{b"roadworthy-read".hex().upper()}
type=PATH msg=audit({AT}.8
"""


def counted(log: str) -> dict[str, int]:
    return {action: count for action, count in accesses(log.split("\n"), FOLDER, DAY).counts.items() if count}


def test_what_was_done_is_counted_by_event() -> None:
    assert counted(LOG) == {"read": 2, "write": 2, "refused": 1, "watch-removed": 1, "unreadable": 1}


def test_an_event_that_names_no_file_concerns_every_folder() -> None:
    assert counted(f'type=SYSCALL msg=audit({AT}.100:41): success=yes key="roadworthy-write"') == {"write": 1}


def test_auditing_that_is_switched_off_takes_the_watch_away() -> None:
    off = f"type=CONFIG_CHANGE msg=audit({AT}.100:41): op=set audit_enabled=0 old=1 auid=0 res=1"
    assert counted(off) == {"watch-removed": 1}


def test_the_log_of_several_machines_is_told_apart() -> None:
    one = f'type=SYSCALL msg=audit({AT}.100:41): success=yes key="roadworthy-write"'
    assert counted(f"node=a {one}\nnode=b {one}\nnode=b {one}") == {"write": 2}


def test_nothing_is_counted_of_an_empty_log() -> None:
    assert counted("") == {} and counted("<no matches>\n") == {}


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(0, len(LOG)), st.integers(0, 30), st.text(max_size=20))
def test_a_broken_log_is_counted_and_never_raises(place: int, gone: int, put: str) -> None:
    found = accesses((LOG[:place] + put + LOG[place + gone :]).split("\n"), FOLDER, DAY)
    assert set(found.counts) == set(ACTIONS) and min(found.counts.values()) >= 0


def test_rules_watch_in_an_order_in_which_writing_comes_first() -> None:
    lines = [line for line in rules([PurePosixPath("/srv/artifacts")]).splitlines() if not line.startswith("#")]
    assert [line.split("perm=")[1][0] for line in lines] == list("wwaaxxrr")
    assert lines[0] == "-a always,exit -F arch=b64 -F dir=/srv/artifacts -F perm=w -F key=roadworthy-write"


@pytest.mark.parametrize("folder", ["/srv/my models", "/srv/a\nb", "relative", "/srv/größe"])
def test_a_folder_that_a_rules_file_cannot_name_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a rules file"):
        rules([PurePosixPath(folder)])
