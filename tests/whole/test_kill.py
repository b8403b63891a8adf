"""kill -9 under load: what was answered with 250 is in every mailbox exactly once.

RUNS=200 tests/whole/test_kill.py runs the long campaign (`make kill`); the ordinary tests run a few."""
import collections
import os
import random
import re
import smtplib
import threading
import time

from world import letter, until

RUNS = int(os.environ.get("KILLS", "12"))
USERS = ["alice", "bob", "carol"]


def sender(home, number, stop, said, lock):
    """Sends until stopped; keeps its own book of what was answered with 250."""
    chance = random.Random(number * 7919 + os.getpid())
    n = 0
    while not stop.is_set():
        try:
            client = smtplib.SMTP(home.address, home.port(25), local_hostname="load.test", timeout=5)
            for _ in range(20):
                n += 1
                key = f"k{number}-{n}-{chance.getrandbits(48):x}"
                to = chance.sample(USERS, chance.choice([1, 1, 2, 3]))
                body = "x" * chance.choice([10, 1000, 20000]) + "\r\n"
                refused = client.sendmail("load@elsewhere.test", [f"{u}@one.test" for u in to], letter("load@elsewhere.test", "all@one.test", key, body))
                with lock:
                    said[key] = [u for u in to if f"{u}@one.test" not in refused]
                if stop.is_set():
                    break
            client.close()
        except (OSError, smtplib.SMTPException):
            time.sleep(0.01)


def found_keys(home, user):
    client = home.imap(user)
    client.select("INBOX", readonly=True)
    status, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    client.logout()
    return collections.Counter(m.group(1).decode() for part in data if isinstance(part, tuple)
                               for m in [re.search(rb"Subject: (\S+)", part[1])] if m)


def test_kill_9_loses_and_doubles_nothing(world):
    home = world.home("one.test", accounts=USERS)
    world.publish(extra="elsewhere.test. IN TXT \"v=spf1 +all\"\nelsewhere.test. IN MX 0 .\n")
    said, lock = {}, threading.Lock()
    chance = random.Random(os.environ.get("SEED", "1"))
    for run in range(RUNS):
        home.start()
        stop = threading.Event()
        threads = [threading.Thread(target=sender, args=(home, run * 10 + i, stop, said, lock)) for i in range(6)]
        for t in threads:
            t.start()
        time.sleep(chance.uniform(0.05, 0.6))
        home.kill()
        stop.set()
        for t in threads:
            t.join()
    home.start()
    until(lambda: home.json("queue", "list")["letters"] == [], 60, "an empty queue")
    expected = {user: {key for key, to in said.items() if user in to} for user in USERS}
    for user in USERS:
        found = found_keys(home, user)
        lost = expected[user] - set(found)
        twice = [key for key, count in found.items() if count > 1]
        assert not lost, (user, len(lost), sorted(lost)[:5])
        assert not twice, (user, twice[:5])
    assert "whole" in home.tram("verify").stdout
    print(f"{RUNS} kills, {len(said)} letters answered with 250, {sum(map(len, expected.values()))} deliveries: none lost, none twice")
    assert len(said) > RUNS
