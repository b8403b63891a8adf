"""Campaigns over HTTP, by curl: taken, delivered, told as events; leaving by the link in the letter; the list of
who gets nothing by command and over the API."""
import base64
import email
import email.policy
import json
import re
import smtplib
import subprocess
import time

import pytest

import world as w
from web import Page, serve


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("sending"))
    home = made.home("one.test", accounts=["news", "bob", "ann"], config="webhook_private = true")
    made.publish()
    home.start()
    home.key = home.tram("key", "add", "news@one.test", "--name", "t", "--scope",
                         "campaigns,events.read,suppression").stdout.split("\n")[0]
    yield home
    made.close()


def call(home, method, path, body=None, *options):
    """Status and what JSON came."""
    done = subprocess.run(
        ["curl", "-sk", "--max-time", "60", "-X", method, "-w", "\n%{http_code}", *options,
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
    status, again = campaign(home, {"to": "bob@one.test"}, {"to": {"email": "ann@one.test", "name": "Ann"}},
                             {"to": "nobody@one.test"}, options=("-H", "Idempotency-Key: a1"))
    assert status == 202 and again["id"] == taken["id"] and again["before"]
    assert campaign(home, {"to": "bob@one.test"}, options=("-H", "Idempotency-Key: a1"))[0] == 409  # other recipients
    assert campaign(home, {"to": "bob@one.test"}, head=HEAD | {"subject": "x"}, options=("-H", "Idempotency-Key: a1"))[0] == 409
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
    part = '---FormBoundaryjWmhtjORrn\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n---FormBoundaryjWmhtjORrn--'
    for other in ("", "x=y", "List-Unsubscribe", "List-Unsubscribe=", "List-Unsubscribe=Two", "xList-Unsubscribe=One-Click", "{}", "List-Unsubscribe: One-Click",
                  part.format("other", "One-Click"), part.format("List-Unsubscribe", "x"), "\r\n\r\nOne-Click\r\n"):
        status, page = call(home, "POST", link, other.encode())  # nobody asked for it: RFC 8058 section 3.2 says what is sent
        assert status == 400 and "<form method" in page, other
    assert "bob@one.test" not in {s["email"] for s in call(home, "GET", "/v1/suppressions")[1]["suppressions"]}
    for body in ("List-Unsubscribe=One-Click", part.format("List-Unsubscribe", "One-Click")):  # sections 8.2 and 8.3
        status, page = call(home, "POST", link, body.encode())
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


def test_who_gets_letters_chooses_which(home):
    """The page of groups: only its POST acts; what is not on it is not changed."""
    groups = [call(home, "POST", "/v3/asm/groups", json.dumps({"name": name, "description": f"about {name} <1>"}).encode())[1]["id"]
              for name in ("Weekly", "Offers")]
    status, taken = campaign(home, {"to": "ann@one.test"}, head={**HEAD, "group": groups[0], "subject": "by group"})
    assert status == 202, taken
    finished(home, taken["id"])
    letter = w.until(lambda: [m for m in home.messages("ann") if b"by group" in (m if isinstance(m, bytes) else m.encode())], what="the letter")[0]
    text = letter if isinstance(letter, str) else bytes(letter).decode()
    link = re.search(r"List-Unsubscribe: <https://[^/]+(/u/[\w-]+)>", re.sub(r"\r?\n[ \t]", " ", text)).group(1)

    def left():
        return {g["id"] for g in call(home, "GET", "/v3/asm/suppressions/ann@one.test")[1]["suppressions"] if g["suppressed"]}

    status, page = call(home, "GET", link)
    assert status == 200 and f'href="{link}/groups"' in page
    for how in (["-I"], ["-X", "OPTIONS"], []):
        done = subprocess.run(["curl", "-sk", *how, "-H", "Accept-Language: vi-VN", f"https://{home.address}:{home.port(443)}{link}/groups"], capture_output=True, text=True)
        assert done.returncode == 0 and not left()
    assert "Thư của bạn" in done.stdout and "viewport" in done.stdout and "<script" not in done.stdout
    assert "about Offers &lt;1&gt;" in done.stdout and done.stdout.count("checked") == 2
    first, second = groups
    status, page = call(home, "POST", f"{link}/groups", f"shown={first}&shown={second}&shown=0&comes={second}".encode())
    assert status == 200 and "It is saved" in page and page.count("checked") == 1 and left() == {first}
    status, page = call(home, "POST", f"{link}/groups", b"List-Unsubscribe=One-Click")  # nothing was shown to it
    assert status == 200 and left() == {first}
    status, page = call(home, "POST", f"{link}/groups", f"shown={first}&comes={first}".encode())
    assert status == 200 and not left()
    told = [(e["event"], e["group"]) for e in call(home, "GET", "/v1/events")[1]["events"] if e["email"] == "ann@one.test" and "subscribed" in e["event"]]
    assert told == [("unsubscribed", first), ("resubscribed", first)]
    status, page = call(home, "POST", f"{link}/groups", b"shown=0&nothing=1")
    assert "ann@one.test" in {s["email"] for s in call(home, "GET", "/v1/suppressions")[1]["suppressions"]}
    status, page = call(home, "POST", f"{link}/groups", b"shown=0")
    assert "ann@one.test" not in {s["email"] for s in call(home, "GET", "/v1/suppressions")[1]["suppressions"]}
    assert call(home, "GET", f"{link}x/groups")[0] == 404


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
    everywhere = [r for r in home.json("suppression", "list")["suppressed"] if r["address"] == "x@two.test"]
    assert [r["account"] for r in everywhere] == ["news@one.test"]
    assert "news@one.test" in home.tram("suppression", "list").stdout
    home.tram("suppression", "remove", "news@one.test", "x@two.test")
    assert "x@two.test" not in home.tram("suppression", "list", "news@one.test").stdout
    more = "\ufeff" + table + 'y@two.test,,,,,"two ""lines"",\r\nof words"\r\n"z,""@two.test",no-such\r\n'
    said = home.tram("suppression", "import", "news@one.test", input=more).stdout
    assert "1 lines hold none" in said, said
    listed = home.tram("suppression", "list", "news@one.test").stdout
    assert "x@two.test" in listed and "y@two.test" in listed
    table = home.tram("suppression", "export", "news@one.test").stdout
    assert 'two ""lines"",' in table
    said = home.tram("suppression", "import", "news@one.test", input=table).stdout
    assert ", 0 lines hold none" in said, said
    assert home.tram("suppression", "export", "news@one.test").stdout == table
    home.tram("suppression", "remove", "news@one.test", "y@two.test", "--forget")
    assert "(forgotten)" in home.tram("suppression", "list", "news@one.test").stdout
    assert call(home, "POST", "/v1/suppressions", b'{"email":"v@two.test"}')[0] == 204
    assert call(home, "DELETE", "/v1/suppressions/v@two.test")[0] == 204
    assert call(home, "DELETE", "/v1/suppressions/v@two.test")[0] == 404


def test_reports_come_home_and_count_once(home):
    status, taken = campaign(home, {"to": "ann@one.test"})
    finished(home, taken["id"])
    paths = [t if isinstance(t, str) else bytes(t).decode() for t in home.messages("ann")]
    path = re.search(r"Return-Path: <(r-[^>]+)>", next(p for p in paths if taken["id"] in p)).group(1)
    start = call(home, "GET", "/v1/events?limit=1000")[1]["next"]

    def report(what, fields, to=None, enclosed=""):
        kind, part = what
        body = (f'From: mailer-daemon@two.test\r\nTo: {path}\r\nSubject: report\r\nMIME-Version: 1.0\r\nContent-Type: '
                f'multipart/report; report-type={kind}; boundary="b"\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: '
                f"message/{part}\r\n\r\n{fields}\r\n{enclosed}--b--\r\n")
        with home.mx() as mx:
            mx.sendmail("", [to or path], body)

    dsn = ("delivery-status", "delivery-status")
    report(dsn, "Reporting-MTA: dns; mx.two.test\r\n\r\nFinal-Recipient: rfc822; ann@one.test\r\nAction: delayed\r\nStatus: 4.4.1\r\n")
    report(dsn, "Reporting-MTA: dns; mx.two.test\r\n\r\nFinal-Recipient: rfc822; ann@one.test\r\nAction: failed\r\n"
                "Status: 5.7.1\r\nDiagnostic-Code: smtp; 550 5.7.1 your address is on a block list\r\n")
    assert "ann@one.test" not in home.tram("suppression", "list", "news@one.test").stdout  # it speaks of us
    report(dsn, "Reporting-MTA: dns; mx.two.test\r\n\r\nFinal-Recipient: rfc822; ann@one.test\r\nAction: failed\r\n"
                "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\r\n")
    report(("feedback-report", "feedback-report"), "Feedback-Type: not-spam\r\nVersion: 1\r\nUser-Agent: x\r\n")
    arf = (("feedback-report", "feedback-report"), "Feedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\n")
    seen = len(home.messages("news"))
    report(*arf, to="abuse@one.test", enclosed=f"--b\r\nContent-Type: message/rfc822\r\n\r\nReturn-Path: <{path}>\r\nSubject: News\r\n\r\nHello.\r\n")
    w.until(lambda: call(home, "GET", f"/v1/campaigns/{taken['id']}")[1]["complaints"] == 1, what="the complaint to be counted")
    w.until(lambda: len(home.messages("news")) == seen + 1, what="it to be in the mailbox, too")
    report(*arf)
    told = [(e["event"], e["email"]) for e in call(home, "GET", f"/v1/events?after={start}")[1]["events"] if e["event"] in ("late-bounce", "complaint", "bounced", "unsubscribed")]
    assert told == [("late-bounce", "ann@one.test"), ("complaint", "ann@one.test")]  # each once for the letter
    listed = home.tram("suppression", "list", "news@one.test").stdout
    assert re.search(r"ann@one.test +invalid", listed) and re.search(r"ann@one.test +spam", listed), listed
    stands = call(home, "GET", f"/v1/campaigns/{taken['id']}")[1]
    assert (stands["late_bounces"], stands["complaints"]) == (1, 1)
    with home.mx() as mx:  # another mark is nobody
        mx.ehlo("two.test")
        mx.mail("")
        assert mx.rcpt(path[:20] + "0" + path[21:])[0] == 550
    home.tram("suppression", "remove", "news@one.test", "ann@one.test")


def test_events_are_told_to_a_webhook_signed_and_again_until_they_are_taken(home, tmp_path):
    calls, answers = [], [500, 302]

    class Receiver(Page):
        def do_POST(self):
            body = self.body()
            calls.append((dict(self.headers), body))
            self.answer(answers.pop(0) if answers else 204)

    server = serve(home.address, 0, Receiver)
    # the ports of a trial network are moved, those of URLs too
    port = server.server_address[1] - home.port(0)
    if port < 1:
        pytest.skip("no port below the offset")
    url = f"http://mail.one.test:{port}/hook"
    key = home.tram("webhook", "add", "news@one.test", url, "--events", "delivered,bounced").stdout.split("\n")[0]
    head = HEAD | {"categories": ["c1"], "args": {"order": "7", "10": 1.50, "2": {"b": 1, "1": 2}, "who": "all", "n": 12345678901234567}}
    status, taken = campaign(home, {"to": "ann@one.test", "args": {"who": "Ann é"}}, head=head)
    finished(home, taken["id"])
    for n, failure in (2, "it answered 500"), (3, "it answered 302"):
        w.until(lambda: failure in home.tram("webhook", "list").stdout, what="the failure to be seen")
        home.tram("webhook", "resume", "news@one.test", "default")
        w.until(lambda: len(calls) == n, what="another call")
    fields, body = calls[-1]
    assert [json.loads(b) for _, b in calls[:-1]] == [json.loads(body)] * 2
    event = json.loads(body)[0]
    assert (event["event"], event["email"], event["category"], event["order"], event["who"]) == (
        "delivered", "ann@one.test", ["c1"], "7", "Ann é")
    assert f"Message-ID: {event['smtp-id']}".encode() in w.until(lambda: [raw for raw in home.messages("ann") if event["smtp-id"].encode() in raw], what="the letter")[0]
    assert event["sg_message_id"].startswith(taken["id"] + ".")
    # members in the order, and numbers in the form, that JSON.stringify(JSON.parse()) leaves as they are
    assert list(event)[:2] == ["2", "10"] and (event["2"], event["10"], event["n"]) == ('{"b":1,"1":2}', "1.5", "12345678901234567")
    rebuilt = "[" + ",\r\n".join(json.dumps(e, separators=(",", ":"), ensure_ascii=False) for e in json.loads(body)) + "]\r\n"
    assert rebuilt.encode() == body
    names = {k.lower(): v for k, v in fields.items()}
    (tmp_path / "key").write_text(f"-----BEGIN PUBLIC KEY-----\n{key[:64]}\n{key[64:]}\n-----END PUBLIC KEY-----\n")
    (tmp_path / "sig").write_bytes(base64.b64decode(names["x-twilio-email-event-webhook-signature"]))
    (tmp_path / "data").write_bytes(names["x-twilio-email-event-webhook-timestamp"].encode() + body)
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", tmp_path / "key", "-signature", tmp_path / "sig",
                    tmp_path / "data"], check=True, capture_output=True)
    w.until(lambda: "fails" not in home.tram("webhook", "list").stdout, what="it to be well again")
    home.tram("webhook", "resume", "news@one.test", "default", "--after", "1")
    w.until(lambda: len(calls) > 3, what="the replay")
    assert event["sg_event_id"] in {e["sg_event_id"] for e in json.loads(calls[3][1])}
    home.tram("webhook", "remove", "news@one.test", "default")
    assert "no webhook" in home.tram("webhook", "list").stdout
    for bad in ("ftp://one.test/", "https://u:p@one.test/", "https://one.test:0/", "https:///x", "https://one.test/a b"):
        assert home.tram("webhook", "add", "news@one.test", bad, ok=False).returncode
    server.shutdown()


