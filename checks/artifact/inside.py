"""The job inside: look at the artifact, at what skops would not make of it, and at its signature, all in the same bytes.

Nothing is loaded. The files are read once each, in a process that holds nothing, because their readers are not ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.artifact import seal
from checks.auditor import opinion_of
from roadworthy.canonical import digest_bytes, digest_file

if TYPE_CHECKING:
    import pyarrow as pa

_NAMED = 20


def main(
    order: dict[str, Any], tables: dict[str, pa.Table], files: dict[str, Path]
) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Return what was found.

    Parameters
    ----------
    order : dict
        ``format``, ``trusted``, ``pickle_trusted``; and where a signature is declared, ``signed``: by the path in the folder
        that is signed (``.`` for the artifact alone) which of the files lies there.
    tables : dict
        Not used.
    files : dict of str to pathlib.Path
        ``artifact``; ``signature`` and ``public_key``; and what else is signed.

    Returns
    -------
    values : dict
        ``opinion``; ``unknown``, the types that nobody trusts, or None where nobody asked; ``signature``: ``holds``, ``said``,
        ``key_sha256`` and ``library``, whether model-signing was asked too, or None if none is declared.
    tables : dict
        Empty.
    """
    content = files["artifact"].read_bytes()
    opinion = opinion_of(content, order["format"], also=order["pickle_trusted"])
    told: dict[str, Any] = {
        "sha256": digest_bytes(content),
        "opinion": {"found": opinion.found, "clean": opinion.clean, "said": opinion.said, "steps": opinion.steps},
        "unknown": _unknown(content, order["trusted"]) if order["format"] == "skops" and opinion.clean else None,
        "signature": _signature(order["signed"], files) if "signature" in files else None,
    }
    return told, {}


def _unknown(content: bytes, trusted: list[str]) -> dict[str, Any]:
    from skops.io import get_untrusted_types

    names = sorted(set(get_untrusted_types(data=content)).difference(trusted))
    return {"count": len(names), "named": [name[:200] for name in names[:_NAMED]]}


def _signature(signed: dict[str, str], files: dict[str, Path]) -> dict[str, Any]:
    digests = {name: digest_file(files[place]) for name, place in signed.items()}
    key = files["public_key"].read_bytes()
    told = {"key_sha256": digest_bytes(key)}
    try:
        seal.check(files["signature"].read_bytes(), key, digests)
        asked = seal.library_agrees(_laid_out(signed, files), files["signature"], files["public_key"])
    except seal.Broken as broken:
        return {**told, "holds": False, "said": str(broken), "library": None}
    return {**told, "holds": True, "said": "", "library": asked}


def _laid_out(signed: dict[str, str], files: dict[str, Path]) -> Path:
    """Return the file, or a folder in which each file has the name under which it was signed."""
    if set(signed) == {"."}:
        return files[signed["."]]
    folder = Path.cwd() / "signed"
    for name, place in signed.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[place].read_bytes())
    return folder
