"""A workspace: a folder with ``roadworthy.yaml``, models, policies and people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from roadworthy.documents import Document, Strict, load
from roadworthy.errors import DocumentError, UsageError, WorkspaceError
from roadworthy.ledger.database import within
from roadworthy.naming import Privacy
from roadworthy.passport import Name, Passport, read_passport
from roadworthy.people import People
from roadworthy.policy import Policy, read_policy
from roadworthy.secrets import is_reference

FILE = "roadworthy.yaml"
_LOCAL = ("127.0.0.1", "::1", "localhost")
_NAME_ONE = "Name one with --workspace, or make one with 'roadworthy init DIR'."


class Alerts(Strict):
    """Where each role is told, as references to secrets: env:NAME, file:PATH or prefect:BLOCK."""

    owner: list[str] = Field(default_factory=list, description="Addresses of the Owners.")
    guardian: list[str] = Field(default_factory=list, description="Addresses of the Guardians.")
    operator: list[str] = Field(default_factory=list, description="Addresses of the Operators.")

    @field_validator("owner", "guardian", "operator")
    @classmethod
    def _references(cls, urls: list[str]) -> list[str]:
        for url in urls:
            if not is_reference(url):
                raise ValueError("an alert address is a secret; write a reference to it: env:NAME, file:PATH or prefect:BLOCK.")
        return urls


class SwitchSettings(Strict):
    """The switch's services, and the model that drills stop."""

    services: list[str] = Field(
        default_factory=list, description="Addresses of `roadworthy switch serve`, such as https://switch.example.org:8787. A "
        "stop is sent to each after it holds here.",
    )
    token: str | None = Field(
        default=None,
        description="Reference to the token of a service of kind 'automation': env:NAME, file:PATH or prefect:BLOCK.",
    )
    canary: Name = Field(default="zz-canary", description="Name of the model that drills put in service and stop; no real one.")

    @field_validator("services")
    @classmethod
    def _addresses(cls, urls: list[str]) -> list[str]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
                raise ValueError("this is not the address of a service; write https://HOST:PORT, without a token in it.")
            if parts.scheme == "http" and parts.hostname not in _LOCAL:
                raise ValueError(f"{parts.hostname[:80]} would get the token in the clear; use https:// beyond this machine.")
        return [url.rstrip("/") for url in urls]

    @field_validator("token")
    @classmethod
    def _reference(cls, value: str | None) -> str | None:
        if value is not None and not is_reference(value):
            raise ValueError("a token is a secret; write a reference to it: env:NAME, file:PATH or prefect:BLOCK.")
        return value

    @model_validator(mode="after")
    def _can_call(self) -> SwitchSettings:
        if self.services and self.token is None:
            raise ValueError("'services' need a 'token'; make one with 'roadworthy switch token' and write a reference to it.")
        return self


class Settings(Strict):
    """``roadworthy.yaml``."""

    schema_version: Literal[1] = Field(description="Always 1.")
    name: str = Field(description="The name that people read.")
    time_zone: str = Field(description="Where a day begins and ends, such as Europe/Berlin.")
    due_by: str = Field(
        default="06:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="Local time by which a day's batch is due.",
    )
    evidence_url: str = Field(default=".roadworthy/evidence", description="Folder or fsspec URL of the evidence bundles.")
    state_url: str = Field(
        default="sqlite:///.roadworthy/state.sqlite",
        description="Database of ledger and switch: sqlite:///PATH, or postgresql://USER@HOST/DATABASE (docs/postgresql.md).",
    )
    stop_targets: list[str] = Field(default_factory=list, description="More folders that get a STOP file.")
    alerts: Alerts = Alerts()
    switch: SwitchSettings = SwitchSettings()
    mlflow_url: str | None = Field(
        default=None, description="Tracking address of an MLflow registry. After a stop the alias `champion` goes back to the "
        "last good version; passports name theirs under `extensions`: mlflow.model and mlflow.version. Needs the extra `mlflow`.",
    )
    card_url: str | None = Field(default=None, description="Where pages are served; links in alerts and Prefect use it.")
    clock: Literal["wall", "replay"] = Field(
        default="wall", description="'replay': the days are replayed; the newest night asked for counts as the latest due.",
    )
    note: str = Field(default="", description="Printed on every page, such as 'Demo workspace; days are replayed'.")
    probe_endpoints: list[str] = Field(
        default_factory=list, description="Hosts, such as scores.example.org or 10.0.0.7:8443, that may be asked at a passport's "
        "`inference_url`. Empty: no endpoint is asked.",
    )
    privacy: Privacy = Privacy()
    dask: str | None = Field(
        default=None, pattern=r"^(tcp|tls)://[^\s/@]+:\d+$",
        description="Scheduler of a Dask cluster that counts large tables, such as tls://scheduler:8786; it is trusted like this "
        "machine. Without one, everything is counted here.",
    )

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones, or a very long one
            raise ValueError(f"there is no time zone '{name[:60]}'; write a name such as Europe/Berlin.") from None
        return name


