"""Model files that run code, hide it, or lie about where it is. Each writes a marker if it is ever run."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import timeit
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import skops.io
from sklearn.linear_model import LinearRegression

PROTO, FRAME, STOP = b"\x80\x04", b"\x95", b"."


class Calls:
    """A value that calls something when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@dataclass(frozen=True)
class Bad:
    """A file, the format it is declared to be of, and whether joblib runs its payload when it is simply loaded."""

    kind: str
    made: Callable[[Path], bytes]
    runs: bool = True


def touch(marker: Path) -> str:
    return f"touch '{marker}'"


def runs(marker: Path) -> Calls:
    return Calls(os.system, touch(marker))


def with_joblib(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


def packed(packing: str) -> Callable[[Path], bytes]:
    return lambda marker: with_joblib([np.arange(50.0), runs(marker)], compress=(packing, 3))


def word(text: str) -> bytes:
    data = text.encode()
    return b"\x8c" + bytes([len(data)]) + data if len(data) < 256 else b"X" + struct.pack("<I", len(data)) + data


def call(module: str, name: str, *arguments: str) -> bytes:
    """Opcodes that call something by its name, which may have dots."""
    return word(module) + word(name) + b"\x93" + b"(" + b"".join(map(word, arguments)) + b"tR"


def code(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()"


def fields_of_objects(marker: Path) -> bytes:
    """An array of two fields of which one holds objects, and in it the payload."""
    array = np.empty(1, dtype=[("number", "f8"), ("anything", "O")])
    array[0] = (0.0, runs(marker))
    return with_joblib(array)


def objects(marker: Path) -> bytes:
    array = np.empty(2, dtype=object)
    array[1] = runs(marker)
    return with_joblib({"classes": array})


def hidden_in_an_array(marker: Path) -> bytes:
    """An array whose dtype says that its cells are wide, while its code says one byte: opcodes lie where bytes should."""
    honest = with_joblib(np.zeros(4, dtype="S1"))
    narrow, wide = b"\x4b\x01\x4b\x01\x4b\x00t", b"\x4b\x00\x4b\x01\x4b\x00t"
    return honest.replace(narrow, wide)[:-5] + call("os", "system", touch(marker)) + STOP


def in_two_frames(marker: Path) -> bytes:
    """A frame that ends in the middle of a word, so that readers with and without frames see different opcodes."""
    body = call("os", "system", touch(marker)) + STOP
    return PROTO + FRAME + struct.pack("<Q", 3) + body


def after_the_end(marker: Path) -> bytes:
    return pickle.dumps([1.0, 2.0]) + pickle.dumps(runs(marker))


def computed_name(marker: Path) -> bytes:
    """The name of what is called is what another call gave."""
    return PROTO + word("os") + call("builtins", "str", "system") + b"\x93" + b"(" + word(touch(marker)) + b"tR" + STOP


def attribute_of_a_class(marker: Path) -> bytes:
    """Sets an attribute of an honest class itself, one by one, past its dictionary."""
    named = word("sklearn.linear_model._base") + word("LinearRegression") + b"\x93"
    return PROTO + named + b"N}" + word("predict") + word(str(marker)) + b"s\x86b" + STOP


def honest_archive() -> bytes:
    return skops.io.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))


