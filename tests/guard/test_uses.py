"""The ways an application puts the guard in front of a model: function, estimator, pyfunc, route, batch."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from roadworthy_guard import (
    Clock,
    Decision,
    Guard,
    GuardedEstimator,
    GuardedPyfunc,
    GuardError,
    GuardMiddleware,
    Refused,
    guarded,
)
from roadworthy_guard.content import read
from roadworthy_guard.core import Core
from roadworthy_guard.snapshot import Snapshot
from roadworthy_guard.stopfiles import StopFiles
from tests.guard.service import canonical, content, stop


class Switched(Guard):
    """A guard whose switch a test turns."""

    def __init__(self) -> None:
        self.core = Core(Clock(), {}, StopFiles())
        super().__init__(self.core, None)
        self.sequence = 0
        self.to()

    def to(self, state: str = "active", fence: int = 12) -> None:
        self.sequence += 1
        rows = [] if state == "active" else [stop("credit", state, fence=fence), stop("bare", state, fence=fence)]
        held = read(canonical(content(self.sequence, stops=rows)))
        self.core.take(Snapshot(held, self.core.clock.ticks(), 0.0, 0.0))


@pytest.fixture
def switch() -> Switched:
    return Switched()


# --- functions


def test_a_function_answers_while_its_model_may_and_its_fallback_only_while_degraded(switch: Switched) -> None:
    @guarded(switch, "credit", "1.0.0", fallback=lambda x: ("rules", x))
    def score(x: int) -> tuple[str, int]:
        """Score."""
        return "model", x

    @guarded(switch, "bare", "1.0.0", fallback=lambda x: ("rules", x))
    def bare(x: int) -> tuple[str, int]:
        return "model", x

    @guarded(switch, "credit", "1.0.0")
    def without(x: int) -> int:
        return x

    assert score(1) == ("model", 1) and without(1) == 1 and score.__name__ == "score" and score.__doc__ == "Score."
    switch.to("degraded")
    assert score(2) == ("rules", 2)
    for function in (without, bare):  # a fallback in the code is none that the passport declares
        with pytest.raises(Refused) as refused:
            function(2)
        assert refused.value.decision.state == "degraded"
    for state in ("quarantined", "disabled", "unknown"):
        switch.to(state)
        with pytest.raises(Refused) as refused:
            score(3)
        assert refused.value.decision.state == state and "credit 1.0.0 does not serve" in str(refused.value)


def test_a_coroutine_function_too(switch: Switched) -> None:
    async def rules(x: int) -> str:
        return "rules"

    @guarded(switch, "credit", "1.0.0", fallback=rules)
    async def score(x: int) -> str:
        await asyncio.sleep(0)
        return "model"

    @guarded(switch, "credit", "1.0.0", fallback=lambda x: "plain rules")
    async def other(x: int) -> str:
        return "model"

    assert asyncio.iscoroutinefunction(score) and asyncio.run(score(1)) == "model"
    switch.to("degraded")
    assert asyncio.run(score(1)) == "rules" and asyncio.run(other(1)) == "plain rules"
    switch.to("disabled")
    with pytest.raises(Refused):
        asyncio.run(score(1))


def test_the_segment_of_a_call_is_asked_about(switch: Switched) -> None:
    asked = []

    def check(*what: str | None) -> Decision:
        asked.append(what)
        return Decision(True, "active")

    switch.check = check
    guarded(switch, "credit", "1.0.0", segment=lambda row: f"region:{row['region']}")(lambda row: 1)({"region": "eu"})
    assert asked == [("credit", "1.0.0", "region:eu")]


def test_a_generator_cannot_be_guarded_at_its_call(switch: Switched) -> None:
    with pytest.raises(GuardError, match=r"guard\.chunks"):
        @guarded(switch, "credit")
        def scores() -> Iterator[int]:
            yield 1


def test_a_refusal_survives_the_way_between_processes() -> None:
    with pytest.raises(Refused) as refused:
        Guard.nothing().require("credit")
    back = pickle.loads(pickle.dumps(refused.value))
    assert back.decision == refused.value.decision and str(back) == str(refused.value)


# --- scikit-learn


@pytest.fixture
def fitted() -> LogisticRegression:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(60, 2))
    return LogisticRegression(C=0.5).fit(X, X[:, 0] > 0)


def test_an_estimator_answers_or_refuses_by_every_method(switch: Switched, fitted: LogisticRegression) -> None:
    model, X = GuardedEstimator(fitted, switch, "credit", "1.0.0"), [[1.0, 0.0], [-1.0, 0.0]]
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    for name in methods:
        assert np.array_equal(getattr(model, name)(X), getattr(fitted, name)(X))
    assert np.array_equal(model.coef_, fitted.coef_) and not hasattr(model, "transform")
    for state in ("disabled", "degraded"):
        switch.to(state)
        for name in methods:
            with pytest.raises(Refused):
                getattr(model, name)(X)
    assert model.score(X, [True, False]) == 1.0, "how good it is may be asked"


def test_the_fallback_answers_by_the_same_method(switch: Switched, fitted: LogisticRegression) -> None:
    X = [[1.0, 0.0]]
    other = LogisticRegression().fit([[0.0, 0.0], [1.0, 1.0]], [True, False])
    by_estimator = GuardedEstimator(fitted, switch, "credit", "1.0.0", fallback=other)
    by_rule = GuardedEstimator(fitted, switch, "credit", "1.0.0", fallback=lambda X: ["rule"] * len(X))
    switch.to("degraded")
    assert np.array_equal(by_estimator.predict_proba(X), other.predict_proba(X)) and by_rule.predict(X) == ["rule"]
    with pytest.raises(Refused, match="predict_proba"):
        by_rule.predict_proba(X)
    switch.to("disabled")
    for model in (by_estimator, by_rule):
        with pytest.raises(Refused):
            model.predict(X)


def test_an_estimator_stays_one_for_scikit_learn(switch: Switched, fitted: LogisticRegression) -> None:
    model = GuardedEstimator(fitted, switch, "credit", "1.0.0")
    assert is_classifier(model)
    check_is_fitted(model)
    assert model.get_params()["estimator__C"] == 0.5 and model.get_params(deep=False)["guard"] is switch
    again = clone(model)
    assert again.guard is switch and again.estimator is not fitted and not hasattr(again.estimator, "coef_")
    assert again.set_params(estimator__C=2.0, version="2.0.0").estimator.C == 2.0 and again.version == "2.0.0"
    with pytest.raises(ValueError, match="no parameter"):
        again.set_params(C=1.0)
    assert copy.deepcopy(model).guard is switch
    assert again.fit([[0.0], [1.0]], [0, 1]) is again and "LogisticRegression" in repr(again)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(model)


# --- MLflow, by its shapes


class Pyfunc:
    """What ``mlflow.pyfunc.load_model`` returns has these."""

    metadata = "signature"

    def predict(self, data: Any, params: Any = None) -> str:
        return f"{data} {params}"

    def predict_stream(self, data: Any) -> Iterator[int]:
        yield from data


class PythonModel:
    """And this is the shape of one that is written by hand."""

    loaded = False

    def load_context(self, context: Any) -> None:
        self.loaded = True

    def predict(self, context: Any, model_input: Any, params: Any = None) -> str:
        return f"{context} {model_input}"


def test_a_pyfunc_model_of_either_shape(switch: Switched) -> None:
    loaded = GuardedPyfunc(Pyfunc(), switch, "credit", "1.0.0")
    assert loaded.predict("rows", params={"a": 1}) == "rows {'a': 1}" and loaded.metadata == "signature"
    hand = GuardedPyfunc(PythonModel(), lambda: switch, "credit", "1.0.0", fallback=Pyfunc())
    hand = pickle.loads(pickle.dumps(GuardedPyfunc(PythonModel(), Switched, "credit", "1.0.0")))
    hand.load_context("context")
    assert hand.loaded and hand.predict("context", "rows") == "context rows"
    switch.to("degraded")
    assert GuardedPyfunc(PythonModel(), switch, "credit", "1.0.0", fallback=Pyfunc()).predict("rules") == "rules None"
    with pytest.raises(Refused):
        loaded.predict("rows")


def test_a_stream_of_answers_ends_with_the_stop(switch: Switched) -> None:
    model = GuardedPyfunc(Pyfunc(), switch, "credit", "1.0.0")
    pieces = model.predict_stream([1, 2, 3])
    assert next(pieces) == 1
    switch.to("disabled")
    with pytest.raises(Refused):
        next(pieces)


def test_a_stream_that_began_with_the_model_does_not_go_on_while_the_fallback_should_answer(switch: Switched) -> None:
    pieces = GuardedPyfunc(Pyfunc(), switch, "credit", "1.0.0", fallback=Pyfunc()).predict_stream([1, 2, 3])
    assert next(pieces) == 1
    switch.to("degraded")
    with pytest.raises(Refused, match="switched between model and fallback"):
        next(pieces)


# --- ASGI


def ask(app: Any, path: str, kind: str = "http", **scope: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    asyncio.run(app({"type": kind, "path": path, "headers": [], **scope}, receive, send))
    return sent


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"model"})
    else:
        await send({"type": f"{scope['type']}.accept" if scope["type"] == "websocket" else "lifespan.startup.complete"})


async def rules(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"rules"})


ROUTES = {"/predict/credit": ("credit", "1.0.0"), "/predict/credit/bare": ("bare", "1.0.0")}


def test_an_answer_says_which_model_gave_it(switch: Switched) -> None:
    start, _ = ask(GuardMiddleware(app, switch, ROUTES), "/predict/credit")
    headers = dict(start["headers"])
    assert start["status"] == 200 and headers[b"x-own"] == b"1"
    assert (headers[b"roadworthy-model"], headers[b"roadworthy-version"]) == (b"credit", b"1.0.0")
    assert headers[b"roadworthy-epoch"] == b"1"
    assert headers[b"roadworthy-fence"] == b"0" and headers[b"roadworthy-state"] == b"active"


@pytest.mark.parametrize("path", [
    "/predict/credit", "/predict/credit/", "//predict///credit", "/predict/credit/batch", "/predict/credit/bare",
])
def test_a_stopped_model_s_route_answers_503_however_it_is_written(switch: Switched, path: str) -> None:
    switch.to("disabled")
    start, body = ask(GuardMiddleware(app, switch, ROUTES), path)
    headers, refused = dict(start["headers"]), json.loads(body["body"])["refused"]
    assert start["status"] == 503 and int(headers[b"retry-after"]) > 0 and headers[b"cache-control"] == b"no-store"
    assert refused["model"] == ("bare" if path.endswith("bare") else "credit")
    assert refused["state"] == "disabled" and refused["fence"] == 12 and int(headers[b"content-length"]) == len(body["body"])


def test_other_routes_and_the_life_span_pass(switch: Switched) -> None:
    switch.to("disabled")
    guarded_app = GuardMiddleware(app, switch, ROUTES)
    for path in ("/", "/predict/creditor", "/health"):
        assert ask(guarded_app, path)[0]["status"] == 200
    assert ask(guarded_app, "", "lifespan") == [{"type": "lifespan.startup.complete"}]


def test_below_a_mounted_path_and_by_a_function(switch: Switched) -> None:
    switch.to("disabled")
    assert ask(GuardMiddleware(app, switch, ROUTES), "/api/predict/credit", root_path="/api")[0]["status"] == 503
    by_header = GuardMiddleware(app, switch, lambda scope: ("credit", "1.0.0", "a") if scope["path"] == "/x" else None)
    assert ask(by_header, "/x")[0]["status"] == 503 and ask(by_header, "/y")[0]["status"] == 200


def test_degraded_goes_to_the_fallback_or_is_refused(switch: Switched) -> None:
    switch.to("degraded")
    assert ask(GuardMiddleware(app, switch, ROUTES), "/predict/credit")[0]["status"] == 503
    start, body = ask(GuardMiddleware(app, switch, ROUTES, fallback=rules), "/predict/credit")
    assert body["body"] == b"rules" and dict(start["headers"])[b"roadworthy-state"] == b"degraded"
    assert ask(GuardMiddleware(app, switch, ROUTES, fallback=rules), "/predict/credit/bare")[0]["status"] == 503
    assert ask(GuardMiddleware(app, switch, ROUTES, degraded_in_app=True), "/predict/credit")[1]["body"] == b"model"


def test_a_websocket_is_turned_away_before_it_is_accepted(switch: Switched) -> None:
    assert ask(GuardMiddleware(app, switch, ROUTES), "/predict/credit", "websocket")[0]["type"] == "websocket.accept"
    switch.to("disabled")
    assert ask(GuardMiddleware(app, switch, ROUTES), "/predict/credit", "websocket")[0]["code"] == 1013


def test_a_path_that_could_never_match_is_said(switch: Switched) -> None:
    with pytest.raises(GuardError):
        GuardMiddleware(app, switch, {"predict": ("credit", None)})


# --- batches


def test_a_batch_stops_at_the_chunk_after_the_stop(switch: Switched) -> None:
    done, source = [], iter(range(10))
    with pytest.raises(Refused):
        for chunk in switch.chunks(source, "credit", "1.0.0"):
            done.append(chunk)
            if chunk == 2:
                switch.to("disabled")
    assert done == [0, 1, 2] and next(source) == 3, "no chunk is taken and lost"
    switch.to()

    def slow() -> Iterator[int]:
        switch.to("disabled")  # comes while the chunk is waited for
        yield 1

    with pytest.raises(Refused):
        next(iter(switch.chunks(slow(), "credit", "1.0.0")))
    switch.to("degraded")
    assert list(switch.chunks([1], "credit", "1.0.0", degraded=True)) == [1]
    with pytest.raises(Refused):
        list(switch.chunks([1], "credit", "1.0.0"))
    switch.to()
    assert list(switch.chunks([], "credit", "1.0.0")) == []


def test_nothing_is_published_after_a_stop(switch: Switched) -> None:
    published = []
    began = switch.check("credit", "1.0.0")
    with switch.publishing("credit", "1.0.0", began=began) as decision:
        published.append(decision.sequence)
    switch.to("disabled")
    with pytest.raises(Refused), switch.publishing("credit", "1.0.0"):
        published.append("after a stop")
    assert published == [1]


def test_a_stop_while_publishing_is_raised_so_that_a_transaction_undoes_it(switch: Switched) -> None:
    with pytest.raises(Refused), switch.publishing("credit", "1.0.0"):
        switch.to("disabled")
    switch.to()
    with pytest.raises(ZeroDivisionError), switch.publishing("credit", "1.0.0"):
        switch.to("disabled")
        raise ZeroDivisionError  # one's own error is not hidden


def test_what_was_scored_before_a_stop_is_not_published_after_it(switch: Switched) -> None:
    switch.to("degraded", fence=5)
    began = switch.check("credit", "1.0.0")
    switch.to("disabled")
    switch.to("degraded", fence=9)
    with pytest.raises(Refused, match="score again"), switch.publishing("credit", "1.0.0", began=began, degraded=True):
        raise AssertionError("is not reached")
