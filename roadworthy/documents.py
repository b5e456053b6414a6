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
from roadworthy.secrets import is_reference

Where = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 512 * 1024
MAX_VALUES = 100_000  # with every alias written out: ten short lines of aliases can otherwise mean a billion values
MAX_DEPTH = 50


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
        If the file is missing, is not YAML, is not a mapping, repeats a key, holds a literal secret, or says what YAML reads
        otherwise than it looks (``yes``, ``010``, ``12:30``).
    """
    name = shown if shown is not None else str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError([f"{name}: there is no such file."]) from None
    except OSError as problem:
        raise DocumentError([f"{name}: cannot be read ({problem.strerror}). Check its permissions."]) from None
    if len(raw) > MAX_BYTES:
        raise DocumentError([f"{name}: is larger than {MAX_BYTES // 1024} KB, which no declaration needs."])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentError([f"{name}: is not UTF-8 text. Save it as UTF-8."]) from None
    lines: dict[Where, int] = {}
    problems: list[str] = []
    try:
        data = _parse(text, lines, problems, name)
    except yaml.reader.ReaderError as problem:
        line, bad = text.count("\n", 0, problem.position) + 1, ord(text[problem.position])
        raise DocumentError([f"{name}:{line}: holds the control character U+{bad:04X}. Remove it."]) from None
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark is not None else 1
        said = problem.problem or "the text cannot be parsed"
        hint = " Indent with spaces." if "'\\t'" in said else ""
        raise DocumentError([f"{name}:{line}: is not valid YAML ({said}).{hint}"]) from None
    except RecursionError:
        raise DocumentError([f"{name}:1: nests more than {MAX_DEPTH} levels deep, which no declaration needs."]) from None
    if not isinstance(data, dict):
        raise DocumentError([f"{name}:1: must hold a mapping (key: value), but holds {_kind(data)}."])
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


class _Loader(yaml.SafeLoader):
    """The safe loader, with every value that is none of its kind as an error with its line.

    The loader in pure Python: the one in C is ten times faster and dies, process and all, of a file of open brackets.
    """

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            kind = str(node.tag).rpartition(":")[2]
            problem = f"{str(node.value)[:40]!r} cannot be read as {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _parse(text: str, lines: dict[Where, int], problems: list[str], name: str) -> Any:
    """Return the data of a YAML text; collect the line of each key, and a sentence for what YAML allows and we do not."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        if tree is None:
            return None
        size, height = _extent(tree, {})
        if height > MAX_DEPTH:
            raise RecursionError
        if size > MAX_VALUES:
            said = f"means more than {MAX_VALUES:,} values once its aliases are written out, which no declaration needs."
            raise DocumentError([f"{name}:1: {said}"])
        _walk(loader, tree, (), lines, problems, name)
        return loader.construct_document(tree)
    finally:
        loader.dispose()


