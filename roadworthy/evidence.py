"""The immutable bundle of a run, addressed by its digest.

A bundle is a folder ``model=<m>/version=<v>/date=<d>/run=<r>/`` of JSON files, one Parquet file of measurements and
attachments. ``MANIFEST`` lists the SHA-256 of each file in the form of ``sha256sum``, so an auditor can check a bundle with
``sha256sum -c MANIFEST``; the SHA-256 of the manifest is the address of the bundle.

A bundle is written under a temporary name, synced to disk and renamed, so it is there as a whole or not at all. It is never
written over. It holds aggregates, no rows.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from roadworthy.canonical import canonical_json, digest_bytes, plain
from roadworthy.errors import StorageError, TamperedError
from roadworthy.finding import Finding, Verdict
from roadworthy.measurement import Measurement

SCHEMA_VERSION = 1
MANIFEST = "MANIFEST"
ATTACHMENTS = "attachments"
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_JSON_COLUMNS = ("over", "stats", "inputs", "details")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bundle lies and what it is.

    Attributes
    ----------
    path : pathlib.Path
        The bundle's folder.
    sha256 : str
        Digest of its ``MANIFEST``: the address that ledger and pages name.
    relative : str
        `path` from the store's folder, with ``/``; this is what the ledger keeps, so a workspace can be moved.
    """

    path: Path
    sha256: str
    relative: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as it was read, every digest checked.

    Attributes
    ----------
    address : str
        SHA-256 of the manifest.
    path : pathlib.Path
    run, inputs, state : dict
        ``run.json``, ``inputs.json``, ``state.json``.
    measurements : list of Measurement
    findings : list of Finding
    verdict : Verdict
    judge_version : str
        The version of the judge that gave the verdict.
    attachments : tuple of str
        Names; `attachment` reads one.
    manifest : mapping of str to str
        SHA-256 of each file by its name.
    """

    address: str
    path: Path
    run: dict[str, Any]
    inputs: dict[str, Any]
    measurements: list[Measurement]
    findings: list[Finding]
    verdict: Verdict
    state: dict[str, Any]
    judge_version: str
    attachments: tuple[str, ...] = ()
    manifest: Mapping[str, str] = field(default_factory=dict)

    def attachment(self, name: str) -> bytes:
        """Return the bytes of an attachment, checked against the manifest again."""
        whole = f"{ATTACHMENTS}/{name}"
        listed = _parse_manifest(_read(self.path / MANIFEST, self.path), self.path)
        if whole not in listed:
            has = ", ".join(self.attachments) or "none"
            raise StorageError(f"The bundle {self.path} has no attachment '{name}'.", f"It has: {has}.")
        data = _read(self.path / whole, self.path)
        if digest_bytes(data) != listed[whole]:
            raise TamperedError(f"{self.path / whole} is not what was recorded.", "Run 'roadworthy verify'.")
        return data


class EvidenceStore:
    """The folder of all bundles.

    Parameters
    ----------
    folder : pathlib.Path
        Made when the first bundle is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def relative(self, model: str, version: str, day: date | str, run_id: str) -> str:
        """Return the place of a run's bundle inside the store."""
        day = date.fromisoformat(str(day)).isoformat()
        for name, value in (("model", model), ("version", version), ("run", run_id)):
            if not _PART.fullmatch(value):
                raise ValueError(f"{value!r} cannot be a {name} in the name of a folder")
        return f"model={model}/version={version}/date={day}/run={run_id}"

    def path_of(self, relative: str) -> Path:
        """Return the folder of a bundle from the place that the ledger names; it cannot lie outside the store."""
        parts = PurePosixPath(relative).parts
        fine = len(parts) == 4 and all(_PART.fullmatch(p.partition("=")[2]) for p in parts)
        if not fine or [p.partition("=")[0] for p in parts] != ["model", "version", "date", "run"]:
            raise StorageError(f"{relative!r} is not the place of a bundle.", "It reads model=../version=../date=../run=..")
        return self.folder.joinpath(*parts)

    def find(self, model: str, version: str, day: date | str, run_id: str) -> Path | None:
        """Return the folder of a run's bundle if it was written already; a night that resumes asks this first."""
        path = self.path_of(self.relative(model, version, day, run_id))
        return path if path.is_dir() else None

    def write(self, model: str, version: str, day: date | str, run_id: str, files: Mapping[str, bytes]) -> Address:
        """Write a bundle, durable and read-only, and return its address.

        Writing the same run with the same content again returns the same address.

        Parameters
        ----------
        model, version : str
        day : date or str
            The day judged, or its ISO form.
        run_id : str
            Letters, digits, ``.``, ``_``, ``+`` and ``-``.
        files : mapping
            Bytes by name; a name may have folders. See `bundle_files`.

        Raises
        ------
        StorageError
            If it cannot be written, or the run is there with other content. Nothing is changed then.
        ValueError
            If a name cannot be a file's name.
        """
        relative = self.relative(model, version, day, run_id)
        target = self.path_of(relative)
        for name in files:
            _check_name(name)
        manifest = "".join(f"{digest_bytes(files[name])}  {name}\n" for name in sorted(files)).encode()
        address = Address(target, digest_bytes(manifest), relative)
        if target.is_dir():
            return self._same(address)
        temporary = target.parent / f".{run_id[:60]}.{os.urandom(8).hex()}.tmp"
        try:
            temporary.mkdir(parents=True)
            _write_all(temporary, {**files, MANIFEST: manifest})
            temporary.rename(target)
            for folder in (target.parent, *target.parent.parents):
                _sync(folder)
                if folder == self.folder:
                    break
        except OSError as problem:
            shutil.rmtree(temporary, ignore_errors=True)
            if problem.errno in (errno.EEXIST, errno.ENOTEMPTY):  # another process was first
                return self._same(address)
            said = f"The evidence of {run_id} could not be written to {self.folder} ({problem.strerror})."
            raise StorageError(said, "Free space or make it writable.") from problem
        return address

    def _same(self, address: Address) -> Address:
        there = digest_bytes(_read(address.path / MANIFEST, address.path))
        if there != address.sha256:
            raise StorageError(
                f"The run {address.relative} is recorded already, with other content ({there[:12]}, not {address.sha256[:12]}).",
                "Evidence is never written over; use another run id.",
            )
        return address

    def bundles(self) -> Iterator[str]:
        """Yield the place of every bundle on disk, sorted; unfinished ones, whose names start with a dot, are left out."""
        for path in sorted(self.folder.glob("model=*/version=*/date=*/run=*")):
            if path.is_dir():
                yield path.relative_to(self.folder).as_posix()


