"""Which days a check looks at, and which files hold them.

Days are data time: the judged day in the workspace's time zone. A window ends with the day judged; for labels it ends
`maturity_days` earlier, because a younger label may still change.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from roadworthy.errors import DataError, DocumentError


@dataclass(frozen=True, slots=True)
class Window:
    """Days from `first` to `last`, both in.

    Examples
    --------
    >>> Window.ending(date(2026, 4, 9), 2).days()
    [datetime.date(2026, 4, 8), datetime.date(2026, 4, 9)]
    """

    first: date
    last: date

    @classmethod
    def ending(cls, last: date, days: int) -> Window:
        """Return the window of `days` days that ends with `last`."""
        return cls(last - timedelta(days=days - 1), last)

    def days(self) -> list[date]:
        """Return each day, oldest first."""
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]


def files_of(root: Path, pattern: str, day: date | None = None) -> list[Path]:
    """Return the files a declared path means, sorted; with ``{date}`` replaced by `day`.

    A path that names one existing file is that file, whatever characters its name holds; otherwise it is a glob.

    Raises
    ------
    DocumentError
        If the path leaves the workspace.
    DataError
        If the disk refuses to say what is there.
    """
    text = pattern.replace("{date}", day.isoformat()) if day is not None else pattern
    if Path(text).is_absolute() or ".." in Path(text).parts:
        raise DocumentError([f"the path '{pattern}' leaves the workspace; paths are relative to it."])
    exact = root / text
    try:
        if exact.is_file():
            return [exact]
        found = (Path(p) for p in glob.glob(glob.escape(str(root)) + "/" + text, recursive=True))
        return sorted(path for path in found if path.is_file())
    except OSError as problem:
        said = f"The path '{text[:80]}' cannot be looked at ({problem.strerror})."
        raise DataError(said, "Check it and its permissions.") from None


def newest_day(root: Path, pattern: str, not_after: date) -> date | None:
    """Return the newest day up to `not_after` for which the declared path has a file, or None."""
    return max(days_of(root, pattern, not_after), default=None)


def days_of(root: Path, pattern: str, not_after: date) -> list[date]:
    """Return every day up to `not_after` for which the declared path has a file, oldest first."""
    parts = pattern.split("{date}")
    found = set()
    any_day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
    # A path is a glob, or the very name of a file (see `files_of`), so both are looked for.
    ways = {any_day.join(parts), any_day.join(glob.escape(p) for p in parts)}
    for path in (p for way in ways for p in glob.glob(glob.escape(str(root)) + "/" + way, recursive=True)):
        rest = str(Path(path).relative_to(root))
        for start in range(len(rest) - 9):
            try:
                day = date.fromisoformat(rest[start : start + 10])
            except ValueError:
                continue
            if day <= not_after and Path(path) in files_of(root, pattern, day):
                found.add(day)
                break
    return sorted(found)
