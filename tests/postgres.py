"""A real PostgreSQL for tests: a server of our own in a temporary folder, on a free port of the loopback address."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

PASSWORD = "correct horse"
_FOLDERS = sorted(map(str, Path("/usr/lib/postgresql").glob("[0-9][0-9]/bin")), reverse=True)


def program(name: str) -> str | None:
    """Return the path of a program of the server, which Debian keeps off the PATH."""
    return shutil.which(name, path=os.pathsep.join([*_FOLDERS, os.environ.get("PATH", "")]))


class Server:
    """A running server; the user ``rw`` owns what is made in it and connects with a password over TCP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names = itertools.count(1)
        self._who = _unprivileged()
        for made in (folder, folder / "socket"):
            made.mkdir(exist_ok=True)
            if self._who is not None:
                os.chown(made, self._who.pw_uid, self._who.pw_gid)
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.client(
            "initdb", "-D", str(folder / "data"), "-U", "rw", "-E", "UTF8", "--locale=C", "--no-sync", "--auth-local=trust",
            "--auth-host=scram-sha-256", f"--pwfile={secret}",
        )
        with (folder / "data" / "postgresql.conf").open("a") as file:
            # What a kill of the server can lose does not depend on fsync, which only a loss of power tests.
            file.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{folder / 'socket'}'\n"
                "fsync = off\nshared_buffers = 16MB\nmax_connections = 40\nlog_min_messages = fatal\n"
            )
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers; after a kill it does so when the last of the old processes has gone."""
        import psycopg

        deadline = time.monotonic() + 60
        self.process = self._popen()
        while True:
            try:
                self.run("select 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
                if self.process.poll() is not None:
                    self.process = self._popen()

    def _popen(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(program("postgres")), "-D", str(self.folder / "data")], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.folder, **self._as(),
            )

    def kill(self) -> None:
        """Kill the server as a loss of the machine would; `start` recovers it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it for good; its backends end when they see that it has gone."""
        self.process.send_signal(signal.SIGQUIT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.kill()

    def database(self, like: str = "", options: str = "") -> str:
        """Make a database, empty or a copy of the one at the URL `like`; return its URL, without a password in it."""
        name = f"state{next(self._names)}"
        self.run(f"create database {name} {options}" + (f" template {_name(like)}" if like else ""))
        return self.url(name)

    def schema(self) -> str:
        """Make an empty schema, which costs less than a database, and return a URL that leads into it and nowhere else."""
        name = f"state{next(self._names)}"
        self.run(f"create schema {name}")
        return self.url("postgres", options=f"-csearch_path%3D{name}")

    def drop(self, url: str) -> None:
        """Drop a database."""
        self.run(f"drop database {_name(url)} with (force)")

    def url(self, name: str, user: str = "rw", **options: str) -> str:
        """Return the URL of a database by the socket, where no password is asked for."""
        more = "".join(f"&{key}={value}" for key, value in options.items())
        return f"postgresql://{user}@/{name}?host={self.folder / 'socket'}&port={self.port}{more}"

    def by_tcp(self, url: str, **options: str) -> str:
        """Return the URL by TCP, where a password is asked for."""
        kept = [part for part in url.partition("?")[2].split("&") if part.startswith("options=")]
        more = "&".join(kept + [f"{key}={value}" for key, value in options.items()])
        return f"postgresql://rw@127.0.0.1:{self.port}/{_name(url)}?{more}"

    def run(self, sql: str, url: str = "") -> list[tuple[object, ...]]:
        """Run a statement as the server's owner, who may do anything."""
        import psycopg

        with psycopg.connect(url or self.url("postgres"), autocommit=True, connect_timeout=5) as con:
            cursor = con.execute(sql)
            return cursor.fetchall() if cursor.description is not None else []

    def client(self, name: str, *arguments: str, text: str = "") -> str:
        """Run a program of the server's with `text` to read, and return what it writes."""
        done = subprocess.run(
            [str(program(name)), *arguments], check=False, capture_output=True, text=True, input=text, cwd=self.folder,
            **self._as(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _as(self) -> dict[str, object]:
        if self._who is None:
            return {}
        return {"user": self._who.pw_uid, "group": self._who.pw_gid, "extra_groups": []}


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom the server runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("there is no unprivileged user")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server for all tests of a process."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if program("initdb") is None or program("postgres") is None:
        pytest.skip("PostgreSQL's server programs (initdb, postgres) are not installed")
    # Not pytest's own folder: others than its owner may not enter that, and a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="rw-pg-") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "s")
        yield server
        server.stop()
