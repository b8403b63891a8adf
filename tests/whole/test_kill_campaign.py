"""kill -9 in the middle of a campaign, again and again: events, what the receiving servers have, and the recipients agree.

KILLS=30 makes it longer."""
import collections
import json
import os
import random
import subprocess
import time

from sink import Sink, zone
from world import next_address, until

KILLS = int(os.environ.get("KILLS", "10"))
RECIPIENTS = int(os.environ.get("RECIPIENTS", "6000"))


def ask(home, path, body=None):
    done = subprocess.run(["curl", "-sk", "--max-time", "60", *(["--data-binary", "@-"] if body else []), "-H", f"Authorization: Bearer {home.key}",
                           f"https://{home.address}:{home.port(443)}{path}"], input=body, capture_output=True, check=True)
    return json.loads(done.stdout)


def all_events(home):
    after, out = "", []
    while True:
        page = ask(home, f"/v1/events?limit=1000{'&after=' + after if after else ''}")
        out += page["events"]
        if not page["more"]:
            return out
        after = page["next"]


def test_kill_9_in_a_campaign(world):
    chance = random.Random(os.environ.get("SEED", "1"))
    home = world.home("one.test", accounts=["news"])
    domains, address = [f"d{i}.test" for i in range(20)], next_address()
    world.publish(extra=zone(domains, [address]))
    home.tram("account", "set", "news@one.test", "--daily", "unlimited", "--hourly", "unlimited")
    home.key = home.tram("key", "add", "news@one.test", "--name", "k", "--scope", "campaigns,events.read,stats.read").stdout.split("\n")[0]
    sink = Sink([address], home.port(25))
    people = [f"r{i}@{domains[i % len(domains)]}" for i in range(RECIPIENTS)]
    head = {"from": "news@one.test", "campaign": "kill", "subject": "Hello {{n}}", "text": "Dear {{n}}"}
    home.start()
    taken = ask(home, "/v1/campaigns", "".join(json.dumps(o) + "\n" for o in [head, *({"to": p, "data": {"n": i}} for i, p in enumerate(people))]).encode())
    kills = 0
    while kills < KILLS:
        time.sleep(chance.uniform(0.05, 0.8))
        if len(sink.letters) >= RECIPIENTS:
            break
        home.kill()
        kills += 1
        home.start()
    home.tram("queue", "retry", "--all")

    def over():
        home.tram("queue", "retry", "--all")  # what was under way at a kill waits for its next attempt
        return ask(home, f"/v1/campaigns/{taken['id']}")["over"]
    until(over, 120, "the end of the campaign")
    ended = ask(home, f"/v1/campaigns/{taken['id']}")
    assert (ended["delivered"], ended["waiting"], ended["bounced"], ended["dropped"]) == (RECIPIENTS, 0, 0, 0), ended
    ends = collections.Counter(e["email"] for e in all_events(home) if e["event"] in ("delivered", "bounced", "dropped", "failed"))
    assert ends == collections.Counter(people)
    row, = ask(home, "/v1/stats?by=campaign")["rows"]
    assert (row["accepted"], row["processed"], row["delivered"]) == (RECIPIENTS,) * 3, row
    ids = collections.defaultdict(list)
    for to, message, _ in sink.letters:
        for who in to:
            ids[who].append(message)
    assert set(ids) == set(people)
    assert all(len(set(v)) == 1 for v in ids.values()), "somebody got two different letters"
    twice = sum(len(v) - 1 for v in ids.values())
    assert twice <= 600 * kills, twice  # the answer to these was lost with the program: SMTP can do no better
    assert "whole" in home.tram("verify").stdout
    print(f"{kills} kills, {RECIPIENTS} recipients: each has its letter and one end; {twice} got it again, whose answer was lost")
    assert kills >= min(KILLS, 2)
    sink.close()
