"""The ledger in a real PostgreSQL: what only a server can do to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from roadworthy.errors import StorageError
from roadworthy.ledger import Ledger, chain, database
from roadworthy.ledger.postgres import UnreachableError
from roadworthy.ledger.postgres_tables import DIALECT, FUNCTIONS, translated
from roadworthy.ledger.postgres_url import problem_of
from tests.postgres import PASSWORD, Server
from tests.roadworthy.records import HOSTILE, NOW
from tests.roadworthy.test_ledger import fill, problems


@pytest.fixture(scope="module")
def twelve(postgres: Server) -> str:
    """A ledger of twelve entries, to be read or copied."""
    return fill(postgres.database())


@pytest.fixture
def copied(postgres: Server, twelve: str) -> Iterator[str]:
    made = postgres.database(like=twelve)
    yield made
    postgres.drop(made)


def as_vandal(postgres: Server, url: str, sql: str) -> None:
    """Change the table as the server's owner who leaves no trace in the triggers."""
    table = "alter table ledger {0} trigger user"
    back = "; ".join(f"alter table ledger enable always trigger {name}" for name in (
        "ledger_no_update", "ledger_no_delete", "ledger_no_truncate", "ledger_in_order"))
    postgres.run(f"begin; {table.format('disable')}; {sql}; {back}; commit", url)


# Known answers: what PostgreSQL itself makes of a statement.


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("select :a", "x"),
        ("select :a::text || ':a' || '::' || '%' || '%(a)s'", "x:a::%%(a)s"),
        ("select 'it''s :a' || :a", "it's :ax"),
        (r"select e'\':a' || :a", "':ax"),
        (r"select '\' || :a", "\\x"),
        ("select $$:a$$ || $q$ :a $$ $q$ || :a", ":a :a $$ x"),
        ('select ":a" from (select 1 as ":a") as t', 1),
        ("select :a -- :b\n", "x"),
        ("select /* :b ' */ :a", "x"),
        ("select 7 % 4 + :n", 5),
        ("select '2026-04-01'::date::text || date'2026-04-02'::text || :a", "2026-04-012026-04-02x"),
    ],
)
def test_only_parameters_are_filled_in(twelve: str, sql: str, answer: object) -> None:
    wanted = {name: value for name, value in {"a": "x", "n": 2}.items() if re.search(rf"(?<!:):{name}\b", sql)}
    with database.reading(twelve) as execute:
        assert execute(sql, wanted) == [(answer,)]
    with Ledger.open(twelve, read_only=True) as ledger, ledger.reading() as execute:
        assert execute(sql, wanted) == [(answer,)]


@pytest.mark.parametrize("value", [HOSTILE, "%(a)s", ":a", "'; drop table ledger; --", "$$", "\\", "%", "\ufffd\x01"])
def test_a_value_is_never_read_as_sql(twelve: str, value: str) -> None:
    with database.reading(twelve) as execute:
        assert execute("select :a || :b, count(*) from ledger", {"a": value, "b": value}) == [(value + value, 12)]


def test_a_name_between_quotes_is_never_a_parameter() -> None:
    assert translated("select ':a%' where x = :x") == "select ':a%%' where x = %(x)s"


# What the database refuses.


