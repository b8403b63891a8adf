"""Letters to Postfix's smtp-sink(1) in each of its ill behaviours: the state that each reaches, and the sentence that says so."""
import shutil
import subprocess
import time

import pytest

from world import OFFSET, World, letter, next_address, until

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not SINK, reason="Postfix's smtp-sink is not installed")

HARD, SOFT, BYE = "500 5.3.0 Error: command failed", "450 4.3.0 Error: command failed", "421 4.0.0 Server closing connection"
STEPS = {"connect": "the greeting", "ehlo": "the answer to EHLO", "mail": "the answer to MAIL", "rcpt": "the answer to RCPT", "data": "the answer to DATA",
         ".": "the answer to the end of the letter"}
TAKEN, LATER, UNSURE, NO = "taken", "later", "perhaps taken", "refused"


def closed(step):
    return f"while waiting for {STEPS[step]}: the other side closed the connection"


# What smtp-sink is told, what becomes of a letter, and what is said of it.
CASES = [
    # refuses for good; who knows no EHLO is greeted with HELO (RFC 5321 section 3.2), and what comes behind the letter changes nothing
    *((["-f", step], NO, HARD) for step in ("connect", "ehlo,helo", "mail", "rcpt", "data", ".")),
    *((["-f", step], TAKEN, "250 2.0.0 Ok") for step in ("ehlo", "quit", "rset")),
    # "later"
    *((["-r", step], LATER, SOFT) for step in ("connect", "ehlo", "ehlo,helo", "mail", "rcpt", "data", ".")),
    *((["-r", step], TAKEN, "250 2.0.0 Ok") for step in ("quit", "rset")),
    # goes without a word: behind the end of the letter nobody knows whether it was taken
    *((["-q", step], UNSURE if step == "." else LATER, closed(step)) for step in STEPS),
    *((["-q", step], TAKEN, "250 2.0.0 Ok") for step in ("quit", "rset")),
    # goes with 421
    *((["-Q", step], LATER, BYE) for step in STEPS),
    *((["-Q", step], TAKEN, "250 2.0.0 Ok") for step in ("quit", "rset")),
    # answers in the middle of the letter, and reads no further
    *((["-A", delay], NO, "550 This violates SMTP") for delay in ("0", "1")),
    # takes its time with each step, a random time with some; of commands that come in one go it answers the delayed one last, and so is asked again without
    *((["-p", "-W", f"{step}:2"], TAKEN, "250 2.0.0 Ok") for step in STEPS),
    *((["-W", f"{step}:2"], TAKEN, "250 2.0.0 Ok") for step in STEPS),
    (["-p", "-W", "rcpt:1:30"], TAKEN, "250 2.0.0 Ok"),
    (["-w", "2"], TAKEN, "250 2.0.0 Ok"),
    (["-H", "2", "-T", "1000"], TAKEN, "250 2.0.0 Ok"),
    # speaks little
    *(([option], TAKEN, "250 2.0.0 Ok") for option in ("-e", "-P", "-p", "-8", "-E", "-N", "-a", "-C", "-F")),
    # one connection at a time
    (["-m", "1"], TAKEN, "250 2.0.0 Ok"),
]


def name(n):
    return f"case{n}.test"


@pytest.fixture(scope="module")
def home(folder):
    world, sinks, zone = World(folder), [], []
    one = world.home("one.test", accounts=["alice"], config='queue_retry_first = "1h"\nqueue_retry_most = "2h"')
    for n, (options, _, _) in enumerate(CASES):
        address = next_address()
        zone.append(f"{name(n)}. MX 10 mx.{name(n)}.\nmx.{name(n)}. A {address}\n")
        sinks.append(subprocess.Popen([SINK, "-u", "nobody", *options, f"{address}:{25 + OFFSET}", "100"], stderr=subprocess.DEVNULL))
    world.publish(extra="".join(zone))
    one.start()
    with one.submission("alice") as client:
        for n in range(len(CASES)):
            client.sendmail("alice@one.test", [f"bob@{name(n)}"], letter("alice@one.test", f"bob@{name(n)}", body="A line.\r\n" * 20000))
    yield one
    for sink in sinks:
        sink.kill()
        sink.wait()
    world.close()


