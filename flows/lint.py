"""``roadworthy passport lint``: everything that is wrong with the passports of a workspace, at once.

Each mistake is one sentence with file and line. One broken passport hides no other, and one mistake in a passport hides
no other unless it stops the file from being read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from roadworthy.canonical import digest_file
from roadworthy.documents import Document, Where, read_document
from roadworthy.errors import DocumentError, RoadworthyError, UsageError
from roadworthy.passport import Passport, Windows, read_passport
from roadworthy.people_lock import difference
from roadworthy.people_lock import read as read_lock
from roadworthy.vendors import read_vendors
from roadworthy.window import files_of, newest_day
from roadworthy.workspace import FILE, Workspace

UNSAFE = ("pickle", "joblib")
_TO_FILL = re.compile(r"FILL IN:\s*(.*)")
_ANY_DAY = date(2000, 1, 1)  # for a model that has no batch yet: nothing is looked for on it


def chosen(workspace: Workspace, model: str | None) -> list[str]:
    """Return the model versions that `model` means: all, those of one model, or one ``model@version``.

    Raises
    ------
    UsageError
        If there is none.
    """
    known = list(workspace.passports())
    if model is None:
        return known
    found = [identity for identity in known if model in (identity, identity.partition("@")[0])]
    if not found:
        raise UsageError(f"There is no model '{model}' in {workspace.root / 'models'}.", f"Known: {', '.join(known) or 'none'}.")
    return found


def check(workspace: Workspace, model: str | None = None) -> list[str]:
    """Return what is wrong, a sentence each, in the order of the files; nothing if all is well.

    Parameters
    ----------
    workspace : Workspace
    model : str, optional
        Only this model, or this ``model@version``; by default every passport, and every waiver.
    """
    identities = chosen(workspace, model)
    found: dict[str, None] = dict.fromkeys(_to_fill(workspace.root / FILE, FILE))
    found.update(dict.fromkeys(_people(workspace)))
    if not identities:
        found["models: holds no passport yet. Write models/<model>/<version>.yaml; docs/files.md names its keys."] = None
    readable: list[Passport] = []
    for identity in identities:
        found.update(dict.fromkeys(_passport(workspace, identity, readable)))
    found.update(dict.fromkeys(_waivers(workspace, readable, everything=model is None)))
    return list(found)


def _people(workspace: Workspace) -> Iterator[str]:
    yield from _to_fill(workspace.root / "people.yaml", "people.yaml")
    try:
        people, lock = workspace.people(), read_lock(workspace.root)
    except DocumentError as wrong:
        yield from wrong.problems
    except RoadworthyError as wrong:
        yield str(wrong)
    else:
        for who in difference(lock, people) if lock.versions else ():
            yield (f"people.yaml: the entry of '{who}' is not what the last version of people.lock says. "
                   "A Guardian signs it in with 'roadworthy people sign'.")


def _passport(workspace: Workspace, identity: str, readable: list[Passport]) -> Iterator[str]:
    path = workspace.passports()[identity]
    shown = str(path.relative_to(workspace.root))
    places = list(_to_fill(path, shown))
    yield from places
    try:
        passport, document = read_passport(path, shown)
    except DocumentError as wrong:
        yield from wrong.problems
        return
    readable.append(passport)
    parts = [_roles, _policy, _vendor, _suite, _artifact, _recipe, _telemetry, _retention]
    for part in parts if places else [*parts, _data]:  # data cannot agree with names that are still to be filled in
        try:
            yield from part(workspace, passport, document)
        except DocumentError as wrong:
            yield from wrong.problems


def _to_fill(path: Path, shown: str) -> Iterator[str]:
    """Yield the lines that `roadworthy init` left to be filled in, also those of a file that cannot be read as YAML."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return  # whoever reads the file for its content says so
    for number, line in enumerate(lines, start=1):
        if (found := _TO_FILL.search(line)) and not line.lstrip().startswith("#"):
            wanted = found[1].strip(" .\"'")
            yield f"{shown}:{number}: still to be filled in: {wanted}."