def _extent(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return how many values stand under a node and how deep, as if each alias were written out, in one visit a node."""
    if id(node) in known:
        if known[id(node)] == (0, 0):
            raise yaml.composer.ComposerError(None, None, "an alias stands inside of what it stands for", node.start_mark)
        return known[id(node)]
    known[id(node)] = (0, 0)
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    extents = [_extent(part, known) for part in inner]
    known[id(node)] = (1 + sum(size for size, _ in extents), 1 + max((height for _, height in extents), default=0))
    return known[id(node)]


def _walk(loader: _Loader, node: yaml.Node, where: Where, lines: dict[Where, int], problems: list[str], name: str) -> None:
    line = node.start_mark.line + 1
    lines.setdefault(where, line)
    if said := _misread(loader, node):
        problems.append(f"{name}:{line}: {said}")
    if isinstance(node, yaml.MappingNode):
        seen: list[Any] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            meant = "<<" if str(key.tag).endswith(":merge") else loader.construct_object(key, deep=True)
            spelt = str(key.value) if isinstance(key, yaml.ScalarNode) else str(meant)
            if meant in seen:
                problems.append(f"{name}:{line}: the key '{spelt}' stands here a second time. Keep one.")
            seen.append(meant)
            if isinstance(key, yaml.ScalarNode) and (said := _unfit(key.value)):
                problems.append(f"{name}:{line}: a key {said}")
            for step in (spelt, str(meant)):
                lines[(*where, step)] = line
            _walk(loader, value, (*where, spelt), lines, problems, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(loader, item, (*where, index), lines, problems, name)


_CORE_TAGS = ("null", "bool", "int", "float", "str", "map", "seq", "timestamp", "merge", "value")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")


def _misread(loader: _Loader, node: yaml.Node) -> str:
    """Say what is wrong with a value that YAML takes for something else than it looks like, or that cannot be kept."""
    tag = str(node.tag).removeprefix("tag:yaml.org,2002:")
    if tag not in _CORE_TAGS:
        return f"the tag '{node.tag}' has no meaning here. Take it out."
    if not isinstance(node, yaml.ScalarNode):
        return ""
    text = str(node.value)
    if tag == "str":
        said = _unfit(text)
        return f"the text {said}" if said else ""
    plain = node.style is None and tag in ("bool", "int", "float")
    if not plain or (tag == "bool" and text.lower() in ("true", "false")):
        return ""
    meant = loader.construct_object(node)
    if tag == "bool" or ":" in text or (tag == "int" and str(meant) != text.lstrip("+")):
        shown = str(meant).lower() if tag == "bool" else str(meant)
        return f"YAML reads {text} without quotes as {shown}. Write {shown} if you mean that, or '{text}' in quotes."
    return ""


def _unfit(text: str) -> str:
    if found := _CONTROL.search(text):
        return f"holds the control character U+{ord(found[0]):04X}. Remove it."
    if any("\ud800" <= c <= "\udfff" for c in text):
        return "holds half a character (a lone surrogate). Write the whole one."
    return ""


_SECRET_KEY = re.compile(
    r"(?:^|[_.\s-]|(?<=[a-z])(?=[A-Z]))"
    r"(?i:password|passwd|passphrase|pwd|secret|token|(?:api|private|secret|access|account|signing)[_-]?key|credential)s?$"
)
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{30,}|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bhooks\.slack\.com/services/\w+/\w+|\bglpat-[\w-]{20,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\bsk[-_](?:live_|test_|proj-|ant-)[\w-]{20,}|\bsk-[A-Za-z0-9]{32,}|\bAIza[\w-]{35}|\beyJ[\w-]{8,500}\.eyJ[\w-]{8,}"
    r"|(?i:\b[a-z][a-z0-9+.-]{0,30}://[^/\s:@]{0,200}:[^/\s@]{1,500}@)"
    r"|[?&;](?i:access_token|token|api_?key|key|sig|signature|password|secret)=(?!(?:env|file|prefect):)[^&\s]{6,}"
)


def _secrets(data: Any, where: Where = ()) -> Iterator[Where]:
    if isinstance(data, dict):
        for key, value in data.items():
            if _SECRET_VALUE.search(str(key)):
                yield where
            held = isinstance(value, str | int | float) and not isinstance(value, bool)
            if held and value != "" and _SECRET_KEY.search(str(key)) and not is_reference(str(value)):
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
        if isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
            kept.append(step)
        elif isinstance(here, dict) and (key := [k for k in here if k == step or step in (str(k), repr(k))]):
            here = here[key[0]]
            kept.append(str(key[0]))
    return tuple(kept)


_WANTED = {
    "string_type": "text; put it in quotes", "int_type": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "bool_type": "true or false", "list_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "date_type": "a date such as 2026-04-01",
    "date_from_datetime_parsing": "a date such as 2026-04-01",
}


def _sentences(document: Document, model: type[BaseModel], errors: Sequence[Any]) -> list[str]:
    """Return one sentence for each mistake; a key that may hold several types gives one error for each of them."""
    groups: dict[tuple[Where, str], list[Any]] = {}
    for error in errors:
        place = _plain_places(document, tuple(error["loc"]))
        alone = error["type"] in ("missing", "extra_forbidden", "invalid_key") or error["loc"][-1:] == ("[key]",)
        branch = len(place) < len(error["loc"]) and not alone
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
    return sorted(found, key=lambda sentence: int(sentence.removeprefix(f"{document.shown}:").partition(":")[0]))


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
        return f"{place}: {_key(plain)} is {str(given)[:60]!r}, but must be {error['ctx']['expected']}."
    if kind == "invalid_key" or (loc and loc[-1] == "[key]"):
        above = _key(plain[:-1])
        if isinstance(given, bool):
            word = "yes, on or true" if given else "no, off or false"
            return f"{place}: a key of {above} is {word}, which YAML does not read as text; put the key in quotes."
        return f"{place}: the key {str(given)[:40]!r} of {above} is {_kind(given)}, but must be text; put the key in quotes."
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
