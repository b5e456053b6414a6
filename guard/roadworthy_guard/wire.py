"""One HTTP connection of the standard library, in which no read outlives its deadline and no answer outgrows its limit."""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from roadworthy_guard.decision import GuardError
from roadworthy_guard.words import MAX_BYTES

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_MAX_LINE = 65_536
Failed = (OSError, http.client.HTTPException, ValueError)


class Secret:
    """A token by reference (``env:NAME``, ``file:PATH``) or as it is; never shown."""

    def __init__(self, given: str) -> None:
        self._given = given

    def read(self) -> str:
        """Return the token as it is now; a file is read again each time, so it can be replaced.

        Raises
        ------
        GuardError
            If there is none, or the file may be read by others.
        """
        kind, _, rest = self._given.partition(":")
        if kind == "env" and rest:
            found = os.environ.get(rest, "")
            where = f"the variable {rest}"
        elif kind == "file" and rest:
            where = f"the file {rest}"
            try:
                if os.name == "posix" and Path(rest).stat().st_mode & 0o077:
                    raise GuardError(f"The token in {where} may be read by others. Run: chmod 600 {rest}")
                found = Path(rest).read_text(encoding="ascii").strip()
            except (OSError, UnicodeError):
                raise GuardError(f"The token in {where} cannot be read.") from None
        else:
            found, where = self._given, "what was given"
        if not _TOKEN.fullmatch(found):
            raise GuardError(f"There is no usable token in {where}.")
        return found

    def __repr__(self) -> str:
        """Return words without the token."""
        return "<token>"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service is: from its URL, checked once."""

    host: str
    port: int
    prefix: str
    context: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, context: ssl.SSLContext | None, *, allow_http: bool) -> Place:
        """Return the place that a URL names.

        Raises
        ------
        GuardError
            If it is not an HTTP URL, or plain HTTP to another machine.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise GuardError("The URL of the switch service cannot be read. Write https://HOST:PORT.") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise GuardError("The URL of the switch service cannot be used. Write https://HOST:PORT, without a password.")
        if parts.scheme == "http" and not (allow_http or _loopback(parts.hostname)):
            said = f"Plain HTTP to {parts.hostname} would show the token to the network."
            raise GuardError(f"{said} Use https, or allow_http=True.")
        secure = parts.scheme == "https"
        made = (context or ssl.create_default_context()) if secure else None
        return cls(parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"), made)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Reading(io.RawIOBase):
    """Reads from a socket until a deadline, whatever drips in before it."""

    def __init__(self, owner: Socket) -> None:
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._owner.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._owner.raw.settimeout(left)
        return self._owner.raw.recv_into(buffer)


class Socket:
    """What `http.client` takes for a socket."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self.raw = raw
        self.deadline = deadline

    def makefile(self, mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        """Return a reader that keeps the deadline; `http.client` asks for mode ``rb`` only."""
        return io.BufferedReader(_Reading(self))

    def sendall(self, data: bytes) -> None:
        """Send, and keep the deadline."""
        self.raw.settimeout(max(0.001, self.deadline - time.monotonic()))
        self.raw.sendall(data)

    def close(self) -> None:
        """Do nothing: `http.client` closes as soon as it has the head of a last answer, whose body is still to be read."""

    def end(self) -> None:
        """Close in earnest; a reader in another thread wakes up with an error."""
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)
        self.raw.close()


class Wire:
    """A connection that is kept open between requests; for one thread.

    Parameters
    ----------
    place : Place
    token : Secret
    timeout : float
        Seconds for a whole request, from the first byte sent to the last one read.
    """

    def __init__(self, place: Place, token: Secret, timeout: float) -> None:
        self._place, self._token, self._timeout = place, token, timeout
        self._connection: http.client.HTTPConnection | None = None
        self._socket: Socket | None = None

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request; return status, headers by small name, and body.

        Raises
        ------
        OSError, http.client.HTTPException, ValueError
            If no whole answer of at most 4 MB came in time.
        """
        try:
            answer = self._send(method, path, headers, body)
            data = answer.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise ValueError("the answer is larger than 4 MB")
            found = {name.lower(): value for name, value in answer.getheaders()}
        except BaseException:
            self.close()
            raise
        if answer.will_close or answer.status in (401, 403):  # a token that was replaced is read anew
            self.close()
        return answer.status, found, data

    def lines(self, path: str, headers: Mapping[str, str], quiet: float) -> Iterator[str]:
        """Yield the lines of a stream that goes on, an empty one first; one that is silent for `quiet` seconds has ended.

        Raises
        ------
        OSError, http.client.HTTPException, ValueError
            If it cannot be opened, or ends.
        """
        try:
            answer = self._send("GET", path, headers, None)
            kind = answer.getheader("content-type", "")
            if answer.status != 200 or not kind.startswith("text/event-stream"):
                raise ValueError(f"the stream of events was answered with {answer.status}")
            yield ""
            while self._socket is not None:
                self._socket.deadline = time.monotonic() + quiet
                line = answer.readline(_MAX_LINE + 1)
                if not line:
                    raise ConnectionError("the stream of events ended")
                if len(line) > _MAX_LINE:
                    raise ValueError("a line of the stream is too long")
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        finally:
            self.close()

    def interrupt(self) -> None:
        """Wake the thread that reads, from another one; it gets an error."""
        made = self._socket
        if made is not None:
            with suppress(OSError):
                made.raw.shutdown(socket.SHUT_RDWR)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> http.client.HTTPResponse:
        deadline = time.monotonic() + self._timeout
        if self._connection is None:
            place = self._place
            raw = socket.create_connection((place.host, place.port), self._timeout)
            try:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if place.context is not None:
                    raw.settimeout(max(0.001, deadline - time.monotonic()))
                    raw = place.context.wrap_socket(raw, server_hostname=place.host)
            except BaseException:
                raw.close()
                raise
            self._socket = Socket(raw, deadline)
            self._connection = http.client.HTTPConnection(place.host, place.port)
            self._connection.sock = self._socket  # all that http.client asks of a socket is there
            self._connection.auto_open = 0
        if self._socket is not None:
            self._socket.deadline = deadline
        sent = {"Authorization": f"Bearer {self._token.read()}", "Accept-Encoding": "identity", **headers}
        self._connection.request(method, self._place.prefix + path, body, sent)
        return self._connection.getresponse()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        connection, made = self._connection, self._socket
        self._connection = self._socket = None
        if made is not None:
            made.end()
        if connection is not None:
            connection.close()
