"""The switch's service under load: answers a second on one core, what a stream costs, and how fast a stop reaches fifty guards.

Usage: python benchmarks/switch.py [--rounds 5] [--seconds 5] [--streams 500]

The service is a process of its own, pinned to one core; who asks is pinned to the other. A stop is timed from the moment at
which a person's request leaves to the refusal that the last of fifty guards in five processes gives to a caller in a loop. The
stop command is timed as a whole process, beside a Python that does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "guard")]

PROCESSES, EACH = 5, 10


def load() -> str:
    """Return the machine's load, for the reader of a figure."""
    return f"load {os.getloadavg()[0]:.0f}"


async def _hammer(port: int, request: bytes, seconds: float, connections: int) -> tuple[int, list[float]]:
    """Ask over kept connections, one request at a time on each; return how many were answered and the times."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head[9:12] in (b"200", b"304"), head
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            if length:
                await reader.readexactly(length)
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*[one() for _ in range(connections)])
    return len(times), sorted(times)


def _cpu(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def throughput(port: int, seconds: float, pid: int) -> None:
    """Print answers a second, and a second of the service's own processor time, which a busy machine does not change."""
    from tests.roadworthy.service.house import token

    def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token('scoring')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

    context = b'{"context": {"targetingKey": "x", "version": "1.0.0", "segment": "eu"}}'
    single = request("POST", "/ofrep/v1/evaluate/flags/model.credit.serve", context)
    bulk = request("POST", "/ofrep/v1/evaluate/flags", context)
    fresh = request("GET", "/v1/snapshot", **{"Roadworthy-Nonce": "n" * 20})
    print(f"{'one core, 16 connections':34}{'a second':>10}{'a CPU s':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name, asked in (("OFREP, one flag", single), ("OFREP, all flags", bulk), ("signed snapshot", fresh)):
        runs = []
        for _ in range(3):
            began = _cpu(pid)
            count, times = asyncio.run(_hammer(port, asked, seconds, 16))
            runs.append((count, count / (_cpu(pid) - began), times))
        count, busy, times = sorted(runs, key=lambda run: run[0])[1]
        p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
        print(f"{name:34}{count / seconds:10.0f}{busy:9.0f}{p50:9.1f}{p99:9.1f}   median of 3, {load()}", flush=True)


def _memory(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


async def _streams(port: int, count: int, pid: int) -> None:
    from tests.roadworthy.service.house import token

    asked = (
        f"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token('scoring')}\r\n"
        "Accept: text/event-stream\r\n\r\n"
    ).encode()
    before = _memory(pid)
    opened = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\n\n")
        opened.append((reader, writer))
    await asyncio.sleep(6)
    after = _memory(pid)
    for _, writer in opened:
        writer.close()
    each = (after - before) * 1024 / count
    print(f"\n{count} event streams: {after - before:.0f} MB more ({each:.0f} KB each), {load()}", flush=True)


def instance(url: str, key: str) -> None:
    """Hold ten guards; for each segment read, wait for the refusal of all and print when each gave it."""
    import logging

    from roadworthy_guard import Guard
    from tests.roadworthy.service.house import token

    logging.disable()
    guards = [Guard.remote(url, token("scoring"), keys=[key]) for _ in range(EACH)]
    for guard in guards:
        if not guard.wait(30):
            raise SystemExit("a guard did not hear the service")
    while not all(guard.health()["streaming"] for guard in guards):
        time.sleep(0.01)
    print("ready", flush=True)
    for line in sys.stdin:
        segment, times, waiting = line.strip(), {}, dict(enumerate(guards))
        while waiting:
            for number, guard in list(waiting.items()):
                if not guard.check("credit", "1.0.0", segment).serves:
                    times[number] = time.time()
                    del waiting[number]
            time.sleep(0.0005)
        print(json.dumps(list(times.values())), flush=True)
    os._exit(0)


def stops(url: str, key: str, call: object, rounds: int) -> None:
    """Stop a segment at fifty guards by a person's request, again and again."""
    mine = [
        subprocess.Popen(
            [sys.executable, __file__, "--instance", url, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]

    def heard() -> list[str]:
        return [one.stdout.readline().strip() if one.stdout else "" for one in mine]

    try:
        heard()
        lasts, firsts, answered = [], [], []
        for number in range(rounds):
            for one in mine:
                if one.stdin:
                    one.stdin.write(f"round-{number}\n")
                    one.stdin.flush()
            time.sleep(0.5)
            body = json.dumps({"model": "credit", "segment": f"round-{number}", "reason": "A benchmark."}).encode()
            began = time.time()
            status, said = call("POST", "/v1/stop", "oscar", body)  # type: ignore[operator]
            answered.append(time.time() - began)
            assert status == 200, said
            taken = sorted(at - began for line in heard() for at in json.loads(line))
            firsts.append(taken[0])
            lasts.append(taken[-1])
        print(f"\n{'ms from a stop to 50 guards':34}{'answered':>10}{'first':>9}{'last':>9}{'worst':>9}")
        middle = [statistics.median(found) * 1000 for found in (answered, firsts, lasts)]
        shown = "".join(f"{value:9.0f}" for value in (*middle[1:], max(lasts) * 1000))
        print(f"{'by event':34}{middle[0]:10.0f}{shown}   median of {rounds}, {load()}")
    finally:
        for one in mine:
            one.kill()


def command(root: Path, rounds: int) -> None:
    """Time the stop command as a whole process."""
    def run(arguments: list[str]) -> float:
        began = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - began

    tool = str(Path(sys.executable).parent / "roadworthy")
    nothing = statistics.median(run([sys.executable, "-c", "pass"]) for _ in range(rounds))
    taken = [
        run([tool, "switch", "stop", "bikes", "--segment", f"c{number}", "--reason", "A benchmark.", "--workspace", str(root)])
        for number in range(rounds)
    ]
    middle = statistics.median(taken)
    beside = f"{middle / nothing:.1f}x a Python that does nothing"
    print(f"\nthe stop command: {middle * 1000:.0f} ms, {beside}, median of {rounds}, {load()}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--instance", nargs=2)
    asked = parser.parse_args()
    if asked.instance:
        instance(*asked.instance)
        return
    from roadworthy.switch.snapshot import Signer
    from tests.roadworthy.service.house import make_house
    from tests.roadworthy.service.running import running

    with tempfile.TemporaryDirectory() as name:
        workspace = make_house(Path(name) / "w")
        key = Path(name) / "service.pem"
        signer = Signer.make(key)
        with running(workspace, key, cpus="0") as service:
            os.sched_setaffinity(0, {1})
            throughput(service.port, asked.seconds, service.process.pid)
            asyncio.run(_streams(service.port, asked.streams, service.process.pid))
        os.sched_setaffinity(0, {0, 1})
        with running(workspace, key) as service:
            stops(service.url, signer.public, service.call, asked.rounds)
        command(workspace.root, asked.rounds)


if __name__ == "__main__":
    main()