def test_events_in_the_form_of_mailjet(home):
    calls, answers = [], [500]

    class Receiver(Page):
        def do_POST(self):
            calls.append(json.loads(self.body()))
            self.answer(answers.pop(0) if answers else 200)

    server = serve(home.address, 0, Receiver)
    port = server.server_address[1] - home.port(0)
    if port < 1:
        pytest.skip("no port below the offset")
    old, home.key = home.key, home.tram("key", "add", "bob@one.test", "--name", "mj", "--scope", "mail.send,webhooks").stdout.split("\n")[0]
    try:
        for kind, path in (("sent", "one"), ("blocked", "many"), ("bounce", "many")):
            made = call(home, "POST", "/v3/REST/eventcallbackurl", json.dumps({"EventType": kind, "Url": f"http://mail.one.test:{port}/{path}", **({"Version": 2} if path == "many" else {})}).encode())
            assert made[0] == 201, made
        one = {"From": {"Email": "bob@one.test"}, "Subject": "x", "TextPart": "{{var:n}}", "TemplateLanguage": True, "CustomID": "id é", "EventPayload": "pay \"load\""}
        message = {"Messages": [{**one, "To": [{"Email": "bob@one.test"}], "Variables": {"n": 1}}, {**one, "To": [{"Email": "bob@one.test"}], "Variables": {"n": 2}},
                                {**one, "To": [{"Email": "bob@one.test"}]}, {**one, "To": [{"Email": "nobody@one.test"}], "Variables": {"n": 1}}]}
        status, sent = call(home, "POST", "/v3.1/send", json.dumps(message).encode())
        assert status == 200, sent
        numbers = [m["To"][0]["MessageID"] for m in sent["Messages"]]
        w.until(lambda: answers == [], what="the first call, which is answered 500")
        hooks = [hook["name"] for hook in home.json("webhook", "list", "bob@one.test")["webhooks"]]

        def told():
            for hook in hooks:  # which may not have noted yet that it failed
                home.tram("webhook", "resume", "bob@one.test", hook)
            flat = [e for c in calls for e in (c if isinstance(c, list) else [c])]
            return {(e["event"], e["MessageID"]): e for e in flat} if len({(e["event"], e["MessageID"]) for e in flat}) >= 4 else None
        events = w.until(told, what="the events")
        assert set(events) == {("sent", numbers[0]), ("sent", numbers[1]), ("blocked", numbers[2]), ("bounce", numbers[3])}, events
        for e in events.values():
            assert (e["CustomID"], e["Payload"], e["customcampaign"], e["mj_message_id"]) == ("id é", "pay \"load\"", "", str(e["MessageID"])) and e["time"] and e["Message_GUID"]
        assert events["sent", numbers[0]]["email"] == "bob@one.test" and "smtp_reply" in events["sent", numbers[0]]
        blocked, bounce = events["blocked", numbers[2]], events["bounce", numbers[3]]
        assert (blocked["error_related_to"], blocked["error"]) == ("mailjet", "preblocked") and "n" in blocked["comment"]
        assert (bounce["error_related_to"], bounce["error"], bounce["hard_bounce"], bounce["blocked"]) == ("recipient", "user unknown", True, False)
        assert all(isinstance(c, dict) for c in calls if isinstance(c, dict) and c["event"] == "sent") and any(isinstance(c, list) for c in calls)
        for kind in ("sent", "blocked", "bounce"):
            assert call(home, "DELETE", f"/v3/REST/eventcallbackurl/{kind}")[0] == 204
    finally:
        home.key = old
        server.shutdown()


