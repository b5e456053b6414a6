"""The ledger's table in PostgreSQL: what makes it, what keeps it append-only, and what shows that this still holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from roadworthy.ledger.chain import Dialect, Execute

_REFUSE = "begin raise exception 'the ledger is append-only' using errcode = 'integrity_constraint_violation'; end"
# The table is named by the trigger itself: a temporary table of the same name would come first on the search path.
_IN_ORDER = """declare wrong boolean; begin
  execute format('select $1 <> (select coalesce(max(seq), 0) + 1 from %1$I.%2$I)
                  or exists (select 1 from %1$I.%2$I where key = $2)', tg_table_schema, tg_table_name)
    into wrong using new.seq, new.key;
  if wrong then raise exception 'the ledger is append-only' using errcode = 'integrity_constraint_violation'; end if;
  return new;
end"""
FUNCTIONS = {"ledger_is_append_only": _REFUSE, "ledger_is_in_order": _IN_ORDER}

#: Event and level, the bits that pg_trigger keeps of them, and the function.
TRIGGERS = {
    "ledger_no_update": ("before update on ledger for each statement", 2 | 16, "ledger_is_append_only"),
    "ledger_no_delete": ("before delete on ledger for each statement", 2 | 8, "ledger_is_append_only"),
    "ledger_no_truncate": ("before truncate on ledger for each statement", 2 | 32, "ledger_is_append_only"),
    "ledger_in_order": ("before insert on ledger for each row", 1 | 2 | 4, "ledger_is_in_order"),
}


def _install() -> str:
    """Return the block that makes everything where there is no ledger; what was taken away later stays for `verify` to find."""
    made = [
        "create table ledger (seq bigint primary key, at text not null, kind text not null, actor text not null, model text, "
        "key text unique, bytes bytea not null, prev text not null, hash text not null)",
        "create index ledger_kind on ledger (kind, seq)",
        "create index ledger_model on ledger (model, seq)",
        *(f"create or replace function {name}() returns trigger language plpgsql as $body${body}$body$"
          for name, body in FUNCTIONS.items()),
    ]
    for name, (event, _, function) in TRIGGERS.items():
        made.append(f"create trigger {name} {event} execute function {function}()")
        # Always: a session that calls itself a replica fires no other trigger.
        made.append(f"alter table ledger enable always trigger {name}")
    return "do $install$ begin if to_regclass('ledger') is null then " + "; ".join(made) + "; end if; end $install$"


DIALECT = Dialect(
    "postgresql", (_install(),),
    "select relname::text from pg_catalog.pg_class where relkind in ('r', 'p') and pg_catalog.pg_table_is_visible(oid)",
)

_TOKEN = re.compile(
    r"""(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'       # text with backslashes
    |   '(?:[^']|'')*'                           # text
    |   "(?:[^"]|"")*"                           # a quoted name
    |   (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    |   --[^\n]*  |  /\*.*?\*/
    |   ::
    |   :(?P<name>[A-Za-z_]\w*)
    |   %""",
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=512)
def translated(sql: str) -> str:
    r"""Return a statement with ``:name`` as psycopg writes it; text, names, comments and casts stay what they are.

    Examples
    --------
    >>> translated("select ':a', \"b:c\", x::text from t where y = :y and z like '%:y'")
    'select \':a\', "b:c", x::text from t where y = %(y)s and z like \'%%:y\''
    """
    return _TOKEN.sub(lambda found: f"%({found['name']})s" if found["name"] else found[0].replace("%", "%%"), sql)


def structure_problems(execute: Execute) -> Iterator[str]:
    """Say what of table and triggers is gone, or not what was installed."""
    kept = execute(
        "select relkind::text, relpersistence::text, relhasrules, relrowsecurity from pg_catalog.pg_class "
        "where oid = to_regclass('ledger')", {},
    )
    if kept != [("r", "p", False, False)]:
        yield "the table 'ledger' is not the plain, logged table without rules and row security that was installed"
    found = {
        str(row[0]): tuple(row[1:])
        for row in execute(
            "select t.tgname::text, t.tgtype::int, t.tgenabled::text, t.tgqual is null and t.tgattr::text = '', p.proname::text, "
            "p.prosrc, l.lanname::text, p.proconfig is null "
            "from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid "
            "join pg_catalog.pg_language l on l.oid = p.prolang "
            "where t.tgrelid = to_regclass('ledger') and not t.tgisinternal", {},
        )
    }
    for name, (_, bits, function) in TRIGGERS.items():
        if name not in found:
            yield f"the trigger '{name}', which keeps entries from being changed, is gone"
        elif found[name] != (bits, "A", True, function, FUNCTIONS[function], "plpgsql", True):
            yield f"the trigger '{name}', which keeps entries from being changed, is not the one that was installed"
    for name in sorted(set(found) - set(TRIGGERS)):
        yield f"the trigger '{name}' stands on the ledger and was not installed with it"
