"""What a vendor showed and signed: documents with their digests, certificates, agreements, clauses, reviews.

Facts of a day, by the calendar and by SHA-256; no sample is drawn and there is no interval. The day is the one judged, never the
clock's. Nothing said is taken for shown: every measurement names whose word it is under ``claim``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.subject import Subject
from checks.vendor.sheet import Sheet
from roadworthy.canonical import digest_file
from roadworthy.vendors import Contract, Data, Paper, Security, Vendor

DOCUMENT, SAID, MEASURED = "document", "self-declared", "measured"


def documents(root: Path, vendor: Vendor, sheet: Sheet) -> dict[str, str]:
    """Write down of each document whether it is there with its digest, and return the ids of those that are not, with the reason.

    A path that leads out of the workspace by a link is as good as none: what lies there may be anybody's.
    """
    torn: dict[str, str] = {}
    if not vendor.documents:
        sheet.refuse("document_intact", "insufficient", f"The register of {vendor.id} holds no document.")
    for paper in vendor.documents:
        why = torn_because(root, paper)
        if why:
            torn[paper.id] = why
        sheet.fact(
            "document_intact", not why, n=1, over={"document": paper.id}, how="SHA-256 of the file",
            details={"claim": MEASURED, "title": paper.title, "sha256": paper.sha256, **({"differs": why} if why else {})},
        )
    return torn


def torn_because(root: Path, paper: Paper) -> str:
    """Return why a document is not what the register says; empty if it is there with its digest."""
    path = root / paper.path
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            return "Its path leads out of the workspace."
        if not path.is_file():
            return "There is no such file."
        found = digest_file(path)
    except (OSError, RuntimeError, ValueError) as problem:  # a link to itself; a name with a NUL
        return f"It cannot be read ({type(problem).__name__})."
    return "" if found == paper.sha256 else f"The file has digest {found[:12]}..., the register says {paper.sha256[:12]}..."


def certificates(subject: Subject, vendor: Vendor, torn: Mapping[str, str], sheet: Sheet) -> None:
    """Write down the days that each certificate is still good for; negative where it has expired or does not hold yet."""
    if not vendor.certificates:
        sheet.refuse("certificate_days_left", "insufficient", f"No certificate of {vendor.id} is in {sheet.file}.")
    for one in vendor.certificates:
        early = (one.issued - subject.day).days if one.issued is not None and one.issued > subject.day else 0
        shown = one.document is not None and one.document not in torn
        details = {
            "claim": DOCUMENT if shown else SAID, "expires": one.expires.isoformat(), "scope": one.scope,
            "holds_from": one.issued.isoformat() if one.issued else None,
        }
        sheet.put(
            "certificate_days_left", -early if early else (one.expires - subject.day).days, n=1, over={"certificate": one.name},
            how="days until it holds, negative" if early else "days until it expires, as of the day judged", details=details,
        )


def agreement(subject: Subject, vendor: Vendor, torn: Mapping[str, str], sheet: Sheet) -> None:
    """Write down whether there is a data-processing agreement, where a column that points at a person reaches the vendor."""
    data, passport = vendor.data, subject.passport
    if data is not None and data.receives == "nothing":
        said = f"No row reaches the vendor ({_claim(data, torn)}), so no data-processing agreement is needed."
        sheet.refuse("dpa_present", "not_applicable", said)
        return
    personal = [*(one.column for one in passport.identifiers), *passport.quasi_identifiers]
    sent = {*passport.features, *([passport.batches.key] if passport.batches.key else [])}
    columns = [column for column in dict.fromkeys(personal) if column in sent]
    if not columns:
        said = "No declared identifier or quasi-identifier is among the features and the key, which are what reaches the vendor."
        sheet.refuse("dpa_present", "not_applicable", said)
        return
    signed = vendor.contract.dpa if vendor.contract is not None else None
    why = "None is named in the contract."
    if signed is not None:
        why = torn.get(signed.document, "")
        if not why and signed.signed_on > subject.day:
            why = f"It was signed on {signed.signed_on}, after the day judged."
    details: dict[str, Any] = {
        "claim": SAID if why else DOCUMENT, "columns": columns, "signed_on": signed.signed_on.isoformat() if signed else None,
        **({"differs": why} if why else {}),
    }
    how = "named, signed by the day judged, and there with its digest"
    sheet.fact("dpa_present", not why, n=len(columns), how=how, details=details)


def exit_plan(vendor: Vendor, torn: Mapping[str, str], sheet: Sheet) -> None:
    """Write down whether there is a plan for leaving the vendor."""
    contract = vendor.contract
    wanted = contract.exit_plan if contract is not None else None
    why = "None is named in the contract." if wanted is None else torn.get(wanted, "")
    details: dict[str, Any] = {
        "claim": SAID if why else DOCUMENT, "notice_days": contract.exit_notice_days if contract else None,
        "deletion_days": contract.deletion_days if contract else None, **({"differs": why} if why else {}),
    }
    sheet.fact("exit_plan_present", not why, n=1, how="named, and there with its digest", details=details)


def sub_processors(vendor: Vendor, torn: Mapping[str, str], sheet: Sheet) -> None:
    """Count the sub-processors in no country or in one that the vendor did not declare for our data."""
    if vendor.sub_processors is None:
        said = f"{sheet.file} does not say whether {vendor.id} has sub-processors; an empty list says that there is none."
        sheet.refuse("sub_processors_undeclared_country", "insufficient", said)
        return
    countries = set(vendor.data.countries) if vendor.data is not None else set()
    bad = [one for one in vendor.sub_processors if one.country is None or one.country not in countries]
    details = {
        "claim": _claim(vendor.data, torn), "countries": sorted(countries), "named": [one.name[:80] for one in bad][:20],
        "without_purpose": sum(not one.purpose for one in vendor.sub_processors),
        **({"differs": f"Not in a declared country: {', '.join(one.name[:80] for one in bad[:3])}."} if bad else {}),
    }
    sheet.put(
        "sub_processors_undeclared_country", len(bad), n=len(vendor.sub_processors), how="count against the declared countries",
        details=details,
    )


def clauses(subject: Subject, vendor: Vendor, torn: Mapping[str, str], sheet: Sheet) -> None:
    """Count the security clauses that are missing, and write down whether the vendor trains on our data."""
    contract, data, security = vendor.contract or Contract(), vendor.data or Data(), vendor.security or Security()
    tested = security.last_pen_test
    tested = tested if tested is None or tested <= subject.day else None  # one to come is none
    wanted = {
        "security.breach_notice_hours": security.breach_notice_hours, "security.last_pen_test": tested,
        "contract.deletion_days": contract.deletion_days, "contract.exit_notice_days": contract.exit_notice_days,
        "data.countries": data.countries or None, "data.trains_on_our_data": data.trains_on_our_data,
    }
    missing = [name for name, value in wanted.items() if value is None]
    details: dict[str, Any] = {
        "claim": {part: _claim(getattr(vendor, part), torn) for part in ("contract", "data", "security")}, "missing": missing,
        **({"differs": f"Not said: {', '.join(missing)}."} if missing else {}),
        "pen_test_age_days": (subject.day - tested).days if tested is not None else None,
    }
    sheet.put("security_clauses_missing", len(missing), n=len(wanted), how="count of those that are not said", details=details)
    if data.trains_on_our_data is None:
        sheet.refuse("trains_on_our_data", "insufficient", f"{sheet.file} does not say whether {vendor.id} trains on our data.")
        return
    said = {"claim": _claim(vendor.data, torn)}
    sheet.fact("trains_on_our_data", data.trains_on_our_data, n=1, how="as declared", details=said)


def review(subject: Subject, vendor: Vendor, sheet: Sheet) -> None:
    """Write down how many days the review of the vendor is overdue."""
    if vendor.review is None:
        sheet.refuse("review_days_overdue", "insufficient", f"{sheet.file} names no review of {vendor.id}.")
        return
    last, every = vendor.review.last, vendor.review.every_days
    if last > subject.day:
        said = f"The newest review of {vendor.id} is of {last}, after the day judged; when the one before was is not known."
        sheet.refuse("review_days_overdue", "insufficient", said)
        return
    late = max(0, (subject.day - last).days - every)
    details = {"claim": SAID, "last": last.isoformat(), "every_days": every, "by": vendor.review.by}
    sheet.put("review_days_overdue", late, n=1, how="days since the last review beyond those agreed", details=details)


def _claim(part: Contract | Data | Security | None, torn: Mapping[str, str]) -> str:
    """Return whose word it is: a document's only where that document is there with its digest."""
    if part is None or part.claim != "document" or part.document is None or part.document in torn:
        return SAID
    return DOCUMENT
