"""The face of the package: a guard by a service, or by the switch's own files.

>>> from roadworthy_guard import Guard
>>> guard = Guard.nothing()
>>> guard.check("credit", "1.0.0").serves
False
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from roadworthy_guard import batch
from roadworthy_guard.clock import Clock
from roadworthy_guard.core import Core, Source
from roadworthy_guard.decision import Decision, GuardError, Refused
from roadworthy_guard.stopfiles import StopFiles

if TYPE_CHECKING:
    import ssl
    from contextlib import AbstractContextManager

T = TypeVar("T")
_living: weakref.WeakSet[Core] = weakref.WeakSet()


class _Check(Protocol):
    def __call__(self, model: str, version: str | None = None, segment: str | None = None) -> Decision:
        """Say whether a model may serve a request now; see `Core.check`."""


class Guard:
    """Says before each answer whether a model may serve.

    Make one for each process with `remote` or `embedded`, and ask it for every request: a check takes a few microseconds, no
    lock and no network. Threads may share it. It survives ``fork``: the first check in the child starts its own background.
    """

    def __init__(self, core: Core, source: Source | None) -> None:
        self._core = core
        core.source = source
        self.check: _Check = core.check
        _living.add(core)

    @classmethod
    def remote(
        cls, url: str, token: str, *, keys: Iterable[str], instance: str = "", bounds: Mapping[str, float] | None = None,
        keep: Path | str | None = None, stop_folders: Sequence[Path | str] = (), context: ssl.SSLContext | None = None,
        allow_http: bool = False, poll: float = 2.0, models: Sequence[str] = (), clock: Clock | None = None,
    ) -> Guard:
        """Return a guard that listens to a switch service.

        Parameters
        ----------
        url : str
            ``https://HOST:PORT``; plain HTTP only on the loopback address.
        token : str
            ``env:NAME``, ``file:PATH`` (mode 0600), or the token itself.
        keys : iterable of str
            Public keys of the service that are pinned: base64 of the 32 raw bytes.
        instance : str, optional
            The name in heartbeats; by default host, process and chance.
        bounds : mapping, optional
            Seconds by tier that knowledge may be old, stricter than the service's own: ``{"high": 5}``.
        keep : path, optional
            File for the last envelope. Without it a process that starts while the service is down refuses everything.
        stop_folders : sequence of path, optional
            Folders in which ``STOP`` and ``STOP.<model>`` stop this host without any network.
        context : ssl.SSLContext, optional
            For a certificate authority of your own, or a client certificate.
        allow_http : bool
            Plain HTTP to another machine, for a network that encrypts by itself.
        poll : float
            Longest pause between two requests while no stream of events is open, in seconds.
        models : sequence of str, optional
            The models that this process serves, for its heartbeats; by default it names every model in service.
        clock : Clock, optional

        Raises
        ------
        GuardError
            If an argument cannot be used; the sentence says which. A service that does not answer is no error: models of
            tier high refuse until it does.
        """
        from roadworthy_guard.client import Client
        from roadworthy_guard.kept import Kept, KeptEnvelope
        from roadworthy_guard.keys import pinned
        from roadworthy_guard.wire import Place, Secret

        clock = clock or Clock()
        trusted = dict(pinned(keys))
        place, secret = Place.of(url, context, allow_http=allow_http), Secret(token)
        secret.read()
        if not poll > 0:
            raise GuardError("'poll' must be more than 0 seconds.")
        core = Core(clock, bounds or {}, StopFiles([Path(folder) for folder in stop_folders]))
        kept = KeptEnvelope(Kept(Path(keep)), trusted, clock) if keep is not None else None
        client = Client(core, place, secret, trusted, instance, kept, clock, poll, models)
        guard = cls(core, client)
        core.reread()
        client.load()
        client.start()
        return guard

    @classmethod
    def embedded(
        cls, workspace: Path | str, *, root: str, database: Path | str | None = None, people: Path | str | None = None,
        stop_folders: Sequence[Path | str] | None = None, keep: Path | str | None = None,
        bounds: Mapping[str, float] | None = None, clock: Clock | None = None,
    ) -> Guard:
        """Return a guard that reads the switch of a workspace on the same machine, without a service.

        Parameters
        ----------
        workspace : path
        root : str
            SHA-256 of the first version of ``people.lock``: without it whoever can write files could name the people.
        database : path, optional
            By default ``.roadworthy/state.sqlite`` in the workspace.
        people : path, optional
            By default ``people.lock`` in the workspace.
        stop_folders : sequence of path, optional
            By default ``.roadworthy/switch`` in the workspace.
        keep : path, optional
            File for the stops that were seen; by default ``.roadworthy/guard.json`` in the workspace. Processes may share it.
        bounds : mapping, optional
            See `remote`.
        clock : Clock, optional

        Raises
        ------
        GuardError
            If an argument cannot be used.
        """
        from roadworthy_guard.beats import FOLDER, Beats
        from roadworthy_guard.kept import Kept
        from roadworthy_guard.memory import Memory
        from roadworthy_guard.people import FILE, root_of
        from roadworthy_guard.store import Reader

        clock, here = clock or Clock(), Path(workspace)
        folders = [here / ".roadworthy" / "switch"] if stop_folders is None else [Path(folder) for folder in stop_folders]
        core = Core(clock, bounds or {}, StopFiles(folders), sticky=True)
        reader = Reader(
            core, Path(database or here / ".roadworthy" / "state.sqlite"), Path(people or here / FILE), root_of(root),
            Memory(Kept(Path(keep or here / ".roadworthy" / "guard.json"))), clock, Beats(here / ".roadworthy" / FOLDER),
        )
        guard = cls(core, reader)
        reader.start()
        return guard

    @classmethod
    def nothing(cls) -> Guard:
        """Return a guard that knows nothing and refuses everything; for tests of what your application does then."""
        return cls(Core(Clock(), {}, StopFiles()), None)

    def require(
        self, model: str, version: str | None = None, segment: str | None = None, *, fallback: bool = False, now: bool = False,
    ) -> Decision:
        """Return the decision if the model may answer.

        Parameters
        ----------
        model : str
        version, segment : str, optional
            See `Core.check`.
        fallback : bool
            True if the caller has a fallback and looks at `Decision.fallback`.
        now : bool
            Look for STOP files even if that was done less than 5 ms ago; see `Core.check_now`.

        Raises
        ------
        Refused
            If it may not, or if only a fallback may and the caller has none.
        """
        decision = (self._core.check_now if now else self.check)(model, version, segment)
        if not decision.serves:
            raise Refused(decision)
        if decision.fallback and not fallback:
            raise Refused(decision, f"{decision.reason}; its fallback must answer, and there is none here")
        return decision

    def chunks(
        self, iterable: Iterable[T], model: str, version: str | None = None, segment: str | None = None, *,
        degraded: bool = False,
    ) -> Iterator[T]:
        """Yield what `iterable` yields and ask before each; see `batch.chunks`."""
        return batch.chunks(self, iterable, model, version, segment, degraded=degraded)

    def publishing(
        self, model: str, version: str | None = None, segment: str | None = None, *, began: Decision | None = None,
        degraded: bool = False,
    ) -> AbstractContextManager[Decision]:
        """Ask before and after results are published; see `batch.publishing`."""
        return batch.publishing(self, model, version, segment, began=began, degraded=degraded)

    def wait(self, seconds: float) -> bool:
        """Wait until the switch was heard, for at most `seconds`; return whether it was."""
        deadline = time.monotonic() + seconds
        while not self.health()["confirmed"]:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def health(self) -> dict[str, Any]:
        """Return what is held, how old it is, and what was ignored and how often; no secrets."""
        return self._core.health()

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` from the background with ``changed``, ``stale`` or ``ready``."""
        self._core.listen(listener)

    def close(self) -> None:
        """End the background and tell the service; what is held grows too old and refuses."""
        self._core.close()

    def __enter__(self) -> Guard:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __deepcopy__(self, _: object) -> Guard:
        """Return itself: a model that is cloned goes on being guarded by the same guard."""
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse: a guard in a file would hold a token and no thread."""
        raise TypeError("A guard cannot be pickled. Make one in each process.")


def _in_child() -> None:
    for core in list(_living):
        core.forked()


def _at_exit() -> None:
    for core in list(_living):
        core.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
