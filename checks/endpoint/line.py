"""One connection to the endpoint and one exchange on it, bounded in time and in bytes whatever the server does.

Sockets and not a client library: what is asked for here are the refusals of a server, down to a version of TLS, with no redirect,
no proxy and no second look-up of the name. Every wait ends at a moment fixed before, so a server that sends a byte now and then
gains nothing.
"""

from __future__ import annotations

import io
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar, cast

from checks.endpoint.address import Address

STEPS = 4
"""An inspection may last as long as so many exchanges that each take all the time they have."""
MOST_BYTES = 64 * 1024
_AGENT = "Roadworthy-probe/1"
T = TypeVar("T")
Place = tuple[socket.AddressFamily, Any]


class NoAnswerError(Exception):
    """The endpoint gave no answer that can be used; the text is ours and holds nothing sent or received."""


class UnreachableError(NoAnswerError):
    """Nobody is there to be asked at all."""


class SpentError(Exception):
    """The time or the requests of this inspection are used up."""


@dataclass
class Allowance:
    """What one inspection may cost the endpoint.

    Attributes
    ----------
    requests : int
        How many more may be sent.
    seconds : float
        For one exchange, with its connection.
    sent, connected : int
        Requests and connections so far.
    """

    requests: int
    seconds: float
    sent: int = 0
    connected: int = 0
    _begun: float = field(default_factory=time.monotonic)

    def deadline(self) -> float:
        """Return the moment by which the next step has to be done.

        Raises
        ------
        SpentError
            If no time is left.
        """
        now, ends = time.monotonic(), self._begun + STEPS * self.seconds
        if now >= ends:
            raise SpentError(f"The {STEPS * self.seconds:g} seconds that an inspection may take were used up.")
        return min(now + self.seconds, ends)

    def request(self) -> None:
        """Count a request that is about to be sent.

        Raises
        ------
        SpentError
            If no more may be sent.
        """
        if self.sent >= self.requests:
            raise SpentError(f"The {self.requests} requests that an inspection may send were used up.")
        self.sent += 1


@dataclass(frozen=True)
class Answer:
    """What came back: status, the names of its headers in small letters with their values, and at most 64 KB of content."""

    status: int
    headers: dict[str, str]
    content: bytes
    whole: bool


def look_up(address: Address, allowance: Allowance) -> list[Place]:
    """Return where the host is; asked once, so that a name which points elsewhere a moment later changes nothing.

    Raises
    ------
    NoAnswerError
        If nobody knows it, or not in time.
    """
    found: list[Place] = []
    wrong: list[str] = []

    def ask() -> None:
        try:
            for family, _, _, _, where in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
                found.append((family, where))
        except (OSError, UnicodeError) as problem:
            wrong.append(type(problem).__name__)

    # The system's resolver takes no time limit; a thread that is left behind ends with it.
    thread = threading.Thread(target=ask, name="look up", daemon=True)
    thread.start()
    thread.join(max(0.0, allowance.deadline() - time.monotonic()))
    if not found or thread.is_alive():
        raise UnreachableError(f"The host's name could not be looked up ({wrong[0] if wrong else 'no answer in time'}).")
    return found


@contextmanager
def connected(
    address: Address, places: list[Place], allowance: Allowance, context: ssl.SSLContext | None
) -> Iterator[tuple[socket.socket, float]]:
    """Connect, with TLS if a context is given, and yield the socket and the moment by which all on it must be done.

    Raises
    ------
    NoAnswerError
        If there is no connection.
    ssl.SSLError
        If there is one, but no agreement on TLS. A connection that was closed instead is a `ConnectionError`.
    """
    deadline = allowance.deadline()
    line = _connect(places, deadline)
    allowance.connected += 1
    try:
        if context is not None:
            line.setblocking(False)
            wrapped = context.wrap_socket(line, server_hostname=address.host, do_handshake_on_connect=False)
            line = wrapped
            _until(wrapped, deadline, wrapped.do_handshake)
        line.setblocking(False)
        yield line, deadline
    finally:
        line.close()


