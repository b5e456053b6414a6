"""Make the artifact again: the recorded command, run in isolation on copies of the files that the passport names.

What comes back are bytes. Nothing of them is loaded here.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from checks.isolation import Answer, IsolationError, Limits, ask, walls
from checks.reproducibility.account import Account, read
from checks.reproducibility.words import printable, shown
from checks.subject import Subject
from roadworthy.errors import DataError
from roadworthy.passport import Passport
from roadworthy.recipe import Recipe

Ask = Callable[..., Answer]

JOB = "checks.isolation.program"
OUT, RECORD = "out", "record"


@dataclass(frozen=True)
class Made:
    """An artifact that was made again.

    Attributes
    ----------
    artifact : bytes
    account : Account, optional
        What the recipe says of its training, if its command holds ``{record}`` and it wrote there.
    trouble : str
        Why what it wrote there cannot be read.
    isolation : str
        ``network namespace`` or ``not isolated``.
    walls : tuple of str
    seconds : float
        Wall time.
    """

    artifact: bytes
    account: Account | None
    trouble: str
    isolation: str
    walls: tuple[str, ...]
    seconds: float


@cache
def standing() -> tuple[str, ...]:
    """Return the walls that this system grants, told by a process in which nobody else's code has run.

    A recipe is a program and could write into its process's answer that walls stood around it.
    """
    return ask("checks.isolation.trial", limits=Limits(seconds=60)).walls


def limits_of(recipe: Recipe) -> Limits:
    """Return what the recipe may take."""
    return Limits(seconds=recipe.seconds, memory=recipe.memory_mb << 20)


def make(subject: Subject, recipe: Recipe, asked: Ask = ask) -> Made:
    """Run the recipe and return what it made.

    Parameters
    ----------
    subject : Subject
    recipe : roadworthy.recipe.Recipe
    asked : callable, optional
        `checks.isolation.ask`, or what stands for it.

    Raises
    ------
    DataError
        If the recipe could not be run, took too long or too much, ended with an error or wrote nothing: a sentence why.

    Notes
    -----
    The program has copies of the files that are recorded as ``data``, ``code`` and ``lock``, the recorded variables and number
    of threads, hashes of text that are not random, and no network. It is the files' content of today that is handed over.
    """
    if not any("{out}" in word for word in recipe.command):
        raise DataError("The recipe's command does not hold {out}, so it cannot be told where to write the artifact.")
    names = list(dict.fromkeys([*recipe.data, *recipe.code, *([recipe.lock] if recipe.lock is not None else [])]))
    order = {
        "command": recipe.command,
        "words": {"seed": str(recipe.seed), "threads": str(recipe.threads)},
        "made": {OUT: file_name(subject.passport), RECORD: "record.json"},
        "variables": recipe.environment,
        "threads": recipe.threads,
    }
    stood, limits = standing(), limits_of(recipe)
    try:
        answer = asked(
            JOB, order, files={name: subject.root / name for name in names}, limits=limits, wanted=(OUT, RECORD)
        )
    except IsolationError as problem:
        raise DataError(f"The recipe could not be run to its end. {printable(problem.sentence)}") from problem
    around = tuple(wall for wall in answer.walls if wall in stood)
    isolation = walls.NETWORK if walls.NETWORK in around else walls.NOT_ISOLATED
    _ended_well(answer, limits, isolation)
    account, trouble = None, ""
    if RECORD in answer.files:
        try:
            account = read(answer.files[RECORD], "the account that the recipe gives of its training")
        except DataError as problem:
            trouble = problem.sentence
    return Made(answer.files[OUT], account, trouble, isolation, around, answer.seconds)


def file_name(passport: Passport) -> str:
    """Return the name of the file to write: its ending is that of the artifact, because programs choose a format by it."""
    ending = PurePosixPath(passport.artifact.path).suffix if passport.artifact is not None else ""
    plain = ending[1:].isascii() and ending[1:].isalnum() and len(ending) <= 16
    return f"artifact{ending if plain else ''}"


def _ended_well(answer: Answer, limits: Limits, isolation: str) -> None:
    code, wanted = answer.values.get("code"), answer.values.get("wanted")
    if not isinstance(code, int) or not isinstance(wanted, dict):
        raise DataError("The process in which the recipe ran cannot be believed: its answer has another shape.")
    said = shown(str(answer.values.get("said", ""))[:300]) if answer.values.get("said") else ""
    how = f"exit code {code}" if code >= 0 else _signal(-code)
    if code != 0 and wanted.get("network") and isolation == walls.NETWORK:
        said = f"The recipe wanted the network, which it does not get, and ended with {how}."
        raise DataError(said, "Name what it reads as 'data'.")
    if code != 0 and wanted.get("memory"):
        most = f"{limits.memory >> 20:,} MB"
        raise DataError(f"The recipe wanted more memory than the {most} that it may use, and ended with {how}.")
    if code == -signal.SIGXCPU:
        raise DataError(f"The recipe was stopped, for it had not ended after {limits.seconds} s of processor time.")
    if code != 0:
        raise DataError(f"The recipe ended with {how}{f': {said}' if said else ''}.")
    if not answer.files.get(OUT):
        raise DataError("The recipe ended without writing the file that stands for {out}.")


def _signal(number: int) -> str:
    names = {one.value: one.name for one in signal.Signals}
    return names.get(number, f"signal {number}")