@pytest.mark.parametrize(
    "sql",
    [
        "update ledger set actor = 'eve' where seq = 2",
        "update ledger set actor = 'eve' where false",
        "delete from ledger where seq = 12",
        "truncate ledger",
        "insert into ledger select 40, at, kind, actor, model, 'new', bytes, prev, hash from ledger where seq = 2",
        "insert into ledger select 13, at, kind, actor, model, '1/1', bytes, prev, hash from ledger where seq = 2",
        "insert into ledger select 13, at, kind, 'eve', model, '1/1', bytes, prev, hash from ledger where seq = 2 "
        "on conflict (key) do update set actor = 'eve'",
        "insert into ledger select seq, at, kind, 'eve', model, 'x', bytes, prev, hash from ledger where seq = 2 "
        "on conflict (seq) do update set actor = 'eve'",
        "set session_replication_role = replica; delete from ledger where seq = 12",
        "create temp table ledger (seq bigint, key text); "
        "insert into public.ledger select 1, at, kind, actor, model, 'x', bytes, prev, hash from public.ledger where seq = 2",
    ],
)
def test_the_server_itself_refuses_to_change_an_entry(postgres: Server, twelve: str, sql: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="append-only"):
        postgres.run(sql, twelve)
    assert problems(twelve) == []


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("drop trigger ledger_no_truncate on ledger", "'ledger_no_truncate', which keeps entries from being changed, is gone"),
        ("alter table ledger disable trigger ledger_no_update", "'ledger_no_update', which .* is not the one"),
        ("alter table ledger enable trigger ledger_no_delete", "'ledger_no_delete', which .* is not the one"),
        ("create or replace function ledger_is_in_order() returns trigger language plpgsql as 'begin return new; end'",
         "'ledger_in_order', which .* is not the one"),
        ("alter function ledger_is_append_only() set session_replication_role = 'origin'", "'ledger_no_update', which .* is not"),
        ("create rule gone as on insert to ledger do instead nothing", "without rules"),
        ("alter table ledger set unlogged", "logged table"),
        ("alter table ledger enable row level security", "row security"),
        ("create function gone() returns trigger language plpgsql as 'begin return null; end'; "
         "create trigger a before insert on ledger for each row execute function gone()", "the trigger 'a' stands on the ledger"),
    ],
)
def test_a_guard_that_was_taken_down_is_found(postgres: Server, copied: str, sql: str, says: str) -> None:
    postgres.run(sql, copied)
    assert re.search(says, "\n".join(problems(copied)))


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("update ledger set actor = 'eve' where seq = 4", "entry 4 has another 'actor'"),
        ("update ledger set bytes = set_byte(bytes, 40, 7) where seq = 4", "entry 4 does not have the hash"),
        ("delete from ledger where seq in (4, 5)", "entries 4 to 5 are missing"),
        ("update ledger set hash = repeat('0', 64) where seq = 4", "entry 4 does not have the hash"),
    ],
)
def test_what_the_servers_owner_changed_is_found_with_its_entry(postgres: Server, copied: str, sql: str, says: str) -> None:
    as_vandal(postgres, copied, sql)
    assert says in "\n".join(problems(copied))


def test_the_same_statements_install_twice_and_by_two_at_once(postgres: Server) -> None:
    url = postgres.schema()
    with database.writing(url) as execute:
        chain.install(execute)
        chain.install(execute)
    assert problems(url) == []
    assert all(name in DIALECT.schema[0] for name in FUNCTIONS)


def test_a_dump_that_is_restored_is_the_same_record_under_the_same_guards(postgres: Server, twelve: str) -> None:
    url = postgres.database()
    postgres.client("psql", "-q", "-v", "ON_ERROR_STOP=1", url, text=postgres.client("pg_dump", twelve))
    assert problems(url) == []
    with Ledger.open(url) as ledger, Ledger.open(twelve, read_only=True) as before:
        assert ledger.head() == before.head()
        assert ledger.append("run", "a", {}, at=NOW).seq == 13


# Faults.

STEADY = """
import sys
from datetime import UTC, datetime
from roadworthy.ledger import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    while True:
        print(ledger.append("run", "a", {}, at=datetime.now(UTC)).seq, flush=True)
"""


