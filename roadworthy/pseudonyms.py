"""Pseudonyms: keyed codes in the place of identifiers, the same for the same value, so that tables can still be joined.

A pseudonym is HMAC-SHA-256 (RFC 2104) of ``scope 0x00 value`` under a key that is derived from the secret by HKDF (RFC 5869). Who
does not hold the secret cannot find a value by trying all of them, as one could with a plain digest: all social security numbers
take an hour. Who holds it can, so the data are pseudonymised and personal data still (GDPR Art. 4(5)), never anonymous.

Examples
--------
>>> key = Key.of("00112233445566778899aabbccddeeff" * 2)
>>> key.pseudonym("customer", "C-4711") == key.pseudonym("customer", " C-4711 ")
True
>>> key.pseudonym("customer", "C-4711") == key.pseudonym("invoice", "C-4711")
False
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from roadworthy.coding import KEYS, WIDTH, Beside, joined
from roadworthy.errors import RefusedError
from roadworthy.secrets import resolve

_HEX = re.compile(r"[0-9A-Fa-f]{64,}")


def _derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"roadworthy " + purpose).derive(secret)


def normalised(value: str) -> str:
    r"""Return the spelling of a value that its pseudonym is made of: composed Unicode (NFC), no blanks around it.

    Examples
    --------
    >>> normalised(" caf\u0065\u0301 ")
    'café'
    """
    return unicodedata.normalize("NFC", value).strip(" ")


@dataclass(frozen=True)
class Key:
    """A key of pseudonyms.

    Attributes
    ----------
    key_id : str
        Eight hexadecimal digits that name the key and do not tell it; they stand in receipts and in the batch.
    """

    key_id: str
    _inner: bytes = field(repr=False)
    _outer: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> Key:
        """Return the key of a secret of at least 64 hexadecimal digits.

        Raises
        ------
        RefusedError
            If the secret is shorter or holds anything else.
        """
        if not _HEX.fullmatch(secret) or len(secret) % 2:
            raise RefusedError(
                "The key of pseudonyms is not 64 hexadecimal digits.", "Make one with: openssl rand -hex 32"
            )
        raw = bytes.fromhex(secret)
        used = _derived(raw, b"pseudonym key", 32).ljust(KEYS, b"\x00")
        inner, outer = (bytes(b ^ pad for b in used) for pad in (0x36, 0x5C))
        return cls(_derived(raw, b"pseudonym key id", 4).hex(), inner, outer)

    def pseudonym(self, scope: str, value: str) -> str:
        """Return the pseudonym of one value, 64 hexadecimal digits."""
        return self.pseudonyms(scope, [value])[0]

    def pseudonyms(self, scope: str, values: Sequence[str]) -> list[str]:
        """Return the pseudonym of each value, in order."""
        told = self.joined(scope, (normalised(value).encode() for value in values)).decode()
        return [told[at : at + WIDTH] for at in range(0, len(told), WIDTH)]

    def joined(self, scope: str, values: Iterable[bytes]) -> bytes:
        """Return the pseudonyms of values that are `normalised` and UTF-8 already, `WIDTH` bytes each, one after another.

        For columns of millions: about a microsecond each.
        """
        return joined(self._inner, self._outer, scope.encode(), values)

    def beside(self) -> Beside:
        """Start a process that makes pseudonyms under this key.

        Raises
        ------
        OSError
            If it cannot be started.
        """
        return Beside(self._inner, self._outer)

    def sql(self, scope: str, value: str) -> tuple[str, dict[str, bytes]]:
        """Return SQL of the pseudonym of `value`, an SQL expression, and the parameters it needs: for tables that stay in DuckDB.

        Examples
        --------
        >>> import duckdb
        >>> key = Key.of("ab" * 32)
        >>> sql, parameters = key.sql("s", "'x'")
        >>> duckdb.connect().execute(f"select {sql}", parameters).fetchone()[0] == key.pseudonym("s", "x")
        True
        """
        inner = f"sha256($inner::blob || encode(trim(nfc_normalize({value}), ' ')))"
        return f"sha256($outer::blob || unhex({inner}))", {"inner": self._inner + scope.encode() + b"\x00", "outer": self._outer}


def read_key(reference: str, root: Path, environment: Mapping[str, str]) -> Key:
    """Return the key that a passport's reference points at.

    Raises
    ------
    RefusedError
        If there is none, others can read it, or it is no key.
    """
    return Key.of(resolve(reference, root, environment))


def under_all(keys: Sequence[Key], scope: str, value: str) -> dict[str, str]:
    """Return the pseudonym of one value under each key, by key id: after a rotation older batches hold the older ones.

    Examples
    --------
    >>> found = under_all([Key.of("ab" * 32), Key.of("cd" * 32)], "customer", "C-1")
    >>> len(found), len(set(found.values()))
    (2, 2)
    """
    return {key.key_id: key.pseudonym(scope, value) for key in keys}
