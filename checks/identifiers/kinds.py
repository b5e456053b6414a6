r"""The kinds of identifier that are looked for: how each is written, and which validator tells it from what looks like it.

A kind has up to three patterns in RE2's syntax (no look-around; ``\b`` is a word's edge):

``text``
    Found anywhere in free text. Only forms that are hardly anything else: with separators, letters or a check digit.
``context``
    Found in free text after a word that names it (``BSN 111222333``); group 1 is the identifier. For bare digits.
``whole``
    The whole value of a column. Bare digits are enough here, because a column is decided by the share that validates.

`chance` is the probability that a random string of the pattern passes the validator, such as one in ten for Luhn. Where it is
not 0, hits that chance explains are not counted; see `checks.identifiers.scan`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_IBAN_LENGTHS = {
    15: "NO", 16: "BE BI", 18: "DK FI FO GL NL FK", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
    26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW YE MU",
    31: "MT SC", 32: "LC", 33: "RU",
}
_IBAN = "|".join(
    f"(?:{'|'.join(countries.split())})[0-9]{{2}}(?: ?[A-Z0-9]){{{length - 4}}}" for length, countries in _IBAN_LENGTHS.items()
)
_CARD_16 = "(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|6011|64[4-9][0-9]|6[25][0-9]{2}|35[2-8][0-9])"
_CARD_GROUPED = (
    rf"{_CARD_16}(?:[ -][0-9]{{4}}){{3}}|3[47][0-9]{{2}}[ -][0-9]{{6}}[ -][0-9]{{5}}|"
    r"3(?:0[0-5]|[689][0-9])[0-9][ -][0-9]{6}[ -][0-9]{4}"
)
_CARD_BARE = rf"{_CARD_16}[0-9]{{12}}|4[0-9]{{18}}|3[47][0-9]{{13}}|3(?:0[0-5]|[689][0-9])[0-9]{{11}}"
_CARD_RARE = r"4[0-9]{12}|(?:2131|1800)[0-9]{11}|(?:50(?:18|20|38)|5[678][0-9]{2}|6304|676[1-3]|6759|0604)[0-9]{8,15}"
# Counted repetitions of letters of all scripts would make RE2 many times slower; the validator looks at lengths.
_EMAIL = r"[\p{L}\p{N}._%+'\-]+@(?:[\p{L}\p{N}\-]+\.)+\p{L}+"
_PHONE_EXTENSION = r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?"
_PHONE_GROUPS = r"(?:(?: - | \(|\) |[ ./\-()])?[0-9]{1,5}){2,7}"
_PHONE_ABROAD = rf"(?:\+ ?[1-9]|\b00[ .\-]?[1-9]|\(\+)[0-9]{{0,2}}{_PHONE_GROUPS}{_PHONE_EXTENSION}"
_PHONE_ABROAD_TEXT = (
    rf"\+ ?[1-9][0-9]{{0,2}}{_PHONE_GROUPS}{_PHONE_EXTENSION}|\b00[1-9][0-9]{{0,2}}[ .\-/]{_PHONE_GROUPS}{_PHONE_EXTENSION}"
)
_PHONE_AMERICA = (
    r"(?:\b1[ .\-])?(?:\([2-9][0-9]{2}\)[ \-]?|\b[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}" + _PHONE_EXTENSION
)
_PHONE_TRUNK = r"\(?\b0[1-9][0-9]{0,4}\)?(?:/| / | - |[ .\-])[0-9]{2,8}(?:[ .\-/][0-9]{2,6}){0,4}"
_MARKETPLACE = "[0-9]{3}-[0-9]{6,}-[0-9]{6,}"  # an order of a well-known shop; matched so that no part of it is
_IPV4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_IPV6 = (
    r"(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|"
    r"[23fF][0-9A-Fa-f]{1,3}(?::[0-9A-Fa-f]{1,4}){0,6}::[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6}"
)
_MAC = r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
_PLACE = r"-?[0-9]{1,2}\.[0-9]{3,}(?:°? ?[NS])? ?[,;/ ] ?-?[0-9]{1,3}\.[0-9]{3,}(?:°? ?[EWO]\b)?"
_NINO = r"(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|ZZ) ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-DT]"
_NIR = r"[1278] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"
_FISCAL = r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]"
_BIRTH_SE = r"(?:19|20)?[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])"


def _after(words: str, pattern: str) -> str:
    gap = r"[^0-9A-Za-z+(]{0,4}"
    return rf"(?i)\b(?:{words})\b{gap}(?:(?:is|no|nr|number|nummer)\b{gap})?({pattern})\b"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of identifier.

    Attributes
    ----------
    name : str
        As it stands in evidence and in redacted text, such as ``e-mail``.
    validator : str
        A macro of `checks.identifiers.validators`, without ``id_``; empty if the pattern alone decides.
    text, context, whole : str
        Patterns; empty where the kind is not looked for in that way. `whole` must match the whole value.
    gate : str
        What a text must hold before the patterns are tried: ``at`` (an @), ``digits`` (nine digits near each other),
        ``mixed`` (letters and digits together), ``points`` (colons or points between digits),
        ``run`` (seven digits near each other).
    chance : float
        In [0, 1); see the module.
    hinted : str
        A pattern for the whole value that counts only where the column's name says so (`hint`).
    hint : str
        Pattern of such names.
    """

    name: str
    validator: str = ""
    text: str = ""
    context: str = ""
    whole: str = ""
    gate: str = "digits"
    chance: float = 0.0
    hinted: str = ""
    hint: str = ""

    def hinted_by(self, column: str) -> bool:
        """Say whether the column's name is one that holds this kind."""
        return bool(self.hint) and re.search(self.hint, column.lower()) is not None


