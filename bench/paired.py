#!/usr/bin/env python3
"""make bench-paired: this build beside another one (BASE=path of its tram), receiving, in pairs.

A pair is one round of each, right after each other, in turns first, each with a fresh home: what the machine does besides
is nearly the same for both. Told are the ratios of the pairs, their median and their spread; a difference within the spread
is none. Without BASE this build is compared with itself: what is told then is the noise of the machine."""
import os
import shutil
import sys
import tempfile
from statistics import median, quantiles

import bench
import world

BASE = os.environ.get("BASE", world.TRAM)
PAIRS = int(os.environ.get("PAIRS", "10"))
BINARIES = {"base": BASE, "this": world.TRAM}


def one_round(name):
    folder = tempfile.mkdtemp(prefix="tram-paired-", dir=os.environ.get("BENCH_DIR"))
    world.TRAM = BINARIES[name]
    try:
        server = bench.Tram(folder)
        try:
            return bench.measure(server, "127.0.0.40", 0)
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tell(label, ratios):
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    print(f"{label:22} median {median(ratios):.3f}   half of the pairs {low:.3f} to {high:.3f}   all {min(ratios):.3f} to {max(ratios):.3f}")


def main():
    if PAIRS < 2:
        sys.exit("PAIRS must be 2 or more")
    print(f"{bench.LETTERS} letters of {bench.SIZE} bytes over {bench.SESSIONS} sessions, {PAIRS} pairs, {os.cpu_count()} cores; this / base")
    cpu, rate = [], []
    for i in range(PAIRS):
        order = ("base", "this") if i % 2 == 0 else ("this", "base")
        got = {name: one_round(name) for name in order}
        cpu.append(got["this"]["cpu_us"] / got["base"]["cpu_us"])
        rate.append(got["this"]["stored"] / got["base"]["stored"])
        print("  " + "   ".join(f"{n}: {got[n]['stored']:6.0f}/s {got[n]['cpu_us']:5.0f} us" for n in ("base", "this")) + f"   {order[0]} first", flush=True)
    tell("CPU of a letter", cpu)
    tell("letters a second", rate)


if __name__ == "__main__":
    main()
