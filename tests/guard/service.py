"""A small switch service for tests and benchmarks: speaks docs/switch-protocol.md, and can be told to misbehave.

Run as a program it serves the content of a file, so that a test can kill it, stop it and start it again::

    python -m tests.guard.service FILE SEED [PORT]
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TOKEN = "a-token-of-tests"


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def content(sequence: int = 1, *, epoch: int = 1, stops: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A switch with a model of each tier, all active."""
    service = {
        "credit": {"1.0.0": {"fallback": True, "lease_until": "", "tier": "high"}},
        "bare": {"1.0.0": {"fallback": False, "lease_until": "", "tier": "high"}},
        "flights": {"1.0.0": {"fallback": True, "lease_until": "", "tier": "limited"}},
        "bikes": {"1.0.0": {"fallback": False, "lease_until": "", "tier": "minimal"}},
    }
    return {
        "bounds": {"high": 15, "limited": 300, "minimal": 3600}, "epoch": epoch, "schema_version": 1, "sequence": sequence,
        "service": service, "stops": stops or [], **changes,
    }


def stop(
    model: str = "credit", state: str = "disabled", *, version: str = "*", segment: str = "*", **changes: Any
) -> dict[str, Any]:
    return {
        "fence": 12, "model": model, "segment": segment, "since": "2026-11-29T03:00:00.000000Z", "state": state, "then_state": "",
        "until": "", "version": version, **changes,
    }


class Key:
    def __init__(self, seed: int) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key {seed}".encode()).digest())
        raw = self.private.public_key().public_bytes_raw()
        self.public = base64.b64encode(raw).decode()
        self.keyid = hashlib.sha256(raw).hexdigest()[:16]

    def envelope(self, data: bytes) -> bytes:
        signature = base64.b64encode(self.private.sign(b"roadworthy-snapshot-v1\n" + data)).decode()
        return canonical({"content": url64(data), "keyid": self.keyid, "signature": signature})

    def fresh(self, **said: Any) -> str:
        data = canonical({"keyid": self.keyid, **said})
        return f"{url64(data)}.{url64(self.private.sign(b'roadworthy-fresh-v1' + bytes([10]) + data))}"

    def token(self, data: bytes, nonce: str, *, age_ms: int = 0, at: float | None = None) -> str:
        found = json.loads(data)
        return self.fresh(
            age_ms=age_ms, digest=hashlib.sha256(data).hexdigest(), epoch=found["epoch"], nonce=nonce,
            sequence=found["sequence"], time=stamp(time.time() if at is None else at),
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the service."""


Answer = tuple[int, dict[str, str], bytes]


class Service:
    """Serves `content`; `mischief` gets a right answer and returns the one that is sent."""

    def __init__(self, key: Key, held: dict[str, Any], port: int = 0, *, streams: bool = True) -> None:
        self.key = key
        self.mischief: Callable[[Answer, str], Answer] | None = None
        self.streams = streams
        self.beats: list[dict[str, Any]] = []
        self.asked = 0
        self.clock: Callable[[], float] = time.time
        self._held = canonical(held)
        self._changed = threading.Condition()
        self._ended = False
        self._server = _Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def put(self, held: dict[str, Any]) -> None:
        with self._changed:
            self._held = canonical(held)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, nonce: str, etag: str | None) -> Answer:
        data = self._held
        mine = f'"{hashlib.sha256(data).hexdigest()}"'
        headers = {"ETag": mine, "Cache-Control": "no-store", "Roadworthy-Fresh": self.key.token(data, nonce, at=self.clock())}
        return (304, headers, b"") if etag == mine else (200, headers, self.key.envelope(data))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                pass

            def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def allowed(self) -> bool:
                if service._ended:  # a connection that was kept open ends with the service
                    self.close_connection = True
                    return False
                if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                    return True
                self.send(401, {}, b"")
                return False

            def do_GET(self) -> None:
                if not self.allowed():
                    return
                if self.path == "/v1/snapshot":
                    service.asked += 1
                    nonce = self.headers["Roadworthy-Nonce"]
                    answer = service.answer(nonce, self.headers.get("If-None-Match"))
                    self.send(*(service.mischief(answer, nonce) if service.mischief else answer))
                elif self.path == "/v1/events" and service.streams:
                    self.events()
                else:
                    self.send(404, {}, b"")

            def events(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.flush()
                self.close_connection = True
                seen = service._held
                while not service._ended:
                    with service._changed:
                        if service._held is seen:
                            service._changed.wait(5.0)
                    kind = "heartbeat" if service._held is seen else "refetchEvaluation"
                    seen = service._held
                    try:
                        self.wfile.write(f'event: message\ndata: {{"type": "{kind}"}}\n\n'.encode())
                    except OSError:
                        return

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.allowed():
                    service.beats.append(body)
                    self.send(200, {}, b"{}")

        return Handler


def main() -> None:
    file, seed = Path(sys.argv[1]), int(sys.argv[2])
    service = Service(Key(seed), json.loads(file.read_text()), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    sys.stdout.write(f"{service.url}\n")
    sys.stdout.flush()
    mark = file.stat().st_mtime_ns
    while True:
        time.sleep(0.01)
        now = file.stat().st_mtime_ns
        if now != mark:
            mark = now
            service.put(json.loads(file.read_text()))


if __name__ == "__main__":
    main()
