"""Campaigns over HTTP, by curl: taken, delivered, told as events; leaving by the link in the letter; the list of
who gets nothing by command and over the API."""
import json
import re
import subprocess
import time

import pytest

import world as w


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("sending"))
    home = made.home("one.test", accounts=["news", "bob", "ann"])
    made.publish()
    home.start()
    home.key = home.tram("key", "add", "news@one.test", "--name", "t", "--scope",
                         "campaigns,events.read,suppression").stdout.split("\n")[0]
    yield home
    made.close()


def call(home, method, path, body=None, *options):
    """Status and what JSON came."""
    done = subprocess.run(
        ["curl", "-sk", "--max-time", "20", "-X", method, "-w", "\n%{http_code}", *options,
         "-H", f"Authorization: Bearer {home.key}", *(["--data-binary", "@-"] if body is not None else []),
         f"https://{home.address}:{home.port(443)}{path}"], input=body, capture_output=True)
    assert done.returncode == 0, done.stderr
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(text) if text.startswith("{") else text


def lines(*objects):
    return "".join(json.dumps(o) + "\n" for o in objects).encode()


HEAD = {"from": {"email": "news@one.test", "name": "News"}, "subject": "News", "text": "Hello.\n", "campaign": "June"}


def campaign(home, *recipients, head=HEAD, options=()):
    return call(home, "POST", "/v1/campaigns", lines(head, *recipients), *options)


def finished(home, id):
    w.until(lambda: call(home, "GET", f"/v1/campaigns/{id}")[1]["state"] == "finished", what="the campaign to end")
    return call(home, "GET", f"/v1/campaigns/{id}")[1]


def test_a_campaign_is_delivered_and_told_and_can_be_left(home):
    status, taken = campaign(home, {"to": "bob@one.test"}, {"to": {"email": "ann@one.test", "name": "Ann"}},
                             {"to": "nobody@one.test"}, options=("-H", "Idempotency-Key: a1"))
    assert status == 202 and taken["recipients"] == 3, taken
    status, again = campaign(home, {"to": "bob@one.test"}, options=("-H", "Idempotency-Key: a1"))
    assert status == 202 and again["id"] == taken["id"] and again["before"]
    ended = finished(home, taken["id"])
    assert (ended["delivered"], ended["bounced"], ended["waiting"]) == (2, 1, 0), ended
    status, events = call(home, "GET", "/v1/events")
    told = {(e["email"], e["event"]) for e in events["events"]}
    assert {("bob@one.test", "processed"), ("bob@one.test", "delivered"), ("nobody@one.test", "bounced")} <= told
    status, rest = call(home, "GET", f"/v1/events?after={events['next']}")
    assert status == 200 and rest["events"] == [] and rest["next"] == events["next"]

    letter = home.wait_for("bob")[0]
    text = letter if isinstance(letter, str) else bytes(letter).decode()
    link = re.search(r"List-Unsubscribe: <https://[^/]+(/u/[\w-]+)>", re.sub(r"\r?\n[ \t]", " ", text)).group(1)
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in text
    signed = re.search(r"DKIM-Signature:(.*?)\r?\n\S", text, re.S).group(1)
    assert "list-unsubscribe" in signed.lower() and "list-unsubscribe-post" in signed.lower()

    status, page = call(home, "GET", link, None, "-H", "Accept-Language: vi")
    assert status == 200 and "bob@one.test" in page and "<form method" in page and "Hủy" in page
    assert "bob@one.test" not in {s["email"] for s in call(home, "GET", "/v1/suppressions")[1]["suppressions"]}
    for _ in range(2):
        status, page = call(home, "POST", link, b"List-Unsubscribe=One-Click")
        assert status == 200 and "<form" not in page
    assert call(home, "GET", link + "x")[0] == 404
    left = [e for e in call(home, "GET", f"/v1/events?after={events['next']}")[1]["events"]
            if e["event"] == "unsubscribed"]
    assert [e["email"] for e in left] == ["bob@one.test"]
    status, taken = campaign(home, {"to": "BOB@one.test"}, {"to": "ann@one.test"})
    assert (taken["recipients"], taken["left_out"]) == (1, 1) and taken["who"][0]["reason"] == "unsubscribed"
    ended = finished(home, taken["id"])
    assert (ended["delivered"], ended["dropped"]) == (1, 1), ended
    assert "June" in home.tram("campaign", "list").stdout and "finished" in home.tram("campaign", "show", taken["id"]).stdout


def test_what_cannot_be_taken_is_refused_whole(home):
    before = len(call(home, "GET", "/v1/campaigns")[1]["campaigns"])
    assert campaign(home, {"to": "ann@one.test"}, {"to": "no address"})[0] == 400
    assert campaign(home, {"to": "ann@one.test"}, head=HEAD | {"from": "root@two.test"})[0] == 403
    assert campaign(home, {"to": "ann@one.test"}, head=HEAD | {"subject": "a\r\nBcc: b@c.d"})[0] == 400
    assert campaign(home, {"to": 7})[0] == 400
    assert call(home, "POST", "/v1/campaigns", b"{")[0] == 400
    assert call(home, "POST", "/v1/campaigns", b"")[0] == 400
    assert len(call(home, "GET", "/v1/campaigns")[1]["campaigns"]) == before
    status, taken = campaign(home, {"to": "ann@one.test"}, {"to": "no address"}, head=HEAD | {"skip_bad": True})
    assert (status, taken["bad"], taken["recipients"]) == (202, 1, 1)


def test_a_campaign_waits_and_is_canceled(home):
    soon = HEAD | {"send_at": int(time.time()) + 3000}
    status, taken = campaign(home, {"to": "ann@one.test"}, head=soon)
    assert call(home, "GET", f"/v1/campaigns/{taken['id']}")[1]["state"] == "scheduled"
    assert call(home, "POST", f"/v1/campaigns/{taken['id']}/pause")[1]["state"] == "paused"
    assert call(home, "POST", f"/v1/campaigns/{taken['id']}/pause")[0] == 409
    assert "canceled" in home.tram("campaign", "cancel", taken["id"]).stdout
    w.until(lambda: call(home, "GET", f"/v1/campaigns/{taken['id']}")[1]["over"], what="the end")
    assert call(home, "GET", "/v1/campaigns/0123456789abcdef")[0] == 404


def test_the_list_of_who_gets_nothing(home):
    home.tram("suppression", "add", "news@one.test", "x@two.test", "--reason", "spam")
    table = home.tram("suppression", "export", "news@one.test").stdout
    assert "x@two.test,spam," in table
    home.tram("suppression", "remove", "news@one.test", "x@two.test")
    assert "x@two.test" not in home.tram("suppression", "list", "news@one.test").stdout
    more = table + 'y@two.test\r\n"z,""@two.test",no-such\r\n'
    said = home.tram("suppression", "import", "news@one.test", input=more).stdout
    assert "1 lines hold none" in said, said
    listed = home.tram("suppression", "list", "news@one.test").stdout
    assert "x@two.test" in listed and "y@two.test" in listed
    home.tram("suppression", "remove", "news@one.test", "y@two.test", "--forget")
    assert "(forgotten)" in home.tram("suppression", "list", "news@one.test").stdout
    assert call(home, "POST", "/v1/suppressions", b'{"email":"v@two.test"}')[0] == 204
    assert call(home, "DELETE", "/v1/suppressions/v@two.test")[0] == 204
    assert call(home, "DELETE", "/v1/suppressions/v@two.test")[0] == 404
