"""Look into the archive that a skops file is: its schema, and the arrays beside it.

skops makes nothing of a type that it does not know; that list is its own affair and is counted elsewhere. Here the archive itself
is looked at: that it is one archive and nothing before, behind or beside it, that every array in it is of plain numbers or words,
and that no type is named which belongs to the standard library or to a tool that runs what it is given, trusted or not.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from checks.auditor.ground import Bounds, Danger, shown

_SCHEMA = "schema.json"
_MODULE, _CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"), re.compile(r"[A-Za-z_]\w*")
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_HARMLESS = {
    "builtins": {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "NoneType", "set", "slice",
                 "str", "tuple"},
    "collections": {"OrderedDict", "defaultdict"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "uuid": {"UUID"},
    "zoneinfo": {"ZoneInfo"},
}
_BOUND = {("sklearn.utils.validation", "check_array")}
_TOOLS = {"cloudpickle", "dill", "distutils", "joblib", "jsonpickle", "numexpr", "pip", "pkg_resources", "setuptools", "torch"}
_CELL = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|S(\d+)|U(\d+)|V(\d+)|[mM]8(?:\[[\w/]{1,12}\])?)")


def audit_skops(content: bytes, bounds: Bounds) -> int:
    """Look through a file of skops and return how many values its schema has.

    Raises
    ------
    Danger
        At the first thing that may run, hides or cannot be read for certain.
    """
    members = read_members(content, bounds)
    if _SCHEMA not in members:
        raise Danger("It is an archive without a schema.json, so it is no file of skops.")
    try:
        schema = json.loads(members.pop(_SCHEMA))
    except (ValueError, RecursionError) as problem:
        raise Danger("Its schema.json cannot be read as JSON.") from problem
    if not isinstance(schema, dict) or type(schema.get("protocol")) is not int:
        raise Danger("Its schema.json is none of skops.")
    steps, files = 0, set[str]()
    for node in _nodes(schema):
        steps += 1
        if steps > bounds.steps:
            raise Danger(f"Its schema has more than {bounds.steps:,} values.")
        if isinstance(node, dict) and ("__class__" in node or "__module__" in node):
            if not _binds_what_is_known(node):
                _check_type(node.get("__module__"), node.get("__class__"))
            if isinstance(node.get("file"), str):
                files.add(node["file"])
    if extra := sorted(set(members) - files):
        raise Danger(f"The archive holds {shown(extra[0])}, of which its schema knows nothing.")
    if lacking := sorted(files - set(members)):
        raise Danger(f"The archive lacks {shown(lacking[0])}, which its schema names.")
    for name, data in members.items():
        _check_member(name, data, bounds)
    return steps


def read_members(content: bytes, bounds: Bounds) -> dict[str, bytes]:
    """Return the files of an archive by name.

    Raises
    ------
    Danger
        If it is none, too large, holds a name twice, or has bytes before its beginning or after its end.
    """
    end = content.rfind(b"PK\x05\x06")
    if not content.startswith(b"PK\x03\x04") or end < 0 or end + 22 != len(content):
        raise Danger("It is no archive from its first byte to its last.")
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > bounds.members or sum(entry.file_size for entry in entries) > bounds.content:
                raise Danger("The archive unpacks to more than is looked at.")
            if min((entry.header_offset for entry in entries), default=0) != 0:
                raise Danger("Other bytes stand before the archive.")
            for entry in entries:
                name = entry.filename
                if name in found or not name or name.startswith("/") or ".." in name.split("/") or "\\" in name:
                    raise Danger(f"The archive holds a file of the name {shown(name)} that cannot be told apart.")
                if entry.flag_bits & 0x1 or entry.compress_type not in _PACKED:
                    raise Danger(f"The file {shown(name)} of the archive is packed in a way that is not looked into here.")
                with archive.open(entry) as file:
                    found[name] = file.read(entry.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as problem:
        raise Danger("The archive is damaged.") from problem
    return found


def _nodes(value: Any) -> Iterator[Any]:
    left = [value]
    while left:
        one = left.pop()
        yield one
        left.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())


def _binds_what_is_known(node: dict[str, Any]) -> bool:
    """Say whether a node is a function with arguments of its own, and the function one that honest models bind.

    Trees of scikit-learn that read categories hold such a one. What skops makes of it is named by the inner node alone, which
    is looked at like every other.
    """
    content = node.get("content")
    func = content.get("func") if isinstance(content, dict) else None
    if (node.get("__module__"), node.get("__class__"), node.get("__loader__")) != ("functools", "partial", "PartialNode"):
        return False
    return isinstance(func, dict) and (func.get("__module__"), func.get("__class__")) in _BOUND


def _check_type(module: Any, name: Any) -> None:
    if not isinstance(module, str) or not isinstance(name, str) or not _MODULE.fullmatch(module) or not _CLASS.fullmatch(name):
        raise Danger("Its schema names a type in an unusual way.")
    top = module.partition(".")[0]
    harmless = name in _HARMLESS.get(module, ())
    if top in _TOOLS or (top in sys.stdlib_module_names and not harmless) or name.startswith("__"):
        raise Danger(f"Its schema names {shown(f'{module}.{name}')}, which no model is made of.")


def _check_member(name: str, data: bytes, bounds: Bounds) -> None:
    if name.endswith(".npy"):
        check_npy(name, data)
    elif name.endswith(".npz"):
        for inner, array in read_members(data, bounds).items():
            check_npy(inner, array)
    elif not name.endswith(".bin"):
        raise Danger(f"The archive holds {shown(name)}, a file of an unknown kind.")


def check_npy(name: str, data: bytes) -> None:
    """Refuse a file of one array that holds objects, or other bytes than its header says.

    Raises
    ------
    Danger

    Examples
    --------
    >>> check_npy("x.npy", b"nothing")
    Traceback (most recent call last):
    checks.auditor.ground.Danger: The file 'x.npy' is no array.
    """
    width = {1: 2, 2: 4, 3: 4}.get(data[6]) if len(data) > 12 and data.startswith(b"\x93NUMPY") else None
    if width is None:
        raise Danger(f"The file {shown(name)} is no array.")
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    if start > min(len(data), 1 << 17):
        raise Danger(f"The file {shown(name)} is no array.")
    try:
        header = ast.literal_eval(data[8 + width : start].decode("utf-8"))
        cell = _cell(header["descr"])
        shape = header["shape"]
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError) as problem:
        raise Danger(f"The array {shown(name)} holds objects, or its header cannot be read.") from problem
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise Danger(f"The array {shown(name)} has no shape.")
    for size in shape:
        cell *= size
        if cell > 1 << 62:
            raise Danger(f"The array {shown(name)} is larger than any memory.")
    if len(data) - start != cell:
        raise Danger(f"The array {shown(name)} has other bytes than its header says.")


def _cell(descr: Any) -> int:
    """Return the bytes of a cell; ValueError if it may hold objects or is not known."""
    if isinstance(descr, str):
        found = _CELL.fullmatch(descr)
        if found is None:
            raise ValueError("not plain")
        words, letters, blank = found.groups()
        if words or letters or blank:
            return int(words or blank or 0) if letters is None else 4 * int(letters)
        return int(re.sub(r"\D", "", descr.partition("[")[0]))
    if not isinstance(descr, list):
        raise ValueError("not plain")
    size = 0
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3) or not isinstance(field[1], str):
            raise ValueError("not plain")
        count = 1
        for extent in field[2] if len(field) == 3 else ():
            count *= int(extent)
        size += count * _cell(field[1])
    return size
