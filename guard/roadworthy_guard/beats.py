"""The heartbeat of an embedded guard: a file of its own beside the workspace, because it opens the database to read only."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

from roadworthy_guard import words
from roadworthy_guard.clock import written

FOLDER = "guards"
EVERY = 4.0          # looked at each second, so that no two are further apart than 5 s
FORGET = 86_400.0    # seconds after which a file that nobody took away is taken away
_HOST = re.compile(r"[^A-Za-z0-9.-]", re.ASCII)


class Beats:
    """Tells by a file which (epoch, sequence) this process acts by.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is missing. Who may write there can forge a heartbeat, as a serving token can at a service.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problem = ""
        self.begin()

    def begin(self) -> None:
        """Take a name; a child process takes one of its own and leaves the parent's file alone."""
        host = _HOST.sub("-", socket.gethostname())[:60]
        self.instance = f"{host}-{os.getpid()}-{os.urandom(4).hex()}"
        self._told: tuple[int, int] | None = None
        self._acted = ""
        self._at = float("-inf")

    def beat(self, order: tuple[int, int], moment: float) -> None:
        """Write the file if `order` is new, or if it is time; `moment` is the present in seconds since 1970.

        What fails is said in `problem` and nowhere else: a guard that cannot tell goes on guarding.
        """
        now = time.monotonic()
        if order < (0, 0) or (order == self._told and now - self._at < EVERY):
            return
        if order != self._told:
            self._acted = written(moment)
        value = {
            "schema_version": 1, "instance": self.instance, "models": ["*"], "epoch": order[0], "sequence": order[1],
            "acted_at": self._acted, "seen_at": written(moment),
        }
        temporary = self._folder / f".{self.instance}.tmp"
        try:
            if self._told is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._sweep()
            temporary.write_bytes(words.canonical(value))
            temporary.replace(self._file)
            self._told, self._at, self.problem = order, now, ""
        except OSError as problem:
            self.problem = f"no heartbeat can be written to {self._folder}: {problem.strerror}"
            with suppress(OSError):
                temporary.unlink()

    def leave(self) -> None:
        """Take the file away: nobody waits for a process that has ended by itself."""
        if self._told is not None:
            with suppress(OSError):
                self._file.unlink()

    @property
    def _file(self) -> Path:
        return self._folder / f"{self.instance}.json"

    def _sweep(self) -> None:
        """Take away what processes that were killed left behind a day ago."""
        for one in self._folder.iterdir():
            with suppress(OSError):
                if time.time() - one.stat().st_mtime > FORGET:
                    one.unlink()