def bundle_files(
    run: Mapping[str, Any],
    inputs: Mapping[str, Any],
    measurements: Sequence[Measurement],
    findings: Sequence[Finding],
    verdict: Verdict,
    state: Mapping[str, Any],
    attachments: Mapping[str, bytes] | None = None,
    *,
    judge_version: str = "1",
) -> dict[str, bytes]:
    """Return the files of a bundle, equal for equal values.

    Parameters
    ----------
    run : mapping
        Who, what, when, digests, tools, seed, timings.
    inputs : mapping
        Everything else the judge saw, by value or digest.
    measurements, findings, verdict
        In the order given.
    state : mapping
        What is carried forward to the next night.
    attachments : mapping, optional
        Bytes by name; aggregates only.
    judge_version : str
        Written beside the verdict.

    Raises
    ------
    ValueError
        If a value is not JSON, not finite or not text.
    """
    version = {"schema_version": SCHEMA_VERSION}
    files = {
        "run.json": _json({**version, **run}, "run"),
        "inputs.json": _json({**version, **inputs}, "inputs"),
        "measurements.parquet": measurements_parquet(measurements),
        "findings.json": _json({**version, "findings": [f.as_dict() for f in findings]}, "findings"),
        "verdict.json": _json({**version, **verdict.as_dict(), "judge_version": judge_version}, "verdict"),
        "state.json": _json({**version, **state}, "state"),
    }
    return files | {f"{ATTACHMENTS}/{name}": data for name, data in (attachments or {}).items()}


def measurements_parquet(measurements: Sequence[Measurement]) -> bytes:
    """Return measurements as Parquet; mappings are canonical JSON text, everything else a plain column."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = []
    for one in measurements:
        row = one.as_dict()
        for name in _JSON_COLUMNS:
            row[name] = canonical_json(plain(row[name], f"{one.metric}: {name}")).decode()
        rows.append(row)
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=_schema()), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def read_measurements(data: bytes) -> list[Measurement]:
    """Return the measurements of `measurements_parquet`'s bytes."""
    from pyarrow import parquet

    rows = parquet.read_table(io.BytesIO(data)).to_pylist()
    return [Measurement.from_dict({**row, **{name: json.loads(row[name]) for name in _JSON_COLUMNS}}) for row in rows]


