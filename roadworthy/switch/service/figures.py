"""Metrics for Prometheus. Label values are models and versions in service, so their number is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from roadworthy.switch import files
from roadworthy.switch.service.control import Control
from roadworthy.switch.service.instances import Instances, alive, prove
from roadworthy.switch.service.streams import Bell
from roadworthy.switch.service.watching import Watcher

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class Figures:
    """What the service knows, collected when it is asked for."""

    def __init__(self, watcher: Watcher, control: Control, instances: Instances, bell: Bell) -> None:
        self._watcher, self._control, self._instances, self._bell = watcher, control, instances, bell

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        now, view = datetime.now(UTC), self._watcher.view
        state = GaugeMetricFamily(
            "roadworthy_switch_state", "0 active, 1 degraded, 2 unknown, 3 quarantined, 4 disabled", labels=["model", "version"]
        )
        for one in view.stored.service if view else ():
            decided = view.decide(one.model, one.version, None, now) if view else None
            if decided is not None:
                state.add_metric([one.model, one.version], files.RANK[decided.state])
        yield state
        yield GaugeMetricFamily("roadworthy_switch_sequence", "The last change", value=view.stored.sequence if view else 0)
        age = self._watcher.age()
        yield GaugeMetricFamily("roadworthy_switch_store_age_seconds", "Since the store was read", value=min(age, 1e9))
        yield GaugeMetricFamily("roadworthy_switch_streams", "Open event streams", value=self._bell.listeners)
        known = self._instances.all()
        proof = prove(known, view.stored.epoch, view.stored.sequence, now) if view else None
        instances = GaugeMetricFamily("roadworthy_switch_instances", "Serving instances", labels=["is"])
        for name, count in (
            ("alive", sum(alive(one, now) for one in known)), ("late", len(proof.late) if proof else 0),
            ("lost", len(proof.lost) if proof else 0),
        ):
            instances.add_metric([name], count)
        yield instances
        changes = CounterMetricFamily("roadworthy_switch_changes", "Changes made through this service", labels=["to"])
        for name, count in sorted(self._control.counts.items()):
            changes.add_metric([name], count)
        yield changes