def form_of(fields, body):
    """The fields of a multipart/form-data body, read by another hand than wrote it."""
    m = email.message_from_bytes(b"Content-Type: " + fields["content-type"].encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    return {p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in m.iter_parts()}


def test_mail_that_comes_in_is_handed_to_a_webhook_until_it_takes_it(home, tmp_path):
    calls, answers = [], [500, 302]

    class Receiver(Page):
        def do_POST(self):
            body = self.body()
            calls.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.answer(answers.pop(0) if answers else 204)

    server = serve(home.address, 0, Receiver)
    port = server.server_address[1] - home.port(0)
    if port < 1:
        pytest.skip("no port below the offset")
    url = f"http://mail.one.test:{port}/in"
    assert home.tram("inbound", "add", "news@one.test", "in.test", url, ok=False).returncode
    home.tram("domain", "add", "in.test")
    key = home.tram("inbound", "add", "news@one.test", "in.test", url).stdout.split("\n")[0]
    home.tram("inbound", "add", "bob@one.test", "raw@in.test", url, "--raw", "--mailbox")
    listed = home.tram("inbound", "list").stdout
    assert "in.test" in listed and "raw" in listed and url in listed
    with home.mx() as mx:
        mx.ehlo("client.test")
        mx.mail("<>")
        assert [mx.rcpt(to)[0] for to in ("Any+Tag@in.test", "other@in.test")] == [250, 250]
        said = mx.data(b"From: Bob <bob@two.test>\r\nTo: any@in.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nHello \xc3\xa9\r\n")
        assert said[0] == 250
    w.until(lambda: len(calls) == 2, what="a call for each recipient")
    w.until(lambda: {"302", "500"} <= set(re.findall(r"answered (\d+)", home.tram("queue", "list").stdout)), what="why it waits")
    home.tram("queue", "retry", "--all")
    w.until(lambda: len(calls) == 4, what="the calls again")
    w.until(lambda: "in.test" not in home.tram("queue", "list").stdout, what="the queue to be empty")
    forms = [form_of(*c) for c in calls]
    assert sorted(json.loads(f["envelope"])["to"][0] for f in forms[2:]) == ["Any+Tag@in.test", "other@in.test"]
    assert {f["x-tram-delivery"] for f, _ in calls[:2]} == {f["x-tram-delivery"] for f, _ in calls[2:]}
    f = forms[-1]
    assert f["subject"].decode() == "grüße" and f["text"].decode() == "Hello é\r\n" and f["attachments"] == b"0"
    assert f["SPF"] == b"none" and f["sender_ip"].startswith(b"127.") and b"Subject: =?utf-8?q?" in f["headers"]
    names, body = calls[-1]
    (tmp_path / "key").write_text(f"-----BEGIN PUBLIC KEY-----\n{key[:64]}\n{key[64:]}\n-----END PUBLIC KEY-----\n")
    (tmp_path / "sig").write_bytes(base64.b64decode(names["x-twilio-email-event-webhook-signature"]))
    (tmp_path / "data").write_bytes(names["x-twilio-email-event-webhook-timestamp"].encode() + body)
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", tmp_path / "key", "-signature", tmp_path / "sig",
                    tmp_path / "data"], check=True, capture_output=True)
    with home.mx() as mx:
        mx.sendmail("bob@two.test", ["raw@in.test"], "From: bob@two.test\r\nSubject: raw\r\n\r\nAs it came.\r\n")
    w.until(lambda: len(calls) == 5, what="the raw call")
    raw = form_of(*calls[-1])
    assert raw["email"].endswith(b"From: bob@two.test\r\nSubject: raw\r\n\r\nAs it came.\r\n") and "text" not in raw
    w.until(lambda: [sum(r["received"] for r in home.json("stats", f"{who}@one.test")["rows"]) for who in ("news", "bob")] == [2, 1], what="the letters to be counted")
    answers.append(500)  # what waits when nobody takes the mail any more comes back
    status, taken = campaign(home, {"to": "gone@in.test"})
    w.until(lambda: len(calls) == 6, what="a letter of a send")
    home.tram("inbound", "remove", "in.test")
    w.until(lambda: "answered 500" in home.tram("queue", "list").stdout, what="it to wait")
    home.tram("queue", "retry", "--all")
    assert finished(home, taken["id"])["bounced"] == 1
    with home.mx() as mx:
        mx.ehlo("client.test")
        mx.mail("<>")
        assert (mx.rcpt("any@in.test")[0], mx.rcpt("raw@in.test")[0]) == (550, 250)
    home.tram("inbound", "remove", "raw@in.test")
    home.tram("domain", "remove", "in.test")
    server.shutdown()


