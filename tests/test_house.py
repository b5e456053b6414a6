"""The house itself: the lock, the wheel, the imports, and what must never be tracked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows import init
from flows.orchestration import silence
from tests.flows.test_init import fill_in

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PACKAGES = ("roadworthy", "checks", "reports", "flows")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11.9", "3.12.9", "3.13.2")


def tracked(*paths: str) -> list[Path]:
    """Every tracked file that is there; in a copy without Git, every file that is there."""
    done = subprocess.run(["git", "ls-files", "-z", "--", *paths], cwd=ROOT, capture_output=True, check=False)
    if done.returncode == 0:
        named = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    else:
        found = [path for start in paths or (".",) for path in (ROOT / start).rglob("*")]
        named = [path for path in found if not {".venv", "__pycache__"} & set(path.parts)]
    return [path for path in named if path.is_file()]


def run(
    command: list[str], cwd: Path, env: Mapping[str, str] | None = None, seconds: float = 240
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )


# --- the lock


def locked(python: str) -> dict[str, str]:
    """Name and version of everything that the lock installs on Linux with a Python."""
    found = {}
    for text in re.findall(r"^([A-Za-z0-9][^\n\\]*)", LOCK, re.MULTILINE):
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate(environment(python)):
            found[canonicalize_name(one.name)] = str(one.specifier).removeprefix("==")
    return found


def environment(python: str) -> dict[str, str]:
    return {"python_version": python.rpartition(".")[0], "python_full_version": python, "sys_platform": "linux", "extra": ""}


def test_the_lock_holds_no_address_and_a_hash_for_everything() -> None:
    assert not re.search(r"://|--index|--find-links|--extra-index|^-e|file:|\bgit\+", LOCK, re.MULTILINE)
    blocks = re.split(r"\n(?=[A-Za-z0-9])", "\n".join(line for line in LOCK.splitlines() if not line.lstrip().startswith("#")))
    assert len(blocks) > 150
    for block in blocks:
        assert re.match(r"^[A-Za-z0-9._-]+==[^\s;]+", block), block[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), f"no hash: {block[:80]}"
        assert not re.search(r"--hash=(?!sha256:[0-9a-f]{64}\b)", block)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_everything_that_is_declared(python: str) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    there = locked(python)
    for text in (*PROJECT["dependencies"], *groups["dev"]):
        one = Requirement(text)
        version = there.get(canonicalize_name(one.name))
        assert version is not None, f"{one.name} is not in the lock"
        assert one.specifier.contains(version, prereleases=True), f"{one.name} {version} is outside {one.specifier}"


@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_in_the_lock_needs_what_the_lock_does_not_hold(python: str) -> None:
    """It is installed with --no-deps, so a hole would show as an ImportError on a fresh machine."""
    there = locked(python)
    lacking = []
    for one in metadata.distributions():
        name = canonicalize_name(one.metadata["Name"] or "")
        if name not in there:
            continue
        for text in one.requires or ():
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate(environment(python)):
                continue
            version = there.get(canonicalize_name(need.name))
            if version is None or not need.specifier.contains(version, prereleases=True):
                lacking.append(f"{name} needs {need}; the lock has {version}")
    assert lacking == []


# --- what must never be tracked


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        raw = path.read_bytes()
        if path.name != "requirements.lock" and b"\0" not in raw[:8192]:
            yield str(path.relative_to(ROOT)), raw.decode("utf-8", errors="replace")


def test_no_path_of_a_machine_and_no_registry_is_tracked() -> None:
    homes = "|".join(["root", "wor" + "k", "farm", "home/[a-z]+", "Users/[A-Za-z]+", "tmp/[a-z]+"])
    machine = re.compile(rf"(?<![\w.~*)}}\]]){re.escape(os.sep)}({homes})/[\w.-]")
    hosts = "|".join(["py" + "pi", "pythonhosted", "npm" + "js", r"registry\.", "mirror"])
    registry = re.compile(rf"https?://[^\s\"')>]*({hosts})")
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if machine.search(line) or registry.search(line) or str(ROOT) in line
    ]
    assert found == []


def test_nothing_that_a_run_makes_is_tracked() -> None:
    names = {".roadworthy", "__pycache__", ".venv", ".pytest_cache"}
    assert [path for path in tracked() if names & set(path.relative_to(ROOT).parts)] == []


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert PROJECT["license"] == "Apache-2.0" and PROJECT["license-files"] == ["LICENSE"]


# --- which module may know which


def lint_imports(where: Path) -> subprocess.CompletedProcess[str]:
    return run([str(BIN / "lint-imports"), "--no-cache"], where)


def test_imports_point_one_way() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(("file", "line"), [
    ("roadworthy/errors.py", "import prefect"), ("checks/counts.py", "import reports.render"),
    ("reports/render.py", "import checks.counts"), ("roadworthy/passport.py", "import flows.lint"),
    ("roadworthy/switch/quick.py", "import sqlalchemy"), ("flows/lint.py", "import jinja2"),
])
@pytest.mark.long
def test_an_import_the_wrong_way_is_found(tmp_path: Path, file: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode == 1 and "BROKEN" in done.stdout


def test_the_command_starts_and_the_stop_acts_before_anything_heavy_is_imported() -> None:
    code = "import sys, flows.console, roadworthy.switch.quick; print(' '.join(sys.modules))"
    done = run([sys.executable, "-P", "-c", code], ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"typer", "rich", "sqlalchemy", "prefect", "pandas", "numpy", "duckdb", "pydantic", "yaml", "pyarrow", "jinja2"}
    assert done.returncode == 0, done.stderr
    assert loaded & heavy == set()


# --- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_four_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(n for n in names if n.endswith("entry_points.txt"))
        assert "roadworthy = flows.console:main" in archive.read(entry).decode()
    assert {n.partition("/")[0] for n in names if ".dist-info/" not in n} == set(PACKAGES)
    wanted = {str(path.relative_to(ROOT)) for path in tracked(*PACKAGES)}
    assert wanted - names == set(), "tracked, but not in the wheel"
    endings = {Path(n).suffix for n in names}
    assert {".py", ".yaml", ".json", ".j2", ".css"} <= endings
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_installed_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Its own data (catalogue, schemas, starter, templates) come from the wheel, not from the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import pathlib, flows, roadworthy, reports.render\n"
        "from flows import init, schemas\n"
        "from flows.cli import run\n"
        "from roadworthy.catalogue import catalogue\n"
        "assert all(str(pathlib.Path('site').resolve()) in m.__file__ for m in (flows, roadworthy, reports)), flows.__file__\n"
        "assert schemas.stale() == [] and catalogue()\n"
        "assert run(['init', 'new']) == 0 and run(['passport', 'lint', '-w', 'new']) == 1\n"
    )
    done = run([sys.executable, "-P", "-c", code], tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "new" / ".gitignore").is_file()


# --- other people's folders


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A workspace in which modules lie that must never be imported: each leaves a mark when it is."""
    folder = tmp_path / "w s"
    init.make(folder)
    fill_in(folder)
    for name in ("json", "duckdb", "yaml", "sqlalchemy", "uvicorn", "tests", "data", "models", "checks", "flows", "roadworthy"):
        code = f"import pathlib; (pathlib.Path({str(tmp_path)!r}) / 'imported').open('a').write({name + chr(10)!r})\n"
        if name in ("json", "duckdb", "yaml", "sqlalchemy", "uvicorn"):
            (folder / f"{name}.py").write_text(code, encoding="utf-8")
        else:
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "__init__.py").write_text(code, encoding="utf-8")
    return folder


