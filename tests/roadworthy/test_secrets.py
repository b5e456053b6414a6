"""Following a reference to a secret: what cannot be read is refused, and no refusal repeats the secret."""

from __future__ import annotations

import os
import traceback

import pytest

from roadworthy.errors import RefusedError
from roadworthy.secrets import resolve

MARK = "hunter2-marker"


def secret(path, text=MARK, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def refused(reference, root, environment=None, prefect=None):
    with pytest.raises(RefusedError) as caught:
        resolve(reference, root, environment or {}, prefect)
    assert MARK not in "".join(traceback.format_exception(caught.value)), "not even in the trace"
    return caught.value


def test_a_secret_is_found_where_the_reference_points(tmp_path):
    secret(tmp_path / "secrets" / "url", f"  {MARK}\n")
    assert resolve("env:URL", tmp_path, {"URL": MARK}) == MARK
    assert resolve("file:secrets/url", tmp_path, {}) == MARK
    assert resolve(f"file:{tmp_path}/secrets/url", tmp_path / "another", {}) == MARK
    assert resolve("prefect:block", tmp_path, {}, lambda name: f"{MARK} of {name}") == f"{MARK} of block"


LITERAL = [MARK, "json://h/" + MARK, "", "env", "env:", "env:A B", "Env:A", "env:A\n", "vault:a", " env:A"]


@pytest.mark.parametrize("literal", LITERAL)
def test_a_literal_secret_is_refused_and_not_repeated(tmp_path, literal):
    problem = refused(literal, tmp_path, {"A": "x", "A\n": "x"})
    assert MARK not in str(problem) and "literal secret" in str(problem)


@pytest.mark.parametrize("environment", [{}, {"URL": ""}, {"url": MARK}])
def test_a_variable_that_is_not_set_is_refused(tmp_path, environment):
    assert "The environment variable URL is not set." in str(refused("env:URL", tmp_path, environment))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o660, 0o666, 0o777])
def test_a_file_that_others_can_touch_is_refused(tmp_path, mode):
    secret(tmp_path / "url", mode=mode)
    problem = refused("file:url", tmp_path)
    assert f"has mode {mode:04o}: others can read it." in str(problem) and "chmod 600 url" in problem.do


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone_is_read(tmp_path, mode):
    secret(tmp_path / "url", mode=mode)
    assert resolve("file:url", tmp_path, {}) == MARK


def test_what_is_no_readable_text_is_refused(tmp_path):
    secret(tmp_path / "bytes", b"\xff\xfe" + MARK.encode())
    secret(tmp_path / "empty", " \n")
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    says = {
        "bytes": "cannot be read as text", "empty": "is empty", "folder": "is not a file", "pipe": "is not a file",
        "none": "cannot be read (No such file or directory)", "bytes/x": "cannot be read (Not a directory)",
        "~no-such-user/x": "cannot be read as text", "a\x00b": "cannot be read as text", "x" * 300: "File name too long",
    }
    for name, said in says.items():
        assert said in str(refused(f"file:{name}", tmp_path))


def test_a_link_is_as_safe_as_what_it_links_to(tmp_path):
    secret(tmp_path / "open", mode=0o644)
    (tmp_path / "link").symlink_to("open")
    assert "has mode 0644" in str(refused("file:link", tmp_path))


def test_a_prefect_secret_needs_a_flow_and_a_block_that_breaks_is_refused_without_its_text(tmp_path):
    assert "only flows can read" in str(refused("prefect:block", tmp_path))

    def broken(name):
        raise ValueError(f"{name} holds {MARK}")

    assert str(refused("prefect:block", tmp_path, prefect=broken)).startswith("'prefect:block' could not be read (ValueError).")
