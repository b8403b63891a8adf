#!/usr/bin/env python3
"""make bench-campaign: a campaign at full rate on this machine.

RECIPIENTS (1,000,000) with a template of 2 KB and 100 bytes of data each, by one POST /v1/campaigns over TLS: the time to
the durable 202, bytes on disk, memory. Then delivered for SECONDS (120), signed with RSA and Ed25519, to sinks on this
machine behind 300 sites: rate, CPU of the server a letter (the sinks' own apart), and how long a password reset takes that
is sent in the middle."""
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "whole"))
from sink import Sink, zone  # noqa: E402
from world import World, next_address  # noqa: E402

RECIPIENTS = int(os.environ.get("RECIPIENTS", "1000000"))
SECONDS = int(os.environ.get("SECONDS", "120"))
DELIVERED = 200000  # of them at most are delivered, in a campaign of their own
SITES = 300
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])) / TICK


def on_disk(folder):
    return sum(p.stat().st_blocks * 512 for p in Path(folder).rglob("*") if p.is_file())


def serve(addresses, port, count, reset, ready):
    def heard(to):
        count.value += len(to)
        if to[0].startswith("reset@"):
            reset.value = time.time()
    sink = Sink(addresses, port, heard=heard)
    ready.set()
    while True:
        time.sleep(1)
        sink.letters.clear()


def curl(home, path, *options):
    done = subprocess.run(["curl", "-sk", "-H", f"Authorization: Bearer {home.key}", *options, f"https://{home.address}:{home.port(443)}{path}"],
                          capture_output=True, check=True)
    return json.loads(done.stdout)


def write_campaign(path):
    text = "Dear {{name}},\n" + "this is what the shop has for you today, and {{what}} as well.\n" * 31
    with open(path, "w") as f:
        f.write(json.dumps({"from": "news@one.test", "campaign": "bench", "subject": "For {{name}}", "text": text, "send_at": int(time.time()) + 3600}) + "\n")
        for i in range(RECIPIENTS):
            data = {"name": f"Reader {i}", "what": f"number {i} of " + "x" * 60}
            f.write(json.dumps({"to": f"r{i}@d{i % SITES}.test", "data": data}) + "\n")


def main():
    folder = Path(tempfile.mkdtemp(prefix="campaign"))
    world = World(folder)
    home = world.home("one.test", accounts=["news"])
    sinks = [next_address() for _ in range(4)]
    world.publish(extra=zone([f"d{i}.test" for i in range(SITES)], sinks * (SITES // len(sinks))))
    home.tram("account", "set", "news@one.test", "--daily", "unlimited", "--hourly", "unlimited")
    home.key = home.tram("key", "add", "news@one.test", "--name", "b", "--scope", "campaigns,mail.send").stdout.split("\n")[0]
    count, reset, ready = multiprocessing.Value("q", 0), multiprocessing.Value("d", 0), multiprocessing.Event()
    receiver = multiprocessing.Process(target=serve, args=(sinks, home.port(25), count, reset, ready), daemon=True)
    receiver.start()
    ready.wait(20)
    home.start()
    pid = home.process.pid
    try:
        write_campaign(folder / "campaign.ndjson")
        before, disk, began = cpu(pid), on_disk(home.dir), time.time()
        taken = curl(home, "/v1/campaigns", "-X", "POST", "-T", str(folder / "campaign.ndjson"))
        assert taken["recipients"] == RECIPIENTS, taken
        print(f"taken: {RECIPIENTS:,} recipients ({(folder / 'campaign.ndjson').stat().st_size >> 20} MB) in {time.time() - began:.1f} s, "
              f"{cpu(pid) - before:.1f} s of CPU, {(on_disk(home.dir) - disk) / 1e6:.0f} MB on disk, {home.resident_kb() / 1024:.0f} MB resident; "
              f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        began = time.time()
        small = folder / "now.ndjson"  # due now: the one above stays what it is for the next measure
        lines = open(folder / "campaign.ndjson")
        head = json.loads(next(lines))
        del head["send_at"]
        with open(small, "w") as f:
            f.write(json.dumps(head) + "\n")
            f.writelines(itertools.islice(lines, DELIVERED))
        curl(home, f"/v1/campaigns/{taken['id']}/cancel", "-X", "POST")
        going = curl(home, "/v1/campaigns", "-X", "POST", "-T", str(small))
        before, start, began = cpu(pid), count.value, time.time()
        sinks_before = cpu(receiver.pid)
        time.sleep(SECONDS / 2)
        asked = time.time()
        curl(home, "/v1/messages", "-H", "Content-Type: application/json", "-d",
             json.dumps({"from": "news@one.test", "to": "reset@d7.test", "subject": "Your password", "text": "Here it is."}))
        answered = time.time()
        while time.time() - began < SECONDS:
            time.sleep(0.2)
        n, took, used = count.value - start, time.time() - began, cpu(pid) - before
        print(f"delivered: {n:,} letters in {took:.0f} s, {n / took:.0f} a second, {used / max(n, 1) * 1e6:.0f} µs of CPU of the server a letter, "
              f"{(cpu(receiver.pid) - sinks_before) / max(n, 1) * 1e6:.0f} µs of the sinks; {home.resident_kb() / 1024:.0f} MB resident; load {os.getloadavg()[0]:.1f}")
        print(f"a password reset in the middle: answered after {(answered - asked) * 1000:.0f} ms, at the receiver after {(reset.value - asked) * 1000:.0f} ms" if reset.value else "a password reset in the middle did not come in time")
        curl(home, f"/v1/campaigns/{going['id']}/pause", "-X", "POST")
    finally:
        receiver.terminate()
        home.kill()
        subprocess.run(["rm", "-rf", str(folder)])


if __name__ == "__main__":
    main()