def imported(trap: Path) -> list[str]:
    mark = trap.parent / "imported"
    return sorted(set(mark.read_text(encoding="utf-8").split())) if mark.is_file() else []


@pytest.mark.parametrize("arguments", [
    ["passport", "lint"], ["schemas", "--check"], ["switch", "stop", "example", "--reason", "test"],
])
def test_no_module_of_the_current_folder_is_imported(trap: Path, arguments: list[str]) -> None:
    done = run([str(BIN / "roadworthy"), *arguments], trap)
    assert done.returncode == 0, done.stderr
    assert imported(trap) == []


def test_a_server_that_prefect_starts_imports_none_either(trap: Path) -> None:
    """Prefect starts its server with ``python -m uvicorn`` in the current folder."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, "-m", "uvicorn", "--version"]
    run(command, trap, env)
    assert imported(trap) != [], "the trap works"
    (trap.parent / "imported").unlink()
    silence(env)
    assert "uvicorn" in run(command, trap, env).stdout
    assert imported(trap) == []


@pytest.mark.long
def test_a_whole_night_imports_no_module_of_the_workspace(trap: Path) -> None:
    done = run([str(BIN / "roadworthy"), "nightly", "--date", "2026-04-09"], trap)
    assert "example" in done.stdout, done.stdout + done.stderr
    assert imported(trap) == []


# --- setting up


@pytest.mark.long
def test_a_set_up_that_fails_leaves_no_stamp_and_says_why(tmp_path: Path) -> None:
    copy = tmp_path / "a clone"
    (copy / ".ci").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", ".ci/install.py"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "requirements.lock").write_text(f"duckdb==0.0.0.1 \\\n    --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    env = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = run(["make", "setup", f"PYTHON={sys.executable}"], copy, env)
    assert done.returncode != 0
    assert not (copy / ".venv" / ".ready").exists()
    assert "could not be installed" in done.stderr and "duckdb==0.0.0.1" in done.stderr
