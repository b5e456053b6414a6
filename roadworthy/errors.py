"""Errors as the user reads them: what is wrong, where, and what to do.

Every error that can reach a person is a `RoadworthyError`. Its text is one sentence (or one sentence a line where
several things are wrong in one file); the exit code says what kind of failure it is.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_REFUSED = 1
EXIT_UNDECIDED = 3
EXIT_USAGE = 64


class RoadworthyError(Exception):
    """Base of all errors with a sentence for the user.

    Parameters
    ----------
    sentence : str
        What is wrong and where.
    do : str, optional
        What the reader can do about it; printed after the sentence.
    """

    exit_code: int = EXIT_UNDECIDED

    def __init__(self, sentence: str, do: str = "") -> None:
        self.sentence = sentence
        self.do = do
        super().__init__(f"{sentence} {do}".strip())


class UsageError(RoadworthyError):
    """The command was called with something that does not exist or cannot be."""

    exit_code = EXIT_USAGE


class DocumentError(RoadworthyError):
    """A YAML file of the workspace does not say what it must; one sentence for each mistake."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class WorkspaceError(RoadworthyError):
    """The workspace as a whole is not usable."""

    exit_code = EXIT_USAGE


class PolicyError(DocumentError):
    """A policy names what does not exist or cannot be judged."""


class DataError(RoadworthyError):
    """Data could not be read; the night is undecided for this model, others go on."""


class StorageError(RoadworthyError):
    """Evidence, ledger or state could not be written or read."""


class RefusedError(RoadworthyError):
    """An act that the actor may not do."""

    exit_code = EXIT_REFUSED


class TamperedError(RoadworthyError):
    """Something recorded is not what it was when it was recorded."""

    exit_code = EXIT_REFUSED
