"""A table with planted truth: identifiers of every kind, written as people write them, and decoys that only look like them.

Check digits are computed here from the issuers' rules, apart from the code under test.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

PROSE = "the customer was told that delivery comes on Tuesday and asked whether it could be earlier thanks please note"
WORDS = PROSE.split()


def luhn(body: str) -> str:
    total = 0
    for i, c in enumerate(reversed(body)):
        d = int(c) * (2 if i % 2 == 0 else 1)
        total += d - 9 if d > 9 else d
    return body + str(-total % 10)


def digits(r: random.Random, n: int) -> str:
    return "".join(r.choice(string.digits) for _ in range(n))


def grouped(text: str, *lengths: int, by: str = " ") -> str:
    out, at = [], 0
    for n in lengths:
        out.append(text[at : at + n])
        at += n
    return by.join(out)


def email(r: random.Random) -> str:
    name = "".join(r.choice(string.ascii_lowercase) for _ in range(r.randint(2, 9)))
    domain = r.choice(["example.org", "mail.example.co.uk", "post-büro.de", "x.io"])
    return f"{name}{r.choice(['', '.', '_', '+tag'])}{r.randint(1, 99)}@{domain}"


def iban(r: random.Random) -> str:
    country, body = r.choice(
        [
            ("DE", digits(r, 18)),
            ("GB", "WEST" + digits(r, 14)),
            ("NL", "ABNA" + digits(r, 10)),
            ("NO", digits(r, 11)),
            ("FR", digits(r, 23)),
            ("MT", "MALT" + digits(r, 5) + "0012345MTLCAST001S"),
        ]
    )
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    whole = f"{country}{98 - number % 97:02d}{body}"
    return whole if r.random() < 0.5 else grouped(whole, *[4] * 9).strip()


def card(r: random.Random) -> str:
    kind = r.random()
    if kind < 0.2:
        number = luhn(r.choice(["34", "37"]) + digits(r, 12))
        return number if r.random() < 0.5 else grouped(number, 4, 6, 5)
    start = r.choice(["4", "51", "54", "2221", "6011", "3530"])
    number = luhn(start + digits(r, 15 - len(start)))
    return r.choice([number, grouped(number, 4, 4, 4, 4), grouped(number, 4, 4, 4, 4, by="-")])


def phone(r: random.Random) -> str:
    def d(n: int) -> str:
        return digits(r, n)

    return r.choice(
        [
            f"+49 {r.choice(['30', '170', '89'])} {r.randint(1, 9)}{d(6)}",
            f"+44 20 7946 {d(4)}",
            f"+1-{r.randint(2, 9)}{d(2)}-{r.randint(2, 9)}{d(2)}-{d(4)}",
            f"({r.randint(2, 9)}{d(2)}) {r.randint(2, 9)}{d(2)}-{d(4)}",
            f"{r.randint(2, 9)}{d(2)}-{r.randint(2, 9)}{d(2)}-{d(4)}",
            f"{r.randint(2, 9)}{d(2)}.{r.randint(2, 9)}{d(2)}.{d(4)}x{d(3)}",
            f"0{r.randint(1, 7)} {d(2)} {d(2)} {d(2)} {d(2)}",
            f"+4917{d(9)}",
            f"0049 171 {d(7)}",
            f"0{r.randint(30, 89)} {r.randint(1, 9)}{d(6)}",
            f"07700 {d(6)}",
            f"(0{r.randint(20, 99)}) {d(7)}",
            f"+33 6 {d(2)} {d(2)} {d(2)} {d(2)}",
        ]
    )


def ssn(r: random.Random) -> str:
    return f"{r.choice([r.randint(1, 665), r.randint(667, 899)]):03d}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}"


def nino(r: random.Random) -> str:
    return f"{r.choice('ABCEHJKLMPRSTWX')}{r.choice('ABCEHJLMPRSTWX')}{digits(r, 6)}{r.choice('ABCD')}"


def ipv4(r: random.Random) -> str:
    return r.choice(
        [
            f"192.168.{r.randint(0, 255)}.{r.randint(0, 255)}",
            f"{r.randint(40, 220)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}",
        ]
    )


def ipv6(r: random.Random) -> str:
    def h() -> str:
        return f"{r.randint(0, 65535):x}"

    return r.choice([":".join(h() for _ in range(8)), f"2001:db8::{h()}:{h()}", f"fe80::{h()}"])


def place(r: random.Random) -> str:
    return f"{r.uniform(-80, 80):.5f}{r.choice([', ', ',', ' '])}{r.uniform(-170, 170):.5f}"


def mac(r: random.Random) -> str:
    return r.choice([":", "-"]).join(f"{r.randint(0, 255):02x}" for _ in range(6))


def nhs(r: random.Random) -> str:
    while True:
        body = digits(r, 9)
        check = -sum((10 - i) * int(c) for i, c in enumerate(body)) % 11
        if check < 10 and body[0] != "0":
            return grouped(body + str(check), 3, 3, 4) if r.random() < 0.5 else body + str(check)


def dni(r: random.Random) -> str:
    n = r.randint(10**7, 10**8 - 1)
    return f"{n}{'TRWAGMYFPDXBNJZSQVHLCKE'[n % 23]}"


def fiscal(r: random.Random) -> str:
    letters = "".join(r.choice(string.ascii_uppercase) for _ in range(6))
    born = f"{digits(r, 2)}{r.choice('ABCDEHLMPRST')}{r.randint(1, 31):02d}"
    return f"{letters}{born}{r.choice('ABCDEFGHIL')}{digits(r, 3)}{r.choice(string.ascii_uppercase)}"


def nir(r: random.Random) -> str:
    body = f"{r.choice('12')}{digits(r, 2)}{r.randint(1, 12):02d}{r.randint(1, 95):02d}{digits(r, 6)}"
    return f"{body}{97 - int(body) % 97:02d}"


def bsn(r: random.Random) -> str:
    while True:
        body = str(r.randint(10**7, 10**8 - 1))
        check = sum((9 - i) * int(c) for i, c in enumerate(body)) % 11
        if check < 10:
            return body + str(check)


def personnummer(r: random.Random) -> str:
    body = f"{r.randint(30, 99):02d}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{digits(r, 3)}"
    whole = luhn(body)
    return r.choice([f"{whole[:6]}-{whole[6:]}", f"19{whole[:6]}-{whole[6:]}"])


def pesel(r: random.Random) -> str:
    body = f"{r.randint(10, 99)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{digits(r, 4)}"
    return body + str(-sum(w * int(c) for w, c in zip((1, 3, 7, 9, 1, 3, 7, 9, 1, 3), body, strict=True)) % 10)


def belgian(r: random.Random) -> str:
    body = f"{r.randint(30, 99)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{digits(r, 3)}"
    whole = f"{body}{97 - int(body) % 97:02d}"
    return f"{whole[:2]}.{whole[2:4]}.{whole[4:6]}-{whole[6:9]}.{whole[9:]}"


def ahv(r: random.Random) -> str:
    body = "756" + digits(r, 9)
    whole = body + str(-sum(int(c) * (1 if i % 2 == 0 else 3) for i, c in enumerate(body)) % 10)
    return grouped(whole, 3, 4, 4, 2, by=".")


def cpf(r: random.Random) -> str:
    body = digits(r, 9)
    for n in (10, 11):
        body += str(sum((n - i) * int(c) for i, c in enumerate(body)) * 10 % 11 % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def hetu(r: random.Random) -> str:
    body = f"{r.randint(1, 28):02d}{r.randint(1, 12):02d}{r.randint(30, 99)}"
    number = f"{r.randint(2, 899):03d}"
    return f"{body}-{number}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(body + number) % 31]}"


def german_tax(r: random.Random) -> str:
    while True:
        body = [r.randint(1, 9), *(int(c) for c in digits(r, 9))]
        if len(set(body)) not in (8, 9):
            continue
        product = 10
        for d in body:
            total = (d + product) % 10 or 10
            product = total * 2 % 11
        return "".join(map(str, body)) + str((11 - product) % 10)


Make = Callable[[random.Random], str]
#: Kind as the code names it -> how one is made, and whether it stands alone in free text (bare digits need a word before them).
PLANTED: dict[str, tuple[str, Make, str]] = {
    "e-mail": ("contact", email, ""),
    "IBAN": ("account", iban, ""),
    "card number": ("paid_with", card, ""),
    "phone number": ("reach", phone, ""),
    "US social security number": ("a1", ssn, ""),
    "British insurance number": ("a2", nino, ""),
    "IP address": ("client", ipv4, ""),
    "IP address (6)": ("client6", ipv6, ""),
    "coordinates": ("place", place, ""),
    "MAC address": ("device", mac, ""),
    "British health service number": ("a3", nhs, "NHS "),
    "Spanish identity number": ("a4", dni, ""),
    "Italian fiscal code": ("a5", fiscal, ""),
    "French social security number": ("a6", nir, ""),
    "Dutch citizen number": ("a7", bsn, "BSN "),
    "Swedish personal number": ("a8", personnummer, ""),
    "Polish number": ("a9", pesel, "PESEL: "),
    "Belgian national number": ("a10", belgian, ""),
    "Swiss insurance number": ("a11", ahv, ""),
    "Brazilian taxpayer number": ("a12", cpf, ""),
    "Finnish identity code": ("a13", hetu, ""),
    "German tax number": ("a14", german_tax, "Steuer-ID "),
}

#: Columns without an identifier that look like one.
DECOYS: dict[str, Make] = {
    "order": lambda r: f"2024-{r.randint(0, 10**7):08d}",
    "order_bare": lambda r: str(4500000000 + r.randint(0, 10**6)),
    "order_16": lambda r: "4" + digits(r, 15),
    "order_13": lambda r: digits(r, 13),
    "order_10": lambda r: str(r.randint(10**9, 10**10 - 1)),
    "order_9": lambda r: str(r.randint(10**8, 10**9 - 1)),
    "order_11": lambda r: digits(r, 11),
    "order_padded": lambda r: f"{r.randint(0, 10**6):010d}",
    "order_marketplace": lambda r: f"{digits(r, 3)}-{digits(r, 7)}-{digits(r, 7)}",
    "version": lambda r: f"{r.randint(0, 12)}.{r.randint(0, 30)}.{r.randint(0, 30)}.{r.randint(0, 30)}",
    "version_long": lambda r: f"{r.randint(90, 130)}.0.{r.randint(4000, 6000)}.{r.randint(1, 200)}",
    "version_short": lambda r: f"v{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 20)}",
    "epoch": lambda r: str(1_600_000_000 + r.randint(0, 10**8)),
    "epoch_ms": lambda r: str(1_600_000_000_000 + r.randint(0, 10**11)),
    "date_text": lambda r: f"{r.randint(1, 28):02d}.{r.randint(1, 12):02d}.20{r.randint(10, 30)}",
    "stamp": lambda r: (
        f"20{r.randint(10, 30)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d} "
        f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}"
    ),
    "stamp_bare": lambda r: (
        f"20{r.randint(10, 30)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{r.randint(0, 23):02d}{r.randint(0, 59):02d}"
    ),
    "city": lambda r: r.choice(["Paris", "Berlin", "San Francisco", "Aix-en-Provence", "London"]),
    "money": lambda r: f"{r.uniform(1, 99999):,.2f}",
    "ratio": lambda r: repr(r.random()),
    "uuid": lambda r: f"{r.getrandbits(128):032x}",
    "sha": lambda r: f"{r.getrandbits(160):040x}",
    "postcode": lambda r: digits(r, 5),
    "product": lambda r: f"{''.join(r.choice(string.ascii_uppercase) for _ in range(3))}-{digits(r, 6)}",
    "licence": lambda r: f"B-{r.choice(['AB', 'XY'])} {r.randint(100, 9999)}",
    "isbn": lambda r: f"978-3-16-{digits(r, 6)}-{digits(r, 1)}",
    "picture": lambda r: f"icon{r.randint(1, 99)}@2x.png",
    "handle": lambda r: f"@user{r.randint(1, 999)}",
    "package": lambda r: f"@scope/name@{r.randint(1, 9)}.{r.randint(0, 9)}.0",
    "clock": lambda r: f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}",
    "range": lambda r: f"{r.randint(1, 9)}.00-{r.randint(10, 23)}.00",
    "size": lambda r: f"{r.randint(100, 999)} x {r.randint(100, 999)} x {r.randint(100, 999)}",
    "prose": lambda r: " ".join(r.choices(WORDS, k=12)),
    "prose_order": lambda r: (
        f"{' '.join(r.choices(WORDS, k=6))} order {r.randint(10**7, 10**9)} of 2024-0{r.randint(1, 9)}-1{r.randint(0, 9)} "
        f"at {r.randint(10, 20)}:30, v{r.randint(1, 9)}.2.1"
    ),
}


def in_text(r: random.Random, value: str) -> str:
    before, after = r.choices(WORDS, k=r.randint(2, 6)), r.choices(WORDS, k=3)
    return f"{' '.join(before)} {value}{r.choice([' ', ', ', '. ', '; '])}{' '.join(after)}"