def test_the_limits_of_the_account_bind_a_send_as_a_whole(home):
    home.account("small")
    home.tram("account", "set", "small@one.test", "--daily", "3")
    key = home.tram("key", "add", "small@one.test", "--name", "t", "--scope", "campaigns,events.read").stdout.split("\n")[0]
    before, home.key = home.key, key
    try:
        head = {"from": "small@one.test", "subject": "s", "text": "t", "name": "limits"}
        status, refused = call(home, "POST", "/v1/campaigns", lines(head, *({"to": f"r{i}@one.test"} for i in range(4))))
        assert status == 429 and "recipients" in refused["detail"], refused
        assert not call(home, "GET", "/v1/events")[1]["events"], "nothing of it was taken"
        status, taken = call(home, "POST", "/v1/campaigns", lines(head, *({"to": f"r{i}@one.test"} for i in range(3))))
        assert status in (200, 202), taken
        status, refused = call(home, "POST", "/v1/campaigns", lines(head, {"to": "r9@one.test"}))
        assert status == 429, refused
    finally:
        home.key = before


def test_an_account_of_which_too_many_bounce_pauses_its_bulk_mail_everywhere(home):
    home.account("bad")
    home.tram("account", "set", "bad@one.test", "--daily", "unlimited", "--hourly", "unlimited", "--first-time", "unlimited")
    before, home.key = home.key, home.tram("key", "add", "bad@one.test", "--name", "t", "--scope", "campaigns").stdout.split("\n")[0]
    try:
        head = {"from": "bad@one.test", "subject": "s", "text": "t", "name": "bad"}
        status, taken = call(home, "POST", "/v1/campaigns", lines(head, *({"to": f"nobody{i}@one.test"} for i in range(2600))))
        assert status == 202, taken
        why = lambda: call(home, "GET", f"/v1/campaigns/{taken['id']}")[1].get("why", "")
        w.until(lambda: "more than 10 of 100" in why(), what="the campaign to be paused")
        call(home, "POST", f"/v1/campaigns/{taken['id']}/resume")
        w.until(lambda: "paused until" in home.tram("account", "show", "bad@one.test").stdout, what="the account to be paused")
        status, refused = call(home, "POST", "/v1/campaigns", lines(head, {"to": "ann@one.test"}))
        assert status == 429 and "bulk mail of this account is paused until" in refused["detail"], refused
        assert "recipients of the last 7 days" in refused["detail"], refused
        with home.submission("bad") as s:
            bulk = "From: bad@one.test\r\nSubject: b\r\nPrecedence: bulk\r\n\r\nx\r\n"
            with pytest.raises(smtplib.SMTPDataError) as caught:
                s.sendmail("bad@one.test", ["ann@one.test"], bulk)
            assert caught.value.smtp_code == 450 and b"paused until" in caught.value.smtp_error
            s.sendmail("bad@one.test", ["ann@one.test"], bulk.replace("Precedence: bulk\r\n", ""))  # from one to one
        home.tram("account", "pardon", "bad@one.test")
        assert "paused until" not in home.tram("account", "show", "bad@one.test").stdout
        assert call(home, "POST", "/v1/campaigns", lines(head, {"to": "ann@one.test"}))[0] in (200, 202)
        home.tram("campaign", "cancel", taken["id"], ok=False)  # or it was over before
    finally:
        home.key = before