def _roles(workspace: Workspace, passport: Passport, document: Document) -> Iterable[str]:
    workspace.passport(passport.id)
    return ()


def _policy(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    name = passport.policy_name
    place = document.at(("policy",) if passport.policy else ("risk_tier",))
    if not workspace.policy_path(name).is_file():
        known = sorted(p.stem for p in (workspace.root / "policies").glob("*.yaml"))
        yield f"{place}: the policy '{name}' is missing: there is no policies/{name}.yaml. Known: {', '.join(known) or 'none'}."
        return
    policy = workspace.policy(name)
    for when, words in (("nightly", "at night"), ("gate", "at the gate")):
        if not policy.rules_for(passport.risk_tier, passport.task.kind, "nightly" if when == "nightly" else "gate"):
            yield (f"{place}: no rule of policies/{name}.yaml speaks about a {passport.task.kind} model of tier "
                   f"{passport.risk_tier} {words}, so it cannot be judged.")


def _vendor(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    if passport.vendor is None:
        return
    place = document.at(("vendor",))
    try:
        register = read_vendors(workspace.root)
    except DocumentError as wrong:
        yield f"{place}: names the vendor '{passport.vendor}', but vendors.yaml cannot tell who that is."
        yield from wrong.problems
        return
    vendor = register.find(passport.vendor)
    if vendor is None:
        known = ", ".join(one.id for one in register.vendors) or "none"
        yield f"{place}: names the vendor '{passport.vendor}', who is not in vendors.yaml. Known: {known}."
        return
    if vendor.supplies and passport.model not in vendor.supplies:
        yield f"{place}: names the vendor '{vendor.id}', who in vendors.yaml supplies only: {', '.join(vendor.supplies)}."
    from checks.vendor.papers import torn_because

    written, index = read_document(workspace.root / "vendors.yaml", "vendors.yaml"), register.vendors.index(vendor)
    for number, paper in enumerate(vendor.documents):
        if why := torn_because(workspace.root, paper):
            there = written.at(("vendors", index, "documents", number, "path"))
            yield f"{there}: the document '{paper.id}' is not in order. {why}"


def _suite(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    if passport.suite is None:
        return
    from checks.data_quality import read_suite

    found = _files(workspace, passport.suite, document, ("suite",))
    if not found:
        yield f"{document.at(('suite',))}: no file is at '{passport.suite}'. Put the suite there or change the path."
        return
    yield from _to_fill(found[0], passport.suite)
    read_suite(found[0], passport.suite, passport.suite_engine)


def _artifact(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    artifact = passport.artifact
    if artifact is None:
        return
    if artifact.format in UNSAFE and passport.risk_tier == "high":
        yield (f"{document.at(('artifact', 'format'))}: a {artifact.format} file can run code when it is loaded, "
               "which fails the gate of a high-risk model. Save the model as skops, onnx or another format that holds only data.")
    place = document.at(("artifact", "path"))
    found = _files(workspace, artifact.path, document, ("artifact", "path"))
    if len(found) != 1:
        several = f"{len(found)} files are" if found else "no file is"
        yield f"{place}: {several} at '{artifact.path}', but the artifact is one file. Put it there or change the path."
        return
    try:
        digest = digest_file(found[0])
    except OSError as problem:
        yield f"{place}: '{artifact.path}' cannot be read ({problem.strerror}). Check its permissions."
        return
    if digest != artifact.sha256:
        yield (f"{document.at(('artifact', 'sha256'))}: the file '{artifact.path}' has digest {digest}, not the declared one. "
               "A changed model is a new version; for this one, put the declared file back.")


def _recipe(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    """Yield each file of the recipe that is missing or is not the recorded one: what cannot be made again tonight."""
    recipe = passport.recipe
    if recipe is None:
        return
    named: list[tuple[Where, str, str | None]] = [
        (("recipe", part, name), name, digest)
        for part, files in (("data", recipe.data), ("code", recipe.code)) for name, digest in files.items()
    ]
    single = {"lock": (recipe.lock, recipe.lock_sha256), "record": (recipe.record, recipe.record_sha256),
              "frozen": (recipe.frozen, None)}
    named += [(("recipe", key), name, digest) for key, (name, digest) in single.items() if name is not None]
    for where, name, digest in named:
        place, path = document.at(where), workspace.root / name
        try:
            found = digest_file(path) if path.is_file() else None
        except OSError as problem:
            yield f"{place}: '{name}' cannot be read ({problem.strerror}). Check its permissions."
            continue
        if found is None:
            yield f"{place}: no file is at '{name}', which the recipe names. Put it there or change the path."
        elif digest is not None and found != digest:
            yield (f"{place}: the file '{name}' has digest {found}, not the recorded one. "
                   "A changed recipe is a new version; for this one, put the recorded file back.")


def _telemetry(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    where = ("telemetry", "path")
    if passport.telemetry is not None and not _files(workspace, passport.telemetry.path, document, where):
        yield f"{document.at(where)}: no file is at '{passport.telemetry.path}'. Put it there or change the path."


def _retention(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    people = passport.protected or passport.identifiers or passport.quasi_identifiers
    if passport.risk_tier == "high" and passport.retention is None and people:
        yield (f"{document.at(('risk_tier',))}: the data of a high-risk model tell of people, and nothing says how long a "
               "day's rows may be kept. Write 'retention: {days: ..., because: ...}'.")


def _data(workspace: Workspace, passport: Passport, document: Document) -> Iterator[str]:
    from checks.declared import disagreements
    from checks.subject import open_subject

    _files(workspace, passport.reference.path, document, ("reference", "path"))
    _files(workspace, passport.batches.path, document, ("batches", "path"))
    day = newest_day(workspace.root, passport.batches.path, date.max) or _ANY_DAY
    one_day = passport.model_copy(update={"windows": Windows(drift=1, performance=1, fairness=1)})
    with open_subject(workspace.root, one_day, day) as subject:
        for one in disagreements(subject):
            yield f"{document.at(one.where)}: {one.says}"


def _files(workspace: Workspace, path: str, document: Document, where: Where) -> list[Path]:
    """Return the files of a declared path; a path that leaves the workspace is a mistake with a place."""
    try:
        return files_of(workspace.root, path)
    except DocumentError as wrong:
        raise DocumentError([f"{document.at(where)}: {wrong}"]) from None


def _waivers(workspace: Workspace, passports: list[Passport], *, everything: bool) -> Iterator[str]:
    """Yield what keeps a waiver from being honoured on any day; that it has expired is no mistake."""
    from roadworthy.waivers import load_waivers, read_waiver

    for path in sorted((workspace.root / "waivers").glob("*.yaml")):
        shown = f"waivers/{path.name}"
        try:
            waiver = read_waiver(path, shown)
        except DocumentError as wrong:
            yield from wrong.problems
            continue
        document = read_document(path, shown)
        about = [p for p in passports if p.model == waiver.model and waiver.version in (None, p.version)]
        wanted = f"{waiver.model}@{waiver.version}" if waiver.version else waiver.model
        known = workspace.passports()
        if everything and wanted not in known and wanted not in {identity.partition("@")[0] for identity in known}:
            yield f"{document.at(('model',))}: there is no passport of '{wanted}'. Known: {', '.join(known) or 'none'}."
        for passport in about:
            yield from _rule(workspace, passport, document, waiver.rule)
            mine = [w for w in load_waivers(workspace, passport, waiver.expires) if w.id == waiver.id]
            place = document.at(("granted_by",))
            yield from (f"{place}: the waiver is not honoured. {w.why_not}" for w in mine if not w.honoured)


def _rule(workspace: Workspace, passport: Passport, document: Document, rule: str) -> Iterator[str]:
    try:
        rules = [one.id for one in workspace.policy(passport.policy_name).rules]
    except DocumentError:
        return  # said where the passport names the policy
    if rule not in rules:
        yield f"{document.at(('rule',))}: policies/{passport.policy_name}.yaml has no rule '{rule}'."
