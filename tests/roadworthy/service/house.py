"""A workspace with people, keys, tokens and models in service, for tests of the switch's service."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from roadworthy.ledger import Ledger
from roadworthy.signing import public_of
from roadworthy.switch import served
from roadworthy.switch.service.principals import digest_of
from roadworthy.workspace import Workspace
from tests.roadworthy.records import add_version, make_workspace, write_yaml

ROLES = {"olga": "owner", "gustav": "guardian", "gerda": "guardian", "oscar": "operator", "adele": "auditor"}
KEYS = {who: Ed25519PrivateKey.from_private_bytes(who.encode().ljust(32)) for who in ROLES}
SERVICES = {"scoring": "serving", "nightly": "automation", "prometheus": "monitor"}
MODELS = (("credit", "1.0.0", "high", False), ("bikes", "2.0.0", "limited", True))


def token(who: str) -> str:
    """Return the token of a principal of the house."""
    return f"rw_{who}-{'x' * 40}"


def bearer(who: str, **more: str) -> dict[str, str]:
    """Return the headers with which a principal calls."""
    return {"Authorization": f"Bearer {token(who)}", **more}


def make_house(root: Path, **settings: Any) -> Workspace:
    """Make the workspace; credit is of tier high without a fallback, bikes of tier limited with one."""
    made = make_workspace(root, **settings)
    add_version(made.root, "credit", "1.0.0", risk_tier="high")
    people = [
        {
            "id": who,
            "name": who.capitalize(),
            "roles": [role],
            "public_key": public_of(KEYS[who]),
            "tokens": [digest_of(token(who))],
        }
        for who, role in ROLES.items()
    ]
    services = [{"id": who, "kind": kind, "tokens": [digest_of(token(who))]} for who, kind in SERVICES.items()]
    services.append(
        {"id": "scoring-bikes", "kind": "serving", "models": ["bikes"], "tokens": [digest_of(token("scoring-bikes"))]}
    )
    write_yaml(made.root / "people.yaml", {"schema_version": 1, "people": people, "services": services})
    put_in(made)
    return made


def put_in(workspace: Workspace, *versions: tuple[str, str, str, bool]) -> None:
    """Put versions in service as of now."""
    with Ledger.open(workspace.state_url) as ledger, ledger.transaction() as execute:
        served.put_in(execute, versions or MODELS, datetime.now(UTC))
