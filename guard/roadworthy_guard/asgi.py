"""ASGI middleware: a route whose model may not serve answers 503, and every answer says which model gave it.

>>> from roadworthy_guard import Guard, GuardMiddleware
>>> async def app(scope, receive, send):
...     raise AssertionError("is not reached")
>>> guarded = GuardMiddleware(app, Guard.nothing(), {"/predict/credit": ("credit", "1.0.0")})
>>> sent = []
>>> async def send(message):
...     sent.append(message)
>>> import asyncio
>>> asyncio.run(guarded({"type": "http", "path": "/predict/credit", "headers": []}, None, send))
>>> sent[0]["status"]
503
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from roadworthy_guard.decision import Decision, GuardError

if TYPE_CHECKING:
    from roadworthy_guard.guard import Guard

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Served = tuple[str, str | None] | tuple[str, str | None, str | None]
_AGAIN = "5"
_SLASHES = re.compile("/+")


class GuardMiddleware:
    """Guards the routes of an ASGI application.

    Parameters
    ----------
    app : callable
        The ASGI application.
    guard : Guard
    models : mapping or callable
        Path to (model, version) or (model, version, segment): the path and everything below it is guarded, whatever its
        doubled or trailing slashes. A callable gets the ASGI scope and returns such a tuple, or None for what is not guarded.
    fallback : callable, optional
        An ASGI application that answers while a model is degraded. Without it a degraded model's route answers 503, unless
        `degraded_in_app`.
    degraded_in_app : bool
        The application looks at ``scope["roadworthy"].fallback`` itself.
    """

    def __init__(
        self, app: App, guard: Guard, models: Mapping[str, Served] | Callable[[Scope], Served | None], *,
        fallback: App | None = None, degraded_in_app: bool = False,
    ) -> None:
        self._app, self._guard, self._fallback, self._in_app = app, guard, fallback, degraded_in_app
        self._route = models if callable(models) else _by_path(models)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        served = self._route(scope) if scope["type"] in ("http", "websocket") else None
        if served is None:
            await self._app(scope, receive, send)
            return
        decision = self._guard.check(*served)
        if not decision.serves or (decision.fallback and self._fallback is None and not self._in_app):
            await (_refuse(decision, send) if scope["type"] == "http" else _turn_away(receive, send))
            return
        app = self._fallback if decision.fallback and self._fallback is not None else self._app
        named = _headers(decision)

        async def attributed(message: MutableMapping[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", []), *named]
            await send(message)

        scope["roadworthy"] = decision
        await app(scope, receive, attributed)


def _by_path(models: Mapping[str, Served]) -> Callable[[Scope], Served | None]:
    paths = {_plain(path): served for path, served in models.items()}
    if not all(path.startswith("/") for path in models):
        raise GuardError("A guarded path must begin with '/'.")
    # The longest first, so that /predict/credit/2 may have a model of its own below /predict/credit.
    ordered = sorted(paths.items(), key=lambda item: -len(item[0]))

    def route(scope: Scope) -> Served | None:
        full = _plain(str(scope.get("path", "")))
        below = _plain(str(scope.get("root_path", "")))
        short = full.removeprefix(below) if below and full.startswith(f"{below}/") else full
        for path, served in ordered:
            for asked in (full, short):
                if asked == path or asked.startswith(f"{path}/") or path == "":
                    return served
        return None

    return route


def _plain(path: str) -> str:
    return _SLASHES.sub("/", path).rstrip("/")


def _headers(decision: Decision) -> list[tuple[bytes, bytes]]:
    found = {
        "roadworthy-model": quote(decision.model, safe=""), "roadworthy-version": quote(decision.version, safe=""),
        "roadworthy-state": decision.state, "roadworthy-fence": str(decision.fence), "roadworthy-epoch": str(decision.epoch),
        "roadworthy-sequence": str(decision.sequence),
    }
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in found.items()]


async def _refuse(decision: Decision, send: Send) -> None:
    refused = {
        "model": decision.model, "version": decision.version, "state": decision.state, "reason": decision.reason,
        "fence": decision.fence, "epoch": decision.epoch, "sequence": decision.sequence,
    }
    body = json.dumps({"refused": refused}).encode()
    headers = [
        (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii")),
        (b"retry-after", _AGAIN.encode("ascii")), (b"cache-control", b"no-store"), *_headers(decision),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _turn_away(receive: Receive, send: Send) -> None:
    """Refuse a websocket before it is accepted: 1013, try again later."""
    await receive()
    await send({"type": "websocket.close", "code": 1013, "reason": "the model does not serve"})