_PHONE_HINT = r"phone|telefon|(?:^|[^a-z])tel(?:$|[^a-z])|mobile?(?:$|[^a-z])|handy|fax|msisdn|(?:^|[_ ])cell"

_NAMED = (
    "ssn|social security|itin|nhs|nino|steuer-?id|steueridentifikationsnummer|idnr|tin|bsn|burgerservicenummer|sofi|pesel|fnr|"
    "f[øo]dselsnummer|cpr|personnummer|pnr|cpf|social insurance|imei|passport|pass|dni|nie|ahv|avs|nir|"
    "id card|identity card|licen[cs]e"
)
_CALLED = "phone|tel|telephone|telefon|mobile|mobil|handy|fax|cell|whatsapp|call(?: me)?(?: at| on)?"

#: In the order in which text is read: what one kind has taken is not read again by the next.
KINDS: tuple[Kind, ...] = (
    Kind("e-mail", "email", text=_EMAIL, whole=rf"(?:mailto:)?<?{_EMAIL}>?|[^@<>]{{1,80}} ?<{_EMAIL}>", gate="at"),
    Kind("IBAN", "iban", text=rf"\b(?:{_IBAN})\b", whole=rf"(?i:{_IBAN})", gate="mixed"),
    Kind("MAC address", text=rf"\b(?:{_MAC})\b", whole=_MAC, gate="points"),
    Kind("IP address", "ip", text=rf"\b(?:{_IPV6})\b|(?i)\b(?:v|ver|version|release)[ .]?{_IPV4}|\b{_IPV4}(?:\.[0-9]+)*\b",
         whole=rf"{_IPV4}|{_IPV6}", gate="points"),
    Kind("coordinates", "coordinates", text=_PLACE, whole=rf"\(?(?:POINT ?\()?{_PLACE}\)?\)?", gate="points",
         hinted=r"-?[0-9]{1,3}\.[0-9]{2,}",
         hint=r"(?:^|[^a-z])(?:lat|lon|lng|long)(?:$|[^a-z])|latitude|longitude|breitengrad|l[aä]ngengrad"),
    Kind("Italian fiscal code", text=rf"\b{_FISCAL}\b", whole=rf"(?i:{_FISCAL})", gate="mixed"),
    Kind("British insurance number", "uk_nino", text=rf"\b{_NINO}\b", whole=rf"(?i:{_NINO})", gate="mixed"),
    Kind("Spanish identity number", "es_dni", text=r"\b(?:[0-9]{8}-?[A-Z]|[XYZ]-?[0-9]{7}-?[A-Z])\b",
         whole=r"(?i:[0-9]{8}[ -]?[A-Z]|[XYZ][ -]?[0-9]{7}[ -]?[A-Z])", gate="mixed", chance=1 / 23),
    Kind("Finnish identity code", "fi_hetu", text=r"\b[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b",
         whole=r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]", gate="mixed", chance=1 / 31),
    Kind("card number", "card", text=rf"[0-9]\.[0-9]{{6,}}|\b(?:{_CARD_GROUPED}|{_CARD_BARE})\b",
         whole=rf"{_CARD_GROUPED}|{_CARD_BARE}|{_CARD_RARE}", chance=0.1),
    Kind("French social security number", "fr_nir", text=rf"\b{_NIR}\b", whole=rf"(?i:{_NIR})", chance=1 / 97),
    Kind("Swiss insurance number", "ch_ahv", text=r"\b756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}\b", whole=r"756(?:\.?[0-9]){10}",
         chance=0.1),
    Kind("Belgian national number", "be_national", text=r"\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}\b",
         whole=r"[0-9]{2}\.?[0-9]{2}\.?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}", chance=2 / 97),
    Kind("Brazilian taxpayer number", "br_cpf", text=r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b",
         whole=r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}", chance=0.01),
    Kind("Swedish personal number", "se_person", text=rf"\b{_BIRTH_SE}[-+][0-9]{{4}}\b", whole=rf"{_BIRTH_SE}[-+]?[0-9]{{4}}",
         chance=0.1),
    Kind("US social security number", "us_ssn", text=r"\b[0-9]+(?:-[0-9]+){3,}\b|\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
         whole=r"[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}", hinted="[0-9]{9}", hint="ssn|social.?sec|itin"),
    Kind("Canadian insurance number", "ca_sin", text=r"\b[0-9]{3}-[0-9]{3}-[0-9]{3}\b",
         whole=r"[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{3}", chance=0.1),
    Kind("British health service number", "uk_nhs", whole=r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", chance=1 / 11),
    Kind("German tax number", "de_tax", whole=r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", chance=0.1),
    Kind("Dutch citizen number", "nl_bsn", whole=r"[0-9]{8,9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}",
         chance=1 / 11),
    Kind("Polish number", "pl_pesel", whole="[0-9]{11}", chance=0.1),
    Kind("Norwegian birth number", "no_fnr", whole="[0-9]{6} ?[0-9]{5}", chance=0.01),
    Kind("Danish personal number", "dk_cpr", hinted="[0-9]{6}-?[0-9]{4}", hint="cpr"),
    Kind("device number", "imei", whole="[0-9]{15}", chance=0.1),
    # The word before it says what it is, so no check digit is asked for: a number with a slip is a person's number still.
    Kind("identity number", context=_after(_NAMED, r"[A-Z]{0,2}[0-9](?:[ .\-]?[0-9]){6,13}[A-Z]?"), gate="run"),
    Kind("phone number", "phone", context=_after(_CALLED, r"[+(]?[0-9](?:[ ./()\-]{0,2}[0-9]){6,14}"), gate="run"),
    Kind("phone number", "phone", text=rf"\b{_MARKETPLACE}\b|(?:{_PHONE_ABROAD_TEXT}|{_PHONE_AMERICA}|{_PHONE_TRUNK})\b",
         whole=rf"{_PHONE_ABROAD}|{_PHONE_AMERICA}|{_PHONE_TRUNK}|0(?:6|7|1[567][0-9])[0-9]{{8}}",
         hinted=r"[+(]?[0-9](?:[ ./()\-]{0,2}[0-9]){6,14}", hint=_PHONE_HINT),
)

#: What a text must hold to be read at all, in one pass: the beginnings of all patterns, without their ends.
MAY_HOLD = "|".join((
    r"[^\s]@[^\s]",
    r"\+ ?[1-9][0-9]|\b00[1-9][0-9]{0,2}[ .\-/]|\([2-9][0-9]{2}\)|\b0[1-9](?:[ /.()\-]{0,3}[0-9]){7}",
    r"\b[0-9]{3}\)?[-. ][0-9]{2,3}[-. ][0-9]{3,4}",
    r"[0-9](?:[ \-]?[0-9]){12}",
    r"\b756\.|\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.|\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-",
    r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    r"[0-9A-Fa-f]{2}[:\-][0-9A-Fa-f]{2}[:\-][0-9A-Fa-f]{2}[:\-][0-9A-Fa-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.",
    r"[0-9A-Fa-f]:[0-9A-Fa-f:]+:[0-9A-Fa-f]|[0-9A-Fa-f]::[0-9A-Fa-f]",
    r"[0-9]\.[0-9]{3,}[^\n]{1,6}[0-9]\.[0-9]{3}",
    r"\b[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}|\b[A-Z]{6}[0-9]|\b[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2}",
    r"\b[0-9XYZ]-?[0-9]{7}-?[A-Z]\b|\b[0-9]{6}[-+A-Z][0-9]{3}[0-9A-Z]\b|[0-9]{6}[-+][0-9]{4}\b",
    rf"(?i:\b(?:{_NAMED}|{_CALLED})\b[^0-9A-Za-z]{{0,4}}"
    r"(?:(?:is|no|nr|number|nummer)\b[^0-9A-Za-z]{0,4})?[A-Z]{0,2}[+(]?[0-9])",
))
