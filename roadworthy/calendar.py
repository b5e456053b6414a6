"""Which day is due: data time in the workspace's time zone, wall time for everything else."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from roadworthy.errors import UsageError
from roadworthy.workspace import Settings

EARLIEST = date(1900, 1, 1)


def as_of(day: date, zone: str) -> datetime:
    """Return the end of `day` in the time zone: the moment a night's judgement speaks of.

    Examples
    --------
    >>> as_of(date(2026, 4, 9), "Europe/Berlin").isoformat()
    '2026-04-10T00:00:00+02:00'
    """
    return datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(zone))


def latest_due(settings: Settings, now: datetime) -> date:
    """Return the newest day whose batch must be there at `now`: yesterday, once `due_by` has passed.

    Examples
    --------
    >>> from datetime import timezone
    >>> s = Settings(schema_version=1, name="x", time_zone="UTC", due_by="06:00")
    >>> latest_due(s, datetime(2026, 4, 10, 5, 59, tzinfo=timezone.utc))
    datetime.date(2026, 4, 8)
    >>> latest_due(s, datetime(2026, 4, 10, 6, tzinfo=timezone.utc))
    datetime.date(2026, 4, 9)
    """
    zone = ZoneInfo(settings.time_zone)
    local = now.astimezone(zone)
    due = time.fromisoformat(settings.due_by)
    # The clock on the wall skips an hour in spring and shows one twice in autumn; what is due stays due.
    passed = local.time() >= due or local.astimezone(UTC) >= datetime.combine(local.date(), due, zone).astimezone(UTC)
    return local.date() - timedelta(days=1 if passed else 2)


def check_day(day: date, settings: Settings, now: datetime) -> None:
    """Refuse a day that is not over, or so early that no window can end with it.

    Raises
    ------
    UsageError
    """
    local = now.astimezone(ZoneInfo(settings.time_zone)).date()
    if day >= local:
        raise UsageError(
            f"{day} is not over yet in {settings.time_zone} (today is {local}), so there is no night to inspect.",
            f"Name a day up to {local - timedelta(days=1)}.",
        )
    if day < EARLIEST:
        raise UsageError(f"{day} is before {EARLIEST}, the first day there can be data of.", "Check the date.")


def acts(day: date, newest_recorded: date | None, settings: Settings, now: datetime) -> bool:
    """Say whether a run for `day` may act (stop, alert, renew): only the latest due night does.

    A workspace whose days are replayed (``clock: replay``) takes the newest night asked for as the latest due.
    """
    if newest_recorded is not None and day < newest_recorded:
        return False
    return settings.clock == "replay" or day >= latest_due(settings, now)
