"""Read a pickle without believing it: each opcode is followed on a stack of stand-ins, and nothing that it names is imported.

A pickle is a program. It is followed opcode by opcode, as the standard library would run it, but what it names is only looked up
in a list, what it calls is only written down, and what it builds stays a stand-in. Whatever could make two readers disagree is
refused, for a payload hides where they do: opcodes of old protocols, frames that do not end where opcodes end, bytes after the
end, names that are computed, arrays whose size their dtype does not tell. joblib writes the bytes of an array between two
opcodes; they are stepped over as joblib would, and an array of objects, which is a pickle of its own, is followed too.

References
----------
.. [1] PEP 307, PEP 3154, PEP 574; `pickletools`.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from checks.auditor.allowed import ALLOWED, DTYPE, FROM_BUFFER, MAPPINGS, NAMED, NDARRAY, RECONSTRUCT, SCALAR, WRAPPER
from checks.auditor.dtypes import Dtype
from checks.auditor.ground import Bounds, Danger, shown

_MARK = object()
_WRAPPED = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}


class _Name:
    """Something that the pickle names and that the list holds."""

    def __init__(self, full: str) -> None:
        self.full = full


class _Made:
    """What a call gave: a stand-in for an object."""

    def __init__(self, of: str, arguments: tuple[Any, ...]) -> None:
        self.of, self.arguments, self.built = of, arguments, False


class _Holder:
    """A list, a dictionary or a set; of a dictionary the pairs are kept."""

    def __init__(self, kind: str) -> None:
        self.kind, self.pairs = kind, list[tuple[Any, Any]]()


class _Array:
    """An array whose bytes stood between two opcodes."""


def audit(content: bytes, bounds: Bounds, *, joblib: bool, also: Collection[str] = ()) -> int:
    """Follow a pickle to its end and return how many opcodes it has.

    Parameters
    ----------
    content : bytes
        The whole file, not compressed.
    bounds : Bounds
    joblib : bool
        Whether it is read as joblib reads it, with the bytes of arrays between the opcodes.
    also : collection of str
        What it may name besides the list, each as ``module:Class``.

    Raises
    ------
    Danger
        At the first thing that may run, hides or cannot be read for certain.

    Examples
    --------
    >>> import pickle
    >>> audit(pickle.dumps({"weights": [0.5, 1.0]}), Bounds(), joblib=False) > 5
    True
    >>> audit(pickle.dumps(print), Bounds(), joblib=False)
    Traceback (most recent call last):
    checks.auditor.ground.Danger: It names 'builtins:print', which is not on the list of what a model may be made of.
    """
    stream = io.BytesIO(content)
    machine = _Machine(stream, len(content), bounds.steps, joblib, ALLOWED.union(also))
    machine.run()
    if stream.tell() != len(content):
        raise Danger(f"{len(content) - stream.tell()} bytes follow the end of the pickle.")
    return machine.steps


class _Machine:
    """A stack of stand-ins, the memo, and where in the file the next opcode lies."""

    def __init__(
        self, stream: io.BytesIO, end: int, most: int, joblib: bool, allowed: frozenset[str], steps: int = 0
    ) -> None:
        self.stream, self.end, self.most, self.joblib, self.allowed, self.steps = stream, end, most, joblib, allowed, steps
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.frame: int | None = None  # where the current frame ends

    def run(self) -> Any:
        """Follow the opcodes to the end and return what is left on the stack."""
        began = self.stream.tell()
        try:
            for opcode, argument, _ in pickletools.genops(self.stream):
                self.steps += 1
                if self.steps > self.most:
                    raise Danger(f"It has more than {self.most:,} opcodes.")
                name = opcode.name
                if (name == "PROTO") != (self.stream.tell() - 2 == began):
                    raise Danger("It does not begin with the number of its protocol.")
                self._within_frame(name)
                if name == "STOP":
                    break
                step = _STEPS.get(name)
                if step is None:
                    raise Danger(f"It uses the opcode {name}, which no model needs that is written today.")
                step(self, argument)
        except (ValueError, UnicodeDecodeError, EOFError, OverflowError) as problem:
            raise Danger(f"It cannot be read as a pickle ({type(problem).__name__}).") from problem
        except (IndexError, KeyError) as problem:
            raise Danger("It takes from its stack or memo what was never put there.") from problem
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            raise Danger("It leaves more or less than one object behind.")
        return self.stack[0]

    def _within_frame(self, name: str) -> None:
        """Refuse an opcode that lies in two frames: readers with and without frames would disagree about what follows."""
        here = self.stream.tell()
        if self.frame is not None and here > self.frame:
            raise Danger("An opcode reaches beyond its frame.")
        if self.frame == here:
            self.frame = None
        if name == "STOP" and self.frame is not None:
            raise Danger("It ends before its frame does.")

    # --- what opcodes do

    def proto(self, argument: int) -> None:
        if not 2 <= argument <= 5:
            raise Danger(f"It is written in protocol {argument}.")

    def new_frame(self, argument: int) -> None:
        if self.frame is not None:
            raise Danger("A frame begins inside another.")
        self.frame = self.stream.tell() + argument
        if self.frame > self.end:
            raise Danger("A frame reaches beyond the file.")
        if argument == 0:
            self.frame = None

    def push(self, argument: Any) -> None:
        self.stack.append(argument)

    def pop_mark(self) -> list[Any]:
        """Return what lies above the last mark, and take it and the mark away."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                taken = self.stack[place + 1 :]
                del self.stack[place:]
                return taken
        raise IndexError("no mark")

    def dup(self, _: Any) -> None:
        self.stack.append(self.top())

    def top(self) -> Any:
        found = self.stack[-1]
        if found is _MARK:
            raise IndexError("a mark")
        return found

    def take(self, count: int) -> list[Any]:
        """Return the last values of the stack, oldest first, none of which may be a mark."""
        if count > len(self.stack) or any(one is _MARK for one in self.stack[len(self.stack) - count :]):
            raise IndexError("too few values")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def tuple_of(self, count: int) -> None:
        self.stack.append(tuple(self.take(count)))

    def put(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else place] = self.top()

    def get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    def add_items(self, kind: str, taken: list[Any]) -> None:
        """Put values into a list, a dictionary, a set or what stands for one."""
        into = self.top()
        mapping = isinstance(into, _Made) and into.of in MAPPINGS
        if not (isinstance(into, _Holder) and into.kind == kind) and not (mapping and kind == "dict"):
            raise Danger("It puts values into something that holds none.")
        if isinstance(into, _Holder) and kind == "dict":
            if len(taken) % 2:
                raise Danger("A dictionary has a key without a value.")
            into.pairs += list(zip(taken[::2], taken[1::2], strict=True))

    def name(self, module: Any, name: Any) -> None:
        """Put a name on the stack, if the list holds it."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise Danger("It computes the name of what it calls.")
        full = f"{module}:{name}"
        if full not in self.allowed and not (full == WRAPPER and self.joblib):
            raise Danger(f"It names {shown(full)}, which is not on the list of what a model may be made of.")
        self.stack.append(_Name(full))

    def call(self, what: Any, arguments: Any, fresh: bool) -> None:
        """Put a stand-in for the result of a call on the stack."""
        if not isinstance(what, _Name) or what.full in NAMED or not isinstance(arguments, tuple):
            raise Danger("It calls something that is no class of a model.")
        if what.full == DTYPE:
            self.stack.append(Dtype(arguments))
            return
        if what.full == WRAPPER and not (fresh and not arguments):
            raise Danger("An array of joblib is made in an unusual way.")
        if what.full in RECONSTRUCT:
            of = arguments[0] if arguments else None
            if not isinstance(of, _Name) or of.full != NDARRAY or arguments[1:] != ((0,), b"b"):
                raise Danger("An array is made in an unusual way.")
        if what.full in (*SCALAR, *FROM_BUFFER):
            self._buffer(what.full, arguments)
        self.stack.append(_Made(what.full, arguments))

    def _buffer(self, of: str, arguments: tuple[Any, ...]) -> None:
        place = 0 if of in SCALAR else 1
        dtype = arguments[place] if len(arguments) > place else None
        data = arguments[1 - place] if len(arguments) > 1 else None
        if not isinstance(dtype, Dtype) or dtype.objects or not isinstance(data, bytes | bytearray):
            raise Danger("An array or a number is made of something else than bytes.")
        shape = () if of in SCALAR else arguments[2] if len(arguments) > 2 else None
        if dtype.bytes_of(shape) != len(data):
            raise Danger("An array has other bytes than its shape needs.")

    def build(self, _: Any) -> None:
        """Set the state of what lies on the stack; joblib reads an array here."""
        made, state = self.take(2)
        self.stack.append(made)
        pairs = state.pairs if isinstance(state, _Holder) and state.kind == "dict" else None
        if isinstance(made, Dtype):
            fields = state[4] if isinstance(state, tuple) and len(state) > 4 else None
            if fields is not None and not (isinstance(fields, _Holder) and fields.kind == "dict"):
                raise Danger("The fields of a dtype are none.")
            made.finish(state, None if fields is None else fields.pairs)
            return
        if not isinstance(made, _Made):
            raise Danger("It sets the state of something that it has not made.")
        if made.of in RECONSTRUCT:
            self._array(state)
        elif made.of == WRAPPER:
            if made.built:
                raise Danger("An array of joblib is read twice.")
            made.built = True
            self._inline(dict(pairs) if pairs is not None and all(isinstance(k, str) for k, _ in pairs) else {})
            self.stack[-1] = _Array()
        elif pairs is not None:
            if not all(isinstance(key, str) and not key.startswith("__") for key, _ in pairs):
                raise Danger("It sets an attribute that belongs to Python.")
        elif isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], _Holder):
            raise Danger("It sets attributes one by one, past the dictionary of the object.")

    def _array(self, state: Any) -> None:
        fits = isinstance(state, tuple) and len(state) == 5 and state[0] == 1 and isinstance(state[2], Dtype)
        if not fits or not isinstance(state[3], bool):
            raise Danger("An array has an unusual state.")
        _, shape, dtype, _, data = state
        size = dtype.bytes_of(shape)
        held = isinstance(data, _Holder) and data.kind == "list" if dtype.objects else (
            isinstance(data, bytes | bytearray) and len(data) == size
        )
        if not held:
            raise Danger("An array has other bytes than its shape needs.")

    def _inline(self, state: dict[str, Any]) -> None:
        """Step over the bytes of an array as joblib would."""
        dtype, subclass = state.get("dtype"), state.get("subclass")
        plain = isinstance(subclass, _Name) and subclass.full == NDARRAY and isinstance(dtype, Dtype) and set(state) <= _WRAPPED
        if not plain or not isinstance(dtype, Dtype) or state.get("order") not in ("C", "F"):
            raise Danger("An array of joblib has an unusual state.")
        if self.frame is not None:
            raise Danger("The bytes of an array begin inside a frame.")
        size = dtype.bytes_of(state.get("shape"))
        if dtype.objects:
            inner = _Machine(self.stream, self.end, self.most, False, self.allowed, self.steps)
            inner.run()
            self.steps = inner.steps
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            padding = self.stream.read(1)
            size += padding[0] if padding else self.end
        if self.stream.tell() + size > self.end:
            raise Danger("An array has more bytes than the file.")
        self.stream.seek(size, io.SEEK_CUR)


def _refused(_: _Machine, __: Any) -> NoReturn:
    raise Danger("It asks its reader for something that is not in the file.")


_Step = Callable[[_Machine, Any], None]


def _holder(kind: str) -> _Step:
    return lambda machine, _: machine.push(_Holder(kind))


def _constant(value: Any) -> _Step:
    return lambda machine, _: machine.push(value)


def _pushed(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


def _global(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.name(module, name)


def _stack_global(machine: _Machine, _: Any) -> None:
    machine.name(*machine.take(2))


def _reduce(machine: _Machine, _: Any) -> None:
    what, arguments = machine.take(2)
    machine.call(what, arguments, fresh=False)


def _newobj(machine: _Machine, _: Any) -> None:
    what, arguments = machine.take(2)
    machine.call(what, arguments, fresh=True)


def _newobj_ex(machine: _Machine, _: Any) -> None:
    what, arguments, named = machine.take(3)
    if not isinstance(named, _Holder) or named.kind != "dict" or any(not isinstance(key, str) for key, _ in named.pairs):
        raise Danger("It calls something with arguments that have no names.")
    if named.pairs and isinstance(what, _Name) and what.full in (DTYPE, WRAPPER, *RECONSTRUCT, *SCALAR, *FROM_BUFFER):
        raise Danger("An array is made in an unusual way.")
    machine.call(what, arguments, fresh=True)


def _items(kind: str, count: int | None) -> _Step:
    return lambda machine, _: machine.add_items(kind, machine.pop_mark() if count is None else machine.take(count))


def _pop(machine: _Machine, _: Any) -> None:
    machine.take(1)


def _pop_mark(machine: _Machine, _: Any) -> None:
    machine.pop_mark()


def _frozen(machine: _Machine, _: Any) -> None:
    machine.pop_mark()
    machine.push(_Holder("frozenset"))


_STEPS: dict[str, _Step] = {
    "PROTO": _Machine.proto, "FRAME": _Machine.new_frame,
    "NONE": _constant(None), "NEWTRUE": _constant(True), "NEWFALSE": _constant(False), "MARK": _constant(_MARK),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"), _pushed),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _pushed),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), _pushed),
    "EMPTY_TUPLE": lambda machine, _: machine.tuple_of(0), "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2), "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "EMPTY_LIST": _holder("list"), "EMPTY_DICT": _holder("dict"), "EMPTY_SET": _holder("set"), "FROZENSET": _frozen,
    "APPEND": _items("list", 1), "APPENDS": _items("list", None), "ADDITEMS": _items("set", None),
    "SETITEM": _items("dict", 2), "SETITEMS": _items("dict", None),
    "POP": _pop, "POP_MARK": _pop_mark,
    "DUP": _Machine.dup,
    "MEMOIZE": lambda machine, _: machine.put(None), "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get, "LONG_BINGET": _Machine.get,
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "REDUCE": _reduce, "NEWOBJ": _newobj, "NEWOBJ_EX": _newobj_ex,
    "BUILD": _Machine.build,
    **dict.fromkeys(("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"), _refused),
}