def last_event(home, address):
    events = [e for one in home.json("trace", address)["letters"] for e in one["events"] if e["event"] not in ("received", "arrived")]
    return events[-1] if events else None


@pytest.mark.parametrize("n", range(len(CASES)), ids=[" ".join(c[0]) for c in CASES])
def test_what_becomes_of_a_letter(home, n):
    _, end, said = CASES[n]
    address = f"bob@{name(n)}"
    event = until(lambda: (lambda e: e if e and said in e["sentence"] else None)(last_event(home, address)), 40, f"{said!r} of {address}: {last_event(home, address)}")
    waits = [r for q in home.json("queue", "list", address)["letters"] for r in q["recipients"]]
    starts = {TAKEN: "accepted by mx.", NO: "refused for good by mx.", LATER: "not taken now by mx.", UNSURE: "perhaps delivered, the answer to the end of the data was lost by mx."}
    assert event["sentence"].startswith(starts[end]), event
    if end in (TAKEN, NO):
        assert not waits, waits
    else:
        assert len(waits) == 1 and waits[0]["state"] == "waiting" and waits[0]["attempts"] == 1 and said in waits[0]["reply"], waits
        assert waits[0].get("uncertain", False) == (end == UNSURE)
        assert "tried again at" in waits[0]["why"], waits


def test_the_sender_is_told_of_each_refusal_and_nothing_stood_still(home):
    refused = {f"bob@{name(n)}" for n, (_, end, _) in enumerate(CASES) if end == NO}
    reports = home.wait_for("alice", len(refused), seconds=40)
    text = b"\n".join(reports).decode(errors="replace")
    assert len(reports) == len(refused) and all(address in text for address in refused)
    assert HARD in text and "550 This violates SMTP" in text
    assert home.json("queue", "stats")["stalled"] == 0


MEMBERS, DOMAINS = 10000, 50


def test_a_list_of_ten_thousand_is_written_to_at_once_and_delays_nobody(tmp_path_factory):
    """As many members as a list may have: what is written to it is taken like any letter, becomes a letter to all in bounded steps, and others go on."""
    world, address = World(tmp_path_factory.mktemp("list")), next_address()
    home = world.home("one.test", accounts=["alice", "carol"])
    sink = subprocess.Popen([SINK, "-u", "nobody", f"{address}:{25 + OFFSET}", "500"], stderr=subprocess.DEVNULL)
    world.publish(extra="".join(f"d{n}.test. MX 10 mx.d{n}.test.\nmx.d{n}.test. A {address}\n" for n in range(DOMAINS)))
    try:
        home.start()
        home.tram("list", "add", "all@one.test", "--owner", "alice@one.test")
        for first in range(0, MEMBERS, 2000):
            home.tram("list", "member", "add", "all@one.test", *(f"m{n}@d{n % DOMAINS}.test" for n in range(first, first + 2000)))
        before, begun = home.resident_kb(), time.monotonic()
        with home.submission("alice") as client:
            client.sendmail("alice@one.test", ["all@one.test"], letter("alice@one.test", "all@one.test"))
        taken = time.monotonic() - begun
        with home.submission("alice") as client:
            client.sendmail("alice@one.test", ["carol@one.test"], letter("alice@one.test", "carol@one.test"))
        home.wait_for("carol", 1, seconds=5)
        peak = []
        until(lambda: peak.append(home.resident_kb()) or home.json("queue", "stats")["delivered"] >= MEMBERS + 1, 60, "all members")
        print(f"taken after {taken:.3f} s, all delivered after {time.monotonic() - begun:.1f} s, {(max(peak) - before) // 1024} MB more memory")
        assert taken < 3 and (max(peak) - before) < 150 * 1024
        assert home.json("queue", "stats")["stalled"] == 0
    finally:
        sink.kill()
        sink.wait()
        world.close()
