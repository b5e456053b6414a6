"""The one address that is asked: read strictly, so that what is asked is what the passport says and nothing else."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

_TARGET = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class Address:
    """An inference URL in its parts.

    Attributes
    ----------
    host : str
        Name in ASCII, or IP address without brackets.
    port : int
    target : str
        Path and query, as they stand in the first line of a request.
    encrypted : bool
        Whether the scheme is https.
    """

    host: str
    port: int
    target: str
    encrypted: bool

    @property
    def shown(self) -> str:
        """Host and port as a request names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.encrypted else 80) else f"{host}:{self.port}"

    def among(self, allowed: Collection[str]) -> bool:
        """Say whether the host stands in a list, with or without its port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return bool({host, f"{host}:{self.port}", self.host} & {one.lower().rstrip(".") for one in allowed})


def address_of(url: str) -> Address:
    """Read an inference URL.

    Raises
    ------
    ValueError
        If it cannot be asked, with a sentence that does not repeat it: it may hold a password.

    Examples
    --------
    >>> address_of("https://scores.example.org/v1/score?model=credit")
    Address(host='scores.example.org', port=443, target='/v1/score?model=credit', encrypted=True)
    >>> address_of("https://u:p@scores.example.org/")
    Traceback (most recent call last):
    ...
    ValueError: The inference URL holds a user name or a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("The inference URL cannot be read as a URL.") from None
    if parts.scheme not in ("https", "http"):
        raise ValueError("The inference URL is neither https nor http.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("The inference URL holds a user name or a password.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if url != url.strip() or not _TARGET.fullmatch(target):
        raise ValueError("The inference URL holds blanks or characters that must be written with %.")
    return Address(_name(host), port if port else 443 if parts.scheme == "https" else 80, target, parts.scheme == "https")


def _name(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass  # a name and not a number
    try:
        name = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,252})", name):
        raise ValueError("The inference URL names no host.")
    return name
