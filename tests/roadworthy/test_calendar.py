"""Which day is due, in every zone and through every change of the clocks; who may act."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.calendar import EARLIEST, acts, as_of, check_day, latest_due
from roadworthy.errors import UsageError
from roadworthy.window import Window
from roadworthy.workspace import Settings

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago",
    "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Asia/Kathmandu",
]
DAYS = st.dates(date(2000, 1, 1), date(2035, 12, 31))


def settings(zone="UTC", due="06:00", clock="wall"):
    return Settings(schema_version=1, name="x", time_zone=zone, due_by=due, clock=clock)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------------------ the end of a day


@pytest.mark.parametrize(("day", "zone", "end"), [
    (date(2026, 4, 9), "UTC", "2026-04-10T00:00"), (date(2026, 4, 9), "Europe/Berlin", "2026-04-09T22:00"),
    (date(2026, 3, 28), "Europe/Berlin", "2026-03-28T23:00"), (date(2026, 3, 29), "Europe/Berlin", "2026-03-29T22:00"),
    (date(2026, 10, 24), "Europe/Berlin", "2026-10-24T22:00"), (date(2026, 10, 25), "Europe/Berlin", "2026-10-25T23:00"),
    (date(2026, 12, 31), "Asia/Kathmandu", "2026-12-31T18:15"), (date(2026, 12, 31), "Pacific/Kiritimati", "2026-12-31T10:00"),
    (date(2026, 4, 23), "Africa/Cairo", "2026-04-23T22:00"),      # midnight of the 24th does not exist: the clock goes to 01:00
])
def test_a_day_ends_at_midnight_of_its_own_zone(day, zone, end):
    assert as_of(day, zone).astimezone(UTC) == utc(end)


@given(DAYS, st.sampled_from(ZONES))
def test_days_follow_each_other_and_last_a_day_give_or_take_a_clock(day, zone):
    length = as_of(day, zone).astimezone(UTC) - as_of(day - timedelta(days=1), zone).astimezone(UTC)
    assert timedelta(hours=22) < length < timedelta(hours=26)


# ------------------------------------------------------------------------------------------------ what is due


@pytest.mark.parametrize(("now", "zone", "due", "newest"), [
    ("2026-04-10T05:59:59", "UTC", "06:00", date(2026, 4, 8)), ("2026-04-10T06:00", "UTC", "06:00", date(2026, 4, 9)),
    ("2026-04-10T00:00", "UTC", "00:00", date(2026, 4, 9)), ("2026-04-09T23:59:59", "UTC", "00:00", date(2026, 4, 8)),
    ("2026-04-10T23:58", "UTC", "23:59", date(2026, 4, 8)), ("2026-04-10T23:59", "UTC", "23:59", date(2026, 4, 9)),
    ("2026-04-10T03:59", "Europe/Berlin", "06:00", date(2026, 4, 8)),
    ("2026-04-10T04:00", "Europe/Berlin", "06:00", date(2026, 4, 9)),
    ("2026-04-09T16:00", "Pacific/Kiritimati", "06:00", date(2026, 4, 9)),
    ("2026-04-10T16:59", "Pacific/Pago_Pago", "06:00", date(2026, 4, 8)),
    # The night in spring has no 02:30: at 03:00 it is past. In autumn 02:30 comes twice: what was due stays due.
    ("2026-03-29T00:59", "Europe/Berlin", "02:30", date(2026, 3, 27)),
    ("2026-03-29T01:00", "Europe/Berlin", "02:30", date(2026, 3, 28)),
    ("2026-10-25T00:29", "Europe/Berlin", "02:30", date(2026, 10, 23)),
    ("2026-10-25T00:30", "Europe/Berlin", "02:30", date(2026, 10, 24)),
    ("2026-10-25T01:10", "Europe/Berlin", "02:30", date(2026, 10, 24)),
    ("2026-10-25T01:30", "Europe/Berlin", "02:30", date(2026, 10, 24)),
])
def test_yesterday_is_due_once_its_hour_has_passed(now, zone, due, newest):
    assert latest_due(settings(zone, due), utc(now)) == newest


TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
MOMENTS = st.datetimes(datetime(2000, 1, 2), datetime(2035, 12, 30), timezones=st.just(UTC))


@given(MOMENTS, st.sampled_from(ZONES), TIMES, st.integers(0, 200_000))
def test_what_is_due_never_becomes_undue_and_is_always_over(now, zone, due, seconds):
    s = settings(zone, due)
    first, later = latest_due(s, now), latest_due(s, now + timedelta(seconds=seconds))
    assert first <= later
    assert as_of(first, zone) <= now
    check_day(first, s, now)


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_the_zone_in_which_now_is_told_does_not_matter(now, zone, other):
    assert latest_due(settings(zone), now) == latest_due(settings(zone), now.astimezone(ZoneInfo(other)))


# ------------------------------------------------------------------------------------------------ days that can be inspected


@pytest.mark.parametrize(("day", "now", "zone", "over"), [
    (date(2026, 4, 9), "2026-04-10T00:00", "UTC", True), (date(2026, 4, 9), "2026-04-09T23:59", "UTC", False),
    (date(2026, 4, 10), "2026-04-09T12:00", "UTC", False), (date(2026, 4, 9), "2026-04-09T10:00", "Pacific/Kiritimati", True),
    (date(2026, 4, 9), "2026-04-10T10:59", "Pacific/Pago_Pago", False), (date.max, "2026-04-09T12:00", "UTC", False),
])
def test_a_day_that_is_not_over_is_refused(day, now, zone, over):
    if over:
        check_day(day, settings(zone), utc(now))
    else:
        with pytest.raises(UsageError, match="is not over yet in"):
            check_day(day, settings(zone), utc(now))


@pytest.mark.parametrize("day", [date.min, date(1, 6, 1), EARLIEST - timedelta(days=1)])
def test_a_day_before_all_data_is_a_sentence_and_no_overflow(day):
    with pytest.raises(UsageError, match="the first day there can be data of"):
        check_day(day, settings(), utc("2026-04-10T12:00"))
    Window.ending(EARLIEST, 366)


# ------------------------------------------------------------------------------------------------ who acts

NOW = utc("2026-04-10T12:00")
DUE = date(2026, 4, 9)


@pytest.mark.parametrize(("day", "newest", "clock", "may"), [
    (DUE, None, "wall", True), (DUE, DUE - timedelta(days=1), "wall", True), (DUE, DUE, "wall", True),
    (DUE - timedelta(days=1), None, "wall", False), (DUE - timedelta(days=1), DUE - timedelta(days=2), "wall", False),
    (DUE - timedelta(days=1), DUE, "wall", False), (DUE - timedelta(days=400), None, "wall", False),
    (date(2013, 12, 17), None, "replay", True), (date(2013, 12, 17), date(2013, 12, 16), "replay", True),
    (date(2013, 12, 17), date(2013, 12, 17), "replay", True), (date(2013, 12, 16), date(2013, 12, 17), "replay", False),
])
def test_only_the_latest_due_night_acts_and_a_backfill_never_does(day, newest, clock, may):
    assert acts(day, newest, settings(clock=clock), NOW) is may


@given(DAYS, st.none() | DAYS, MOMENTS, st.sampled_from(ZONES))
def test_no_night_older_than_one_recorded_acts_on_any_clock(day, newest, now, zone):
    for clock in ("wall", "replay"):
        if newest is not None and day < newest:
            assert not acts(day, newest, settings(zone, clock=clock), now)
    if day < latest_due(settings(zone), now):
        assert not acts(day, newest, settings(zone), now)
