"""Errors: the sentence that people read, what to do, and the exit code that scripts read."""

from __future__ import annotations

import inspect

import pytest

from roadworthy import errors
from roadworthy.errors import DocumentError, PolicyError, RefusedError, RoadworthyError, StorageError, TamperedError, UsageError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, RoadworthyError)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_every_error_ends_a_command_with_a_code_that_is_no_success(kind):
    assert kind.exit_code in (1, 3, 64) and kind.__doc__


@pytest.mark.parametrize(("kind", "code"), [
    (RoadworthyError, 3), (UsageError, 64), (DocumentError, 64), (PolicyError, 64), (RefusedError, 1), (TamperedError, 1),
    (StorageError, 3),
])
def test_the_codes_are_those_of_the_design(kind, code):
    assert kind.exit_code == code


def test_an_error_reads_as_its_sentence_and_what_to_do():
    problem = UsageError("There is no model 'x'.", "Known: a.")
    assert (problem.sentence, problem.do) == ("There is no model 'x'.", "Known: a.")
    assert str(problem) == "There is no model 'x'. Known: a."
    assert str(UsageError("There is no model.")) == "There is no model."


def test_several_mistakes_of_one_file_are_lines():
    problem = DocumentError(["a:1: x.", "a:2: y."])
    assert (problem.problems, str(problem)) == (["a:1: x.", "a:2: y."], "a:1: x.\na:2: y.")
