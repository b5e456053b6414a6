"""Calls the switch's services: to stop, to ask where a stop has arrived, and to see from outside that it is refused.

A service that does not answer never holds up the stop, which holds on this host before anybody is called. Each is tried five
times, a second each, with pauses that grow and differ between services; what could not be reached is returned by name.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from roadworthy.ledger.chain import stamp

if TYPE_CHECKING:
    import httpx

TRIES = 5
SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_MAX_KEY = 200
_MAX_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one call to one service.

    Attributes
    ----------
    url : str
    at : str
        When it answered, UTC; empty if it did not.
    body : mapping
        The answer's JSON object; empty if there was none.
    problem : str
        A sentence, if it did not do what was asked; empty if it did.
    tries : int
    status : int
        Of HTTP; 0 where there was no answer.
    """

    url: str
    at: str = ""
    body: Mapping[str, Any] | None = None
    problem: str = ""
    tries: int = 1
    status: int = 0

    @property
    def reached(self) -> bool:
        """It did what was asked."""
        return not self.problem

    def number(self, name: str) -> int:
        """Return a whole number of the answer; 0 if it holds none of that name."""
        found = (self.body or {}).get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else 0


@dataclass(frozen=True)
class Caller:
    """How services are called.

    Parameters
    ----------
    token : str
        Of a service of kind ``automation``.
    transport : httpx.BaseTransport, optional
        For tests.
    pause : callable, optional
        Waits some seconds.
    """

    token: str
    transport: httpx.BaseTransport | None = None
    pause: Callable[[float], None] = time.sleep

    def stop(self, urls: Sequence[str], body: Mapping[str, Any], key: str) -> list[Answer]:
        """Post one stop to every service at the same time.

        Parameters
        ----------
        urls : sequence of str
        body : mapping
            As docs/switch-protocol.md has it.
        key : str
            Idempotency-Key; the same stop sent again is the same act.
        """
        return self._everywhere(urls, lambda url: self._call(url, "POST", "/v1/stop", body, key_of(key), TRIES))

    def evaluate(self, url: str, model: str, version: str) -> Answer:
        """Ask by OFREP, as any application would, whether a version may serve; one try."""
        context = {"context": {"targetingKey": "drill", "version": version}}
        return self._call(url, "POST", f"/ofrep/v1/evaluate/flags/model.{model}.serve", context, "", 1)

    def ask_to_enable(self, url: str, model: str, version: str) -> Answer:
        """Ask a service to switch on again, as only people may; a refusal is what is hoped for. One try."""
        body = {"model": model, "version": version, "reason": "A drill asks whether this is refused."}
        return self._call(url, "POST", "/v1/requests", body, "", 1)

    def proof(self, answer: Answer, model: str) -> Answer:
        """Ask where the change that `answer` told of has arrived; one try."""
        query = f"?epoch={answer.number('epoch')}&sequence={answer.number('sequence')}&model={model}"
        return self._call(answer.url, "GET", f"/v1/proof{query}", None, "", 1)

    def _everywhere(self, urls: Sequence[str], call: Callable[[str], Answer]) -> list[Answer]:
        if not urls:
            return []
        with ThreadPoolExecutor(max_workers=min(len(urls), 16)) as pool:
            return list(pool.map(call, urls))

    def _call(self, url: str, method: str, path: str, body: Mapping[str, Any] | None, key: str, tries: int) -> Answer:
        import httpx

        headers = {"Authorization": f"Bearer {self.token}", **({"Idempotency-Key": key} if key else {})}
        with httpx.Client(timeout=SECONDS, transport=self.transport, trust_env=False) as client:
            for number in range(1, tries + 1):
                try:
                    with client.stream(method, f"{url}{path}", json=body, headers=headers) as response:
                        answer, again = _answer(url, response.status_code, _read(response), number)
                except httpx.HTTPError as problem:
                    answer, again = Answer(url, problem=f"The service at {url} {_words(problem)}.", tries=number), True
                if answer.reached or not again:
                    break
                if number < tries:
                    self.pause(min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE) * _jitter(f"{key} {url} {number}"))
        return answer


def key_of(text: str) -> str:
    """Return an idempotency key that a header can carry: printable ASCII, at most 200 characters, still different.

    Examples
    --------
    >>> key_of("nightly-1f:loss:credit@1.0.0"), key_of("größe")[-12:] == key_of("grösse")[-12:]
    ('nightly-1f:loss:credit@1.0.0', False)
    """
    if len(text) <= _MAX_KEY and text.isascii() and text.isprintable():
        return text
    kept = "".join(c if c.isascii() and c.isprintable() else "-" for c in text[:100])
    return f"{kept}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _answer(url: str, status: int, content: bytes, number: int) -> tuple[Answer, bool]:
    """Return what a service said, and whether to try again."""
    at = stamp(datetime.now(UTC))
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    found = body if isinstance(body, dict) else {}
    if not 200 <= status < 300:
        why = str(found.get("error") or "no reason given")[:300]
        said = f"The service at {url} answered {status}: {why}"
        return Answer(url, at, found, said, number, status), status >= 500 or status in (408, 425)
    if not found:
        return Answer(url, at, found, f"The service at {url} answered what is no answer of a switch.", number, status), False
    return Answer(url, at, found, "", number, status), False


def _read(response: httpx.Response) -> bytes:
    """Read an answer in one second and one megabyte, however slowly it drips."""
    import httpx

    last, content = time.monotonic() + SECONDS, b""
    for chunk in response.iter_bytes():
        content += chunk
        if time.monotonic() > last or len(content) > _MAX_BODY:
            raise httpx.ReadTimeout("The answer does not end.")
    return content


def _jitter(text: str) -> float:
    """Return a factor from 0.5 to 1.5 that is the same for the same text, and another for another service."""
    return 0.5 + int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4]) / 2**32


def _words(problem: Exception) -> str:
    known = {
        "ConnectError": "cannot be reached", "ConnectTimeout": "cannot be reached", "ReadTimeout": "did not answer in time",
    }
    return known.get(type(problem).__name__, f"did not answer ({type(problem).__name__})")
