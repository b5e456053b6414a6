"""Endpoint: whether the place where a model answers keeps strangers, floods and old encryption out, and obeys the switch.

Asked is the passport's `inference_url` and nothing else, only where the workspace allows its host, with few requests, and at the
moment of the inspection: these are facts of the wall's clock, not of the day judged, and each says when it was found.
"""

from __future__ import annotations

import ssl

from checks.endpoint import asking, tls
from checks.endpoint.address import Address, address_of
from checks.endpoint.line import Allowance, NoAnswerError, Place, SpentError, look_up
from checks.endpoint.sheet import FAMILY, Sheet
from checks.subject import Subject
from roadworthy.canonical import digest_file
from roadworthy.measurement import Measurement
from roadworthy.serving import WHOLE, Endpoint, Probing

__all__ = ["FAMILY", "measure"]


def measure(subject: Subject) -> list[Measurement]:
    """Measure every endpoint metric of the catalogue.

    Parameters
    ----------
    subject : checks.subject.Subject
        Its tables are not read, only `probing`, which says what may be asked and when.

    Returns
    -------
    list of Measurement
        Each metric once. All are ``not_applicable`` where there is no inference URL, its host is not allowed, or the night is of
        a past day; an ``error`` where nobody answers. No measurement holds anything that the server wrote.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tests.support import make_subject, passport_of
    >>> with TemporaryDirectory() as folder, make_subject(Path(folder), passport_of()) as subject:
    ...     measure(subject)[0].reason
    'The passport names no inference URL.'
    """
    url, probing = subject.passport.inference_url, subject.probing
    sheet = Sheet()
    if url is None:
        sheet.refuse_all("not_applicable", "The passport names no inference URL.")
        return sheet.found
    try:
        address = address_of(url)
    except ValueError as wrong:
        sheet.refuse_all("error", str(wrong))
        return sheet.found
    if probing is None or not address.among(probing.hosts):
        said = f"The workspace does not allow {address.shown} to be asked; 'probe_endpoints' in roadworthy.yaml allows it."
        sheet.refuse_all("not_applicable", said)
    elif probing.past:
        said = "An endpoint can only be asked now, and the night is of a day that is past."
        sheet.refuse_all("not_applicable", said)
    else:
        sheet.at = probing.now
        _ask(subject, probing, address, sheet)
    return sheet.found


def _ask(subject: Subject, probing: Probing, address: Address, sheet: Sheet) -> None:
    declared = subject.passport.endpoint or Endpoint()
    allowance = Allowance(declared.most_requests, probing.seconds)
    try:
        body = asking.body_of(subject.root, declared)
        places = look_up(address, allowance)
        spoken = tls.versions(address, places, allowance) if address.encrypted else tls.Spoken()
    except (NoAnswerError, SpentError) as problem:
        sheet.refuse_all("error", str(problem))
        return
    if address.encrypted and not spoken.of("accepted"):
        sheet.refuse_all("error", "It agreed to no version of TLS that could be offered.")
        return
    _version(address, spoken, sheet)
    checked = _certificate(subject, declared, address, places, allowance, spoken, probing, sheet)
    secret, missing = asking.secret_of(subject.root, declared, probing.environment)
    if declared.credentials is not None and checked is None and not missing:
        missing = "Its certificate does not hold or there is no TLS, so no credentials were sent there."
    unchecked = tls.offer(spoken.of("accepted")[-1]) if address.encrypted else None
    asker = asking.Asker(address, places, allowance, declared, body, unchecked, checked, secret, missing)
    stopped = probing.state in WHOLE
    without = asking.refuses_without_credentials(asker, stopped, sheet)
    asking.refuses_when_stopped(asker, probing.state, without, sheet)
    if stopped:
        sheet.refuse("limits_rate", "not_applicable", "The model is stopped, so there is no answer to limit.")
    else:
        asking.limits_rate(asker, sheet)


def _version(address: Address, spoken: tls.Spoken, sheet: Sheet) -> None:
    """Write down the lowest version that is accepted; where an older one could not be tried, nothing is claimed of it."""
    if not address.encrypted:
        sheet.put("tls_version", 0.0, n=1, how="scheme of the URL", details={"differs": "The inference URL is http: no TLS."})
        return
    accepted = spoken.of("accepted")
    details = {"said": spoken.said, "lowest": accepted[0], "best": accepted[-1]}
    open_ = [v for v in tls.VERSIONS if v < accepted[0] and spoken.said[v] in ("not offered", "unclear")]
    if open_:
        said = f"It accepts TLS {accepted[0]}; whether it accepts TLS {' and '.join(open_)} could not be tried from this machine."
        sheet.refuse("tls_version", "insufficient", said, details)
        return
    how = "lowest version accepted, each offered alone"
    sheet.put("tls_version", float(accepted[0]), n=len(spoken.said), how=how, details=details)


def _certificate(
    subject: Subject, declared: Endpoint, address: Address, places: list[Place], allowance: Allowance, spoken: tls.Spoken,
    probing: Probing, sheet: Sheet,
) -> ssl.SSLContext | None:
    """Write down whether the certificate holds and for how long; return the context that trusts it, None if it does not hold."""
    if not address.encrypted:
        sheet.refuse("certificate_days", "insufficient", "The inference URL is http, so there is no certificate.")
        sheet.put("certificate_valid", 0.0, n=1, how="scheme of the URL", details={"differs": "There is no certificate."})
        return None
    try:
        until = tls.expires(spoken.certificate)
    except ValueError:
        sheet.refuse("certificate_days", "error", "The certificate that it shows cannot be read.")
    else:
        days = (until - probing.now).days  # rounded down: -1 within the first day after it has expired
        said = {"expires": until.isoformat()}
        sheet.put("certificate_days", days, n=1, how="whole days until it expires, by the clock of the wall", details=said)
    ca = subject.root / declared.ca if declared.ca is not None else None
    try:
        if ca is not None:
            if not ca.resolve().is_relative_to(subject.root.resolve()):
                raise OSError  # a link that leads out of the workspace is as good as no file
            sheet.inputs = {"ca": digest_file(ca)}
        context = tls.trusted(ca, spoken)
    except (OSError, RuntimeError, ValueError):
        sheet.refuse("certificate_valid", "error", "The certificates to trust ('endpoint.ca') cannot be read.")
        return None
    try:
        why = tls.verified(address, places, allowance, context)
    except (NoAnswerError, SpentError) as problem:
        sheet.refuse("certificate_valid", "error", str(problem))
        return None
    details = {"trusted": "the declared file" if ca is not None else "the system's", **({"differs": why} if why else {})}
    sheet.put("certificate_valid", float(not why), n=1, how="chain and name, checked by OpenSSL", details=details)
    return None if why else context
