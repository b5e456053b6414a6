"""What a check of the guard costs, how long its import takes, and how fast a stop reaches fifty guards in five processes.

Usage: python benchmarks/guard.py [--rounds 20] [--checks 200000]

Checks are timed one by one with the cost of the timer itself taken off, in a process whose guard is being refreshed all the
while. Beside them stands the floor: a function that returns a constant from a dictionary. With a stop folder, the first check
in 5 ms looks for STOP files; what one pays that always does stands in a line of its own. A stop is timed from the moment at
which the service has it, or the STOP file is made, to the refusal that each guard gives to a caller who asks in a loop.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "guard")]

PROCESSES, EACH = 5, 10
GUARD = "import logging; logging.disable(); from roadworthy_guard import Guard; "


def quantiles(name: str, call: Callable[[], Any], count: int) -> None:
    """Time single calls and print p50, p99 and p99.9 in microseconds."""
    clock = time.perf_counter_ns
    for _ in range(2000):
        call()
    taken, empty = [0] * count, [0] * count
    for number in range(count):
        began = clock()
        taken[number] = clock() - began
    floor = statistics.median(taken)
    for number in range(count):
        began = clock()
        call()
        empty[number] = clock() - began
    empty.sort()
    p50, p99, p999 = ((empty[int(count * part)] - floor) / 1000 for part in (0.5, 0.99, 0.999))
    print(f"{name:34}{p50:9.2f}{p99:9.2f}{p999:9.2f}", flush=True)


def checks(count: int) -> None:
    """Time a check in each way of use."""
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext

    from roadworthy_guard import Guard, guarded
    from roadworthy_guard.provider import SnapshotProvider
    from tests.guard.service import TOKEN, Key, Service, content
    from tests.guard.tables import ROOT as PEOPLE
    from tests.guard.tables import Workspace

    key = Key(1)
    print(f"{'microseconds':34}{'p50':>9}{'p99':>9}{'p99.9':>9}")
    constant = {("credit", "1.0.0", None): True}
    quantiles("floor: a dictionary", lambda: constant["credit", "1.0.0", None], count)
    with tempfile.TemporaryDirectory() as name, Service(key, content()) as service:
        with Guard.remote(service.url, TOKEN, keys=[key.public]) as guard:
            guard.wait(5)
            quantiles("check, by a service", lambda: guard.check("credit", "1.0.0"), count)
            quantiles("check with a segment", lambda: guard.check("credit", "1.0.0", "region:eu"), count)
            score = guarded(guard, "credit", "1.0.0")(lambda row: row)
            quantiles("a function that is guarded", lambda: score(1), count)
            api.set_provider_and_wait(SnapshotProvider(guard), "bench")
            client, context = api.get_client("bench"), EvaluationContext("x", {"version": "1.0.0"})
            quantiles("OpenFeature's client", lambda: client.get_boolean_value("model.credit.serve", False, context), count // 10)
            api.clear_providers()
        with Guard.remote(service.url, TOKEN, keys=[key.public], stop_folders=[name]) as guard:
            guard.wait(5)
            quantiles("check, by a service, a STOP folder", lambda: guard.check("credit", "1.0.0"), count)
        folder = Path(name) / "workspace"
        workspace = Workspace(folder)
        with Guard.embedded(workspace.root, root=PEOPLE) as guard:
            quantiles("check, embedded", lambda: guard.check("credit", "1.0.0"), count)
            look = guard._core.check_now
            quantiles("one that looks for STOP files", lambda: look("credit", "1.0.0"), count)


def imports() -> None:
    """Time the import in fresh processes, beside a Python that does nothing."""
    def best(code: str) -> float:
        found = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "guard")})
            found.append(time.perf_counter() - began)
        return min(found)

    key = "A" * 43 + "="
    nowhere = Path(tempfile.mkdtemp(prefix="guard-")) / "x"  # where the embedded guard keeps what it saw
    nothing = best("pass")
    print(f"\n{'import, best of 7':34}{'ms':>9}{'ratio':>9}")
    for name, code in (
        ("python that does nothing", "pass"), ("import roadworthy_guard", "import roadworthy_guard"),
        ("and a remote guard", f"{GUARD}Guard.remote('http://127.0.0.1:1', 't', keys=['{key}'])"),
        ("and an embedded guard", f"{GUARD}Guard.embedded('none', root='0' * 64, keep='{nowhere}')"),
    ):
        taken = best(code + "; import os; os._exit(0)" if "Guard" in code else code)
        print(f"{name:34}{taken * 1000:9.0f}{taken / nothing:9.2f}", flush=True)


def instance(url: str, folder: str) -> None:
    """Hold ten guards; for each line read, wait for the refusal of all and print when each gave it."""
    from roadworthy_guard import Guard
    from tests.guard.service import TOKEN, Key

    guards = [Guard.remote(url, TOKEN, keys=[Key(1).public], stop_folders=[folder]) for _ in range(EACH)]
    for guard in guards:
        if not guard.wait(30):
            raise SystemExit("a guard did not hear the service")
    while not all(guard.health()["streaming"] for guard in guards):
        time.sleep(0.01)
    print("ready", flush=True)
    for _ in sys.stdin:
        while not all(guard.check("credit", "1.0.0").serves for guard in guards):
            time.sleep(0.001)
        print("serving", flush=True)
        times, waiting = {}, dict(enumerate(guards))
        while waiting:
            for number, guard in list(waiting.items()):
                if not guard.check("credit", "1.0.0").serves:
                    times[number] = time.time()
                    del waiting[number]
            time.sleep(0.0005)
        print(json.dumps(list(times.values())), flush=True)
    os._exit(0)


def stops(rounds: int) -> None:
    """Stop fifty guards in five processes, by event and by STOP file."""
    from tests.guard.service import content, stop

    with tempfile.TemporaryDirectory() as name:
        held, folder = Path(name) / "content.json", Path(name) / "stops"
        folder.mkdir()

        def put(sequence: int, *rows: Any) -> None:
            made = held.with_suffix(".tmp")
            made.write_text(json.dumps(content(sequence, stops=list(rows))))
            made.replace(held)

        put(1)
        command = [sys.executable, "-m", "tests.guard.service", str(held), "1"]
        service = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        url = service.stdout.readline().strip() if service.stdout else ""
        mine = [
            subprocess.Popen(
                [sys.executable, __file__, "--instance", url, str(folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for _ in range(PROCESSES)
        ]

        def heard() -> list[str]:
            return [one.stdout.readline().strip() if one.stdout else "" for one in mine]

        heard()
        sequence = 1
        print(f"\n{'ms from stop to each of 50':34}{'first':>9}{'p50':>9}{'last':>9}{'worst last':>12}")
        try:
            for way in ("by event", "by STOP file"):
                every, lasts = [], []
                for _ in range(rounds):
                    for one in mine:
                        if one.stdin:
                            one.stdin.write("\n")
                            one.stdin.flush()
                    heard()
                    time.sleep(0.15)
                    began = time.time()
                    if way == "by event":
                        sequence += 1
                        put(sequence, stop())
                    else:
                        (folder / "STOP.credit").touch()
                    taken = sorted((at - began) * 1000 for line in heard() for at in json.loads(line))
                    every += taken
                    lasts.append(taken[-1])
                    if way == "by event":
                        sequence += 1
                        put(sequence)
                    else:
                        (folder / "STOP.credit").unlink()
                every.sort()
                print(
                    f"{way:34}{every[0]:9.1f}{every[len(every) // 2]:9.1f}{statistics.median(lasts):9.1f}{max(lasts):12.1f}"
                    f"   {rounds} rounds, load {os.getloadavg()[0]:.0f}", flush=True,
                )
        finally:
            for one in (*mine, service):
                one.kill()


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--checks", type=int, default=200_000)
    parser.add_argument("--instance", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    logging.getLogger("roadworthy_guard").setLevel(logging.CRITICAL)
    if given.instance:
        instance(*given.instance)
        return
    checks(given.checks)
    imports()
    stops(given.rounds)


if __name__ == "__main__":
    main()
