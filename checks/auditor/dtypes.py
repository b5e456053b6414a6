"""The type of an array's cells as a pickle describes it, and how many bytes the array takes.

A pickled dtype is a call, ``dtype('f8', False, True)``, and a state that may change everything about it. Whoever reads an array
asks the state how large a cell is and whether it holds objects, and so does this module. A dtype of several fields can hide one
of objects, and a size that does not belong to its code moves all that follows; both are refused.
"""

from __future__ import annotations

import re
from typing import Any

from checks.auditor.ground import Danger, shown

_SIMPLE = re.compile(r"(?:b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|O8|[SV]\d{1,9}|U\d{1,9})")
_HOLDS_OBJECTS = 0x07  # flags of numpy: has references, is pickled as a list, is a pointer
_OF_OBJECTS = 63


class Dtype:
    """A dtype on its way: made by a call, finished by its state.

    Attributes
    ----------
    code : str
        ``f8``, ``U3``, ``V64``, ``O8``.
    size : int
        Bytes of a cell.
    objects : bool
        Whether a cell holds objects.
    finished : bool
        True once its state was set, which may happen once.
    """

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        fits = len(arguments) == 3 and arguments[1] is False and arguments[2] is True
        if not fits or not isinstance(arguments[0], str) or not _SIMPLE.fullmatch(arguments[0]):
            code = shown(arguments[0]) if arguments and isinstance(arguments[0], str) else "no code"
            raise Danger(f"A dtype is made in an unusual way ({code}).")
        self.code = arguments[0]
        self.size = int(self.code[1:]) * (4 if self.code[0] == "U" else 1)
        self.objects = self.code == "O8"
        self.finished = False
        self._fields = self.code[0] != "V"  # a dtype of several fields is not known before its state

    def finish(self, state: Any, pairs: list[tuple[Any, Any]] | None) -> None:
        """Set the state; `pairs` are those of its mapping of fields, if it has one.

        Raises
        ------
        Danger
            If the state does not belong to the code, or a field holds objects or is no plain number or word.
        """
        if self.finished:
            raise Danger("The state of a dtype is set twice.")
        self.finished = True
        if not isinstance(state, tuple) or len(state) != 8 or state[0] != 3 or state[1] not in ("<", ">", "=", "|"):
            raise Danger(f"A dtype ({self.code}) has an unusual state.")
        _, _, subarray, names, _, size, align, flags = state
        if not all(type(number) is int for number in (size, align, flags)) or subarray is not None:
            raise Danger(f"A dtype ({self.code}) has an unusual state.")
        flexible = self.code[0] in "SUV"
        if (size != self.size) if flexible else (size != -1):
            raise Danger(f"A dtype ({self.code}) says that its cells are of another size.")
        if (flags != _OF_OBJECTS) if self.objects else bool(flags & _HOLDS_OBJECTS):
            raise Danger(f"A dtype ({self.code}) says something else of its cells than its code does.")
        if names is not None or pairs is not None:
            self._check_fields(names, pairs or [])
        self._fields = True

    def _check_fields(self, names: Any, pairs: list[tuple[Any, Any]]) -> None:
        named = isinstance(names, tuple) and all(isinstance(name, str) for name in names)
        if self.code[0] != "V" or not named or len(set(names)) != len(names) or {k for k, _ in pairs} != set(names):
            raise Danger(f"A dtype ({self.code}) has fields that do not agree with each other.")
        if len(pairs) != len(names):
            raise Danger("A dtype names a field twice.")
        for _, field in pairs:
            plain = isinstance(field, tuple) and len(field) == 2 and isinstance(field[0], Dtype) and type(field[1]) is int
            if not plain or field[0].objects or field[0].code[0] == "V" or not 0 <= field[1] <= self.size - field[0].size:
                raise Danger("A dtype of several fields holds one that is no plain number or word.")

    def bytes_of(self, shape: Any) -> int:
        """Return how many bytes an array of the shape takes.

        Raises
        ------
        Danger
            If the shape is none, or the cells are not known.
        """
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise Danger("The shape of an array is none.")
        if not self._fields or self.size == 0:
            raise Danger(f"The cells of an array ({self.code}) have no size that is known.")
        count = 1
        for size in shape:
            count *= size
            if count > 1 << 62:
                raise Danger("An array is larger than any memory.")
        return count * self.size
