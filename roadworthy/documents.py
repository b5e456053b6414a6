"""YAML files of a workspace: read with line numbers, validated, and free of literal secrets.

A mistake is one sentence with file and line, because the reader has an editor open and not a debugger.

The line of a key is found by composing the YAML tree and walking it along the error's path, so a nested mistake
points at its own line and not at the top of the file.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from roadworthy.errors import DocumentError

Where = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 4 * 1024 * 1024


class Strict(BaseModel):
    """Base of all declared things: no unknown key, no silent conversion, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Misplaced(ValueError):
    """A mistake that a validator of a whole mapping finds, with the key at which it stands.

    Parameters
    ----------
    sentence : str
        What is wrong.
    *where : str or int
        The way to the key, from the mapping that is validated; the sentence then carries that key's line.
    """

    def __init__(self, sentence: str, *where: str | int) -> None:
        self.where: Where = where
        super().__init__(sentence)


class Document:
    """A YAML file with its data and the line of each key.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    data : dict
        Its content.
    """

    def __init__(self, path: Path, shown: str, data: dict[str, Any], lines: dict[Where, int]) -> None:
        self.path = path
        self.shown = shown
        self.data = data
        self._lines = lines

    def line(self, where: Where) -> int:
        """Return the line of the deepest part of `where` that stands in the file."""
        steps = tuple(step for step in where)
        while steps and steps not in self._lines:
            steps = steps[:-1]
        return self._lines.get(steps, 1)

    def at(self, where: Where) -> str:
        """Return ``file:line`` for a place in the document."""
        return f"{self.shown}:{self.line(where)}"


def read_document(path: Path, shown: str | None = None) -> Document:
    """Read a YAML mapping from `path`.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    shown : str, optional
        The name to use in messages; by default the path as given.

    Raises
    ------
    DocumentError
        If the file is missing, is not YAML, is not a mapping, repeats a key, or holds a literal secret.
    """
    name = shown if shown is not None else str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DocumentError([f"{name}: there is no such file."]) from None
    except OSError as problem:
        raise DocumentError([f"{name}: cannot be read ({problem.strerror}). Check its permissions."]) from None
    if len(raw) > MAX_BYTES:
        raise DocumentError([f"{name}: is larger than {MAX_BYTES // 1024 // 1024} MB, which no declaration needs."])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentError([f"{name}: is not UTF-8 text. Save it as UTF-8."]) from None
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        said = getattr(problem, "problem", None) or "the text cannot be parsed"
        raise DocumentError([f"{name}:{line}: is not valid YAML ({said})."]) from None
    if not isinstance(data, dict):
        raise DocumentError([f"{name}:1: must hold a mapping (key: value), but holds {_kind(data)}."])
    lines: dict[Where, int] = {}
    problems: list[str] = []
    _walk(tree, (), lines, problems, name)
    document = Document(path, name, data, lines)
    problems += [
        f"{document.at(where)}: {_key(where)} holds a literal secret. "
        "Write a reference instead: env:NAME, file:PATH (mode 0600) or prefect:BLOCK."
        for where in _secrets(data)
    ]
    if problems:
        raise DocumentError(problems)
    return document


def validate(document: Document, model: type[M]) -> M:
    """Return the document as `model`, or say in one sentence a mistake what is wrong on which line."""
    try:
        return model.model_validate(document.data)
    except ValidationError as failed:
        raise DocumentError(_sentences(document, model, failed.errors(include_url=False))) from None


def load(path: Path, model: type[M], shown: str | None = None) -> M:
    """Read and validate in one step; see `read_document` and `validate`."""
    return validate(read_document(path, shown), model)


def _walk(node: Any, where: Where, lines: dict[Where, int], problems: list[str], name: str) -> None:
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            spelt = str(getattr(key, "value", ""))
            if spelt in seen:
                problems.append(f"{name}:{key.start_mark.line + 1}: the key '{spelt}' stands here a second time. Keep one.")
            seen.add(spelt)
            lines[(*where, spelt)] = key.start_mark.line + 1
            _walk(value, (*where, spelt), lines, problems, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*where, index), lines, problems, name)


_SECRET_KEY = re.compile(r"(?i)(^|_|-)(password|passwd|secret|token|api_?key|private_?key|credential)s?$")
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@"
)
_REFERENCE = re.compile(r"^(env|file|prefect):\S+$")


def is_reference(value: str) -> bool:
    """Say whether `value` points at a secret instead of holding one.

    Examples
    --------
    >>> is_reference("env:SLACK_URL"), is_reference("hunter2")
    (True, False)
    """
    return _REFERENCE.match(value) is not None


def _secrets(data: Any, where: Where = ()) -> Iterator[Where]:
    if isinstance(data, dict):
        for key, value in data.items():
            named = isinstance(value, str) and _SECRET_KEY.search(str(key)) and value and not is_reference(value)
            if named:
                yield (*where, str(key))
            else:
                yield from _secrets(value, (*where, str(key)))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _secrets(value, (*where, index))
    elif isinstance(data, str) and _SECRET_VALUE.search(data):
        yield where