def test_a_server_that_is_killed_loses_nothing_it_acknowledged(postgres: Server) -> None:
    url = postgres.schema()
    with Ledger.open(url) as ledger:
        other = subprocess.Popen([sys.executable, "-c", STEADY, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert other.stdout is not None and other.stderr is not None
        assert other.stdout.readline()
        with pytest.raises(UnreachableError, match="was broken off"), ledger.transaction() as execute:
            chain.append(execute, "run", "lost", {}, at=NOW)
            postgres.kill()
            chain.append(execute, "run", "lost", {}, at=NOW)
        acknowledged = [int(line) for line in other.stdout.read().split()]
        assert other.wait(60) == 1
        assert "UnreachableError" in other.stderr.read()
        with pytest.raises(UnreachableError, match="cannot be reached"):
            ledger.head()
        postgres.start()
        entries = list(ledger.entries())
        assert [e.seq for e in entries] == list(range(1, len(entries) + 1))
        assert len(entries) >= max(acknowledged, default=1)
        assert "lost" not in {e.actor for e in entries}
        assert ledger.append("run", "b", {}, at=NOW).seq == len(entries) + 1
        assert ledger.verify() == []


def end_others(postgres: Server) -> None:
    postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename = 'rw'")


def test_a_connection_lost_between_two_acts_is_made_again(postgres: Server) -> None:
    with Ledger.open(postgres.schema()) as ledger:
        ledger.append("run", "a", {}, at=NOW)
        end_others(postgres)
        assert ledger.append("run", "a", {}, at=NOW).seq == 2
        with pytest.raises(UnreachableError, match="may or may not be kept"), ledger.transaction() as execute:
            chain.append(execute, "run", "a", {}, at=NOW)
            end_others(postgres)
            execute("select 1", {})
        assert (ledger.head()[0], ledger.verify()) == (2, [])


def test_a_statement_that_failed_and_was_passed_over_is_not_taken_for_success(postgres: Server) -> None:
    url = postgres.schema()
    with Ledger.open(url) as ledger:
        for transaction in (ledger.transaction, lambda: database.writing(url)):
            with pytest.raises(StorageError, match="passed over"), transaction() as execute:
                chain.append(execute, "run", "a", {}, at=NOW)
                with pytest.raises(Exception, match="no_such_table"):
                    execute("select 1 from no_such_table", {})
        assert ledger.head()[0] == 0


def test_a_held_a_frozen_and_a_closed_server_are_given_up_in_time(postgres: Server) -> None:
    url = postgres.schema()
    with Ledger.open(url) as ledger, ledger.transaction():
        with pytest.raises(StorageError, match="is held by another process"), database.writing(url, 0.5):
            pass
        with database.reading(url, 0.5) as execute:
            assert execute("select 1", {}) == [(1,)]
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="was broken off"), database.writing(url, 0.5) as execute:
        ((pid,),) = execute("select pg_backend_pid()", {})
        os.kill(pid, signal.SIGSTOP)
        try:
            execute("select 1", {})
        finally:
            os.kill(pid, signal.SIGCONT)
    assert time.monotonic() - started < 5


# Who may.


def test_the_password_comes_from_a_reference_or_from_where_libpq_looks(
    postgres: Server, twelve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def head(**options: str) -> int:
        with database.reading(database.within(postgres.by_tcp(twelve, **options), tmp_path)) as execute:
            return chain.head(execute)[0]

    tmp_path = tmp_path / "a b"
    tmp_path.mkdir()
    monkeypatch.setenv("STATE_PASSWORD", PASSWORD)
    assert head(password="env:STATE_PASSWORD") == 12
    (tmp_path / "secret file").write_text(PASSWORD + "\n")
    (tmp_path / "secret file").chmod(0o600)
    assert head(password="file:secret%20file") == 12
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no password supplied"):
        head()
    (tmp_path / "pass").write_text(f"127.0.0.1:{postgres.port}:*:rw:{PASSWORD}\n")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    assert head() == 12
    assert head(sslmode="prefer") == 12


def test_a_wrong_or_missing_password_is_said_and_never_shown(
    postgres: Server, twelve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STATE_PASSWORD", "127.0.0.1")  # what libpq's own words hold must be blotted out all the same
    said = []
    for option in ("env:STATE_PASSWORD", "env:NOT_SET", f"file:{tmp_path}/missing"):
        with pytest.raises(StorageError) as problem:
            Ledger.open(postgres.by_tcp(twelve, password=option))
        said.append(str(problem.value))
    assert "password authentication failed for user" in said[0] and '"***"' in said[0]
    assert "NOT_SET is not set" in said[1]
    assert "missing cannot be read" in said[2]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://rw:hunter2@db/state", "postgres://rw:hunter2@h1,h2:1/state?sslmode=require", "postgresql://rw@db/state?password=hunter2",
        "postgresql://rw@db/state?sslpassword=hunter2", "postgresql://rw:hunter2/@db/state", "postgresql://rw@db/state?pass%77ord=hunter2",
        "postgresql://rw@db:hunter2/state", "postgresql://rw@db/state?hunter2=1", "postgresql://rw@db/?password=hunter2", "postgresql://%zzhunter2@/",
    ],
)  # fmt: skip
def test_a_secret_in_the_url_is_refused_and_never_shown(url: str) -> None:
    with pytest.raises(StorageError) as problem:
        Ledger.open(url)
    assert "state_url" in str(problem.value)
    assert "hunter2" not in f"{problem.value}{problem.value.__cause__ or ''}{problem_of(url)}"


def test_a_user_who_may_only_read_can_verify_and_not_append(postgres: Server, copied: str) -> None:
    postgres.run("do $$ begin create role reader login; exception when duplicate_object then null; end $$; "
                 "grant select on ledger to reader", copied)
    url = copied.replace("rw@", "reader@")
    assert problems(url) == []
    with Ledger.open(url) as ledger, pytest.raises(StorageError, match="do not allow this user"):
        ledger.append("run", "a", {}, at=NOW)
    with Ledger.open(copied, read_only=True) as ledger, pytest.raises(StorageError, match="do not allow writing"):
        ledger.append("run", "a", {}, at=NOW)


def test_what_is_no_ledger_or_no_database_is_said_in_a_sentence(postgres: Server) -> None:
    with pytest.raises(StorageError, match="Nothing has been recorded yet"):
        Ledger.open(postgres.schema(), read_only=True)
    with pytest.raises(UnreachableError, match='database "nothing" does not exist'):
        Ledger.open(postgres.url("nothing"))
    with pytest.raises(StorageError, match="needed are 13 or newer and UTF8"):
        Ledger.open(postgres.database(options="encoding latin1 template template0"))
