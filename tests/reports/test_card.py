"""The card says what the evidence says, verdict first, and withholds what could point at a person."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import jsonschema
import pytest

from reports import card as cards
from roadworthy.measurement import Measurement, not_measured
from tests.reports.bundles import BREACH, CLEAR, PASSPORT, RULES, STOP, UNDECIDED, measured, snapshot_of
from tests.reports.pages import Page
from tests.support import passport_of

NIGHTS = {"watch": measured(), "stop": STOP, "breach": BREACH, "clear": CLEAR, "undecided": UNDECIDED}
TITLES = {
    "watch": "Watch: in service, with a warning",
    "stop": "Stop: off the road",
    "breach": "Breach: a rule is broken",
    "clear": "Clear: nothing to do",
    "undecided": "Undecided: it could not be judged",
}


def words(card: cards.Card) -> str:
    return Page(cards.html(card)).words


def row_of(card: cards.Card, start: str) -> str:
    """Return the text of the table row that starts with `start`."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", cards.html(card), re.DOTALL)
    texts = [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", row))).strip() for row in found]
    return next(text for text in texts if text.startswith(start))


@pytest.mark.parametrize("word", NIGHTS)
def test_the_verdict_comes_first_in_words_with_its_reason_and_what_to_do(make_bundle, word):
    bundle = make_bundle(NIGHTS[word])
    assert bundle.verdict.word == word
    made = cards.build(bundle, snapshot_of(bundle, "disabled" if word == "stop" else "active"))
    said = words(made)
    assert said.index(TITLES[word]) < said.index("In plain words") < said.index("Checks Each rule")
    assert made.verdict.plain in said
    if word != "clear":
        assert bundle.verdict.reason.split(" (")[0] in said
        assert any(person in said for person in ("Olga Moreau", "Gustav Okafor", "Oscar Lind"))
    assert made.verdict.summary in said


def test_plain_words_need_no_statistics(make_bundle):
    plain = {word: cards.build(b := make_bundle(m), snapshot_of(b)).verdict.plain for word, m in NIGHTS.items()}
    assert plain["watch"] == (
        "Where 100 people of the reference group get the favourable decision, about 76 of as many with age: below 25 do. "
        "That is so close to the limit that the cases seen so far do not settle it."
    )
    assert plain["stop"] == "On the newest day whose outcomes are known, about 79 of 100 decisions were wrong."
    assert plain["undecided"] == "The labelled file 'batches/2026-04-02.parquet' cannot be read as Parquet."
    for text in plain.values():
        assert not re.search(r"interval|confidence|ratio|p-value|PSI|AUC", text)


@pytest.mark.parametrize(
    ("name", "row", "before", "after"),
    [
        ("accuracy", "Accuracy higher is better", "better 77", "better 75"),
        ("rate_f", "female", "65", "61"),
        ("ratio_f", "female", "0.93", "0.91"),
        ("label", "Change of the outcome's share", "1 point ", "2 points"),
        ("psi23", "feature_23", "0.046", "0.051"),
        ("e3", "purpose is one of ten", "99.6", "99.2"),
        ("rows", "Rows in the batch", "500", "501"),
    ],
)
def test_a_changed_measurement_changes_the_cell_that_shows_it(make_bundle, name, row, before, after):
    old = make_bundle()
    index = next(i for i, m in enumerate(old.measurements) if m == measured_of(old, name))
    m = old.measurements[index]
    shift = {"accuracy": -0.023, "rate_f": -0.04, "ratio_f": -0.02, "label": 0.007, "psi23": 0.005, "e3": -0.004, "rows": 1}[name]
    changed = list(old.measurements)
    changed[index] = replace(m, value=m.value + shift)
    new = make_bundle(changed)
    first, second = (cards.build(b, snapshot_of(b)) for b in (old, new))
    assert before in row_of(first, row) and after in row_of(second, row) and after not in row_of(first, row)
    assert f'<data value="{m.value}">' in cards.html(first) and f'<data value="{m.value + shift}">' in cards.html(second)
    assert first.card_id != second.card_id and first.model_dump_json() != second.model_dump_json()


def measured_of(bundle, name):
    """Return the measurement that `measured` calls `name`."""
    wanted = dict(zip(NAMES, measured(), strict=True))[name]
    return next(m for m in bundle.measurements if (m.metric, dict(m.over)) == (wanted.metric, dict(wanted.over)))


NAMES = (
    "rows e1 e2 e3 score missing volume label accuracy auc brier day rate_young rate_old ratio_young tpr_young fpr_young "
    "rate_f rate_m rate_x rate_u ratio_f ratio_x tpr_f fpr_f gap " + " ".join(f"psi{i}" for i in range(24))
).split()


def test_a_group_of_fewer_than_ten_people_is_withheld_everywhere(make_bundle, tmp_path):
    bundle = make_bundle()
    made = cards.build(bundle, snapshot_of(bundle))
    files = cards.write(made, tmp_path)
    for file in files:
        text = file.read_text(encoding="utf-8")
        for secret in ("0.857", "85.7", "1.158", "1.16", "1.572", "20.7", "7 of 30", "n = 7;", "n\u00a0=\u00a07;", "0.207"):
            assert secret not in text, f"{file.name} shows {secret}"
    assert "fewer than ten people, or withheld so that the other" in row_of(made, "(missing)")


def test_a_reason_about_too_few_people_shows_no_number(make_bundle):
    rules = [r for r in RULES if r["id"] == "four-fifths"]
    group = {"group": {"sex": "(missing)"}}
    few = [
        Measurement("fairness.selection_rate", group, 0.857, 0.487, 0.974, 0.95, n=7),
        Measurement("fairness.selection_rate_ratio", group, 1.158, 0.853, 1.572, 0.95, n=7),
    ]
    bundle = make_bundle(few, rules=rules)
    assert "n = 7" in bundle.verdict.reason
    made = cards.build(bundle, snapshot_of(bundle))
    assert "too few people to show a number" in made.verdict.reason and "1.16" not in words(made)


def test_a_replayed_table_says_so_on_top(make_bundle):
    bundle = make_bundle()
    said = words(cards.build(bundle, snapshot_of(bundle), "Demo workspace."))
    assert said.index("Replayed. The table has no dates") < said.index("Consumer credit decisions")
    assert said.index("Demo workspace.") < said.index("Consumer credit decisions")


def test_a_switched_off_model_has_a_red_banner_on_top(make_bundle):
    bundle = make_bundle(STOP)
    off, on = (cards.html(cards.build(bundle, snapshot_of(bundle, state))) for state in ("disabled", "active"))
    assert 'class="alarm"' in off and off.index('class="alarm"') < off.index("<h1>") and 'class="alarm"' not in on
    assert "Stop: must not serve" in on, "the page does not claim a stop that nobody recorded"


@pytest.mark.parametrize("state", ["degraded", "quarantined", "disabled"])
def test_the_banner_says_since_when_why_and_who_may_switch_on(make_bundle, state):
    bundle = make_bundle(STOP)
    snapshot = snapshot_of(bundle, state)
    snapshot["switch"] |= {"reason": "Too <b>often</b> wrong.", "since": "2026-04-09T04:05:06Z"}
    made = cards.build(bundle, snapshot)
    page = cards.html(made)
    banner = page[page.index('class="alarm"'):page.index("</aside>")]
    guardian = next(person.name for person in made.people if person.role == "guardian")
    for said in ("Too &lt;b&gt;often&lt;/b&gt; wrong.", "2026", f"Only {guardian} (Guardian) may switch it on again"):
        assert said in banner
    assert guardian in cards.summary_markdown(made) and not Page(page).problems


@pytest.mark.parametrize("release", ["candidate", "judged", "awaiting-signatures", "rejected", "expired", "retired", "unknown"])
def test_what_is_not_released_is_never_shown_in_service(make_bundle, release):
    bundle = make_bundle(CLEAR)
    made = cards.build(bundle, snapshot_of(bundle, "active", release))
    assert made.live.switch_words == "Not in service"


def test_without_a_recorded_state_nothing_is_claimed(make_bundle):
    bundle = make_bundle(CLEAR)
    made = cards.build(bundle, {})
    assert made.live.switch_words == "Not recorded" and made.live.switch_kind == "none"
    assert not Page(cards.html(made)).problems


def test_missing_fields_are_counted_and_named(make_bundle):
    full, poor = (
        make_bundle(),
        make_bundle(
            passport=passport_of(
                **{
                    **PASSPORT,
                    "use": {"limits": []},
                    "protected": [{**p, "note": ""} for p in PASSPORT["protected"]],
                    "recipe": None,
                    "quasi_identifiers": [],
                }
            )
        ),
    )
    rich, bare = (cards.build(b, snapshot_of(b)).provenance for b in (full, poor))
    assert bare.missing == rich.missing + 3
    said = words(cards.build(poor, snapshot_of(poor)))
    assert "Missing: the passport names no limit." in said and "'recipe' is empty in the passport" in said
    assert f"{bare.missing} missing:" in said


def test_what_was_not_inspected_is_said(make_bundle):
    bundle = make_bundle(CLEAR)
    said = words(cards.build(bundle, snapshot_of(bundle)))
    assert "Privacy Not inspected by this version." in said and "Cost and latency Not inspected" not in said


def test_a_family_that_measured_nothing_is_shown_as_missing(make_bundle):
    only = [m for m in measured() if not m.metric.startswith(("performance.", "fairness."))]
    bundle = make_bundle(only)
    made = cards.build(bundle, snapshot_of(bundle))
    assert bundle.verdict.word == "undecided" and "Nothing was measured tonight." in words(made)
    assert {f.field for f in made.provenance.fields if f.state == "missing"} >= {"performance", "fairness"}


def test_every_finding_is_in_the_table_or_counted_by_a_line(make_bundle):
    many = [Measurement("drift.psi", {"column": f"c{i}"}, 0.5 + i / 1000, p_value=1e-9, n=900) for i in range(60)]
    bundle = make_bundle([*CLEAR, *many])
    made = cards.build(bundle, snapshot_of(bundle))
    assert sum(1 + c.more for c in made.checks) == len(bundle.findings)
    assert "and 48 more of this rule and status" in words(made)
    places = [cards.sections.weight(c) for c in made.checks]
    assert places == sorted(places) and [c.status for c in made.checks[:2]] == ["warn", "warn"]


def test_a_day_without_data_is_a_line_for_each_rule(make_bundle):
    nothing = [not_measured(m.metric, "insufficient", "There is no batch for 2026-04-09.", over=m.over) for m in CLEAR]
    bundle = make_bundle(nothing)
    made = cards.build(bundle, snapshot_of(bundle))
    assert len(made.checks) == len(RULES) and made.verdict.plain == "There is no batch for 2026-04-09."
    assert sum(1 + c.more for c in made.checks) == len(bundle.findings)


def test_a_family_without_its_table_speaks_of_no_column_called_none(make_bundle):
    whole = [
        not_measured(metric, "insufficient", "There is no batch for 2026-04-09.") for metric in sorted({m.metric for m in CLEAR})
    ]
    bundle = make_bundle(whole)
    page = Page(cards.html(cards.build(bundle, snapshot_of(bundle))))
    assert not page.problems and "Every column" in page.words


def test_what_does_not_apply_is_not_called_too_little_data(make_bundle):
    rules = [
        *RULES,
        {
            "id": "leak",
            "metric": "data_quality.declared_leak_present",
            "over": {"column": "any"},
            "limit": "<= 0",
            "test": "exact",
            "breach": "fail",
            "required": False,
            "because": "A leak makes success borrowed.",
        },
    ]
    absent = not_measured("data_quality.declared_leak_present", "not_applicable", "The passport declares no leak.")
    bundle = make_bundle([*CLEAR, absent], rules=rules)
    made = cards.build(bundle, snapshot_of(bundle))
    assert {c.rule for c in made.checks[-2:]} == {"leak", "four-fifths"} and "2 do not apply" in made.verdict.summary
    assert "Does not apply" in words(made)


def test_what_does_not_apply_for_one_reason_is_one_line_of_however_many_rules(make_bundle):
    shorts = "calibration_gap", "predictive_parity_difference", "false_negative_rate_difference"
    names = [f"fairness.{short}" for short in shorts]
    rules = [
        {"id": f"rule-{i}", "metric": metric, "over": {"group": "any"}, "limit": "between -0.1 and 0.1", "test": "interval",
         "breach": "warn", "because": "A test of what does not apply."}
        for i, metric in enumerate(names)
    ]
    absent = [not_measured(metric, "not_applicable", "The model decides nothing about people.") for metric in names]
    bundle = make_bundle([*CLEAR, *absent], rules=[*RULES, *rules])
    made = cards.build(bundle, snapshot_of(bundle))
    [line] = [c for c in made.checks if c.rule.startswith("rule-")]
    assert line.more == 2 and not line.applies and "and 2 more that do not apply" in words(made)
    assert sum(1 + c.more for c in made.checks) == len(bundle.findings)


def test_a_rate_over_fewer_than_ten_cases_of_a_larger_group_is_withheld(make_bundle):
    group = {"group": {"sex": "female"}}
    thin = Measurement("fairness.true_positive_rate_difference", group, -0.1234, -0.4, 0.2, 0.95, n=155, stats={"cases_group": 6})
    bundle = make_bundle(measured(tpr_f=thin))
    page = cards.html(cards.build(bundle, snapshot_of(bundle)))
    assert "-0.1234" not in page and "−12" not in page


@pytest.mark.parametrize("refused", [{"selected_group": 151}, {"selected_reference": 394}], ids=["group", "reference"])
def test_a_rate_that_tells_of_one_to_nine_people_is_withheld_on_either_side_of_the_comparison(make_bundle, refused):
    group = {"group": {"sex": "female"}}
    stats = {"selected_group": 120, "cases_group": 155, "selected_reference": 300, "cases_reference": 400, **refused}
    told = Measurement("fairness.true_positive_rate_difference", group, -0.1234, -0.4, 0.2, 0.95, n=155, stats=stats)
    many = Measurement(told.metric, group, -0.1234, -0.4, 0.2, 0.95, n=155, stats={**stats, **dict.fromkeys(refused, 100)})
    withheld, shown = (make_bundle(measured(tpr_f=m)) for m in (told, many))
    page = cards.html(cards.build(withheld, snapshot_of(withheld)))
    assert "-0.1234" not in page and "−12" not in page
    assert "−12" in cards.html(cards.build(shown, snapshot_of(shown)))


def test_the_passing_line_of_a_rule_shows_the_closest_to_the_limit(make_bundle):
    bundle = make_bundle()
    made = cards.build(bundle, snapshot_of(bundle))
    line = next(c for c in made.checks if c.rule == "column-shift")
    assert (line.part, line.more) == ("feature_23", 23)


def test_a_waiver_stands_on_the_card_and_so_does_one_that_is_not_honoured(make_bundle):
    base = {
        "model": "credit",
        "version": None,
        "over": {"group": {"age": "below 25"}},
        "granted_on": "2026-04-01",
        "digest": "0" * 64,
    }
    good = {
        **base,
        "id": "w-1",
        "rule": "four-fifths",
        "granted_by": "gustav",
        "expires": "2026-05-01",
        "honoured": True,
        "why_not": "",
        "reason": "A second officer sees every decline.",
    }
    bad = {**good, "id": "w-2", "rule": "accuracy", "honoured": False, "why_not": "It expired on 2026-04-01.", "over": None}
    bundle = make_bundle(waivers=[good, bad])
    said = words(cards.build(bundle, snapshot_of(bundle)))
    assert "A second officer sees every decline." in said and "until 2026-05-01" in said and "1 is waived" in said
    assert "Not honoured: It expired on 2026-04-01." in said


def test_commands_can_be_typed(make_bundle):
    from typer.main import get_command

    from flows.cli import app

    known = get_command(app)
    for measurements, switch in (
        (STOP, "disabled"),
        (STOP, "active"),
        (BREACH, "active"),
        (UNDECIDED, "active"),
        (CLEAR, "quarantined"),
    ):
        for when in ("nightly", "gate"):
            bundle = make_bundle(measurements, when=when)
            duties = cards.build(bundle, snapshot_of(bundle, switch)).duties
            assert duties
            for duty in duties:
                if not duty.command:
                    continue
                program, *rest = shlex.split(duty.command)
                assert program == "roadworthy"
                command = known
                while rest and rest[0] in getattr(command, "commands", {}):
                    command = command.commands[rest.pop(0)]
                options = {name for p in command.params for name in p.opts}
                used = {part for part in rest if part.startswith("--")}
                # The stop is taken before Typer is loaded, so its options stand in its text.
                assert used <= options or all(option in (command.help or "") for option in used), duty.command


def test_the_json_twin_satisfies_the_published_schema(make_bundle, tmp_path):
    bundle = make_bundle()
    cards.write(cards.build(bundle, snapshot_of(bundle)), tmp_path)
    twin = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    card_id = twin.pop("card_id")
    jsonschema.validate(twin, cards.schema())
    assert cards.Card.model_validate(twin).card_id == card_id
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**twin, "more": 1}, cards.schema())