def _kind(value: Any) -> str:
    names = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list",
             "dict": "a mapping", "NoneType": "nothing", "date": "a date", "datetime": "a date and time"}
    return names.get(type(value).__name__, type(value).__name__)


def _key(where: Where) -> str:
    spelt = ""
    for step in where:
        spelt += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if spelt else str(step)
    return f"'{spelt}'" if spelt else "the file"


def _plain_places(document: Document, loc: Where) -> Where:
    """Drop from a pydantic location the steps (union branches, tags) that do not stand in the file."""
    here: Any = document.data
    kept: list[str | int] = []
    for step in loc:
        inside = (isinstance(here, dict) and step in here) or (isinstance(here, list) and isinstance(step, int) and step < len(here))
        if inside:
            here = here[step]
            kept.append(step)
    return tuple(kept)


_WANTED = {
    "string_type": "text; put it in quotes", "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "bool_type": "true or false", "list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "date_type": "a date such as 2026-04-01", "date_from_datetime_parsing": "a date such as 2026-04-01",
}


def _sentences(document: Document, model: type[BaseModel], errors: Sequence[Any]) -> list[str]:
    """Return one sentence for each mistake; a key that may hold several types gives one error for each of them."""
    groups: dict[tuple[Where, str], list[Any]] = {}
    for error in errors:
        place = _plain_places(document, tuple(error["loc"]))
        branch = len(place) < len(error["loc"]) and error["type"] not in ("missing", "extra_forbidden") and error["loc"][-1] != "[key]"
        groups.setdefault((place, "" if branch else f"{error['loc']} {error['type']} {error['msg']}"), []).append(error)
    found: dict[str, None] = {}
    for (place, _), group in groups.items():
        fitting = [e for e in group if e["type"] not in _WANTED]
        if len(group) > 1 and not fitting:
            wanted = list(dict.fromkeys(_WANTED[e["type"]] for e in group))
            if "a number" in wanted and "a whole number" in wanted:
                wanted.remove("a whole number")
            found.setdefault(_wrong_type(document, place, group[0]["input"], " or ".join(reversed(wanted))))
        else:
            found.setdefault(_sentence(document, model, place, (fitting or group)[0]))
    return list(found)


def _wrong_type(document: Document, place: Where, given: Any, wanted: str) -> str:
    return f"{document.at(place)}: {_key(place)} is {_kind(given)} ({str(given)[:40]!r}), but must be {wanted}."


def _sentence(document: Document, model: type[BaseModel], plain: Where, error: Any) -> str:
    kind, loc, given = error["type"], tuple(error["loc"]), error.get("input")
    place = document.at(plain)
    if kind == "extra_forbidden":
        known = _keys_at(model, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else f" Known keys: {', '.join(sorted(known))}." if known else ""
        return f"{place}: the key {_key(loc)} is not known.{hint}"
    if kind == "missing":
        return f"{place}: the key {_key((*plain, loc[-1]))} is missing."
    if kind == "value_error":
        cause = error["ctx"]["error"]
        return f"{document.at((*plain, *getattr(cause, 'where', ())))}: {cause}"
    if kind in ("literal_error", "enum"):
        return f"{place}: {_key(plain)} is {given!r}, but must be one of {error['ctx']['expected']}."
    if loc and loc[-1] == "[key]":
        above = _key(plain[:-1])
        if isinstance(given, bool):
            word = "yes, on or true" if given else "no, off or false"
            return f"{place}: a key of {above} is {word}, which YAML does not read as text; put the key in quotes."
        return f"{place}: the key {given!r} of {above} is {_kind(given)}, but must be text; put the key in quotes."
    if kind in _WANTED:
        return _wrong_type(document, plain, given, _WANTED[kind])
    if kind == "string_pattern_mismatch":
        return f"{place}: {_key(plain)} is {str(given)[:60]!r}, which does not have the form {error['ctx']['pattern']}."
    return f"{place}: {_key(plain)} cannot be {str(given)[:60]!r}: {error['msg'][:1].lower()}{error['msg'][1:]}."


def _keys_at(model: Any, loc: Where) -> list[str]:
    """Return the keys a place of the document may hold, by walking the model's annotations."""
    here: Any = model
    for step in loc:
        if isinstance(here, type) and issubclass(here, BaseModel):
            found = next((f.annotation for n, f in here.model_fields.items() if step in (n, f.alias)), None)
            here = found if found is not None else here
        elif get_origin(here) in (list, dict):
            here = get_args(here)[-1]
        if get_origin(here) in (Union, types.UnionType):
            here = next((a for a in get_args(here) if a is not type(None)), here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [field.alias or name for name, field in here.model_fields.items()]
    return []
