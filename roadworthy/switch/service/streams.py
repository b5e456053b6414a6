"""Server-sent events: tell every listener that something changed, so that it asks again.

A browser cannot send a token with an event stream, and an address ends up in logs. So a bulk answer names the stream with a
ticket that opens streams only, for five minutes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from roadworthy.canonical import canonical_json
from roadworthy.switch.snapshot import Signer

DOMAIN = b"roadworthy-ticket-v1\n"
TICKET_SECONDS = 300
BEAT_SECONDS = 5.0


class Tickets:
    """Makes and checks tickets; any service with the same key accepts them."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def make(self, now: float) -> str:
        """Return a ticket that ends in two and a half to five minutes.

        It is the same one for half of that time, so that a client that asks often keeps the stream that it has.
        """
        half = TICKET_SECONDS // 2
        said = canonical_json({"until": (int(now) // half + 2) * half})
        return f"{_url(said)}.{_url(self._signer.sign_bytes(DOMAIN + said))}"

    def good(self, ticket: str, now: float) -> bool:
        """Say whether a ticket is ours and has not ended."""
        said, _, signature = ticket.partition(".")
        try:
            raw = _raw(said)
            if not self._signer.is_mine(DOMAIN + raw, _raw(signature)):
                return False
            until = json.loads(raw)["until"]
        except (ValueError, KeyError, TypeError):
            return False
        return isinstance(until, int) and now < until


class Bell:
    """Rings for every stream at once; a stream that is slow hears the newest ring and misses the others."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()
        self._message = b""
        self.listeners = 0

    def open(self) -> None:
        """Bind to the running loop."""
        self._loop = asyncio.get_running_loop()

    def ring(self, message: bytes) -> None:
        """Wake every stream with a message; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody listens
                self._loop.call_soon_threadsafe(self._ring, message)

    def _ring(self, message: bytes) -> None:
        self._message, event, self._next = message, self._next, asyncio.Event()
        event.set()

    async def wait(self) -> bytes:
        """Return the next message."""
        await self._next.wait()
        return self._message


class Stream(Response):
    """An event stream that lives until its reader goes away."""

    media_type = "text/event-stream"

    def __init__(self, bell: Bell, first: bytes) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._bell, self._first = bell, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client disconnects."""
        headers = [(key, value) for key, value in self.raw_headers if key != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        gone = asyncio.ensure_future(_gone(receive))
        self._bell.listeners += 1
        ring: asyncio.Future[bytes] | None = None
        try:
            while True:
                ring = asyncio.ensure_future(self._bell.wait())
                await asyncio.wait({gone, ring}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": ring.result(), "more_body": True})
        finally:
            self._bell.listeners -= 1
            for future in (gone, ring):
                if future is not None:
                    future.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def event(said: dict[str, Any]) -> bytes:
    r"""Return one event as it goes over the wire.

    Examples
    --------
    >>> event({"type": "heartbeat"})
    b'event: message\ndata: {"type":"heartbeat"}\n\n'
    """
    return b"event: message\ndata: " + canonical_json(said) + b"\n\n"


def refetch(etag: str) -> bytes:
    """Return the event that tells a reader to ask again."""
    return event({"type": "refetchEvaluation", "etag": etag, "lastModified": int(time.time())})


HEARTBEAT = event({"type": "heartbeat"})


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _raw(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
