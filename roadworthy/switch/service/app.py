"""The service as one ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from roadworthy import __version__
from roadworthy.errors import RefusedError, RoadworthyError, StorageError, UsageError
from roadworthy.ledger.chain import stamp
from roadworthy.switch import snapshot
from roadworthy.switch.files import scope_of
from roadworthy.switch.once import ConflictError
from roadworthy.switch.service import ofrep
from roadworthy.switch.service.bounded import MAX_BODY, Bounded
from roadworthy.switch.service.control import ApproveBody, AskBody, BeatBody, Control, LimitedError, StopBody
from roadworthy.switch.service.figures import Figures
from roadworthy.switch.service.instances import Instance, Instances, alive, prove
from roadworthy.switch.service.principals import Action, Principal, Principals
from roadworthy.switch.service.streams import BEAT_SECONDS, HEARTBEAT, Bell, Stream, Tickets, refetch
from roadworthy.switch.service.watching import Watcher, strictest_first
from roadworthy.switch.snapshot import Signer
from roadworthy.workspace import Workspace

log = logging.getLogger("roadworthy.switch")
NO_STORE = {"Cache-Control": "no-store"}
WRITE_EVERY = 1.0


@dataclass(frozen=True)
class Options:
    """How the service runs.

    Attributes
    ----------
    most : int
        How many different models one actor may stop in an hour.
    origins : tuple of str
        Web origins whose pages may ask; by default none.
    bounds : mapping of tier to int
        Seconds for which a reader may go on by an old read.
    """

    most: int = 20
    origins: tuple[str, ...] = ()
    bounds: Mapping[str, int] = field(default_factory=lambda: dict(snapshot.BOUNDS))


class _NobodyError(Exception):
    """No token, or one that nobody has."""


class _Service:
    """What the endpoints share."""

    def __init__(self, workspace: Workspace, signer: Signer, options: Options) -> None:
        self.workspace, self.signer, self.options = workspace, signer, options
        self.bell, self.tickets, self.instances = Bell(), Tickets(signer), Instances()
        self.watcher = Watcher(workspace, signer, options.bounds, self._changed)
        self.control = Control(workspace, self.watcher, options.most)
        self._people: tuple[tuple[int, int], Principals] | None = None
        self._bulk: dict[tuple[str, str | None, str | None], tuple[bytes, str]] = {}

    def _changed(self) -> None:
        self._bulk = {}
        view = self.watcher.view
        if view is not None:
            self.bell.ring(refetch(view.signed.digest))

    def principal(self, request: Request) -> Principal:
        """Return who calls.

        Raises
        ------
        _NobodyError
        """
        said = request.headers.get("authorization", "")
        token = said[7:] if said[:7].lower() == "bearer " else request.headers.get("x-api-key", "")
        found = self._principals().find(token) if token else None
        if found is None:
            raise _NobodyError
        return found

    def _principals(self) -> Principals:
        path = self.workspace.root / "people.yaml"
        try:
            seen = path.stat()
            mark = (seen.st_mtime_ns, seen.st_size)
            if self._people is None or self._people[0] != mark:
                self._people = (mark, Principals(self.workspace.people()))
        except (OSError, RoadworthyError) as problem:
            if self._people is None:
                raise StorageError("people.yaml cannot be read, so nobody can be known.", "Mend it.") from None
            # A mistake in the file takes nobody's way to a stop. It is said, because a token that was just taken out still works.
            log.warning("people.yaml cannot be read, so the tokens of before hold: %s", problem)
        return self._people[1]

    def allow(self, request: Request, action: Action) -> Principal:
        """Return who calls, or refuse."""
        who = self.principal(request)
        if not who.may(action):
            raise RefusedError(f"{who.id} is {', '.join(who.roles)} and may not do this.")
        return who

    def bulk(self, version: str | None, segment: str | None) -> tuple[bytes, str]:
        """Evaluate all flags; kept for a second for one context."""
        key = (str(int(time.monotonic())), version, segment)
        kept = self._bulk
        found = kept.get(key)
        if found is None:
            found = ofrep.bulk(self.watcher, version, segment, datetime.now(UTC))
            if len(kept) > 1000:
                kept.clear()
            kept[key] = found
        return found

    def write_instances(self) -> None:
        """Put heartbeats into the store, where there are new ones."""
        if self.instances.unwritten:
            with self.control.ledger() as ledger, ledger.transaction() as execute:
                self.instances.write(execute, datetime.now(UTC))


def create(workspace: Workspace, signer: Signer, options: Options | None = None) -> FastAPI:
    """Return the service as an application.

    Parameters
    ----------
    workspace : Workspace
    signer : Signer
        The service's key; guards pin its public half.
    options : Options, optional

    Notes
    -----
    The application reads the store before it answers its first request, and goes on reading in a thread of its own.
    """
    service = _Service(workspace, signer, options or Options())

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.bell.open()
        await run_in_threadpool(service.watcher.start)
        tasks = [asyncio.create_task(_beat(service)), asyncio.create_task(_write(service))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await run_in_threadpool(service.watcher.close)

    app = FastAPI(
        title="Roadworthy switch", version=__version__, lifespan=life, redoc_url=None, docs_url=None,
        description="May a model serve? Stops by one, starts by two. The protocol is described in docs/switch-protocol.md.",
    )
    app.state.service = service
    app.add_middleware(Bounded, most=MAX_BODY)
    if service.options.origins:
        from fastapi.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware, allow_origins=list(service.options.origins), allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "if-none-match", "x-api-key"], expose_headers=["etag"],
        )
    _errors(app)
    _ofrep(app, service)
    _guards(app, service)
    _control(app, service)
    _watch(app, service)
    return app


async def _beat(service: _Service) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        service.bell.ring(HEARTBEAT)


async def _write(service: _Service) -> None:
    while True:
        await asyncio.sleep(WRITE_EVERY)
        try:
            await run_in_threadpool(service.write_instances)
        except RoadworthyError:
            continue  # the watcher says that the store cannot be used; heartbeats come again
        except ValueError as problem:
            log.warning("The stored instances cannot be understood (%s); those heard of here are known.", problem)


def _said(status: int, sentence: str, **headers: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers={**NO_STORE, **headers})


def _errors(app: FastAPI) -> None:
    def handle(kind: type[Exception], answer: Callable[[Any], JSONResponse]) -> None:
        async def handler(_: Request, problem: Exception) -> JSONResponse:
            return answer(problem)

        app.add_exception_handler(kind, handler)

    handle(_NobodyError, lambda _: _said(401, "A token is needed.", **{"WWW-Authenticate": "Bearer"}))
    handle(LimitedError, lambda p: _said(429, str(p), **{"Retry-After": str(p.wait)}))
    handle(ConflictError, lambda p: _said(409, str(p)))
    handle(RefusedError, lambda p: _said(403, str(p)))
    handle(UsageError, lambda p: _said(400, str(p)))
    handle(StorageError, lambda p: _said(503, str(p), **{"Retry-After": "1"}))
    handle(RoadworthyError, lambda p: _said(422, str(p)))
    handle(RequestValidationError, lambda p: _said(422, _first(p)))


def _first(problem: RequestValidationError) -> str:
    one = problem.errors()[0]
    place = ".".join(str(part) for part in one["loc"][1:]) or "body"
    return f"{place}: {one['msg']}"[:300]


_JSON_BODY = {
    "requestBody": {
        "content": {"application/json": {"schema": {"type": "object", "properties": {"context": {"type": "object"}}}}},
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    code: {"description": text} for code, text in (
        (400, "Not what the protocol says"), (401, "No token"), (403, "Refused"), (404, "No such thing"),
        (409, "The fence moved, or the key was used for something else"), (422, "A field is not what it must be"),
        (429, "Too much in an hour"), (503, "The store cannot be used"),
    )
}


def _ofrep(app: FastAPI, service: _Service) -> None:
    @app.post("/ofrep/v1/evaluate/flags/{key}", responses=_ANSWERS, openapi_extra=_JSON_BODY, tags=["OFREP"])
    async def evaluate_one(request: Request, key: str) -> Response:
        """Evaluate one flag, which says whether its model may serve."""
        service.allow(request, "read")
        try:
            version, segment = ofrep.context_of(await request.body())
        except ofrep.BadRequestError as problem:
            said = {"key": key, "errorCode": problem.code, "errorDetails": str(problem)}
            return JSONResponse(said, 400, headers=NO_STORE)
        found = ofrep.evaluate(service.watcher, key, version, segment, datetime.now(UTC))
        if found is None:
            said = {"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": "No model of that name is in service."}
            return JSONResponse(said, 404, headers=NO_STORE)
        return Response(json.dumps(found), media_type="application/json", headers=NO_STORE)

    @app.post("/ofrep/v1/evaluate/flags", responses=_ANSWERS, openapi_extra=_JSON_BODY, tags=["OFREP"])
    async def evaluate_all(request: Request) -> Response:
        """Evaluate every flag for one context, with an ETag and a stream that tells of changes."""
        service.allow(request, "read")
        try:
            version, segment = ofrep.context_of(await request.body())
        except ofrep.BadRequestError as problem:
            return JSONResponse({"errorCode": problem.code, "errorDetails": str(problem)}, 400, headers=NO_STORE)
        flags, etag = service.bulk(version, segment)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        view = service.watcher.view
        stream = {
            "type": "sse", "inactivityDelaySec": int(BEAT_SECONDS * 3),
            "endpoint": {"requestUri": f"/v1/events?ticket={service.tickets.make(time.time())}"},
        }
        metadata = {"epoch": view.stored.epoch if view else 0, "sequence": view.stored.sequence if view else 0}
        body = b'{"flags":' + flags + b',"metadata":' + json.dumps(metadata).encode()
        body += b',"eventStreams":' + json.dumps([stream]).encode() + b"}"
        return Response(body, media_type="application/json", headers=headers)


def _guards(app: FastAPI, service: _Service) -> None:
    @app.get("/v1/snapshot", responses=_ANSWERS, tags=["guards"])
    async def read_snapshot(
        request: Request, nonce: str = Header(alias="Roadworthy-Nonce", pattern=rf"^{snapshot.NONCE.pattern}$")
    ) -> Response:
        """Return the whole switch, signed, with a signed age that answers this request's nonce."""
        service.allow(request, "read")
        view, age = service.watcher.view, service.watcher.age()
        if view is None or age > max(service.watcher.bounds.values()):
            raise StorageError(f"The store was read too long ago to be vouched for: {service.watcher.problem}")
        time_ = stamp(datetime.now(UTC))
        fresh = service.signer.fresh(view.signed, nonce=nonce, age_ms=int(age * 1000), time=time_)
        headers = {**NO_STORE, "ETag": view.signed.etag, "Roadworthy-Fresh": fresh}
        if request.headers.get("if-none-match") == view.signed.etag:
            return Response(status_code=304, headers=headers)
        return Response(view.signed.body, media_type="application/json", headers=headers)

    @app.get("/v1/events", responses=_ANSWERS, tags=["guards"])
    async def events(request: Request, ticket: str = Query(default="", max_length=500)) -> Response:
        """Open a stream that tells of every change."""
        if not (ticket and service.tickets.good(ticket, time.time())):
            service.allow(request, "read")
        view = service.watcher.view
        return Stream(service.bell, refetch(view.signed.digest) if view else HEARTBEAT)

    @app.post("/v1/heartbeat", responses=_ANSWERS, tags=["guards"])
    async def heartbeat(request: Request, body: BeatBody) -> dict[str, Any]:
        """Take a serving instance's sign of life, and what it acts by."""
        who = service.allow(request, "serve")
        now = stamp(datetime.now(UTC))
        models = tuple(model for model in body.models if who.covers(model))
        view = service.watcher.view
        seen = (view.stored.epoch, view.stored.sequence) if view else (0, 0)
        epoch, sequence = min((body.epoch, body.sequence), seen)  # nobody acknowledges what has not been said
        name = f"{who.id}/{body.instance}"
        service.instances.beat(Instance(name, models, epoch, sequence, now, body.acted_at, now if body.leaving else ""))
        return {"epoch": seen[0], "sequence": seen[1]}


