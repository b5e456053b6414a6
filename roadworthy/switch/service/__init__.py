"""The switch over HTTP: any OpenFeature client may ask, people and automation may stop, guards get signed snapshots.

==============  =====================================================================
``principals``  who calls: tokens, roles and what each may do
``watching``    reads the store and the STOP files, and knows how old what it read is
``instances``   heartbeats of guards, and the proof that a stop has arrived
``limits``      how many models one actor may stop in an hour
``ofrep``       OpenFeature's remote evaluation protocol
``control``     stop, degrade, ask, approve, and the webhook of alerts
``streams``     server-sent events and their tickets
``figures``     metrics for Prometheus
``app``         all of it as one application
==============  =====================================================================

What is said over the wire is written down in docs/switch-protocol.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roadworthy.switch.service.app import Options, create

__all__ = ["Options", "create"]


def __getattr__(name: str) -> Any:
    """Load the application when it is asked for: who only reads heartbeats needs no web framework."""
    if name not in __all__:
        raise AttributeError(name)
    from roadworthy.switch.service import app

    return getattr(app, name)