def test_numbers_add_up(home):
    w.within_a_day()
    key = home.tram("key", "add", "ann@one.test", "--name", "n", "--scope", "campaigns,stats.read,suppression").stdout.split("\n")[0]
    old, home.key = home.key, key
    try:
        head = HEAD | {"from": "ann@one.test", "campaign": "Numbers", "categories": ["red", "blue"]}
        status, taken = campaign(home, {"to": "bob@one.test"}, {"to": "news@one.test"}, {"to": "nobody@one.test"}, head=head)
        assert status == 202, taken
        finished(home, taken["id"])
        status, all_ = call(home, "GET", "/v1/stats")
        row, = all_["rows"]
        assert (row["accepted"], row["processed"], row["delivered"], row["bounced"]) == (3, 2, 2, 1), row
        assert row["bounced_by"] == {"invalid": 1} and 0 < row["p50_ms"] <= row["p95_ms"] < 60000
        for by, names in (("campaign", {"Numbers"}), ("category", {"red", "blue"}), ("domain", {"one.test"}), ("site", {"local"}),
                          ("key", {key.split(".")[0]})):
            rows = call(home, "GET", f"/v1/stats?by={by}&each=all")[1]["rows"]
            assert {r["name"] for r in rows} == names and {r["delivered"] for r in rows} == {2}, (by, rows)
        assert call(home, "GET", "/v1/stats?by=campaign&name=other")[1]["rows"] == []
        assert [call(home, "GET", f"/v1/stats?{q}")[0] for q in ("by=x", "each=year", "from=1.1.2026", "from=2026-02-02&to=2026-02-01", "name=x")] == [400] * 5
        where = "/v3/suppression/bounces/classifications"
        assert call(home, "GET", where)[1]["result"] == [{"date": row["day"], "stats": [{"classification": "Invalid Address", "count": 1}]}]
        assert call(home, "GET", where + "/Invalid%20Address")[1]["result"] == [{"date": row["day"], "stats": [{"domain": "one.test", "count": 1}]}]
        assert call(home, "GET", where + "/Reputation")[1] == {"result": []}
        told = home.tram("stats", "ann@one.test", "--by", "category").stdout
        assert "red" in told and "blue" in told and "accepted" in told
        w.until(lambda: 'tram_sends_total{what="delivered"}' in (text := call(home, "GET", "/metrics")[1])
                and int(re.search(r'what="delivered"} (\d+)', text)[1]) >= 2, what="the figures of the node")
    finally:
        home.key = old


