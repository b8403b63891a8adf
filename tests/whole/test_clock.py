"""A machine whose clock is wrong by a year: it says so, mail flows both ways, and goes on flowing when the clock is set right."""
import time
from pathlib import Path

import pytest

from world import World, letter, until

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
pytestmark = pytest.mark.skipif(not FAKETIME, reason="faketime is not here")


def start(home, monkeypatch, **clock):
    with monkeypatch.context() as wrong:
        for name, value in {"LD_PRELOAD": FAKETIME[0], "FAKETIME_DONT_FAKE_MONOTONIC": 1, "FAKETIME_NO_CACHE": 1, **clock}.items():
            wrong.setenv(name, str(value))
        home.start()


@pytest.fixture(params=["+365d", "-365d"])
def pair(tmp_path, request, monkeypatch):
    world = World(tmp_path)
    one, two = world.home("one.test", accounts=["alice"]), world.home("two.test", accounts=["bob"])
    world.publish()
    two.start()
    start(one, monkeypatch, FAKETIME=request.param)
    yield world, one, two
    world.close()


def send(home, who, to, subject):
    with home.submission(who) as client:
        client.sendmail(f"{who}@{home.domain}", [to], letter(f"{who}@{home.domain}", to, subject))


def subjects(home, who, n):
    return sorted(next(line for line in m.decode().split("\r\n") if line.startswith("Subject: "))[9:] for m in home.wait_for(who, n))


def test_mail_flows_while_the_clock_is_wrong_and_after(pair):
    world, one, two = pair
    world.publish(extra="gone.test. MX 10 mx.gone.test.\nmx.gone.test. A 127.255.0.9\n")
    send(one, "alice", "bob@gone.test", "to nobody now")
    send(one, "alice", "bob@two.test", "from a wrong year")
    send(two, "bob", "alice@one.test", "into a wrong year")
    assert subjects(two, "bob", 1) == ["from a wrong year"]
    assert subjects(one, "alice", 1) == ["into a wrong year"]
    waits, = until(lambda: [q for q in one.json("queue", "list")["letters"] if q["recipients"][0]["attempts"]], what="the first attempt")
    ahead = waits["received"] - time.time()
    assert 360 * 86400 < abs(ahead) < 370 * 86400
    one.stop()
    two.stop()  # which may hold a connection to it
    two.start()
    one.start()  # the clock is right again
    send(one, "alice", "bob@two.test", "from now")
    send(two, "bob", "alice@one.test", "to now")
    assert subjects(two, "bob", 2) == ["from a wrong year", "from now"]
    if ahead > 0:  # it goes on waiting as one that came now
        still, = one.json("queue", "list")["letters"]
        assert still["id"] == waits["id"] and abs(still["received"] - time.time()) < 1000, still
        assert subjects(one, "alice", 2) == ["into a wrong year", "to now"]
    else:  # it has waited for longer than anything does: its sender is told
        assert subjects(one, "alice", 3) == ["Not delivered to bob@gone.test: to nobody now", "into a wrong year", "to now"]


def test_of_a_time_that_has_not_come_nothing_is_known(tmp_path, monkeypatch):
    """A server that started while the clock was ahead; then it is set right, and the server runs on."""
    world = World(tmp_path)
    home = world.home("ahead.test", accounts=["alice"])
    world.publish()
    clock = home.dir / "clock"
    clock.write_text("+30d\n")
    start(home, monkeypatch, FAKETIME_TIMESTAMP_FILE=clock)
    clock.write_text("+0d\n")
    images, = [f for f in home.json("doctor", status=1)["findings"] if f["what"] == "images"]
    assert images["grade"] == "warning" and ("not known" in images["sentence"] or "never" in images["sentence"]), images
    stats = home.json("stats")
    assert "uptime_s" not in stats and stats.get("images_age_s", 0) >= 0, stats
    world.close()