@dataclass(frozen=True)
class Workspace:
    """A workspace on disk. Nothing is read before it is asked for."""

    root: Path
    settings: Settings

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open the workspace at `root`."""
        try:
            root = root.resolve()
            there = (root / FILE).is_file()
        except (OSError, RuntimeError):  # a link to itself, a name too long
            there = False
        if not there:
            raise UsageError(f"{root} is not a workspace: it has no {FILE}.", _NAME_ONE)
        return cls(root, load(root / FILE, Settings, FILE))

    @classmethod
    def find(cls, named: str | None, here: Path | None = None) -> Workspace:
        """Open the workspace that is named, or set in ROADWORTHY_WORKSPACE, or the nearest folder upward."""
        chosen = named or os.environ.get("ROADWORTHY_WORKSPACE")
        if chosen:
            return cls.open(Path(chosen))
        start = (here or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                return cls.open(folder)
        raise UsageError("No workspace here or in any folder above.", _NAME_ONE)

    @property
    def made(self) -> Path:
        """The folder of what runs make: ``.roadworthy``."""
        return self.root / ".roadworthy"

    @property
    def restricted(self) -> Path:
        """The folder of what holds rows, such as drill-downs: for few eyes, and free to be erased."""
        return self.made / "restricted"

    @property
    def evidence(self) -> Path:
        """The folder of the evidence bundles."""
        url = self.settings.evidence_url.removeprefix("file://")
        if "://" in url:
            raise WorkspaceError(
                f"{FILE}: evidence_url '{url}' is object storage, which this version cannot write yet.", "Use a folder."
            )
        return self.root / url

    @property
    def state_url(self) -> str:
        """The database of ledger and switch; a relative path in it is inside the workspace."""
        return within(self.settings.state_url, self.root)

    def people(self) -> People:
        """Return who may do what."""
        return load(self.root / "people.yaml", People, "people.yaml")

    def passports(self) -> dict[str, Path]:
        """Return the path of every passport, by ``model@version``."""
        found = sorted((self.root / "models").glob("*/*.yaml"))
        return {f"{p.parent.name}@{p.stem}": p for p in found if not p.name.startswith(".") and not p.parent.name.startswith(".")}

    def passport(self, identity: str) -> Passport:
        """Read the passport of ``model@version`` and check it against people and files."""
        return self._read(identity)[0]

    def _read(self, identity: str) -> tuple[Passport, Document]:
        known = self.passports()
        if identity not in known:
            raise UsageError(
                f"There is no model version '{identity}' in {self.root / 'models'}.",
                f"Known: {', '.join(known) or 'none'}.",
            )
        path = known[identity]
        passport, document = read_passport(path, str(path.relative_to(self.root)))
        people = self.people()
        problems = []
        for role in ("owner", "guardian", "operator", "deputy"):
            who = getattr(passport.roles, role)
            if who is None:
                continue
            person = people.find(who)
            if person is None:
                problems.append(
                    f"{document.at(('roles', role))}: names '{who}' as {role}, who is not in people.yaml. "
                    "Add the person or name another."
                )
            elif role != "deputy" and role not in person.roles:
                problems.append(
                    f"{document.at(('roles', role))}: names '{who}' as {role}, "
                    f"but people.yaml gives {person.name} only: {', '.join(person.roles)}."
                )
        if problems:
            raise DocumentError(problems)
        return passport, document

    def policy_path(self, name: str) -> Path:
        """Return the file of the policy `name`."""
        return self.root / "policies" / f"{name}.yaml"

    def policy(self, name: str) -> Policy:
        """Read the policy `name`."""
        return read_policy(self.policy_path(name), f"policies/{name}.yaml")