def test_addresses_that_behave(home):
    told = home.tram("send-test", "news@one.test").stdout
    for word, event in (("success", "delivered"), ("bounce", "bounced"), ("softbounce", "deferred"), ("latebounce", "late-bounce"),
                        ("complaint", "complaint"), ("ooto", "delivered"), ("suppressed", "dropped")):
        assert re.search(rf"^right +{word}@simulator\.\S+ +{event} ", told, re.M), told
    assert "simulator" not in home.tram("suppression", "list", "news@one.test").stdout
    assert "NOT RIGHT" not in home.tram("send-test", "news@one.test").stdout
    assert re.search(r"^right +bob@one.test +delivered ", home.tram("send-test", "news@one.test", "--to", "bob@one.test").stdout, re.M)
    here = "@simulator." + re.search(r"bounce@simulator\.(\S+)", told)[1]
    with home.mx() as mx:  # strangers
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="not passed on"):
            mx.sendmail("x@two.test", ["success" + here], "From: ann@one.test\r\nSubject: x\r\n\r\nx\r\n")
    with home.submission("ann") as session:
        session.sendmail("ann@one.test", ["success" + here], "From: ann@one.test\r\nSubject: x\r\n\r\nx\r\n")
        session.sendmail("ann@one.test", ["ooto" + here], "From: ann@one.test\r\nSubject: x\r\n\r\nx\r\n")
        w.until(lambda: "Auto-Submitted: auto-replied" in str(home.messages("ann")), what="the answer of who is away")
        with pytest.raises(smtplib.SMTPException):
            session.sendmail("ann@one.test", ["bounce" + here], "From: ann@one.test\r\nSubject: x\r\n\r\nx\r\n")


