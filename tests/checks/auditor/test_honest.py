"""Honest models are called clean and come out of the room as they are; whatever becomes of their bytes, nothing else does."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from checks.auditor import Bounds, Danger, audited_pickle, opinion_of
from checks.auditor.allowed import ALLOWED, WRAPPER
from checks.isolation import ask
from checks.isolation.walls import NETWORK
from roadworthy.canonical import digest_file

DATA = Path(__file__).resolve().parents[3] / "data"
ROWS = np.random.default_rng(7).normal(size=(60, 3))
WORDS = np.where(ROWS[:, 0] > 0, "yes", "no").astype(object)


def with_joblib(model: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file, **options)
    return file.getvalue()


def forest() -> Any:
    return RandomForestClassifier(5, random_state=0).fit(ROWS, WORDS)


def pipeline() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, WORDS)


def tensors() -> bytes:
    head = json.dumps({"__metadata__": {"by": "us"}, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(8)


def onnx() -> bytes:
    """A model of one operator: ir_version 8, a graph with one node, and the standard's operators of version 13."""
    return bytes([8, 8, 0x3A, 6, 0x0A, 4, 0x22, 2, 79, 75, 0x42, 2, 16, 13])


HONEST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "the demo's": ("skops", (DATA / "artifacts" / "credit" / "1.0.0.skops").read_bytes),
    "packed skops": ("skops", lambda: skops.io.dumps(pipeline(), compression=8)),
    "trees that read categories": ("skops", lambda: skops.io.dumps(
        HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(np.abs(np.round(ROWS)), WORDS)
    )),
    "forest": ("joblib", lambda: with_joblib(forest())),
    "packed forest": ("joblib", lambda: with_joblib(forest(), compress=("zlib", 3))),
    "boosted trees": ("pickle", lambda: pickle.dumps(HistGradientBoostingClassifier(max_iter=2).fit(ROWS, WORDS), protocol=5)),
    "pipeline with words": ("pickle", lambda: pickle.dumps(pipeline(), protocol=3)),
    "tensors": ("safetensors", tensors),
    "onnx": ("onnx", onnx),
    "numbers": ("json", lambda: b'{"slope": 0.5}'),
    "words": ("text", "slope = 0.5, größer".encode),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_model_is_clean_as_what_it_is_and_as_nothing_else(name: str) -> None:
    kind, made = HONEST[name]
    content = made()
    opinion = opinion_of(content, kind)
    assert opinion.clean and opinion.said == "" and opinion.steps > 0
    others = {"skops", "onnx", "safetensors", "joblib", "pickle", "json"} - {kind, "pickle" if kind == "joblib" else kind}
    assert not any(opinion_of(content, other).clean for other in others if (kind, other) != ("pickle", "joblib"))


def test_what_was_audited_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(with_joblib(forest(), compress=("xz", 3)))
    order = {"format": "joblib", "sha256": digest_file(path), "trusted": [], "pickle_trusted": []}
    answer = ask("checks.isolation.trial", order, files={"artifact": path})
    if NETWORK not in answer.walls:
        pytest.skip("this kernel grants no network namespace")
    assert answer.values["loaded"] == "sklearn.ensemble._forest.RandomForestClassifier"
    content, _ = audited_pickle(path.read_bytes(), "joblib")
    assert (joblib.load(io.BytesIO(content)).predict(ROWS) == forest().predict(ROWS)).all()


def test_a_model_that_is_larger_than_is_looked_at_is_not_clean() -> None:
    content = with_joblib(forest())
    assert opinion_of(content, "joblib", Bounds(content=len(content) - 1)).said.startswith("It is larger than")
    assert "opcodes" in opinion_of(content, "joblib", Bounds(steps=100)).said


def test_a_class_of_another_package_is_clean_only_by_its_name() -> None:
    content = pickle.dumps(Path("x"))
    assert not opinion_of(content, "pickle").clean
    module = "pathlib"
    assert opinion_of(content, "pickle", also=[f"{module}:PosixPath"]).clean


# --- whatever becomes of the bytes

SEEDS = [pickle.dumps(pipeline(), protocol=proto) for proto in (3, 4, 5)]
JOBLIB = [with_joblib(pipeline()), with_joblib({"classes": WORDS[:3], "w": ROWS[:2]})]
PAYLOADS = [
    b"cos\nsystem\n", b"\x8c\x02os\x8c\x06system\x93", b"\x85R", b"b", b"0", b"\x95\x05\0\0\0\0\0\0\0", b".", b"\x94", b"h\x01",
]


class Stub:
    """Stands for whatever a pickle names."""

    def __new__(cls, *_: Any, **__: Any) -> Stub:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass


class Watched(pickle._Unpickler):
    """The standard library's reader, which writes down what it is asked to find and finds nothing."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.asked: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.asked.add(f"{module}:{name}")
        return Stub


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content) - 1))
        how = draw(st.sampled_from(["flip", "insert", "cut", "end", "payload", "copy"]))
        if how == "flip":
            content[place] = draw(st.integers(0, 255))
        elif how == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=6))
        elif how == "cut":
            del content[place : place + draw(st.integers(1, 12))]
        elif how == "end":
            content = content[: place + 1]
        elif how == "payload":
            content[place:place] = draw(st.sampled_from(PAYLOADS))
        else:
            content[place:place] = content[draw(st.integers(0, len(content) - 1)) :][:20]
        if not content:
            content = bytearray(b"\x80")
    return bytes(content)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(changed(SEEDS))
def test_a_changed_pickle_that_is_clean_asks_its_reader_for_nothing_else(content: bytes) -> None:
    if not opinion_of(content, "pickle").clean:
        return
    reader = Watched(content)
    reader.load()
    assert reader.asked <= ALLOWED


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(changed(JOBLIB))
def test_a_changed_file_of_joblib_is_read_to_the_same_end_by_joblib(content: bytes) -> None:
    """Where the auditor steps over an array, so does joblib; what it asks for between arrays is on the list."""
    try:
        audited, _ = audited_pickle(content, "joblib")
    except Danger:
        return
    from joblib.numpy_pickle import NumpyUnpickler

    asked: set[str] = set()

    class Watching(NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            asked.add(f"{module}:{name}")
            own = f"{module}:{name}" == WRAPPER or module.split(".")[0] == "numpy"
            return super().find_class(module, name) if own else Stub

    file = io.BytesIO(audited)
    try:
        Watching("model", file, ensure_native_byte_order=False).load()
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        return  # numpy refused what it was given; it ran nothing
    finally:
        assert asked <= ALLOWED | {WRAPPER}
    assert file.tell() == len(audited)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(changed([HONEST["packed skops"][1](), tensors(), onnx(), with_joblib({"w": ROWS[:2]}, compress=3)]), st.sampled_from(
    ["skops", "safetensors", "onnx", "joblib", "json", "text"]
))
def test_whatever_the_bytes_there_is_an_opinion(content: bytes, kind: str) -> None:
    opinion = opinion_of(content, kind)
    assert opinion.clean == (opinion.said == "")
