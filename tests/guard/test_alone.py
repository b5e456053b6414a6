"""The distribution by itself: what it imports, what is in its wheel, and how it runs where nothing else is installed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUARD = ROOT / "guard"
PACKAGE = GUARD / "roadworthy_guard"
#: What a process that serves a model must not have to carry.
HEAVY = {
    "pandas", "numpy", "prefect", "pydantic", "sqlalchemy", "sklearn", "mlflow", "httpx", "requests", "yaml", "openfeature",
    "asyncio", "roadworthy", "checks", "flows", "reports",
}


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_guard_imports_nothing_of_the_application_and_only_cryptography_of_others() -> None:
    ours = sys.stdlib_module_names | {"roadworthy_guard", "cryptography"}
    optional = {"provider.py": {"openfeature"}, "wrappers.py": {"sklearn"}}
    found = {
        path.name: imported(ast.parse(path.read_text(encoding="utf-8"))) - ours - optional.get(path.name, set())
        for path in PACKAGE.glob("*.py")
    }
    assert len(found) > 15 and {name: names for name, names in found.items() if names} == {}


def test_versions_and_licence_agree_with_the_application() -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    theirs = tomllib.loads((GUARD / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for key in ("version", "requires-python", "license"):
        assert theirs[key] == ours[key], key
    assert [one.partition(">")[0] for one in theirs["dependencies"]] == ["cryptography"]
    assert theirs["dependencies"][0] in ours["dependencies"]
    assert set(theirs["optional-dependencies"]["openfeature"]) <= set(ours["dependencies"])
    assert (GUARD / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel of the guard, cryptography, what cryptography needs, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=GUARD, capture_output=True, text=True,
        check=False, timeout=120,
    )
    assert built.returncode == 0, built.stderr
    venv.EnvBuilder(symlinks=True).create(folder / "env")
    python = folder / "env" / "bin" / "python"
    site = Path(subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip())
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        assert {name.partition("/")[0].partition("-")[0] for name in wheel.namelist()} == {"roadworthy_guard"}
        wheel.extractall(site)
    here = Path(sysconfig.get_paths()["purelib"])
    for name in ("cryptography", "cffi", "pycparser"):
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            (site / top).symlink_to(here / top)
    return python


def run(python: Path, code: str, cwd: Path) -> str:
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run([str(python), "-c", code], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.name != "posix", reason="the layout of an environment on POSIX")
def test_it_runs_in_an_empty_environment_and_brings_nothing_heavy(alone: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from roadworthy_guard import Guard, GuardedEstimator, GuardedPyfunc, GuardMiddleware, Refused, guarded\n"
        "guard = Guard.remote('http://127.0.0.1:1', 'token', keys=['" + "A" * 43 + "='])\n"
        "other = Guard.embedded('.', root='0' * 64)\n"
        "assert not guard.check('credit', '1.0.0').serves and not other.check('credit', '1.0.0').serves\n"
        "guard.close(), other.close()\n"
        "print(' '.join({name.partition('.')[0] for name in sys.modules}))\n"
    )
    loaded = set(run(alone, code, tmp_path).split())
    assert "cryptography" in loaded and "roadworthy_guard" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.skipif(os.name != "posix", reason="the layout of an environment on POSIX")
def test_without_the_extra_the_provider_says_what_is_missing(alone: Path, tmp_path: Path) -> None:
    code = "try:\n    import roadworthy_guard.provider\nexcept ModuleNotFoundError as problem:\n    print(problem.name)\n"
    assert run(alone, code, tmp_path).strip() == "openfeature"
