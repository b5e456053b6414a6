"""OpenFeature's remote evaluation protocol (OFREP 0.3.0), so that any OpenFeature client may ask without our code.

The flag ``model.<name>.serve`` is true where the model may answer, by itself or by its fallback. A value is always there: leaving
it out would let the caller's default decide.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roadworthy.canonical import canonical_json
from roadworthy.switch.files import ACTIVE, ANY, UNKNOWN
from roadworthy.switch.matching import Decision
from roadworthy.switch.service.watching import View, Watcher

FLAG = re.compile(r"model\.([a-z0-9][a-z0-9._-]{0,62})\.serve")
MAX_BODY = 64 * 1024
_WORD = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body and an ETag where there is one."""

    status: int
    body: bytes
    etag: str = ""


class BadRequestError(ValueError):
    """The request is not what the protocol says; `code` is its error code."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code = code


def context_of(body: bytes) -> tuple[str | None, str | None]:
    """Return version and segment that a request names.

    Raises
    ------
    BadRequestError
        If the body is no JSON object, or its context none.

    Examples
    --------
    >>> context_of(b'{"context": {"targetingKey": "req-1", "segment": "region:eu"}}'), context_of(b"")
    ((None, 'region:eu'), (None, None))
    """
    if len(body) > MAX_BODY:
        raise BadRequestError("PARSE_ERROR", f"The request is larger than {MAX_BODY} bytes.")
    if not body.strip():
        return None, None
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError("PARSE_ERROR", "The request is not JSON.") from None
    context = said.get("context", {}) if isinstance(said, dict) else None
    if context is None and isinstance(said, dict):
        context = {}
    if not isinstance(context, dict):
        raise BadRequestError("INVALID_CONTEXT", "The context must be an object.")
    return _word(context, "version"), _word(context, "segment")


def _word(context: Mapping[str, Any], name: str) -> str | None:
    value = context.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _WORD:
        raise BadRequestError("INVALID_CONTEXT", f"'{name}' must be text of 1 to {_WORD} characters.")
    return value


def evaluate(watcher: Watcher, flag: str, version: str | None, segment: str | None, now: datetime) -> dict[str, Any] | None:
    """Evaluate one flag; None if there is no such flag."""
    match, view = FLAG.fullmatch(flag), watcher.view
    if match is None or view is None or not any(one.model == match[1] for one in view.stored.service):
        return None
    return _flag(watcher, view, match[1], version, segment, now)


def bulk(watcher: Watcher, version: str | None, segment: str | None, now: datetime) -> tuple[bytes, str]:
    """Evaluate every flag; return the flags as JSON, and an ETag that changes with what they say."""
    view = watcher.view
    if view is None:
        return b"[]", '"none"'
    models = sorted({one.model for one in view.stored.service})
    flags = canonical_json([_flag(watcher, view, model, version, segment, now) for model in models])
    said = hashlib.sha256(flags + f"{view.signed.epoch}.{view.signed.sequence}".encode()).hexdigest()
    return flags, f'"{said[:32]}"'


def _flag(
    watcher: Watcher, view: View, model: str, version: str | None, segment: str | None, now: datetime
) -> dict[str, Any]:
    decision = view.decide(model, version, segment, now)
    tiers = [one.tier for one in view.stored.service if one.model == model and version in (None, one.version)]
    if decision.serves and watcher.age() > min((watcher.bound(tier) for tier in tiers), default=0):
        decision = Decision(UNKNOWN)
    return {
        "key": f"model.{model}.serve", "value": decision.serves, "variant": decision.state, "reason": _reason(decision),
        "metadata": {"state": decision.state, "fence": _fence(view, model, decision)},
    }


def _fence(view: View, model: str, decision: Decision) -> int:
    """Return the ledger's entry of the row that decides; 0 where a file or a lease does, or nothing."""
    rows = (row for row in view.stored.rows if row.stop.model in (ANY, model) and row.stop.scope == decision.scope)
    return next((row.fence for row in rows if row.stop.at == decision.since), 0)


def _reason(decision: Decision) -> str:
    if decision.state == ACTIVE:
        return "STATIC"
    if decision.serves:
        return "TARGETING_MATCH"
    return "UNKNOWN" if decision.state == UNKNOWN else "DISABLED"