def _connect(places: list[Place], deadline: float) -> socket.socket:
    why = "nothing to connect to"
    for family, where in places[:3]:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.settimeout(left)
            line.connect(where)
        except OSError as problem:
            line.close()
            why = type(problem).__name__
            continue
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line
    raise UnreachableError(f"It could not be connected to ({why}).")


def _until(line: socket.socket, deadline: float, act: Callable[[], T], event: int = selectors.EVENT_READ) -> T:
    """Do what may have to wait for the other side, again and again until it is done or the moment has come."""
    while True:
        try:
            return act()
        except ssl.SSLWantWriteError:
            wanted = selectors.EVENT_WRITE
        except ssl.SSLWantReadError:
            wanted = selectors.EVENT_READ
        except BlockingIOError:
            wanted = event
        left = deadline - time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(line, wanted)
            if left <= 0 or not selector.select(left):
                raise NoAnswerError("There was no answer in time.")


def exchange(
    address: Address, places: list[Place], allowance: Allowance, context: ssl.SSLContext | None, method: str, body: bytes | None,
    credential: tuple[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own and return what is answered; a redirect is an answer like any other.

    Parameters
    ----------
    address : Address
    places : list
        From `look_up`.
    allowance : Allowance
    context : ssl.SSLContext or None
        None: without TLS.
    method : str
    body : bytes or None
        JSON.
    credential : (str, str), optional
        Name and value of a header. The value stands in no error.

    Raises
    ------
    NoAnswerError
        If no answer came, or it is not HTTP.
    SpentError
    """
    allowance.request()
    lines = [f"{method} {address.target} HTTP/1.1", f"Host: {address.shown}", f"User-Agent: {_AGENT}", "Accept: application/json"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if credential is not None:
        lines.append(": ".join(credential))
    sent = "\r\n".join([*lines, "Connection: close", "", ""]).encode("ascii") + (body or b"")
    try:
        with connected(address, places, allowance, context) as (line, deadline):
            _send(line, deadline, sent)
            return _read(line, deadline)
    except (OSError, ssl.SSLError) as problem:
        raise NoAnswerError(f"The connection broke ({type(problem).__name__}).") from None


def _send(line: socket.socket, deadline: float, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[_until(line, deadline, partial(line.send, rest), selectors.EVENT_WRITE) :]


class _Held:
    """What `HTTPResponse` takes for a socket: bytes that have come already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _read(line: socket.socket, deadline: float) -> Answer:
    """Read until the answer is whole, the server has closed, or `MOST_BYTES` have come."""
    came, ended = bytearray(), False
    while b"\r\n\r\n" not in came and b"\n\n" not in came and not ended:
        more = _more(line, deadline, len(came))
        came, ended = came + more, not more
    answer = _parsed(bytes(came), ended)
    while not (answer.whole or ended or len(came) >= MOST_BYTES):
        more = _more(line, deadline, len(came))
        came, ended = came + more, not more
        answer = _parsed(bytes(came), ended)
    return answer


def _more(line: socket.socket, deadline: float, have: int) -> bytes:
    try:
        return _until(line, deadline, partial(line.recv, max(0, MOST_BYTES - have)))
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return b""  # closed without a goodbye: what has come is all there is


def _parsed(came: bytes, ended: bool) -> Answer:
    response = HTTPResponse(cast(socket.socket, _Held(came)))
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        try:
            content, whole = response.read(), response.length in (None, 0)
        except HTTPException:  # a part of it has come
            content, whole = b"", False
    except (HTTPException, ValueError, OSError):  # the text of these quotes the server
        raise NoAnswerError("What it answered is not HTTP.") from None
    finally:
        response.close()
    unbounded = "content-length" not in headers and "chunked" not in headers.get("transfer-encoding", "").lower()
    return Answer(response.status, headers, content, whole and (ended or not unbounded or response.status in (204, 304)))
