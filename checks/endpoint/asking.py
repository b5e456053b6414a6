"""Requests that a sound endpoint refuses: without credentials, too many, and any while the model is stopped."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.endpoint.address import Address
from checks.endpoint.line import Allowance, Answer, NoAnswerError, Place, SpentError, exchange
from checks.endpoint.sheet import Sheet
from roadworthy.documents import read_document
from roadworthy.errors import RoadworthyError
from roadworthy.secrets import resolve
from roadworthy.serving import WHOLE, Endpoint, Stopped

UNAUTHORISED, FORBIDDEN, TOO_MANY = 401, 403, 429
MORE = 2  # requests beyond the declared limit
_WRONG = "roadworthy-probe-not-a-credential"


@dataclass
class Asker:
    """Sends the passport's request to the passport's address.

    Attributes
    ----------
    address : Address
    places : list
        Where the host is.
    allowance : Allowance
    declared : Endpoint
    body : bytes or None
    unchecked, checked : ssl.SSLContext or None
        Contexts that look at no certificate, and at every one. `checked` is None if the certificate does not hold or there is no
        TLS: then nothing secret is sent.
    secret : str or None
        What the credentials reference points at.
    missing : str
        Why requests with credentials cannot be sent; empty if they can.
    """

    address: Address
    places: list[Place]
    allowance: Allowance
    declared: Endpoint
    body: bytes | None
    unchecked: ssl.SSLContext | None
    checked: ssl.SSLContext | None
    secret: str | None
    missing: str = ""

    def without(self, wrong: bool) -> Answer:
        """Ask with no credentials, or with wrong ones. It carries no secret, so it goes to whoever is there."""
        said = self.declared.credentials
        header, prefix = (said.header, said.prefix) if said is not None else ("Authorization", "Bearer ")
        return self._ask(self.unchecked, (header, prefix + _WRONG) if wrong else None)

    def rightly(self) -> Answer:
        """Ask as a caller who may, and only where the certificate holds if there is something to keep secret."""
        said = self.declared.credentials
        if said is None or self.secret is None:
            return self._ask(self.unchecked, None)
        return self._ask(self.checked, (said.header, said.prefix + self.secret))

    def _ask(self, context: ssl.SSLContext | None, credential: tuple[str, str] | None) -> Answer:
        method = self.declared.probe.method
        return exchange(self.address, self.places, self.allowance, context, method, self.body, credential)


def body_of(root: Path, declared: Endpoint) -> bytes | None:
    """Return the content of the probe as JSON.

    Raises
    ------
    NoAnswerError
        If the file that is named cannot be read as a JSON object.
    """
    said = declared.probe.body
    if said is None:
        return None
    if isinstance(said, str):
        try:
            if not (root / said).resolve().is_relative_to(root.resolve()):
                raise NoAnswerError("The probe's file lies outside of the workspace, so nothing was asked.")
            said = read_document(root / said).data  # YAML reads JSON; a literal secret is refused
        except (RoadworthyError, OSError, RuntimeError):
            raise NoAnswerError("The probe's file cannot be read as a JSON object, so nothing was asked.") from None
    return json.dumps(said, allow_nan=False, default=str).encode()


def secret_of(root: Path, declared: Endpoint, environment: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the secret of the credentials, or why it cannot be had, in words that do not hold it."""
    if declared.credentials is None:
        return None, ""
    try:
        found = resolve(declared.credentials.secret, root, environment)
    except RoadworthyError as problem:
        return None, problem.sentence
    if not (found.isascii() and found.isprintable()):
        return None, "The secret holds characters that cannot stand in a header."
    return found, ""


def refuses_without_credentials(asker: Asker, stopped: bool, sheet: Sheet) -> list[int]:
    """Write down which part of two requests is refused, one without and one with wrong credentials; return their statuses."""
    short, said = "refuses_without_credentials", list[int]()
    try:
        said = [asker.without(wrong=False).status, asker.without(wrong=True).status]
    except (NoAnswerError, SpentError) as problem:
        sheet.refuse(short, "error", f"Asked without credentials: {problem}", {"statuses": said})
        return said
    # A model that is stopped may say so before it looks who asks.
    good = [one in (UNAUTHORISED, FORBIDDEN) or (stopped and one >= 500) for one in said]
    redirected = sum(300 <= one < 400 for one in said)
    details = {"statuses": said, "asked": ["no credentials", "wrong credentials"], "redirected": redirected}
    if TOO_MANY in said:
        sheet.refuse(short, "insufficient", "A rate limit answered in the place of the endpoint.", details)
        return said
    sheet.put(short, sum(good) / len(good), n=len(good), how="part of the requests answered with 401 or 403", details=details)
    return said


