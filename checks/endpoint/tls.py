"""Which versions of TLS a server accepts, and whether its certificate holds.

Each version is offered alone, with every cipher that this machine knows. A version counts as refused only if this machine could
offer it and the server said no; where OpenSSL was built or set so that it cannot, that is said instead.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from checks.endpoint.address import Address
from checks.endpoint.line import Allowance, NoAnswerError, Place, UnreachableError, connected

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3,
}
Said = Literal["accepted", "refused", "not offered", "unclear"]

#: What OpenSSL calls it when the other side does not want the version, or nothing that goes with it.
_NO = (
    "PROTOCOL_VERSION", "HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION",
    "WRONG_VERSION_NUMBER",
)


@dataclass
class Spoken:
    """What a server said to each version, and the certificate that it showed.

    Attributes
    ----------
    said : dict of str to str
        By version, such as ``"1.2"``: ``accepted``, ``refused``, ``not offered`` (this machine cannot), or ``unclear``.
    certificate : bytes
        DER; empty if none was shown.
    """

    said: dict[str, Said] = field(default_factory=dict)
    certificate: bytes = b""

    def of(self, word: Said) -> list[str]:
        """Return the versions to which that was said, the oldest first."""
        return [version for version in VERSIONS if self.said.get(version) == word]


def offer(version: str) -> ssl.SSLContext | None:
    """Return a context that offers one version alone and looks at no certificate; None if this machine cannot offer it.

    Whether it can is found by having it write its first message into memory: settings may forbid a version that OpenSSL knows.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _only(context, VERSIONS[version], VERSIONS[version])
        outgoing = ssl.MemoryBIO()
        trial = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        try:
            trial.do_handshake()
        except ssl.SSLWantReadError:
            return context if outgoing.pending else None
    except (ssl.SSLError, ValueError):
        return None
    return None


def _only(context: ssl.SSLContext, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> None:
    context.minimum_version, context.maximum_version = lowest, highest
    if lowest < ssl.TLSVersion.TLSv1_3:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")


def versions(address: Address, places: list[Place], allowance: Allowance) -> Spoken:
    """Offer each version alone.

    Raises
    ------
    UnreachableError
        If the server cannot be connected to.
    SpentError
    """
    found = Spoken()
    for version in VERSIONS:
        context = offer(version)
        found.said[version] = "not offered" if context is None else _answer(address, places, allowance, context, found)
    return found


def _answer(address: Address, places: list[Place], allowance: Allowance, context: ssl.SSLContext, found: Spoken) -> Said:
    for again in (True, False):
        try:
            with connected(address, places, allowance, context) as (line, _):
                found.certificate = cast(ssl.SSLSocket, line).getpeercert(binary_form=True) or found.certificate
                return "accepted"
        except (ssl.SSLEOFError, ConnectionError):
            if not again:  # a network that stutters closes one connection, a server that does not want it closes both
                return "refused"
        except ssl.SSLError as problem:
            return "refused" if any(word in (problem.reason or "") for word in _NO) else "unclear"
        except UnreachableError:
            raise
        except NoAnswerError:
            return "unclear"
    return "unclear"


def trusted(ca: Path | None, spoken: Spoken) -> ssl.SSLContext:
    """Return a context that checks certificate and name, with the ciphers of today where the server speaks a version of today.

    Parameters
    ----------
    ca : pathlib.Path or None
        The only certificates to trust; None: the system's.
    spoken : Spoken

    Raises
    ------
    OSError
        If the file is not there or holds no certificate (`ssl.SSLError` is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=str(ca))
    if not {"1.2", "1.3"} & set(spoken.of("accepted")):
        _only(context, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    return context


def verified(address: Address, places: list[Place], allowance: Allowance, context: ssl.SSLContext) -> str:
    """Return why the certificate does not hold, in OpenSSL's words; empty if it does.

    Raises
    ------
    NoAnswerError
        If it cannot be told.
    SpentError
    """
    try:
        with connected(address, places, allowance, context):
            return ""
    except ssl.SSLCertVerificationError as problem:
        return str(problem.verify_message)[:200]
    except OSError as problem:
        raise NoAnswerError(f"No connection came about to look at the certificate ({type(problem).__name__}).") from None


def expires(certificate: bytes) -> datetime:
    """Return the moment at which a certificate expires, in UTC.

    Raises
    ------
    ValueError
        If it is no certificate.
    """
    from cryptography.x509 import load_der_x509_certificate

    return load_der_x509_certificate(certificate).not_valid_after_utc
