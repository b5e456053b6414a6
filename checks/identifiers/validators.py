"""Validators of identifiers as DuckDB macros: check digits, ranges, dates; so that rows are validated where they lie.

Each macro takes text and returns true or false, never NULL and never an error, whatever the text is. `install` makes them on a
connection. Sources: Luhn is ISO/IEC 7812-1; mod 97 is ISO/IEC 7064 as used by ISO 13616 (IBAN); the national numbers follow the
rules that their issuers publish, named beside each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_LUHN_DIGITS = 19
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def _digit(text: str, position: int) -> str:
    return f"(ascii(substr({text}, {position}, 1)) - 48)"


def _weighted(text: str, weights: tuple[int, ...], start: int = 1) -> str:
    return "(" + " + ".join(f"{w} * {_digit(text, start + i)}" for i, w in enumerate(weights) if w) + ")"


def _luhn(text: str) -> str:
    """Return SQL of the Luhn sum of a text of 19 digits; written out, because a lambda a digit is many times slower."""
    parts = []
    for position in range(1, _LUHN_DIGITS + 1):
        one = _digit(text, position)
        doubled = (_LUHN_DIGITS - position) % 2 == 1
        parts.append(f"(2 * {one} - 9 * cast({one} > 4 as integer))" if doubled else one)
    return "(" + " + ".join(parts) + ")"


def _iso_7064_11_10(text: str, digits: int) -> str:
    """Return SQL of the check digit of ISO/IEC 7064 MOD 11,10 over the first `digits` digits."""
    listed = "[" + ", ".join(_digit(text, i) for i in range(1, digits + 1)) + "]"
    step = "lambda p, d: ((case when (d + p) % 10 = 0 then 10 else (d + p) % 10 end) * 2) % 11"
    return f"((11 - list_reduce({listed}, {step}, 10)) % 10)"


_HELPERS: dict[str, str] = {
    "digits(x)": "regexp_replace(x, '[^0-9]', '', 'g')",
    "luhn(d)": f"coalesce(list_transform([lpad(d, {_LUHN_DIGITS}, '0')], lambda p: {_luhn('p')} % 10 = 0)[1] "
    f"and length(d) between 8 and {_LUHN_DIGITS} and not regexp_full_match(d, '0*'), false)",
}

# x is the text as it was found, d its digits.
_MACROS: dict[str, str] = {
    "card": "id_luhn(d) and length(d) between 12 and 19 and not contains(x, '.')",
    # Letters count 10 to 35; the first four characters go to the end; what is left modulo 97 is 1.
    "iban": "coalesce(list_reduce(list_transform(string_split(substr(upper(replace(x, ' ', '')), 5) || left(upper(x), 4), ''), "
    "lambda c: case when c between '0' and '9' then ascii(c) - 48 else ascii(c) - 55 end), "
    "lambda a, b: (a * (case when b > 9 then 100 else 10 end) + b) % 97, 0) = 1, false)",
    # icon@2x.png is the name of a picture, and no label of a domain or mailbox is longer than 64.
    "email": r"length(x) <= 254 and not contains(x, '..') and not regexp_matches(x, '@[0-9]x\.[a-z]+$|\.[^.]$')",
    "phone": r"length(id_digits(regexp_replace(x, '(?i) ?(x|ext).*$', ''))) between 8 and 15 "
    r"and not regexp_matches(x, '^[0-9]{1,2}[./\-][0-9]{1,2}[./\-](19|20)[0-9]{2}') and not regexp_full_match(d, '0*')",
    # Four numbers below 32 are a version of a program far more often than an address.
    "ip": "contains(x, ':') or coalesce(regexp_full_match(x, '[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+') "
    "and list_bool_and(list_transform(string_split(x, '.'), lambda o: try_cast(o as integer) <= 255 "
    "and (o = '0' or o[1] <> '0'))) "
    "and try_cast(split_part(x, '.', 1) as integer) between 1 and 223 and not starts_with(x, '127.') "
    "and list_max(list_transform(string_split(x, '.'), lambda o: try_cast(o as integer))) >= 32, false)",
    "coordinates": r"coalesce(abs(try_cast(regexp_extract(x, '-?[0-9]+\.[0-9]+') as double)) <= 180 "
    r"and abs(coalesce(try_cast(regexp_extract_all(x, '-?[0-9]+\.[0-9]+')[2] as double), 0)) <= 180, false)",
    # Social Security Administration: no area 000, 666; 9xx only as the tax office's ITIN (groups 50 to 99).
    "us_ssn": "coalesce(regexp_full_match(x, '[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}') and left(d, 3) not in ('000', '666') "
    "and substr(d, 4, 2) <> '00' and right(d, 4) <> '0000' and (d[1] <> '9' or substr(d, 4, 2) >= '50'), false)",
    # HM Revenue and Customs: prefixes that are never given out.
    "uk_nino": "left(upper(x), 2) not in ('BG', 'GB', 'NK', 'KN', 'TN', 'NT')",
    "uk_nhs": "coalesce(length(d) = 10 and not regexp_full_match(d, '0*') and (11 - "
    f"{_weighted('d', (10, 9, 8, 7, 6, 5, 4, 3, 2))} % 11) % 11 = {_digit('d', 10)}, false)",
    # Bundeszentralamt fuer Steuern: of the first ten digits one stands twice or three times.
    "de_tax": "coalesce(length(d) = 11 and d[1] <> '0' and len(list_distinct(string_split(left(d, 10), ''))) in (8, 9) "
    f"and {_iso_7064_11_10('d', 10)} = {_digit('d', 11)}, false)",
    "fr_nir": "coalesce(97 - try_cast(left(replace(replace(regexp_replace(upper(x), '[^0-9AB]', '', 'g'), '2A', '19'), "
    "'2B', '18'), 13) as bigint) % 97 = try_cast(right(d, 2) as bigint), false)",
    "es_dni": f"coalesce(substr('{_DNI_LETTERS}', 1 + try_cast(id_digits(translate(left(upper(x), 1), 'XYZ', '012') "
    "|| substr(x, 2)) as bigint) % 23, 1) = right(upper(x), 1), false)",
    "nl_bsn": "coalesce(length(d) in (8, 9) and not regexp_full_match(d, '0*') and "
    f"{_weighted('lpad(d, 9, chr(48))', (9, 8, 7, 6, 5, 4, 3, 2, -1))} % 11 = 0, false)",
    "se_person": "coalesce(id_luhn(right(d, 10)) and try_cast(substr(right(d, 10), 3, 2) as integer) between 1 and 12 "
    "and try_cast(substr(right(d, 10), 5, 2) as integer) between 1 and 91, false)",
    "pl_pesel": "coalesce(length(d) = 11 and try_cast(substr(d, 3, 2) as integer) % 20 between 1 and 12 "
    "and try_cast(substr(d, 5, 2) as integer) between 1 and 31 and "
    f"(10 - {_weighted('d', (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))} % 10) % 10 = {_digit('d', 11)}, false)",
    "be_national": "coalesce(length(d) = 11 and try_cast(substr(d, 3, 2) as integer) <= 12 "
    "and try_cast(substr(d, 5, 2) as integer) <= 31 and try_cast(right(d, 2) as bigint) in "
    "(97 - try_cast(left(d, 9) as bigint) % 97, 97 - try_cast('2' || left(d, 9) as bigint) % 97), false)",
    "ch_ahv": "coalesce(length(d) = 13 and starts_with(d, '756') and "
    f"(10 - {_weighted('d', (1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3))} % 10) % 10 = {_digit('d', 13)}, false)",
    "br_cpf": "coalesce(length(d) = 11 and len(list_distinct(string_split(d, ''))) > 1 and "
    f"{_weighted('d', (10, 9, 8, 7, 6, 5, 4, 3, 2))} * 10 % 11 % 10 = {_digit('d', 10)} and "
    f"{_weighted('d', (11, 10, 9, 8, 7, 6, 5, 4, 3, 2))} * 10 % 11 % 10 = {_digit('d', 11)}, false)",
    "no_fnr": "coalesce(length(d) = 11 and try_cast(left(d, 2) as integer) % 40 between 1 and 31 "
    "and try_cast(substr(d, 3, 2) as integer) between 1 and 12 and "
    f"{_weighted('d', (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))} % 11 = 0 and "
    f"{_weighted('d', (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))} % 11 = 0, false)",
    "fi_hetu": "coalesce(try_cast(left(x, 2) as integer) between 1 and 31 "
    "and try_cast(substr(x, 3, 2) as integer) between 1 and 12 "
    f"and substr('{_HETU_LETTERS}', 1 + try_cast(left(x, 6) || substr(x, 8, 3) as bigint) % 31, 1) = right(x, 1), false)",
    "dk_cpr": "coalesce(length(d) = 10 and try_cast(left(d, 2) as integer) between 1 and 31 "
    "and try_cast(substr(d, 3, 2) as integer) between 1 and 12, false)",
    "ca_sin": "coalesce(length(d) = 9 and d[1] <> '8' and id_luhn(d), false)",
    "imei": "coalesce(length(d) = 15 and id_luhn(d), false)",
}


def install(con: duckdb.DuckDBPyConnection) -> None:
    """Make the macros on a connection; each is called ``id_<name>``.

    Examples
    --------
    >>> import duckdb
    >>> con = duckdb.connect()
    >>> install(con)
    >>> con.execute("select id_card('4111 1111 1111 1111'), id_us_ssn('000-12-3456')").fetchone()
    (True, False)
    """
    for head, body in _HELPERS.items():
        con.execute(f"create or replace temp macro id_{head} as {body}")
    for name, body in _MACROS.items():
        # Digits are taken out once: inside a lambda nothing that stands twice is computed once.
        con.execute(f"create or replace temp macro id_{name}(x) as list_transform([id_digits(x)], lambda d: {body})[1]")
