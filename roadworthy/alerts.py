"""Who is told what: alerts to the role concerned, through Apprise.

An alert never holds up a stop and never fails a night: what could not be delivered is returned and recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from roadworthy.errors import RoadworthyError
from roadworthy.finding import Verdict
from roadworthy.workspace import Settings

ROLES = ("owner", "guardian", "operator")

#: Who acts on which verdict of a night. Nobody is woken for what needs nobody.
CONCERNED: dict[str, tuple[str, ...]] = {
    "stop": ROLES,
    "breach": ("owner", "guardian"),
    "undecided": ("operator",),
    "watch": ("owner",),
    "clear": (),
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to one role."""

    role: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an alert: ``sent``, ``no channel`` or ``failed``."""

    role: str
    outcome: str
    reason: str = ""


def alerts_for(
    model: str, title: str, verdict: Verdict, day: str, link: str, stopped: str, plain: str = "", unreached: Sequence[str] = ()
) -> list[Alert]:
    """Write the messages of one model's night: the plain sentence, the link, the command.

    Parameters
    ----------
    model : str
        ``model@version``.
    title : str
    verdict : Verdict
    day : str
    link : str
        To the card.
    stopped : str
        What this night made the model, ``disabled`` or ``degraded``; empty if it changed nothing.
    plain : str
    unreached : sequence of str
        A sentence for each place that could not be told of the stop.
    """
    done = {"": "must come off the road", "degraded": "answers by its fallback only"}.get(stopped, "taken off the road")
    head = {
        "stop": done,
        "breach": "breaks a rule",
        "undecided": "could not be judged",
        "watch": "needs an eye",
    }.get(verdict.word, verdict.word)
    command = {
        "stop": f"roadworthy switch status {model}",
        "undecided": f"roadworthy nightly --date {day} --model {model.partition('@')[0]}",
    }.get(verdict.word, "")
    missed = [f"NOT REACHED, stop it there by hand: {sentence}" for sentence in unreached]
    lines = [plain, verdict.reason, *missed, f"Card: {link}" if link else "", f"Command: {command}" if command else ""]
    body = "\n".join(line for line in lines if line)
    return [Alert(role, f"{title} ({model}) {head}, night of {day}", body) for role in CONCERNED[verdict.word]]


def deliver(alerts: Iterable[Alert], settings: Settings, resolve: Callable[[str], str]) -> list[Delivery]:
    """Send each alert to every address of its role.

    Parameters
    ----------
    alerts : iterable of Alert
    settings : Settings
        Holds references to addresses, by role.
    resolve : callable
        Turns a reference into an Apprise URL; see `roadworthy.secrets.resolve`.

    Returns
    -------
    list of Delivery
        One for each alert and address; a role without any address gives one ``no channel``.
    """
    found: list[Delivery] = []
    for alert in alerts:
        references = getattr(settings.alerts, alert.role)
        if not references:
            found.append(Delivery(alert.role, "no channel", f"roadworthy.yaml names no address under alerts.{alert.role}."))
        found += [_send(alert, reference, resolve) for reference in references]
    return found


def _send(alert: Alert, reference: str, resolve: Callable[[str], str]) -> Delivery:
    import apprise

    # Apprise logs whole addresses, and urllib3 their paths, which hold the token. What became of the message is returned.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(max(logging.INFO, logging.getLogger("urllib3").level))
    try:
        channel = apprise.Apprise()
        if not channel.add(resolve(reference)):
            return Delivery(alert.role, "failed", f"What {reference} points at is not an Apprise address.")
        sent = channel.notify(title=alert.title, body=alert.body)
    except RoadworthyError as problem:
        return Delivery(alert.role, "failed", str(problem))
    except Exception as problem:  # noqa: BLE001 - a plug-in's own error ends no night; its text may hold the address
        return Delivery(alert.role, "failed", f"The channel behind {reference} broke ({type(problem).__name__}).")
    if sent:
        return Delivery(alert.role, "sent")
    return Delivery(alert.role, "failed", f"The channel behind {reference} did not accept the message.")