def limits_rate(asker: Asker, sheet: Sheet) -> None:
    """Write down whether a caller who may ask is refused beyond the declared limit with 429, and told when to come back."""
    short, declared = "limits_rate", asker.declared.rate_limit
    if declared is None:
        sheet.refuse(short, "insufficient", "The passport declares no rate limit ('endpoint.rate_limit').")
        return
    if asker.missing:
        sheet.refuse(short, "insufficient", asker.missing)
        return
    wanted, left = declared.requests + MORE, asker.allowance.requests - asker.allowance.sent
    if wanted > left:
        said = f"It takes {wanted} requests to see the limit, and {left} may be sent ('endpoint.most_requests')."
        sheet.refuse(short, "insufficient", said)
        return
    statuses, begun = list[int](), time.monotonic()
    limited: Answer | None = None
    try:
        while limited is None and len(statuses) < wanted:
            answer = asker.rightly()
            statuses.append(answer.status)
            limited = answer if answer.status == TOO_MANY else None
    except (NoAnswerError, SpentError) as problem:
        sheet.refuse(short, "error", f"After {len(statuses)} requests: {problem}", {"statuses": _counts(statuses)})
        return
    took = time.monotonic() - begun
    told = limited is not None and _when(limited.headers.get("retry-after", ""))
    details: dict[str, Any] = {
        "statuses": _counts(statuses), "sent": len(statuses), "declared": declared.requests, "seconds": float(declared.seconds),
        "retry_after": bool(told), "limited": limited is not None,
    }
    if limited is None and {UNAUTHORISED, FORBIDDEN} & set(statuses):
        said = "It refused the credentials, so whether it limits those who may ask is not known."
        sheet.refuse(short, "insufficient", said, details)
    elif limited is None and took > declared.seconds:
        said = f"{len(statuses)} requests took {took:.1f} s, longer than the {declared.seconds} s that the limit is about."
        sheet.refuse(short, "insufficient", said, details)
    else:
        how = "429 with Retry-After within the declared limit"
        sheet.put(short, float(bool(told)), n=len(statuses), how=how, details=details)


def _when(text: str) -> bool:
    """Say whether a Retry-After names seconds or a date, as RFC 9110 10.2.3 wants."""
    from email.utils import parsedate_to_datetime

    if text.isascii() and text.isdigit():
        return True
    try:
        return bool(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError):
        return False


def _counts(statuses: list[int]) -> dict[str, int]:
    return {str(one): statuses.count(one) for one in sorted(set(statuses))}


def refuses_when_stopped(asker: Asker, state: str, without: list[int], sheet: Sheet) -> None:
    """Write down whether a request of a caller who may ask is refused while the switch says that the model is stopped."""
    short = "refuses_when_stopped"
    if state not in WHOLE:
        status, said = _not_stopped(state)
        sheet.refuse(short, "insufficient" if status else "not_applicable", said)
        return
    if asker.missing:
        sheet.refuse(short, "insufficient", asker.missing)
        return
    try:
        answer = asker.rightly()
    except (NoAnswerError, SpentError) as problem:
        sheet.refuse(short, "error", str(problem), {"switch": state})
        return
    details: dict[str, Any] = {"switch": state, "status": answer.status}
    if 300 <= answer.status < 400:
        sheet.refuse(short, "error", "It redirects, and a redirect is not followed; who answers there is not known.", details)
    elif answer.status == TOO_MANY:
        sheet.refuse(short, "insufficient", "A rate limit answered in the place of the switch.", details)
    elif answer.status == UNAUTHORISED or (answer.status == FORBIDDEN and UNAUTHORISED not in without):
        said = "It refused the credentials, so whether it refuses the request is not known."
        sheet.refuse(short, "insufficient", said, details)
    else:
        refused = answer.status >= 400 or _says_stopped(asker.declared.stopped, answer)
        how = "status of 400 or more, or the declared field, to a request with credentials"
        sheet.put(short, float(refused), n=1, how=how, details=details)


def _not_stopped(state: str) -> tuple[bool, str]:
    """Return whether something is missing to know more, and the sentence."""
    if state == "partly":
        return False, "Only segments of the model are stopped, and the probe belongs to none; the drill tests them."
    if state == "aside":
        return False, "The version is not in service, so there is nothing to stop."
    if state in ("active", "degraded"):
        return False, f"The switch says {state}, so requests are answered; the drill tests that a stop refuses."
    return True, "What the switch says is not known, so neither an answer nor a refusal means anything."


def _says_stopped(declared: Stopped | None, answer: Answer) -> bool:
    if declared is None or not answer.whole:
        return False
    try:
        told = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    found = told.get(declared.field) if isinstance(told, dict) else None
    return type(found) is type(declared.equals) and found == declared.equals
