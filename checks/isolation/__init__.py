"""A room of its own for what cannot be trusted: other people's models, and what is run to make them.

A model file may run code when it is loaded, so none is loaded in a process that holds keys, state or a network. `ask` starts a
fresh process, takes everything from it that it does not need, hands it copies of what it may see, and takes back nothing but
JSON and plain Arrow tables, which are checked before they are believed. A process that takes too long or too much is killed
with everything that it started.

The rooms: `room` is the asking side, `parcels` is what passes between the two, `walls` is what the process gives up before
anything else happens, `child` is its program, `artifact` loads a model inside it, and `trial` only says what a model is.

Examples
--------
>>> from checks.isolation import ask
>>> answer = ask("checks.isolation.trial", order={})
>>> answer.values["loaded"] is None, answer.tables
(True, {})
"""

from checks.isolation.room import Answer, IsolationError, Limits, ask

__all__ = ["Answer", "IsolationError", "Limits", "ask"]