def read_bundle(path: Path, expect: str | None = None) -> Bundle:
    """Read a bundle and check every digest on the way.

    Parameters
    ----------
    path : pathlib.Path
        The bundle's folder.
    expect : str, optional
        The address that the ledger names.

    Raises
    ------
    TamperedError
        Naming each file that is not what was recorded.
    StorageError
        If the bundle is not there, or was written by a newer version.
    """
    address, contents, problems = check_bundle(path, expect)
    if problems:
        raise TamperedError(" ".join(problems), "Run 'roadworthy verify'.")
    try:
        run, inputs, state = (json.loads(contents[f"{name}.json"]) for name in ("run", "inputs", "state"))
        if run["schema_version"] > SCHEMA_VERSION:
            raise StorageError(f"The bundle {path} was written by a newer version of Roadworthy.", "Update Roadworthy.")
        verdict = json.loads(contents["verdict.json"])
        judge_version = verdict.pop("judge_version")
        verdict.pop("schema_version")
        return Bundle(
            address, path, run, inputs,
            measurements=read_measurements(contents["measurements.parquet"]),
            findings=[Finding.from_dict(f) for f in json.loads(contents["findings.json"])["findings"]],
            verdict=Verdict.from_dict(verdict), state=state, judge_version=judge_version,
            attachments=tuple(n.removeprefix(f"{ATTACHMENTS}/") for n in sorted(contents) if n.startswith(f"{ATTACHMENTS}/")),
            manifest={name: digest_bytes(data) for name, data in contents.items()},
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise StorageError(
            f"The bundle {path} cannot be read as evidence ({problem}).", "Its digests are right, so it was written like this."
        ) from problem


def check_bundle(path: Path, expect: str | None = None) -> tuple[str, dict[str, bytes], list[str]]:
    """Read all files of a bundle; return its address, their bytes, and a sentence for each that is not as recorded."""
    manifest = _read(path / MANIFEST, path)
    address = digest_bytes(manifest)
    problems = []
    if expect is not None and address != expect:
        problems.append(f"{path / MANIFEST} has digest {address[:12]}..., but the ledger recorded {expect[:12]}...")
    try:
        listed = _parse_manifest(manifest, path)
    except TamperedError as problem:
        return address, {}, [*problems, problem.sentence]
    contents: dict[str, bytes] = {}
    for name, digest in listed.items():
        file = path / name
        if file.is_symlink() or not file.is_file():
            problems.append(f"{file} is missing.")
            continue
        contents[name] = _read(file, path)
        if digest_bytes(contents[name]) != digest:
            problems.append(f"{file} is not what was recorded: its digest differs from the manifest's.")
    there = {f.relative_to(path).as_posix() for f in path.rglob("*") if f.is_symlink() or not f.is_dir()}
    problems += [f"{path / name} was added: the manifest does not list it." for name in sorted(there - set(listed) - {MANIFEST})]
    return address, contents, problems


def _json(value: Any, where: str) -> bytes:
    # Indented, because people read evidence in an editor; sorted, because equal values must give equal bytes.
    return (json.dumps(plain(value, where), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _schema() -> Any:
    import pyarrow as pa

    number, text = pa.float64(), pa.string()
    return pa.schema([
        ("metric", text), ("over", text), ("value", number), ("low", number), ("high", number), ("confidence", number),
        ("p_value", number), ("n", pa.int64()), ("stats", text), ("method", text), ("inputs", text), ("status", text),
        ("reason", text), ("details", text),
    ])


def _check_name(name: str) -> None:
    parts = PurePosixPath(name).parts
    if name == MANIFEST or not 1 <= len(parts) <= 4 or "/".join(parts) != name or not all(_PART.fullmatch(p) for p in parts):
        raise ValueError(f"{name!r} cannot be the name of a file in a bundle")


def _parse_manifest(manifest: bytes, path: Path) -> dict[str, str]:
    listed: dict[str, str] = {}
    for line in manifest.decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line)
        try:
            if found is None:
                raise ValueError(line)
            _check_name(found[2])
        except ValueError:
            said = f"{path / MANIFEST} holds a line that is not a digest and a name."
            raise TamperedError(said, "Run 'roadworthy verify'.") from None
        listed[found[2]] = found[1]
    return listed


def _read(file: Path, bundle: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        if file.name == MANIFEST and not bundle.is_dir():
            raise StorageError(f"There is no bundle {bundle}.", "It was removed, or lies in another store.") from None
        raise TamperedError(f"{file} is missing.", "Run 'roadworthy verify'.") from None
    except OSError as problem:
        raise StorageError(f"{file} cannot be read ({problem.strerror}).", "Check disk and permissions.") from problem


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    folders = {folder}
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        folders.add(file.parent)
        with file.open("xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        file.chmod(0o444)
    for one in folders:
        _sync(one)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable; not every system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
