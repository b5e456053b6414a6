"""Formats that hold numbers and no program: safetensors, ONNX, JSON and text.

Each is read from its first byte to its last. In a file of safetensors the tensors lie side by side without a gap; ONNX may name
operators of its own and files beside it, which are both refused.

References
----------
.. [1] https://github.com/huggingface/safetensors#format
.. [2] https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import json
import pickletools
from collections.abc import Iterator
from typing import Any

from checks.auditor.ground import Bounds, Danger, shown

_DTYPES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4,
           "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8}
_MOST_HEADER = 100_000_000
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_RUNS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}


def audit_safetensors(content: bytes, bounds: Bounds) -> int:
    """Look through a file of safetensors and return how many tensors it has.

    Raises
    ------
    Danger
        If it is not that, to the last byte.

    Examples
    --------
    >>> head = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    >>> audit_safetensors(len(head).to_bytes(8, "little") + head + bytes(4), Bounds())
    1
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, _MOST_HEADER):
        raise Danger("It is no file of safetensors.")
    header = _json(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise Danger("It is no file of safetensors.")
    spans: list[tuple[int, int]] = []
    for name, one in header.items():
        if name == "__metadata__":
            if not isinstance(one, dict) or not all(isinstance(value, str) for value in one.values()):
                raise Danger("Its metadata are not words.")
            continue
        spans.append(_span(name, one))
    if len(spans) > bounds.members:
        raise Danger("It holds more tensors than are looked at.")
    place = 0
    for first, last in sorted(spans):
        if first != place:
            raise Danger("Its tensors overlap or leave a gap.")
        place = last
    if place != len(content) - 8 - length:
        raise Danger("Other bytes follow its tensors.")
    return len(spans)


def _span(name: str, one: Any) -> tuple[int, int]:
    fits = isinstance(one, dict) and set(one) == {"dtype", "shape", "data_offsets"} and isinstance(one["dtype"], str)
    size = _DTYPES.get(one["dtype"]) if fits else None
    if size is None or not all(_counts(one[key]) for key in ("shape", "data_offsets")) or len(one["data_offsets"]) != 2:
        raise Danger(f"Its tensor {shown(name)} is described in an unusual way.")
    for extent in one["shape"]:
        size *= extent
        if size > 1 << 62:
            raise Danger(f"Its tensor {shown(name)} is larger than any memory.")
    first, last = one["data_offsets"]
    if last - first != size:
        raise Danger(f"Its tensor {shown(name)} has other bytes than its shape needs.")
    return first, last


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise Danger("It cannot be read as JSON.") from problem


def audit_json(content: bytes, bounds: Bounds) -> int:
    """Read a file as JSON and return its size.

    Raises
    ------
    Danger
        If it is not that.
    """
    if len(content) > bounds.content:
        raise Danger("It is larger than is looked at.")
    _json(content)
    return len(content)


def audit_text(content: bytes, bounds: Bounds) -> int:
    """Read a file as text and return its size; a pickle of the oldest protocol is text as well, and refused.

    Raises
    ------
    Danger
        If it is not text, or one that a reader of pickles would run.
    """
    if len(content) > bounds.content:
        raise Danger("It is larger than is looked at.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Danger("It is not text.") from problem
    if "\0" in text or _would_run(content):
        raise Danger("It is not text, but something that a reader of pickles would run.")
    return len(content)


def _would_run(content: bytes) -> bool:
    names: set[str] = set()
    try:
        for opcode, _, _ in pickletools.genops(content):
            names.add(opcode.name)
    except ValueError:
        return False  # a word or number where an opcode had to be
    return bool(names & _RUNS)


def audit_onnx(content: bytes, bounds: Bounds) -> int:
    """Look through a file of ONNX and return how many operators it uses.

    Raises
    ------
    Danger
        If it is not that, uses operators outside of the standard's own domains, or data outside of the file.
    """
    nodes = 0
    left: list[tuple[str, memoryview]] = [("model", memoryview(content))]
    seen: set[int] = set()
    while left:
        kind, message = left.pop()
        domain = ""
        for number, value in _fields(message):
            if kind == "model":
                seen.add(number)
            inner = _INNER.get((kind, number))
            if inner is not None and isinstance(value, memoryview):
                left.append((inner, value))
            if (kind, number) in (("node", 7), ("opset", 1), ("function", 10)) and isinstance(value, memoryview):
                domain = bytes(value).decode("utf-8", errors="replace")
            if kind == "tensor" and (number == 13 or (number == 14 and value == 1)):
                raise Danger("It takes data from a file beside it.")
        nodes += kind == "node"
        if nodes > bounds.members * 10 or len(left) > bounds.steps:
            raise Danger("It uses more operators than are looked at.")
        if domain not in _DOMAINS:
            raise Danger(f"It uses operators of {shown(domain)}, which are not those of the standard.")
    if not {1, 7, 8} <= seen:
        raise Danger("It is no file of ONNX.")
    return nodes


_INNER = {
    ("model", 7): "graph", ("model", 8): "opset", ("model", 20): "training", ("model", 25): "function",
    ("training", 1): "graph", ("training", 2): "graph", ("function", 7): "node", ("function", 9): "opset",
    ("function", 11): "attribute", ("graph", 1): "node", ("graph", 5): "tensor", ("graph", 15): "sparse",
    ("sparse", 1): "tensor", ("sparse", 2): "tensor", ("node", 5): "attribute", ("attribute", 5): "tensor",
    ("attribute", 6): "graph", ("attribute", 10): "tensor", ("attribute", 11): "graph", ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
}


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a protobuf message."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if number == 0 or wire not in (0, 1, 2, 5):
            raise Danger("It is no file of ONNX.")
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(wire)
        if size is None:
            size, place = _varint(message, place)
        if place + size > len(message):
            raise Danger("It is no file of ONNX.")
        yield number, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise Danger("It is no file of ONNX.")