def test_the_short_twin_is_made_of_a_bundle_alone(make_bundle):
    text = cards.summary_markdown(make_bundle(BREACH), "file:///x/card.html")
    assert text.startswith("## Breach: a rule is broken: Consumer credit decisions 2.4.0\n")
    assert "[Open the card](file:///x/card.html)" in text and "| Fails |" in text and "Olga Moreau" in text


def test_same_evidence_and_state_same_bytes(make_bundle, tmp_path):
    bundle = make_bundle()
    files = [cards.write(cards.build(bundle, snapshot_of(bundle)), tmp_path / name) for name in ("a", "b")]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


def test_a_reader_of_a_page_never_sees_it_half_written(make_bundle, tmp_path):
    bundle = make_bundle()
    made = cards.build(bundle, snapshot_of(bundle))
    (tmp_path / "out" / "card.html").mkdir(parents=True)  # cannot be replaced by a file
    with pytest.raises(OSError):
        cards.write(made, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["card.html"]


@pytest.mark.parametrize("nights", [1, 2, 400])
def test_any_length_of_history_is_drawn(make_bundle, nights):
    days = [(date(2026, 4, 9) - timedelta(days=i)).isoformat() for i in range(nights, 0, -1)]
    history = {"points": {'drift.score_psi|{"column":"score"}': [[d, 0.01, None, None] for d in days]}}
    bundle = make_bundle(history=history)
    made = cards.build(bundle, snapshot_of(bundle, history=[[d, "clear", ""] for d in days]))
    page = Page(cards.html(made))
    assert not page.problems and made.drift.score.sentence in page.words


def test_the_trend_of_errors_is_that_of_the_whole_model_and_not_of_a_segment(make_bundle):
    day, before = "2026-04-09", "2026-04-08"
    history = {"points": {
        'performance.day_error_rate|{}': [[before, 0.19, 0.1, 0.3]],
        'performance.day_error_rate|{"segment":{"origin":"JFK"}}': [[before, 0.9, 0.8, 1.0]],
    }}
    bundle = make_bundle(history=history)
    made = cards.build(bundle, snapshot_of(bundle))
    assert [(p.day, p.value) for p in made.trend.points] == [(before, 0.19), (day, 0.21)]
    page = Page(cards.html(made))
    assert not page.problems and " ".join(made.trend.sentence.split()) in page.words


def closer_look() -> list[Measurement]:
    share = {"confidence": 0.95, "n": 900}
    return [
        *CLEAR,
        Measurement("performance.error_rate", {"segment": {"origin": "JFK"}}, 0.4, 0.3, 0.5, **share),
        Measurement("estimate.accuracy", {}, 0.81, 0.78, 0.84, **share, details={"estimate": True}),
        Measurement("estimate.accuracy", {"group": {"sex": "x"}}, 0.5, 0.1, 0.9, 0.95, n=7),
        Measurement("estimate.miss", {"metric": "accuracy"}, -0.013, -0.03, 0.004, **share),
        Measurement("explainability.importance", {"column": "income"}, 0.61, 0.55, 0.66, **share),
        Measurement("explainability.importance", {"column": "age"}, 0.07, 0.05, 0.1, **share),
        Measurement("explainability.fidelity", {}, 0.93, 0.9, 0.95, **share),
        Measurement("drift.score_move", {"column": "income"}, 0.8, 0.7, 0.9, **share,
                    details={"sentence": "The score moved up by 3.1 points; income carries most of it."}),
        Measurement("drift.segment_move", {"segment": {"origin": "JFK"}}, 0.4, 0.3, 0.5, **share),
        Measurement("drift.drill_down", {}, 1, n=5000, details={"page": {"path": "model=loan/drill-down/ab.html"}}),
    ]


def test_a_closer_look_is_told_in_words_and_numbers(make_bundle):
    bundle = make_bundle(closer_look())
    made = cards.build(bundle, snapshot_of(bundle))
    page = Page(cards.html(made))
    assert not page.problems
    for said in (
        "The score moved up by 3.1 points; income carries most of it.", "Before outcomes are known",
        "nothing passes by an estimate alone",
        "explains 93 % of their ups and downs", "model=loan/drill-down/ab.html", "By origin",
    ):
        assert said in page.words, said
    assert [line.title for line in made.drivers.columns] == ["income", "age"]
    [origin] = made.performance_parts
    assert [row.name for row in origin.rows] == ["JFK"] and origin.rows[0].figures[0].value == 0.4
    assert [(e.line.metric, e.miss.value) for e in made.estimates] == [("estimate.accuracy", -0.013)]
    assert not any(line.part for line in made.performance), "the whole stands apart from its parts"
    assert "restricted" in page.words and "ab.html" not in "".join(page.links), "no page leads to rows"


def test_an_estimate_about_fewer_than_ten_people_is_withheld(make_bundle):
    rule = {
        "id": "estimate-low", "metric": "estimate.accuracy", "over": {"group": "any"}, "limit": ">= 0.70", "test": "exact",
        "breach": "warn", "because": "A test of what a page withholds.",
    }
    bundle = make_bundle(closer_look(), rules=[*RULES, rule])
    made = cards.build(bundle, snapshot_of(bundle))
    [few] = [e.line for e in made.estimates if e.line.part == "sex: x"]
    assert few.status == "warn" and few.figure.hidden and few.figure.value is None and few.figure.n is None


def test_a_stand_in_that_does_not_agree_with_the_model_explains_nothing(make_bundle):
    why = "The stand-in explains 20 % of the score; below 50 % it says nothing about the model."
    bundle = make_bundle([*CLEAR, not_measured("explainability.importance", "insufficient", why, over={"column": "age"})])
    made = cards.build(bundle, snapshot_of(bundle))
    assert made.drivers.columns == [] and why in words(made)


def test_a_wide_model_keeps_the_page_small(make_bundle):
    features = [f"a_column_with_quite_a_long_name_{i:03d}" for i in range(200)]
    many = [Measurement("drift.psi", {"column": c}, 0.3, p_value=1e-9, n=900) for c in features]
    groups = [
        Measurement(f"fairness.{metric}", {"group": {"region": f"region {i}"}}, 0.7, 0.6, 0.8, 0.95, n=80)
        for i in range(40)
        for metric in ("selection_rate", "selection_rate_ratio", "true_positive_rate_difference")
    ]
    bundle = make_bundle([*CLEAR, *many, *groups], passport=passport_of(**{**PASSPORT, "features": features}))
    page = cards.html(cards.build(bundle, snapshot_of(bundle)))
    assert len(page.encode()) < 150_000 and not Page(page).problems


def test_a_night_without_a_single_number_is_a_whole_page(make_bundle):
    nothing = [not_measured(m.metric, "error", "There is no batch for 2026-04-09.", over=m.over) for m in measured()]
    bundle = make_bundle(nothing, history={})
    made = cards.build(bundle, snapshot_of(bundle))
    assert made.verdict.word == "undecided" and not Page(cards.html(made)).problems


def test_a_regression_model_has_a_card(make_bundle):
    task = {"kind": "regression", "label": "bikers", "prediction": "forecast"}
    rules = [
        {
            "id": "bias",
            "metric": "performance.bias",
            "limit": "between -20 and 20",
            "test": "interval",
            "breach": "severe",
            "because": "A forecast that is always too low leaves people waiting.",
        },
    ]
    bundle = make_bundle(
        [Measurement("performance.bias", value=-81.2, low=-95.0, high=-68.1, confidence=0.95, n=24)],
        passport=passport_of(task=task, protected=[], risk_tier="minimal", use={"human_oversight": "The depot decides."}),
        rules=rules,
        history={},
    )
    made = cards.build(bundle, snapshot_of(bundle, "disabled"))
    page = Page(cards.html(made))
    assert (
        not page.problems
        and made.verdict.plain == "On average the prediction is 81 too low."
        and "A test needs none." in page.words
    )
