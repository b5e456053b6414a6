"""Files that people write: every mistake is one sentence with file and line, and no file can hang or hurt the reader."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from roadworthy.documents import MAX_BYTES, Misplaced, Strict, load, read_document
from roadworthy.errors import EXIT_USAGE, DocumentError
from roadworthy.secrets import is_reference


class Inner(Strict):
    name: str
    size: float | int | None = None
    kinds: list[Literal["a", "b"]] = Field(default_factory=list)


class Outer(Strict):
    schema_version: Literal[1] = 1
    version: str = ""
    flag: bool = False
    count: int = 0
    day: date | None = None
    value: bool | int | str | None = None
    inner: Inner | None = None
    items: list[Inner] = Field(default_factory=list)
    words: dict[str, str] = Field(default_factory=dict)
    anything: Any = None

    @field_validator("words")
    @classmethod
    def _no_bad_word(cls, words):
        if "bad" in words:
            raise ValueError("'bad' is no word.")
        return words

    @model_validator(mode="after")
    def _agrees(self):
        if self.count and len(self.items) not in (0, self.count):
            raise Misplaced(f"there are {len(self.items)} items, not {self.count}.", "items", 0)
        return self


@pytest.fixture
def write(tmp_path):
    def put(text):
        path = tmp_path / "f.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        return path

    return put


def mistakes(path, model=Outer):
    with pytest.raises(DocumentError) as caught:
        load(path, model, "f.yaml")
    assert caught.value.exit_code == EXIT_USAGE
    for sentence in caught.value.problems:
        assert "\n" not in sentence and sentence.endswith((".", "?")), sentence
        sentence.encode()
    return caught.value.problems


# ------------------------------------------------------------------------------------------------ one sentence, its line

ANY_VALUE = "text; put it in quotes or a whole number or true or false"


@pytest.mark.parametrize(("text", "said"), [
    ("# a comment\n\ncuont: 3\n", "f.yaml:3: the key 'cuont' is not known. Did you mean 'count'?"),
    ("inner:\n  name: x\n  zzz: 1\n", "f.yaml:3: the key 'inner.zzz' is not known. Known keys: kinds, name, size."),
    ("items:\n  - name: x\n  - name: y\n    nmae: z\n", "f.yaml:4: the key 'items[2].nmae' is not known. Did you mean 'name'?"),
    ("items:\n  - name: x\n  -\n    size: 1\n", "f.yaml:4: the key 'items[2].name' is missing."),
    ("inner:\n  size: 1\n", "f.yaml:1: the key 'inner.name' is missing."),
    ("inner:\n  name: x\n  size: big\n", "f.yaml:3: 'inner.size' is text ('big'), but must be a number."),
    ("inner:\n  name: x\n  size: .nan\n", "f.yaml:3: 'inner.size' cannot be 'nan': input should be a finite number."),
    ("value: 1.5\n", f"f.yaml:1: 'value' is a number ('1.5'), but must be {ANY_VALUE}."),
    ("a: 1\nvalue:\n  - 1\n", f"f.yaml:2: 'value' is a list ('[1]'), but must be {ANY_VALUE}."),
    ("version: 1.0\n", "f.yaml:1: 'version' is a number ('1.0'), but must be text; put it in quotes."),
    ("version: 2026-04-01\n", "f.yaml:1: 'version' is a date ('2026-04-01'), but must be text; put it in quotes."),
    ("version:\n", "f.yaml:1: 'version' is nothing ('None'), but must be text; put it in quotes."),
    ("count: '3'\n", "f.yaml:1: 'count' is text ('3'), but must be a whole number."),
    ("count: 3.0\n", "f.yaml:1: 'count' is a number ('3.0'), but must be a whole number."),
    ("count: true\n", "f.yaml:1: 'count' is true or false ('True'), but must be a whole number."),
    ("flag: 1\n", "f.yaml:1: 'flag' is a whole number ('1'), but must be true or false."),
    ("day: 'soon'\n", "f.yaml:1: 'day' is text ('soon'), but must be a date such as 2026-04-01."),
    ("inner: 3\n", "f.yaml:1: 'inner' is a whole number ('3'), but must be a mapping."),
    ("items: {name: x}\n", "f.yaml:1: 'items' is a mapping (\"{'name': 'x'}\"), but must be a list."),
    ("schema_version: 2\n", "f.yaml:1: 'schema_version' is '2', but must be 1."),
    ("items:\n  - {name: x, kinds: [a, c]}\n", "f.yaml:2: 'items[1].kinds[2]' is 'c', but must be 'a' or 'b'."),
    ("words:\n  bad: x\n", "f.yaml:1: 'bad' is no word."),
    ("flag: true\ncount: 2\nitems:\n  - name: x\n", "f.yaml:4: there are 1 items, not 2."),
    ("words:\n  a: x\n  1: y\n", "f.yaml:3: the key '1' of 'words' is a whole number, but must be text; put the key in quotes."),
    ("words:\n  a: 3\n", "f.yaml:2: 'words.a' is a whole number ('3'), but must be text; put it in quotes."),
])
def test_a_mistake_is_one_sentence_with_the_line_of_its_key(write, text, said):
    found = [p for p in mistakes(write(text)) if "key 'a' is not known" not in p]
    assert found == [said]


def test_each_mistake_has_its_own_sentence_and_none_hides_another(write):
    text = "words: 3\ninner:\n  size: big\nitems:\n  - name: 1\n  - nmae: x\ncuont: 3\n"
    assert [int(p.split(":")[1]) for p in mistakes(write(text))] == [1, 2, 3, 5, 6, 6, 7]


@pytest.mark.parametrize("size", [60, 50_000])
def test_a_sentence_stays_short_whatever_was_written(write, size):
    long = "x" * size
    for text in (f"count: '{long}'", f"schema_version: '{long}'", f"day: [{'x, ' * (size // 10)}x]", f"value: {{a: '{long}'}}"):
        assert all(len(p) < 300 for p in mistakes(write(text)))


# ------------------------------------------------------------------------------------------------ YAML's own traps


@pytest.mark.parametrize("key", ["2026-01-01", "1", "1.5", "null", "~", "true", "yes", "on", "2026-01-01T00:00:00Z"])
@pytest.mark.parametrize("where", [
    "{}: x\n", "inner:\n  name: y\n  {}: x\n", "words:\n  {}: x\n", "items:\n  - {{name: y, {}: x}}\n",
])
def test_a_key_that_is_no_text_is_a_sentence_on_its_line(write, key, where):
    text = where.format(key)
    (said,) = mistakes(write(text))
    assert said.startswith(f"f.yaml:{text.rstrip().count(chr(10)) + 1}: ") and said.endswith("put the key in quotes.")


@pytest.mark.parametrize(("given_", "meant"), [
    ("yes", "true"), ("No", "false"), ("on", "true"), ("OFF", "false"), ("010", "8"), ("0x1F", "31"), ("1_000", "1000"),
    ("12:30", "750"),
    ("1:30.5", "90.5"), ("0b11", "3"),
])
def test_what_yaml_reads_otherwise_than_it_looks_is_refused(write, given_, meant):
    quoted = f"f.yaml:2: YAML reads {given_} without quotes as {meant}. Write {meant} if you mean that, or '{given_}' in quotes."
    assert mistakes(write(f"flag: true\nanything: {given_}\n")) == [quoted]
    assert mistakes(write(f"flag: true\nanything: [{given_}]\n")) == [quoted]
    assert load(write(f"anything: '{given_}'\n"), Outer).anything == given_


@pytest.mark.parametrize(("given_", "meant"), [
    ("true", True), ("False", False), ("TRUE", True), ("0", 0), ("-3", -3), ("+3", 3), ("1.50", 1.5), ("1e3", "1e3"),
    ("06:00", "06:00"),
    ("2026-04-01", date(2026, 4, 1)), ("null", None), ("~", None), ("y", "y"), ("n", "n"), ("", None), ("'yes'", "yes"),
    ('"010"', "010"),
    ("v1.0", "v1.0"),
])
def test_what_looks_like_what_it_is_stays(write, given_, meant):
    got = load(write(f"anything: {given_}\n"), Outer).anything
    assert got == meant and type(got) is type(meant)


@pytest.mark.parametrize("text", [
    "a: 1\na: 2\n", "a: {b: 1, b: 2}\n", "a:\n  - {b: 1, 'b': 2}\n", "1: x\n0x1: y\n", "true: x\nTrue: y\n", "null: x\n~: y\n",
    "1: x\n1.0: y\n",
    "2026-01-01: x\n2026-01-01: y\n", "<<: {a: 1}\n<<: {b: 2}\n",
])
def test_a_key_that_stands_twice_is_refused(write, text):
    assert any("stands here a second time. Keep one." in p for p in mistakes(write(text)))


def test_the_line_of_a_repeated_key_is_the_second_one(write):
    said = mistakes(write("flag: true\ncount: 1\n\nflag: false\n"))
    assert said == ["f.yaml:4: the key 'flag' stands here a second time. Keep one."]


def test_anchors_aliases_and_merges_work(write):
    text = "items:\n  - &one {name: x, size: 1}\n  - *one\n  - <<: *one\n    size: 2\n"
    assert [(i.name, i.size) for i in load(write(text), Outer).items] == [("x", 1), ("x", 1), ("x", 2)]


def test_a_mistake_that_an_alias_brings_is_one_on_a_line_of_the_file(write):
    said = mistakes(write("anything: &a {nmae: x}\nitems:\n  - *a\n"))
    assert all(1 <= int(p.split(":")[1]) <= 3 for p in said) and any("nmae" in p for p in said)


@pytest.mark.parametrize("text", [
    "a: 2026-13-45", "a: 2026-02-30", "a: !!int x", "a: !!int ''", "a: !!bool maybe", "a: !!float ''", "a: !!timestamp x",
    "a: !!binary x",
    "a: !!binary eA==", "a: !!set {x, y}", "a: !!omap [x: 1]", "a: !!pairs [x: 1]", "a: !!python/object:os.system x",
    "a: !mine x",
    "a: !!python/name:os.system", "? [x]\n: y", "? {x: 1}\n: y", "a: " + "9" * 5000, "a: [", "a: 'x", "a: b: c", "*nobody",
    "a: *nobody",
    "%YAML 3.0\n---\na: 1", "a: 1\n---\nb: 2", "\ta: 1", "a:\n\tb: 1", "a: `x`", "a: @x", "- a\nb: 1", "a: 1e999999999999: x",
    "<<: 3", "<<: [1]",
    "<<: *x", "a: !!str [x]", "a: !!map x", "a: !!seq x", "{a: 1}}", "a: |3\n x", "&a", "!", "a: !", "--- >", "a: \"\\x",
    'a: "\\q"',
])
def test_a_text_that_is_no_plain_yaml_is_a_sentence(write, text):
    mistakes(write(text + "\n"))


YAMLISH = st.text("ab:-{}[]&*!|>'\"#%@`,?\n\t 10~<", max_size=40)


@given(st.text(st.characters(codec="utf-8"), max_size=60) | YAMLISH | st.binary(max_size=60))
def test_any_bytes_end_as_a_mapping_or_as_sentences(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        load(path, Outer, "any.yaml")
    except DocumentError as problem:
        assert problem.problems and all(p.startswith("any.yaml:") for p in problem.problems)


KEYS = st.text(max_size=5) | st.dates() | st.integers() | st.none()


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
))
def test_any_yaml_ends_as_a_model_or_as_sentences_on_lines_of_the_file(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    written = {"anything": value, "items": value, "words": value, "inner": {"name": value, "size": value}}
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").count("\n") + 1
    try:
        load(path, Outer, "any.yaml")
    except DocumentError as problem:
        assert all(1 <= int(p.split(":")[1]) <= lines for p in problem.problems)


# ------------------------------------------------------------------------------------------------ files as they come


@pytest.mark.parametrize("text", [
    "version: x\nflag: true\n", "\ufeffversion: x\nflag: true\n", "version: x\r\nflag: true\r\n",
    "---\nversion: x\nflag: true\n...\n",
    "{version: x, flag: true}", "version: x\nflag: true", "# c\nversion: x # c\nflag: true\n\n\n",
])
def test_a_good_file_is_read_however_its_editor_saved_it(write, text):
    assert load(write(text), Outer) == Outer(version="x", flag=True)


@pytest.mark.parametrize(("content", "said"), [
    ("", "f.yaml:1: must hold a mapping (key: value), but holds nothing."),
    ("# only a comment\n", "f.yaml:1: must hold a mapping (key: value), but holds nothing."),
    ("- a\n- b\n", "f.yaml:1: must hold a mapping (key: value), but holds a list."),
    ("just words\n", "f.yaml:1: must hold a mapping (key: value), but holds text."),
    ("version: ü".encode("latin-1"), "f.yaml: is not UTF-8 text. Save it as UTF-8."),
    ("version: x".encode("utf-16"), "f.yaml: is not UTF-8 text. Save it as UTF-8."),
    (b"flag: true\nversion: \x00x", "f.yaml:2: holds the control character U+0000. Remove it."),
    (b"flag: true\nversion: \x1b[2J", "f.yaml:2: holds the control character U+001B. Remove it."),
    ('flag: true\nversion: "a\\0b"', "f.yaml:2: the text holds the control character U+0000. Remove it."),
    ('flag: true\nversion: "\\e[2J"', "f.yaml:2: the text holds the control character U+001B. Remove it."),
    ('words: {"\\e[2J": x}', "f.yaml:1: a key holds the control character U+001B. Remove it."),
    ('flag: true\nversion: "\\ud800"', "f.yaml:2: the text holds half a character (a lone surrogate). Write the whole one."),
    (b"x" * (MAX_BYTES + 1), "f.yaml: is larger than 512 KB, which no declaration needs."),
])
def test_a_file_that_cannot_be_meant_is_one_sentence(write, content, said):
    assert mistakes(write(content)) == [said]


def test_no_file_a_folder_and_an_endless_file_are_sentences(tmp_path):
    assert mistakes(tmp_path / "none.yaml") == ["f.yaml: there is no such file."]
    assert mistakes(tmp_path) == ["f.yaml: cannot be read (Is a directory). Check its permissions."]
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    assert mistakes(tmp_path / "endless.yaml") == ["f.yaml: is larger than 512 KB, which no declaration needs."]


def bomb(first, again):
    """Nine lines, each nine times the one before."""
    return first + "".join(again(c, p) for p, c in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize("text", [
    bomb("a: &a [x, x, x, x, x, x, x, x, x]\n", lambda c, p: f"{c}: &{c} [{', '.join([f'*{p}'] * 9)}]\n"),
    bomb("a: &a {k: x}\n", lambda c, p: f"{c}: &{c} {{<<: [{', '.join([f'*{p}'] * 9)}]}}\n"),
    bomb("a: &a {k: x}\n", lambda c, p: f"{c}: &{c} {{{', '.join(f'k{i}: *{p}' for i in range(9))}}}\n"),
])
def test_a_billion_laughs_are_not_laughed(write, text):
    (said,) = mistakes(write(text))
    assert "more than 100,000 values once its aliases are written out" in said


@pytest.mark.parametrize(("text", "said"), [
    ("a: &a [*a]\n", "inside of what it stands for"), ("a: &a {b: {c: [*a]}}\n", "inside of what it stands for"),
    ("a: &a {<<: *a}\n", "inside of what it stands for"), ("a: " + "[" * 500, "nests more than 50 levels"),
    ("a: " + "[" * 60 + "]" * 60, "nests more than 50 levels"),
    ("a: " + "{b: " * 60 + "1" + "}" * 60, "nests more than 50 levels"),
    ("a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 300)), "nests more than 50 levels"),
])
def test_a_text_without_end_or_bottom_is_a_sentence(write, text, said):
    assert any(said in p for p in mistakes(write(text)))


# ------------------------------------------------------------------------------------------------ secrets

PEM = "-----BEGIN {}PRIVATE KEY-----\\nMIIEvQ"


@pytest.mark.parametrize("text", [
    "words: {password: hunter2}", "words: {db_password: hunter2}", "words: {API-KEY: abc}", "words: {apiKey: abc}",
    "words: {clientSecret: abc}",
    "words: {aws_secret_access_key: abc}", "words: {tokens: abc}", "words: {passphrase: a b c}", "words: {Credentials: abc}",
    "anything: {a: [{b: {secret: abc}}]}", "anything: {password: 12345}", "anything: {token: 1.5}", "anything: [{pwd: x}, {}]",
    "version: postgres://user:hunter2@host/db", "version: POSTGRES://user:hunter2@host/db", "version: redis://:hunter2@host",
    "version: see https://u:hunter2@host/x for it", "anything: [[a, 'mailto://u:hunter2@host']]", "version: AKIAABCDEFGHIJKLMNOP",
    f"version: ghp_{'a1' * 18}", f"version: github_pat_{'a1' * 20}", "version: xoxb-1234567890-abc",
    f"version: glpat-{'a1' * 10}",
    f"version: hf_{'aB' * 17}", f"version: sk-{'a1' * 16}", f"version: sk_live_{'a1' * 12}", f"version: AIza{'aB1_-' * 7}",
    "version: https://hooks.slack.com/services/T00000000/B00000000/XXXX", "version: eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc",
    "version: https://host/x?access_token=abcdef123", "version: https://host/x?a=b&sig=abcdef123",
    f'version: "{PEM.format("")}"', f'version: "{PEM.format("RSA ")}"', f'version: "{PEM.format("ENCRYPTED ")}"',
    'version: "-----BEGIN PGP PRIVATE KEY BLOCK-----"', f"words: {{ghp_{'a1' * 18}: x}}", "words: {password: 'env: X'}",
    'words: {password: "env:X\\n"}',
])
def test_a_literal_secret_is_found_and_not_repeated(write, text):
    said = mistakes(write(f"flag: true\n{text}\n"))
    assert len(said) == 1 and said[0].startswith("f.yaml:2: ") and "holds a literal secret" in said[0]
    for secret in ("hunter2", "12345", "a1a1", "MIIE", "abcdef123", "XXXX"):
        assert secret not in said[0]


@pytest.mark.parametrize("text", [
    "words: {password: 'env:DB_PASSWORD'}", "words: {token: 'file:secrets/token'}", "words: {api_key: 'prefect:my-block'}",
    "words: {password: ''}",
    "anything: {token: null}", "anything: {secret: true}", "words: {keyboard: x}", "words: {tokenizer: bert}",
    "words: {secretary: anna}",
    "words: {monkey: x}", "words: {public_key: abc}", "words: {primary_key: id}", "version: https://host:8080/path",
    "version: https://user@host/x",
    "version: https://host/a:b@c", "version: sqlite:///x", "version: 'a://b c:d@e'", "version: sk-learn",
    "version: 'ratio 3:4 @ noon'",
    "version: https://host/x?key=", "words: {compass: x}", "version: '-----BEGIN PUBLIC KEY-----'",
])
def test_a_reference_and_what_only_sounds_like_a_secret_are_fine(write, text):
    load(write(text + "\n"), Outer)


@pytest.mark.parametrize("text", ["x" * 400_000, "eyJ" * 50_000, "a.b-" * 50_000, "a://" * 50_000, "-----BEGIN " * 10_000])
def test_looking_for_secrets_does_not_hang_on_a_long_text(write, text):
    assert load(write(f"version: '{text}'\n"), Outer).version == text


@pytest.mark.parametrize(("value", "is_one"), [
    ("env:X", True), ("file:/a/b", True), ("prefect:a", True), ("env:", False), ("env:X Y", False), ("env:X\n", False),
    ("Env:X", False),
    ("json://h", False), ("", False), (" env:X", False),
])
def test_what_is_a_reference(value, is_one):
    assert is_reference(value) is is_one


def test_a_document_keeps_its_name_and_lines(write):
    document = read_document(write("flag: true\nitems:\n  - name: x\n\n  - name: y\n"), "shown.yaml")
    assert document.at(("items", 1, "name")) == "shown.yaml:5"
    assert document.at(("items", 1, "nothing", "here")) == "shown.yaml:5"
    assert document.at(("nothing",)) == "shown.yaml:1"
