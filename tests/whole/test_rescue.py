"""The drill: the whole index is lost, and made again from images and from the letters that are younger."""
import json
import re
import shutil
import subprocess
import time

import pytest
from sink import Sink, zone
from world import letter, next_address, until

DATE = '"01-Feb-2020 03:04:05 +0530"'


def state(home, user, folder="INBOX"):
    """UIDVALIDITY, UIDNEXT, and for each UID its flags, date and text."""
    client = home.imap(user)
    try:
        assert client.select(f'"{folder}"', readonly=True)[0] == "OK"
        validity = int(client.response("UIDVALIDITY")[1][0])
        uidnext = int(re.search(rb"UIDNEXT (\d+)", client.status(f'"{folder}"', "(UIDNEXT)")[1][0])[1])
        found = {}
        for part in client.uid("fetch", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
            if not isinstance(part, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", part[0])[1])
            flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].split()) - {rb"\Recent"}
            found[uid] = (flags, re.search(rb'INTERNALDATE "([^"]*)"', part[0])[1], part[1])
        return validity, uidnext, found
    finally:
        client.logout()


def subject(text):
    return re.search(rb"Subject: (.*?)\r\n", text)[1].decode()


def subjects(messages):
    return sorted(subject(text) for flags, date, text in messages.values())


def folders(home, user):
    client = home.imap(user)
    listed = {line.decode() for line in client.list()[1]}, {line.decode() for line in client.lsub()[1]}
    client.logout()
    return listed


def append(client, folder, name, flags="()", date=DATE):
    status, said = client.append(f'"{folder}"', flags, date, letter("a@one.test", "b@one.test", name).encode())
    assert status == "OK", said


def send(home, to, name, user="alice"):
    client = home.submission(user)
    sender = f"{user}@{home.domain}"
    assert client.sendmail(sender, to, letter(sender, to[0], name)) == {}
    client.quit()


@pytest.fixture
def homes(world):
    one = world.home("one.test", accounts=["alice", "bob", "carol"],
                     config='queue_retry_first = "1h"\nqueue_retry_most = "1h"')
    two = world.home("two.test", accounts=["dave"])
    one.tram("alias", "add", "info@one.test", "carol@one.test")
    one.tram("domain", "set", "one.test", "--catch-all", "bob@one.test")
    world.publish()
    one.start()
    return one, two


