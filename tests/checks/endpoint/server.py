"""A real server on 127.0.0.1 that answers as a test wants, with certificates made for it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

SECRET = "s3cret-do-not-tell-4711"
Answer = Callable[["Served", "Request"], bytes]


@dataclass
class Request:
    head: str

    @property
    def credential(self) -> str:
        said = [line.partition(": ")[2] for line in self.head.split("\r\n") if line.lower().startswith("authorization:")]
        return said[0] if said else ""


@dataclass
class Served:
    port: int
    ca: Path
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/v1/score?model=loan"


def reply(status: int, *headers: str, body: bytes = b"{}") -> bytes:
    head = [f"HTTP/1.1 {status} whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def sound(limit: int = 3, stopped: bool = False) -> Answer:
    """Ask for the right credentials, answer `limit` requests and then refuse; refuse all while stopped."""

    def answer(served: Served, request: Request) -> bytes:
        right = f"Bearer {SECRET}"
        if request.credential != right:
            return reply(401)
        if stopped:
            return reply(503)
        mine = sum(one.credential == right for one in served.requests)
        return reply(200) if mine <= limit else reply(429, "Retry-After: 60")

    return answer


def certificate(folder: Path, *, days: int = 90, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """Make an authority and a certificate that it signed; returns the authority's PEM, and certificate with key in one."""
    now = datetime.now(UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)

    def signed(builder: x509.CertificateBuilder, public: ec.EllipticCurvePublicKey, end: datetime) -> x509.Certificate:
        builder = builder.issuer_name(name).public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=400)).not_valid_after(end)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        return builder.add_extension(issuer, critical=False).sign(ca_key, SHA256())

    root = x509.CertificateBuilder().subject_name(name).add_extension(x509.BasicConstraints(True, None), critical=True)
    authority = signed(root.add_extension(usage, critical=True), ca_key.public_key(), now + timedelta(days=400))
    leaf = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "model")]))
    with suppress(ValueError):
        leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
    mine = signed(leaf, key.public_key(), now + timedelta(days=days, hours=1))
    (folder / "ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    chain = mine.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(chain)
    return folder / "ca.pem", folder / "server.pem"


@contextmanager
def serving(
    folder: Path, answer: Answer, *, days: int = 90, host: str = "127.0.0.1",
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, encrypted: bool = True,
) -> Iterator[Served]:
    """Serve until the block ends; each connection in a thread of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, chain = certificate(folder, days=days, host=host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    if lowest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = lowest, highest
    listener = socket.create_server(("127.0.0.1", 0))
    served = Served(listener.getsockname()[1], ca)
    ended = threading.Event()

    def one(line: socket.socket) -> None:
        with suppress(OSError), line:
            line.settimeout(5)
            wrapped = context.wrap_socket(line, server_side=True) if encrypted else line
            with wrapped:
                came = b""
                while b"\r\n\r\n" not in came:
                    more = wrapped.recv(65536)
                    if not more:
                        return
                    came += more
                request = Request(came.decode("latin-1"))
                served.requests.append(request)
                wrapped.sendall(answer(served, request))
                if encrypted and isinstance(wrapped, ssl.SSLSocket):
                    wrapped.unwrap()

    def accept() -> None:
        while not ended.is_set():
            with suppress(OSError):
                line, _ = listener.accept()
                served.connections += 1
                threading.Thread(target=one, args=(line,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        ended.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", served.port), timeout=1).close()
        listener.close()
        thread.join(2)