def test_opens_and_clicks(home):
    html = ('<p><a href="https://shop.test/?a=1&amp;b=2">one</a> <a clicktracking="off" href="https://off.test/">two</a> '
            '<a href="mailto:a@b.test">three</a></p></body>')
    head = HEAD | {"subject": "followed", "html": html, "track_opens": True, "track_clicks": True}
    del head["text"]
    start = call(home, "GET", "/v1/events?limit=1000")[1]["next"]
    status, taken = campaign(home, {"to": "ann@one.test"}, head=head)
    assert status == 202, taken
    finished(home, taken["id"])
    raw = next(m for m in (m if isinstance(m, bytes) else m.encode() for m in home.messages("ann")) if b"Subject: followed" in m)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    text, page = message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()
    assert "https://shop.test/?a=1&b=2" in text and "/e/" not in text
    assert "shop.test" not in page and "clicktracking" not in page and 'href="https://off.test/"' in page and "mailto:a@b.test" in page
    link = re.search(r'href="https://[^/]+(/e/c/[\w-]+)"', page)[1]
    image = re.search(r'src="https://[^/]+(/e/o/[\w-]+)"', page)[1]

    def fetch(path, *options):
        done = subprocess.run(["curl", "-sk", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url} %{content_type}", *options,
                               f"https://{home.address}:{home.port(443)}{path}"], capture_output=True, check=True)
        return done.stdout.decode().strip()
    person = ("-A", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0")
    assert fetch(link, "-I") == "302 https://shop.test/?a=1&b=2"  # a scanner's HEAD
    for _ in range(2):
        assert fetch(link, *person) == "302 https://shop.test/?a=1&b=2"
    assert fetch(image, *person) == "200  image/gif"
    assert fetch(image, "-A", "Mozilla/5.0 (Windows NT 5.1) (via ggpht.com GoogleImageProxy)") == "200  image/gif"
    other = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert fetch("/e/c/" + image[5:]).startswith("404") and fetch("/e/c/x").startswith("404") and fetch(other)[:3] in ("404", "302")
    events = [e for e in call(home, "GET", f"/v1/events?limit=1000&after={start}")[1]["events"] if e["event"] in ("opened", "clicked")]
    assert [(e["event"], e.get("machine", False)) for e in events] == [("clicked", False)] * 2 + [("opened", False), ("opened", True)], events
    assert events[0]["url"] == "https://shop.test/?a=1&b=2" and events[0]["email"] == "ann@one.test"
    for _ in range(30):
        fetch(link, *person)
    assert call(home, "GET", f"/v1/campaigns/{taken['id']}")[1]["clicked"] == 20
    status, taken = campaign(home, {"to": "ann@one.test"}, head=head | {"subject": "not followed", "track_opens": False, "track_clicks": False})
    finished(home, taken["id"])
    assert "https://shop.test/" in next(t for t in map(str, home.messages("ann")) if "Subject: not followed" in t)
