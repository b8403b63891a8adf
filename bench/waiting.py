#!/usr/bin/env python3
"""make bench-queue: a server with very many letters that wait (LETTERS, 1,000,000 unless told otherwise).

Fills the queue of a fresh home (bench/queue.c), then starts the server on it: how long until it is ready, and what
memory it takes, beside the same home with an empty queue; and how long an operator waits for each way to look at it."""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "whole"))
from world import World  # noqa: E402

LETTERS = os.environ.get("LETTERS", "1000000")


def started(home, what, look=False):
    begun = time.monotonic()
    home.start()
    ready = time.monotonic() - begun
    first = home.resident_kb()
    time.sleep(15)  # the schedule has looked at all shards
    waiting = home.json("queue", "stats")
    print(f"{what}: ready after {ready:.2f} s, {first / 1024:.0f} MB then, {home.resident_kb() / 1024:.0f} MB after 15 s "
          f"({waiting['letters']} letters wait)", flush=True)
    if look:
        looks(home)
    home.stop()


def looks(home):
    """Filters that fit one letter, or none: all have to be looked at."""
    one = home.json("queue", "list", "--limit", "1")["letters"][0]["id"]
    filters = [["user777@d777.test"], ["--domain", "d7.test"], ["--domain", "none.test"], ["--sender", "a@source.test"], ["--sender", "none@source.test"],
               ["--class", "rate"], ["--host", "mx.none.test"], ["--source", "none"], ["--older", "30d"], ["--uncertain"], ["--class", "rate", "--older", "1h"]]
    ways = [["stats"], ["top", "--once"], ["show", one], ["list"], *(["list", *f] for f in filters), ["hold", "--sender", "none@source.test"], ["drop", "--class", "rate"],
            ["retry", "--domain", "none.test"]]
    for words in ways:
        times = []
        for _ in range(3):
            begun = time.monotonic()
            home.tram("queue", *words)
            times.append(time.monotonic() - begun)
        print(f"  tram queue {' '.join(words)}: {sorted(times)[1] * 1000:.0f} ms (the longest of three {max(times) * 1000:.0f})", flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="tram-queue-", dir=os.environ.get("BENCH_DIR")) as folder:
        world = World(folder)
        home = world.home("bench.test", address="127.0.0.40")
        world.publish()
        try:
            started(home, "an empty queue")
            subprocess.run([ROOT / "build" / "bench_queue", home.dir / "store", LETTERS], check=True, stderr=subprocess.DEVNULL)
            started(home, "the full one", True)
            started(home, "once more")
        finally:
            world.close()


main()
