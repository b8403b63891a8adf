"""Somebody asks what is known of them, and to be forgotten: a recipient of a campaign, and an account."""
import json
import re
import subprocess

import pytest

import world as w


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("person"))
    home = made.home("one.test", accounts=["news", "bob", "ann"])
    other = made.home("two.test", accounts=["dan"])
    made.publish()
    home.start()
    other.start()
    home.key = home.tram("key", "add", "news@one.test", "--name", "t", "--scope", "campaigns").stdout.split("\n")[0]
    yield home
    made.close()


def campaign(home, *recipients):
    head = {"from": {"email": "news@one.test"}, "subject": "News", "text": "Hello {{name}}.\n", "campaign": "June"}
    lines = "".join(json.dumps(o) + "\n" for o in (head, *recipients)).encode()
    done = subprocess.run(["curl", "-sk", "--max-time", "60", "-H", f"Authorization: Bearer {home.key}", "--data-binary", "@-",
                           f"https://{home.address}:{home.port(443)}/v1/campaigns"], input=lines, capture_output=True)
    taken = json.loads(done.stdout)
    if taken.get("recipients"):
        w.until(lambda: home.json("campaign", "show", taken["id"])["state"] == "finished", what="the campaign to end")
    return taken


def places(report):
    return {p["where"]: p for p in report["found"]}


def test_a_recipient_is_told_what_is_known_and_forgotten(home, tmp_path):
    campaign(home, {"to": {"email": "carl@two.test", "name": "Carl Cole"}, "data": {"name": "Carl"}},
             {"to": {"email": "bob@one.test", "name": "Bob"}, "data": {"name": "Bob"}})
    home.tram("suppression", "add", "news@one.test", "carl@two.test")
    told = home.json("person", "export", "carl@two.test", str(tmp_path / "carl"))
    assert {"trace", "events", "sends", "suppression"} <= set(places(told))
    records = [json.loads(line) for line in (tmp_path / "carl/records.jsonl").read_text().splitlines()]
    letter = next(r for r in records if r["where"] == "sends")
    assert letter["account"] == "news@one.test" and letter["to"] == [{"address": "carl@two.test", "name": "Carl Cole"}]
    assert json.loads(letter["data"]) == {"name": "Carl"}
    assert any(e["event"] == "bounced" for r in records if r["where"] == "trace" for e in r["events"])
    assert {e["reason"] for r in records if r["where"] == "suppression" for e in r["entries"]} >= {"by-hand"}
    assert not any("bob@one.test" in json.dumps(r) for r in records if r["where"] in ("sends", "events"))
    words = (tmp_path / "carl/report.txt").read_text()
    assert "carl@two.test" in words and "letters of campaigns" in words
    assert json.loads((tmp_path / "carl/report.json").read_text())["address"] == "carl@two.test"

    erased = home.json("person", "erase", "carl@two.test")
    assert not erased["again"] and erased["suppressing"] == 1
    assert all(places(erased)[p]["erased"] == places(erased)[p]["found"] > 0 for p in ("trace", "events", "sends", "suppression"))
    assert "audit" in places(erased) and "audit_keep" in places(erased)["audit"]["stays"]
    home.tram("trace", "carl@two.test", status=1)
    for command in ("trace --last 100", "suppression list news@one.test", "suppression export news@one.test", "stats news@one.test"):
        assert "carl" not in home.tram(*command.split()).stdout.lower(), command
    assert set(places(home.json("person", "erase", "carl@two.test"))) == {"audit"}
    taken = campaign(home, {"to": "carl@two.test"})
    assert taken["left_out"] == 1 and taken["recipients"] == 0  # by a hash that only this node can make
    assert "bob@one.test" in home.tram("trace", "--last", "100").stdout


def test_an_account_goes_with_all_that_names_it(home, tmp_path):
    with home.submission("ann") as client:
        client.sendmail("ann@one.test", ["bob@one.test"], w.letter("ann@one.test", "bob@one.test", "hello", "x\r\n"))
    with home.submission("bob") as client:
        client.sendmail("bob@one.test", ["ann+tag@one.test"], w.letter("bob@one.test", "ann+tag@one.test", "for ann", "x\r\n"))
    home.wait_for("ann")
    w.until(lambda: [m for m in home.messages("bob") if b"Subject: hello" in bytes(m)], what="her own letter")
    with home.imap("bob") as imap:
        assert imap.setacl("INBOX", "ann@one.test", "lr")[0] == "OK"
    with home.imap("ann") as imap:
        assert imap.setacl("INBOX", "bob@one.test", "lr")[0] == "OK"
    home.tram("inbound", "add", "ann@one.test", "desk@one.test", "https://hook.test/ann")
    home.tram("inbound", "add", "bob@one.test", "ann@one.test", "https://hook.test/bob")
    told = home.json("person", "export", "ann@one.test", str(tmp_path / "ann"))
    assert told["mail"] >= 1 and {"shared", "hints", "trace", "inbound"} <= set(places(told))
    assert '"url":"https://hook.test/ann"' in (tmp_path / "ann/records.jsonl").read_text()
    mail = [p.read_text() for p in (tmp_path / "ann/mail").rglob("*") if p.is_file() and re.search(r"/(cur|new)/", str(p))]
    assert any("for ann" in text for text in mail)

    refused = home.tram("person", "erase", "ann@one.test", status=1)
    assert "--account" in refused.stderr
    erased = home.json("person", "erase", "ann@one.test", "--account")
    assert "hook.test/ann" not in home.tram("inbound", "list").stdout and places(erased)["inbound"]["found"] == 1
    assert erased["account_removed"] and places(erased)["shared"]["erased"] == 1 and places(erased)["hints"]["erased"] == 1
    home.tram("account", "show", "ann@one.test", status=1)
    home.tram("trace", "ann@one.test", status=1)
    with home.imap("bob") as imap:
        assert b"ann" not in imap.getacl("INBOX")[1][0]
    home.tram("inbound", "remove", "ann@one.test")
    assert set(places(home.json("person", "erase", "ann@one.test"))) <= {"audit", "queue"}
    home.tram("verify")
    assert any(a["what"] == "person erase" and a["outcome"] == "done" for a in home.json("audit")["acts"])


def test_without_a_server_too_and_what_is_no_address(home, tmp_path):
    home.tram("person", "erase", "no address", status=2)
    home.stop()
    told = home.json("person", "export", "bob@one.test", str(tmp_path / "bob"))
    assert told["mail"] >= 1 and (tmp_path / "bob/records.jsonl").stat().st_size > 0
    home.start()


def test_of_an_account_that_cannot_be_read_all_else_goes(home):
    home.account("dora")
    with home.submission("dora") as client:
        client.sendmail("dora@one.test", ["bob@one.test"], w.letter("dora@one.test", "bob@one.test", "hello", "x\r\n"))
    home.stop()
    w.spoil(home, "a:dora", "d:one.test")
    home.start()
    assert "--account" in home.tram("person", "erase", "dora@one.test", status=1).stderr
    assert "dora" in home.tram("trace", "--last", "100").stdout
    home.tram("person", "export", "dora@one.test", "unused", ok=False)
    erased = home.json("person", "erase", "dora@one.test", "--account", status=1)
    assert places(erased)["trace"]["erased"] and "verify --repair" in erased["unread"] and erased["again"]
    assert "dora@one.test" not in home.tram("trace", "--last", "100").stdout
    said = home.tram("person", "erase", "dora@one.test", "--account", status=1)
    assert "still there" in said.stdout and "verify --repair" in said.stdout