def before_the_image(one):
    send(one, ["alice@one.test"], "letter-1")
    send(one, ["alice@one.test", "dave@two.test"], "to both sides")
    send(one, ["info@one.test"], "by alias")
    client = one.imap()
    for name in ("Work", "Work/Deep", "Old"):
        assert client.create(f'"{name}"')[0] == "OK"
    client.subscribe('"Work/Deep"')
    client.delete('"Old"')
    append(client, "Work/Deep", "kept", r"(\Seen \Flagged $Label1)")
    append(client, "Work/Deep", "expunged early")
    client.select('"Work/Deep"')
    client.uid("store", "2", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.select("INBOX")
    assert client.uid("copy", "1", '"Archive"')[0] == "OK"
    client.uid("store", "1", "+FLAGS", r"(\Seen \Answered)")
    client.logout()


def after_the_image(one):
    send(one, ["alice@one.test"], "letter-2")
    send(one, ["alice@one.test", "bob@one.test"], "to both here")
    send(one, ["dave@two.test"], "queued late")
    client = one.imap()
    assert client.create('"Newer"')[0] == "OK"
    append(client, "Newer", "in a new folder", r"(\Draft later)")
    append(client, "Work/Deep", "late", r"(\Answered $Label1)")
    client.select("INBOX")
    client.uid("store", "1", "+FLAGS", r"(\Flagged)")
    client.logout()


def lose_the_index(one):
    one.kill()
    shutil.rmtree(one.dir / "store" / "index")


def test_the_whole_index_comes_back(homes):
    one, two = homes
    before_the_image(one)
    written = one.json("images")
    assert written["objects"] >= 5 and written["failed"] == 0
    assert one.json("images")["written"] <= 1  # but for who is known by which network
    boxes, inbox, deep = folders(one, "alice"), state(one, "alice"), state(one, "alice", "Work/Deep")
    archive = state(one, "alice", "Archive")
    after_the_image(one)
    late = state(one, "alice", "Work/Deep")[2]
    newer = state(one, "alice", "Newer")[2]
    lose_the_index(one)

    assert "store/index is missing" in one.tram("verify", status=3).stderr
    said = one.json("verify", "--repair")
    assert said["faults"] == []
    rebuilt = said["rebuilt"]
    assert rebuilt["domains"] == 1 and rebuilt["damaged_bodies"] == 0 and len(rebuilt["may_differ"]) > 3
    lost = {l["objects"]: l["what"] for l in rebuilt["lost"]}
    assert {"t:", "v:", "r:", "rt:", "_audit"} <= set(lost) and "trace" in lost["t:"]
    accounts = {a["address"]: a for a in rebuilt["accounts"]}
    assert set(accounts) == {"alice@one.test", "bob@one.test", "carol@one.test"}
    assert accounts["alice@one.test"]["letters"] == 2 and accounts["alice@one.test"]["appended"] == 2
    assert accounts["bob@one.test"]["letters"] == 1 and accounts["carol@one.test"]["letters"] == 0
    held = [l for l in rebuilt["letters"] if l["held"]]
    assert len(held) == 2 and all(l["held_for"] == "dave@two.test" and l["sender"] == "alice@one.test" for l in held)

    one.start()
    # what the image holds: the same numbers; flags are those of the image
    validity, uidnext, now = state(one, "alice")
    assert validity == inbox[0] and uidnext >= inbox[1] + (1 << 20)
    assert {uid: now[uid] for uid in inbox[2]} == inbox[2]
    assert min(set(now) - set(inbox[2])) >= inbox[1] + (1 << 20)
    assert subjects(now) == ["letter-1", "letter-2", "to both here", "to both sides"]
    validity, _, now = state(one, "alice", "Work/Deep")
    assert validity == deep[0] and {uid: now[uid] for uid in deep[2]} == deep[2]
    assert subjects(now) == ["kept", "late"]  # what was expunged before the image stays so
    assert sorted(now.values()) == sorted(late.values())  # flags, keywords, dates
    assert state(one, "alice", "Archive")[::2] == archive[::2]
    assert list(state(one, "alice", "Newer")[2].values()) == list(newer.values())
    assert boxes[0] < folders(one, "alice")[0] and boxes[1] == folders(one, "alice")[1]
    assert [subject(m) for m in one.messages("carol")] == ["by alias"]
    assert [subject(m) for m in one.messages("bob")] == ["to both here"]
    assert len(one.pop("carol").list()[1]) == 1

    # the directory: aliases, catch-all, keys that sign
    send(one, ["info@one.test"], "alias again")
    send(one, ["nobody@one.test"], "caught")
    assert "alias again" in [subject(m) for m in one.wait_for("carol", 2)]
    assert "caught" in [subject(m) for m in one.wait_for("bob", 2)]

    # letters for elsewhere wait, and say why
    waiting = one.json("queue", "list")["letters"]
    assert {w["id"] for w in waiting} == {l["id"] for l in held}
    assert "the index was lost" in one.tram("queue", "show", held[0]["id"]).stdout
    two.start()
    for l in held:
        one.tram("queue", "release", l["id"])
    send(one, ["dave@two.test"], "signed anew")
    got = two.wait_for("dave", 3)
    assert sorted(subject(m) for m in got) == ["queued late", "signed anew", "to both sides"]
    assert all(re.search(rb"dkim=pass[^;]*one\.test", m) for m in got)

    # nothing is swept until it is judged; a second repair finds nothing to do
    assert "made again" in one.tram("verify", status=1).stdout
    one.tram("verify", "--close-loss")
    assert one.json("verify")["faults"] == []
    one.stop()
    assert "rebuilt" not in one.json("verify", "--repair")


def test_a_second_loss_after_the_first(homes):
    one, two = homes
    before_the_image(one)
    lose_the_index(one)  # no image of anything but what serve wrote by itself: nothing yet
    refused = one.tram("verify", "--repair", status=3).stderr
    assert "there is no image of a domain" in refused
    assert not (one.dir / "store" / "index").exists()


def test_images_are_enough_twice(homes):
    one, two = homes
    before_the_image(one)
    one.tram("suppression", "add", "alice@one.test", "never@two.test")
    one.json("images")
    lose_the_index(one)
    one.tram("verify", "--repair")
    one.start()
    assert "never@two.test" in one.tram("suppression", "list", "alice@one.test").stdout
    again = one.tram("suppression", "add", "alice@one.test", "never@two.test")  # found under its mark: nothing doubled
    assert one.tram("suppression", "list", "alice@one.test").stdout.count("never@two.test") == 1, again.stdout
    first = state(one, "alice")
    send(one, ["alice@one.test"], "between")
    lose_the_index(one)
    accounts = {a["address"]: a for a in one.json("verify", "--repair")["rebuilt"]["accounts"]}
    assert accounts["alice@one.test"]["letters"] == 1
    one.start()
    validity, uidnext, now = state(one, "alice")
    assert validity == first[0] and {uid: now[uid] for uid in first[2]} == first[2]
    assert subjects(now) == ["between", "letter-1", "to both sides"]
    until(lambda: len(one.json("queue", "list")["letters"]) == 1, what="the held letter")


def test_an_index_that_cannot_be_opened_gives_way(homes):
    one, two = homes
    before_the_image(one)
    one.json("images")
    one.kill()
    (one.dir / "store" / "index" / "CURRENT").write_bytes(b"MANIFEST-999999\n")
    one.tram("serve", status=3)
    rebuilt = one.json("verify", "--repair")["rebuilt"]
    assert (one.dir / rebuilt["lost_index"] / "CURRENT").exists()
    one.start()
    assert subjects(state(one, "alice")[2]) == ["letter-1", "to both sides"]


def ask(home, path, body=None):
    done = subprocess.run(["curl", "-sk", "--max-time", "60", *(["--data-binary", "@-"] if body else []), "-H", f"Authorization: Bearer {home.key}",
                           f"https://{home.address}:{home.port(443)}{path}"], input=body, capture_output=True, check=True)
    return json.loads(done.stdout)


def campaign(home, name, people, **more):
    head = {"from": "news@one.test", "campaign": name, "subject": "Hello", "text": "Dear {{n}}", **more}
    return ask(home, "/v1/campaigns", "".join(json.dumps(o) + "\n" for o in [head, *({"to": p, "data": {"n": p}} for p in people)]).encode())["id"]


def test_a_campaign_in_the_middle_comes_back_held(world):
    """Whom it reached after the image nobody knows: so it waits for a word, says how it stood, and leaves out nobody but whom it names."""
    home = world.home("one.test", accounts=["news"])
    domains, address = [f"d{i}.test" for i in range(8)], next_address()
    world.publish(extra=zone(domains, [address]))
    home.tram("account", "set", "news@one.test", "--daily", "unlimited", "--hourly", "unlimited")
    home.key = home.tram("key", "add", "news@one.test", "--name", "k", "--scope", "campaigns").stdout.split("\n")[0]
    sink = Sink([address], home.port(25))
    people = [f"r{i}@{domains[i % len(domains)]}" for i in range(6000)]

    def reached():
        return {who for to, _, _ in sink.letters for who in to}
    home.start()
    ended = campaign(home, "ended", ["early@d0.test"])
    until(lambda: ask(home, f"/v1/campaigns/{ended}")["over"], 60, "the end of a small one")
    later = campaign(home, "later", ["late@d0.test"], send_at=int(time.time()) + 86400)
    one = campaign(home, "middle", people)
    until(lambda: len(sink.letters) > 300, 60, "some letters")
    assert home.json("images")["failed"] == 0
    known = ask(home, f"/v1/campaigns/{one}")
    lose_the_index(home)
    sends = {s["id"]: s for s in home.json("verify", "--repair")["rebuilt"]["sends"]}
    assert set(sends) == {later, one}
    assert sends[later]["held"] and not sends[later]["begun"] and sends[later]["given"] == 0
    back = sends[one]
    assert back["held"] and back["letters"] == 6000 and back["account"] == "news@one.test", back
    assert back["begun"] and 0 < back["given"] <= known["letters"] and back["lost"] <= back["given"]
    home.start()
    shown = ask(home, f"/v1/campaigns/{one}")
    assert shown["state"] == "paused" and "the index was lost" in shown["why"] and f"{back['lost']} recipients" in shown["why"], shown
    assert shown["failed"] == back["lost"] and shown["waiting"] == 0
    before = len(sink.letters)
    assert ask(home, f"/v1/campaigns/{later}")["state"] == "paused" and "had not begun" in ask(home, f"/v1/campaigns/{later}")["why"]
    home.tram("campaign", "resume", one)
    until(lambda: ask(home, f"/v1/campaigns/{one}")["over"], 120, "the end of the campaign")
    assert len(sink.letters) > before
    missing = set(people) - reached()
    assert missing <= set(people[:back["given"]]), (len(missing), back)
    assert "made again" in home.tram("verify", status=1).stdout  # and nothing else
    sink.close()