def rewritten(change: Callable[[dict[str, Any]], None], extra: dict[str, bytes] | None = None) -> bytes:
    """A file of skops with a changed schema and more files."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(honest_archive())) as old, zipfile.ZipFile(made, "w") as new:
        schema = json.loads(old.read("schema.json"))
        change(schema)
        for name in old.namelist():
            new.writestr(name, json.dumps(schema) if name == "schema.json" else old.read(name))
        for name, data in (extra or {}).items():
            new.writestr(name, data)
    return made.getvalue()


def names_the_system(marker: Path) -> bytes:
    content = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(touch(marker))}
    arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [content]}
    node = {"__class__": "system", "__module__": "os", "__loader__": "ConstructorFromReduceNode", "content": arguments}
    return rewritten(lambda schema: schema.update(node))


def binds(module: str, name: str) -> Callable[[Path], bytes]:
    """A function with arguments of its own, as trees that read categories hold one, of another function."""

    def made(marker: Path) -> bytes:
        func = {"__class__": name, "__module__": module, "__loader__": "FunctionNode"}
        content = {"func": func, "args": {"__class__": "str", "__module__": "builtins", "content": json.dumps(code(marker))}}
        node = {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode", "content": content}
        return rewritten(lambda schema: schema.update(bound=node))  # all else is whole, so that nothing else is refused

    return made


def array_of_objects(marker: Path) -> bytes:
    file = io.BytesIO()
    array = np.empty(1, dtype=object)
    array[0] = runs(marker)
    np.save(file, array, allow_pickle=True)
    node = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "evil.npy"}
    return rewritten(lambda schema: schema.update(node), {"evil.npy": file.getvalue()})


def tensors_and_more(marker: Path) -> bytes:
    head = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(4) + pickle.dumps(runs(marker))


def foreign_operator(marker: Path) -> bytes:
    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    node = field(4, b"Run") + field(7, b"evil.ops")
    return b"\x08\x08" + field(7, field(1, node)) + field(8, field(1, b"evil.ops") + b"\x10\x01")


MALICIOUS: dict[str, Bad] = {
    "plain": Bad("pickle", lambda m: pickle.dumps(runs(m))),
    "oldest protocol": Bad("pickle", lambda m: pickle.dumps(runs(m), protocol=0)),
    "behind an array": Bad("joblib", lambda m: with_joblib([np.arange(50.0), runs(m)])),
    **{packing: Bad("joblib", packed(packing)) for packing in ("zlib", "gzip", "bz2", "lzma", "xz")},
    "lz4": Bad("joblib", lambda m: b"\x04\x22\x4d\x18" + pickle.dumps(runs(m)), runs=False),
    "dotted name": Bad("pickle", lambda m: PROTO + call("sklearn.datasets._base", "os.system", touch(m)) + STOP),
    "cProfile": Bad("pickle", lambda m: PROTO + call("cProfile", "run", code(m)) + STOP),
    "timeit": Bad("pickle", lambda m: pickle.dumps(Calls(timeit.timeit, code(m), "pass", time.perf_counter, 1))),
    "numpy": Bad("pickle", lambda m: PROTO + word("numpy.testing._private.utils") + word("runstring") + b"\x93("
                 + word(code(m)) + b"}tR" + STOP),
    "exec": Bad("pickle", lambda m: pickle.dumps(Calls(exec, code(m)))),
    "field of objects": Bad("joblib", fields_of_objects),
    "array of objects": Bad("joblib", objects),
    "cells of another size": Bad("joblib", hidden_in_an_array, runs=False),
    "in two frames": Bad("pickle", in_two_frames, runs=False),
    "after the end": Bad("pickle", after_the_end, runs=False),
    "computed name": Bad("pickle", computed_name),
    "attribute of a class": Bad("pickle", attribute_of_a_class, runs=False),
    "unknown opcode": Bad("pickle", lambda m: PROTO + b"\xff" + pickle.dumps(runs(m)), runs=False),
    "persistent id": Bad("pickle", lambda m: PROTO + word(str(m)) + b"Q" + STOP, runs=False),
    "extension": Bad("pickle", lambda m: PROTO + b"\x82\x01" + STOP, runs=False),
    "bomb": Bad("joblib", lambda m: zlib.compress(PROTO + b"N" * (8 << 20), 9), runs=False),
    "type of the system": Bad("skops", names_the_system, runs=False),
    "bound function of the system": Bad("skops", binds("os", "system"), runs=False),
    "bound function of a library": Bad("skops", binds("numpy.testing._private.utils", "runstring"), runs=False),
    "array of objects in skops": Bad("skops", array_of_objects, runs=False),
    "file beside the schema": Bad("skops", lambda m: rewritten(lambda _: None, {"more.pkl": pickle.dumps(runs(m))}), runs=False),
    "pickle before the archive": Bad("skops", lambda m: pickle.dumps(runs(m)) + honest_archive()),
    "pickle behind the tensors": Bad("safetensors", tensors_and_more, runs=False),
    "operator of its own": Bad("onnx", foreign_operator, runs=False),
    "pickle as text": Bad("text", lambda m: f"cos\nsystem\n(S\"{touch(m)}\"\ntR.".encode()),
}
