"""Identifiers in data: numbers, addresses and marks that lead to one person, found in whole columns and in free text.

Patterns find them, validators (check digits, ranges, dates) tell them from order numbers, versions and times that look alike.
Everything is counted in DuckDB; no value leaves it, only counts and shapes. `find` looks at the columns of a table,
`redact` takes identifiers out of a text. What it cannot see is said in docs/privacy.md.

Examples
--------
>>> from checks.identifiers import redact
>>> redact("IBAN DE89 3704 0044 0532 0130 00, from 192.168.4.77")
'IBAN [IBAN], from [IP address]'
"""

from checks.identifiers.kinds import KINDS, Kind
from checks.identifiers.redaction import redact, redact_all
from checks.identifiers.scan import Found, KindFound, find, masked, text_of

__all__ = ["KINDS", "Found", "Kind", "KindFound", "find", "masked", "redact", "redact_all", "text_of"]