def _control(app: FastAPI, service: _Service) -> None:
    @app.post("/v1/stop", responses={**_ANSWERS, 202: {"description": "It holds and is not stored yet"}}, tags=["control"])
    async def stop(
        request: Request, body: StopBody, key: str | None = Header(default=None, alias="Idempotency-Key", max_length=200)
    ) -> Response:
        """Take a model off the road, or let its fallback answer."""
        who = service.principal(request)
        answer = await run_in_threadpool(service.control.stop, who, body, key)
        return JSONResponse(answer, 200 if answer["durable"] else 202, headers=NO_STORE)

    @app.post("/v1/requests", responses=_ANSWERS, tags=["control"])
    async def ask(request: Request, body: AskBody) -> dict[str, Any]:
        """Ask to switch a scope on again."""
        return await run_in_threadpool(service.control.ask, service.principal(request), body)

    @app.get("/v1/requests", responses=_ANSWERS, tags=["control"])
    async def waiting(request: Request) -> list[dict[str, Any]]:
        """Return the requests that wait for a Guardian."""
        service.allow(request, "see")
        return await run_in_threadpool(service.control.requests)

    @app.post("/v1/requests/{request_id}/approve", responses=_ANSWERS, tags=["control"])
    async def approve(request: Request, request_id: str, body: ApproveBody) -> dict[str, Any]:
        """Approve a request, as the model's Guardian and not as the one who asked."""
        return await run_in_threadpool(service.control.approve, service.principal(request), request_id, body)

    @app.post("/v1/alerts", responses=_ANSWERS, openapi_extra=_JSON_BODY, tags=["control"])
    async def alerts(request: Request) -> Response:
        """Take Alertmanager's webhook."""
        who = service.allow(request, "alert")
        raw = await request.body()
        try:
            payload = json.loads(raw[: 1024 * 1024 + 1])
        except (ValueError, RecursionError):
            raise UsageError("The body is not JSON.", "Send Alertmanager's own, version 4.") from None
        done = await run_in_threadpool(service.control.alerts, who, payload)
        # Alertmanager sends again what was not taken; what was is known by its own evidence.
        again = {"Retry-After": str(done["retry_after"])} if done["retry_after"] else {}
        return JSONResponse(done, 429 if again else 200, headers={**NO_STORE, **again})


