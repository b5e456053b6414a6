"""Set up a virtual environment from requirements.lock: ``python .ci/install.py FOLDER``. What `make setup` runs.

Needs nothing but Python's own library. pip says a thousand lines or, when quiet, nothing for minutes; this says a line now
and then, and shows pip's own words only when something failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
OLDEST, NEWEST = (3, 11), (3, 13)
EVERY = 20  # packages between two lines of progress


def main(arguments: list[str]) -> int:
    """Make the environment, install what the lock names, install the checkout, compile; return the exit code."""
    if len(arguments) != 1:
        return _fail("Name the folder of the environment: python .ci/install.py .venv", 64)
    version = sys.version.split()[0]
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return _fail(f"Roadworthy needs Python 3.11 to 3.13; this is {version}. Name another one: make PYTHON=python3.12", 64)
    folder = Path(arguments[0]).absolute()
    _say(f"Setting up {folder.name} with Python {version}. This is done once and takes a few minutes.")
    try:
        venv.EnvBuilder(with_pip=True, clear=_of_another_python(folder), symlinks=True).create(folder)
    except (OSError, subprocess.CalledProcessError) as problem:
        return _fail(f"The virtual environment could not be made ({problem}). On Debian and Ubuntu install python3-venv first.")
    python = folder / "bin" / "python"
    packages = len(re.findall(r"^[A-Za-z0-9]", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE))
    # The lock names every package, so nothing is left to resolve; --no-deps keeps old pips from trying.
    # pip compiles on one core what is compiled below on all of them.
    if _pip(python, packages, "--no-compile", "--no-deps", "--require-hashes", "-r", str(LOCK)):
        return _fail("The packages could not be installed; pip's last words stand above. Mend that and run it again.")
    if _pip(python, 1, "--no-deps", "--no-build-isolation", "--no-index", "--editable", str(ROOT)):
        return _fail("Roadworthy itself could not be installed; pip's last words stand above.")
    _say("Compiling bytecode, so that the first run does not have to")
    # Some packages carry files for other Pythons; those do not compile and are never imported.
    ours = [str(ROOT / name) for name in ("roadworthy", "checks", "reports", "flows")]
    subprocess.run([str(python), "-m", "compileall", "-q", "-j", "0", str(folder / "lib"), *ours],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    _say("Ready.")
    return 0


def _of_another_python(folder: Path) -> bool:
    """Say whether the environment was made by another Python version and must be made anew."""
    try:
        said = (folder / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", said, flags=re.MULTILINE)
    return found is None or (int(found[1]), int(found[2])) != sys.version_info[:2]


def _pip(python: Path, packages: int, *arguments: str) -> int:
    """Run ``pip install`` with progress in a few lines; return its exit code."""
    quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command = [str(python), "-m", "pip", "install", *quiet, *arguments]
    tail: deque[str] = deque(maxlen=25)
    found = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, encoding="utf-8", errors="replace") as running:
        for line in running.stdout or ():
            tail.append(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied: ")):
                found += 1
                if packages > 1 and (found % EVERY == 1 or found == packages):
                    _say(f"  package {found} of {packages}: {_name(line)}")
            elif line.startswith("Installing collected packages") and packages > 1:
                _say("  unpacking all of them (a minute or two)")
    if running.returncode:
        sys.stderr.writelines(tail)
    return running.returncode


def _name(line: str) -> str:
    """Return the package that one of pip's lines is about: a requirement, a file, or one that is there already."""
    if line.startswith("Processing "):
        return Path(line.removeprefix("Processing ").partition(" (from ")[0].strip()).name.partition("-")[0]
    return line.split()[1 if line.startswith("Collecting ") else 3].partition("==")[0]


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def _fail(sentence: str, code: int = 1) -> int:
    sys.stdout.flush()
    sys.stderr.write(sentence + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
