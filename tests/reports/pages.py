"""Checks of a finished page that need no browser: what makes it safe, readable by a screen reader, and whole."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "hr", "input", "wbr", "col"}
SVG_LEAF = {"line", "circle", "rect", "path", "polyline", "polygon"}
ASSETS = {"src", "srcset", "poster", "data", "action", "formaction", "background", "xlink:href"}


class Page(HTMLParser):
    """A parsed page with every problem found on the way."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.problems: list[str] = []
        self.stack: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.rows: list[int] = []
        self.widths: list[list[int]] = []
        self.titled: list[bool] = []
        self.feed(text)
        self.close()
        self._finish()

    @property
    def words(self) -> str:
        """All visible text, blanks collapsed."""
        return re.sub(r"\s+", " ", " ".join(self.text)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check one tag."""
        names = [name for name, _ in attrs]
        given = dict(attrs)
        if len(set(names)) != len(names):
            self.problems.append(f"<{tag}> has an attribute twice")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.problems.append(f"<{tag}> has {name}=")
            if name in ASSETS:
                self.problems.append(f"<{tag}> loads {name}={value}")
            if name == "href":
                self.links.append(value or "")
                if re.match(r"(?i)\s*(javascript|data|vbscript|https?|//)", value or "") or tag == "link":
                    self.problems.append(f"<{tag}> points outside: {value}")
                if (value or "").startswith("#"):
                    self.anchors.append((value or "")[1:])
            if name == "id":
                self.ids.append(value or "")
        if tag in ("script", "iframe", "object", "embed", "base", "form", "img", "link"):
            self.problems.append(f"there is a <{tag}>")
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "th" and given.get("scope") not in ("col", "row", "rowgroup"):
            self.problems.append("a <th> has no scope")
        if tag == "svg":
            self._svg(given)
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th") and self.rows:
            self.rows[-1] += int(given.get("colspan") or 1)
        if tag == "table":
            self.widths.append([])
        if tag == "a" and not given.get("href"):
            self.problems.append("a link leads nowhere")
        if tag not in VOID:
            self.stack.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check a tag that closes itself, which only shapes of SVG may."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            if tag not in SVG_LEAF:
                self.problems.append(f"<{tag}/> is not closed in HTML")
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that tags close in order."""
        if not self.stack or self.stack[-1][0] != tag:
            self.problems.append(f"</{tag}> closes {self.stack[-1][0] if self.stack else 'nothing'}")
            return
        self.stack.pop()
        if tag == "tr" and self.widths:
            self.widths[-1].append(self.rows[-1])
        if tag == "table" and len(set(self.widths[-1])) > 1:
            self.problems.append(f"a table has rows of {sorted(set(self.widths[-1]))} columns")

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if not any(tag in ("style", "title") for tag, _ in self.stack) or any(tag == "svg" for tag, _ in self.stack):
            self.text.append(data)

    def _svg(self, given: dict[str, str | None]) -> None:
        inside = any(tag == "svg" for tag, _ in self.stack)
        if inside or given.get("aria-hidden") == "true":
            return
        if given.get("role") != "img" or not given.get("aria-labelledby"):
            self.problems.append("an <svg> is neither hidden nor named")

    def _finish(self) -> None:
        if self.stack:
            self.problems.append(f"not closed: {[tag for tag, _ in self.stack]}")
        if self.headings.count(1) != 1:
            self.problems.append(f"there are {self.headings.count(1)} h1")
        for before, after in zip(self.headings, self.headings[1:], strict=False):
            if after > before + 1:
                self.problems.append(f"h{before} is followed by h{after}")
        twice = {i for i in self.ids if self.ids.count(i) > 1}
        if twice:
            self.problems.append(f"ids stand twice: {twice}")
        for anchor in self.anchors:
            if anchor not in self.ids:
                self.problems.append(f"#{anchor} leads nowhere")
        for named in re.findall(r'aria-labelledby="([^"]*)"', self.source):
            self.problems += [f"the label {one} is not there" for one in named.split() if one not in self.ids]
        if not self.source.startswith("<!DOCTYPE html>\n<html lang="):
            self.problems.append("no doctype or no language")
        self._policy()
        for word in (r"\bNone\b", r"\bnan\b", r"\binf\b", r"\d\.\d{7,}", r"Undefined", r"\{\{", r"\[More Information Needed\]"):
            if re.search(word, self.words):
                self.problems.append(f"the text shows {word}")

    def _policy(self) -> None:
        sheets = re.findall(r"<style>(.*?)</style>", self.source, re.DOTALL)
        found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', self.source)
        if len(sheets) != 1 or found is None:
            self.problems.append("there is not one style sheet and one policy")
            return
        digest = base64.b64encode(hashlib.sha256(sheets[0].encode()).digest()).decode()
        policy = found[1].replace("&#39;", "'")
        if policy != (f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"):
            self.problems.append("the policy does not allow exactly the style sheet")
        if re.search(r"url\(|@import|https?:", sheets[0]):
            self.problems.append("the style sheet loads something")


def problems(text: str) -> list[str]:
    """Return what is wrong with a page."""
    return Page(text).problems