def _watch(app: FastAPI, service: _Service) -> None:
    @app.get("/v1/status", responses=_ANSWERS, tags=["status"])
    async def status(request: Request) -> dict[str, Any]:
        """Return what is in service and what holds, with reasons."""
        service.allow(request, "see")
        view, now = service.watcher.view, datetime.now(UTC)
        if view is None:
            raise StorageError(service.watcher.problem)
        held = strictest_first([*view.lines, *view.stored.stops(stamp(now))])
        return {
            "epoch": view.stored.epoch, "sequence": view.stored.sequence, "age_seconds": round(service.watcher.age(), 3),
            "problem": service.watcher.problem,
            "held": [{**asdict(one), "scope": scope_of(one.model, one.version, one.segment)} for one in held],
            "service": [
                {**asdict(one), "state": view.decide(one.model, one.version, None, now).state} for one in view.stored.service
            ],
        }

    @app.get("/v1/proof", responses=_ANSWERS, tags=["status"])
    async def proof(
        request: Request, epoch: int = Query(default=0, ge=0, le=2**53), sequence: int = Query(default=0, ge=0, le=2**53),
        model: str | None = Query(default=None, max_length=63),
    ) -> dict[str, Any]:
        """Say where a change has arrived; by default the newest."""
        service.allow(request, "see")
        view = service.watcher.view
        asked = (epoch, sequence) if sequence else (view.stored.epoch, view.stored.sequence) if view else (0, 0)
        found = prove(service.instances.all(), *asked, datetime.now(UTC), model)
        return {"epoch": asked[0], "sequence": asked[1], **asdict(found)}

    @app.get("/v1/instances", responses=_ANSWERS, tags=["status"])
    async def instances(request: Request) -> list[dict[str, Any]]:
        """Return the serving instances that were heard of in the last day."""
        service.allow(request, "see")
        now = datetime.now(UTC)
        return [{**asdict(one), "alive": alive(one, now)} for one in service.instances.all()]

    @app.get("/healthz", tags=["status"])
    async def health() -> Response:
        """Say whether the store can be read; 503 when it was not read within the strictest bound."""
        age = service.watcher.age()
        good = age <= min(service.watcher.bounds.values())
        said = {"ok": good, "age_seconds": round(min(age, 1e9), 3)}
        return JSONResponse(said, 200 if good else 503, headers=NO_STORE)

    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(Figures(service.watcher, service.control, service.instances, service.bell))

    @app.get("/metrics", response_class=PlainTextResponse, tags=["status"])
    async def metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


