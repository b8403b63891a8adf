"""The dialects of SendGrid, Mailjet and SES, byte by byte over HTTPS. Their own libraries are in tests/peers."""
import base64
import concurrent.futures
import datetime
import email
import email.policy
import hashlib
import hmac
import http.client
import json
import ssl
import time
import urllib.parse

import pytest

import openapi
import world as w


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("vendors"))
    home = made.home("one.test", accounts=["alice", "bob", "carol"])
    made.publish()
    home.start()
    scopes = "mail.send,templates,suppression,keys,stats.read,webhooks"
    home.key = home.tram("key", "add", "alice@one.test", "--name", "vendors", "--scope", scopes).stdout.splitlines()[0]
    yield home
    made.close()


def ask(home, method, path, body=None, headers=()):
    """Status, headers, JSON or None."""
    connection = http.client.HTTPSConnection(home.address, home.port(443), timeout=60, context=ssl._create_unverified_context())
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": "application/json", **dict(headers)})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.headers, json.loads(text) if text else None


def came(home, user, subject, which=lambda m: True):
    """The message of that subject, read by Python's own parser."""
    def find():
        for raw in home.messages(user):
            m = email.message_from_bytes(raw if isinstance(raw, bytes) else raw.encode(), policy=email.policy.default)
            if m["Subject"] == subject and which(m):
                return m
        return None
    return w.until(find, what=f"a letter about {subject!r} for {user}")


def text_of(message, kind="plain"):
    return message.get_body((kind,)).get_content()


# ---- SendGrid ----

DOCUMENT = openapi.sendgrid()


def sendgrid(home, path, body=None, method="POST", **headers):
    """As ask(); each call and its answer are judged by SendGrid's own schemas."""
    status, fields, answer = ask(home, method, path, body, {"Authorization": f"Bearer {home.key}", **headers})
    openapi.judge(DOCUMENT, method, path, status, body, answer)
    return status, fields, answer


def call(**more):
    return {"personalizations": [{"to": [{"email": "bob@one.test", "name": "Bob, \"B\""}]}], "from": {"email": "alice@one.test", "name": "Älice (A)"},
            "subject": "plain", "content": [{"type": "text/plain", "value": "Hello\n"}], **more}


def test_sendgrid_sends(home):
    image = bytes(range(256)) * 10
    body = call(subject="Grüße — für dich", content=[{"type": "text/html", "value": "<p>Hi <b>Bob</b> <img src=cid:logo></p>"}], headers={"X-Own": "é"},
                attachments=[{"content": base64.b64encode(image).decode(), "filename": "lögo.png", "type": "image/png", "disposition": "inline", "content_id": "logo"},
                             {"content": "aGk=", "filename": "a.txt", "type": "text/plain"}])
    status, headers, answer = sendgrid(home, "/v3/mail/send", body)
    assert (status, answer) == (202, None) and headers["X-Message-Id"]
    m = came(home, "bob", "Grüße — für dich")
    assert m["From"].addresses[0].display_name == "Älice (A)" and m["To"].addresses[0].display_name == 'Bob, "B"'
    assert m["X-Own"] == "é" and m["DKIM-Signature"]
    assert text_of(m).strip() == "Hi Bob" and "<b>Bob</b>" in text_of(m, "html")
    parts = {p.get_filename(): p for p in m.walk() if p.get_filename()}
    assert parts["l_go.png"].get_content() == image and parts["l_go.png"]["Content-ID"] == "<logo>"
    assert any(b"filename*=utf-8''l%C3%B6go.png" in (raw if isinstance(raw, bytes) else raw.encode()) for raw in home.messages("bob"))
    assert parts["a.txt"].get_content() == "hi"


def test_sendgrid_one_letter_for_each_personalization(home):
    people = [{"to": [{"email": f"{name}@one.test"}], "subject": f"For {name}", "substitutions": {"-n-": name, "{{x}}": "<y>"}} for name in ("bob", "carol")]
    body = call(personalizations=people, content=[{"type": "text/plain", "value": "Dear -n- {{x}}"}])
    del body["subject"]
    assert sendgrid(home, "/v3/mail/send", body)[0] == 202
    for name in ("bob", "carol"):
        assert text_of(came(home, name, f"For {name}")).strip() == f"Dear {name} <y>"


@pytest.mark.parametrize("change,field", [
    ({"subject": "a\r\nBcc: x@one.test"}, "subject"),
    ({"from": {"email": "alice@one.test", "name": "A\r\nBcc: x@one.test"}}, "from.name"),
    ({"headers": {"X-A": "1\nBcc: x@one.test"}}, "headers.X-A"),
    ({"headers": {"Bcc": "x@one.test"}}, "headers.Bcc"),
    ({"categories": ["a\r\nb"]}, "categories.0"),
    ({"attachments": [{"content": "aGk=", "filename": "a\r\nX: y"}]}, "attachments.0.filename"),
    ({"attachments": [{"content": "aGk=", "filename": "a", "type": "a/b\r\nX: y"}]}, "attachments.0.type"),
    ({"personalizations": [{"to": [{"email": f"u{i}@one.test"}]} for i in range(1001)]}, "personalizations"),
    ({"personalizations": 5}, "personalizations"),
    ({"content": "x"}, "content"),
])
def test_sendgrid_refuses_whole(home, change, field):
    status, _, answer = sendgrid(home, "/v3/mail/send", call(**change))
    assert status == 400
    assert field in [e["field"] for e in answer["errors"]] and all(e["message"] for e in answer["errors"])


def test_sendgrid_errors_have_their_form(home):
    status, _, answer = ask(home, "POST", "/v3/mail/send", call(), {"Authorization": "Bearer no.key"})
    assert status == 401 and answer["errors"][0] == {"message": "The provided authorization grant is invalid, expired, or revoked"}
    status, _, answer = sendgrid(home, "/v3/mail/send", b"{no json")
    assert status == 400 and answer["errors"]
    status, _, answer = sendgrid(home, "/v3/mail/send", call(**{"from": {"email": "eve@two.test"}}))
    assert status == 403 and answer["errors"][0]["field"] == "from"


def test_sendgrid_sandbox_and_idempotency(home):
    assert sendgrid(home, "/v3/mail/send", call(subject="sandbox", mail_settings={"sandbox_mode": {"enable": True}}))[0] == 200
    first = sendgrid(home, "/v3/mail/send", call(subject="once"), **{"Idempotency-Key": "k1"})
    again = sendgrid(home, "/v3/mail/send", call(subject="once"), **{"Idempotency-Key": "k1"})
    assert first[0] == again[0] == 202 and first[1]["X-Message-Id"] == again[1]["X-Message-Id"]
    assert sendgrid(home, "/v3/mail/send", call(subject="other"), **{"Idempotency-Key": "k1"})[0] >= 400
    came(home, "bob", "once")
    assert not [m for m in home.messages("bob") if b"sandbox" in (m if isinstance(m, bytes) else m.encode())]


def test_one_key_of_idempotency_at_once_is_one_send(home):
    pair = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    bearer = {"Authorization": f"Bearer {home.key}"}
    own = {"from": "alice@one.test", "to": "bob@one.test", "subject": "at once v1", "text": "x"}
    calls = [("/v3/mail/send", call(subject="at once sg"), bearer), ("/v1/messages", own, bearer),
             ("/v3.1/send", {"Messages": [message(Subject="at once mj"), message(Subject="at once mj two", EventPayload="{\n}")]}, pair)]
    for n, (path, body, key) in enumerate(calls):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(home, "POST", path, body, {**key, "Idempotency-Key": str(n) * 255}), range(8)))
        told = {json.dumps({**(a[2] or {"id": a[1]["X-Message-Id"]}), "repeated": None}) for a in answers}
        assert {a[0] for a in answers} <= {200, 202} and len(told) == 1, answers
    assert sendgrid(home, "/v3/mail/send", call(subject="after at once"))[0] == 202
    for subject in ("at once sg", "at once v1", "at once mj", "at once mj two", "after at once"):
        came(home, "bob", subject)
        assert len([m for m in home.messages("bob") if f"Subject: {subject}\r\n".encode() in (m if isinstance(m, bytes) else m.encode())]) == 1


def test_sendgrid_templates(home):
    def t(method, path="", body=None):
        return sendgrid(home, "/v3/templates" + path, body, method)
    status, _, made = t("POST", "", {"name": "hello", "generation": "dynamic"})
    assert status == 201 and made["id"].startswith("d-") and made["versions"] == []
    where = f"/{made['id']}"
    status, _, version = t("POST", where + "/versions", {"name": "one", "subject": "sg {{n}}", "html_content": "<p>{{n}}</p>", "test_data": "{}", "editor": "code"})
    assert status == 201 and version["active"] == 1 and version["editor"] == "code", version
    status, _, answer = t("POST", where + "/versions", {"name": "bad", "subject": "x\n {{#each}}"})
    assert status == 400 and "line 2" in answer["errors"][0]["message"]
    body = call(template_id=made["id"], personalizations=[{"to": [{"email": f"{n}@one.test"}], "dynamic_template_data": {"n": f"<{n}>"}} for n in ("bob", "carol")])
    del body["subject"], body["content"]
    assert sendgrid(home, "/v3/mail/send", body)[0] == 202
    assert text_of(came(home, "carol", "sg <carol>"), "html").strip() == "<p>&lt;carol&gt;</p>"
    status, _, changed = t("PATCH", f"{where}/versions/{version['id']}", {"name": "one", "subject": "new"})
    assert status == 200 and changed["subject"] == "new" and changed["html_content"] == "<p>{{n}}</p>"
    status, _, page = t("GET", "?generations=dynamic,legacy&page_size=200")
    assert status == 200 and [x["versions"][0]["subject"] for x in page["result"] if x["id"] == made["id"]] == ["new"] and "next" not in page["_metadata"]
    assert len(t("GET", "?generations=dynamic,legacy&page_size=1")[2]["result"]) == 1
    assert t("GET", "?page_size=0")[0] == 400
    assert t("DELETE", where)[0] == 204 and t("GET", where)[0] == 404
    assert sendgrid(home, "/v3/mail/send", body)[0] == 400
    legacy = t("POST", "", {"name": "old"})[2]
    assert t("POST", f"/{legacy['id']}/versions", {"name": "v", "subject": "[<%subject%>]", "plain_content": "Top\n<%body%>\nEnd -n-"})[0] == 201
    body = call(template_id=legacy["id"], subject="in place", personalizations=[{"to": [{"email": "bob@one.test"}], "substitutions": {"-n-": "Bob"}}])
    assert sendgrid(home, "/v3/mail/send", body)[0] == 202
    assert text_of(came(home, "bob", "[in place]")).split() == ["Top", "Hello", "End", "Bob"]


def test_sendgrid_batches(home):
    batch = sendgrid(home, "/v3/mail/batch")[2]["batch_id"]
    later = int(datetime.datetime.now().timestamp()) + 3600
    assert sendgrid(home, "/v3/mail/send", call(subject="never", batch_id=batch, send_at=later))[0] == 202
    assert sendgrid(home, "/v3/user/scheduled_sends", {"batch_id": batch, "status": "pause"})[0] == 201
    assert sendgrid(home, f"/v3/user/scheduled_sends/{batch}", method="GET")[2] == [{"batch_id": batch, "status": "pause"}]
    assert sendgrid(home, f"/v3/user/scheduled_sends/{batch}", {"status": "cancel"}, "PATCH")[0] == 204
    assert sendgrid(home, f"/v3/user/scheduled_sends/{batch}", {"status": "stop"}, "PATCH")[0] == 400
    assert sendgrid(home, f"/v3/user/scheduled_sends/{batch}", {"status": "pause"}, "PATCH")[0] == 400  # what is canceled stays so
    assert sendgrid(home, "/v3/user/scheduled_sends", {"batch_id": batch, "status": "pause"})[0] == 400
    assert {"batch_id": batch, "status": "cancel"} in sendgrid(home, "/v3/user/scheduled_sends", method="GET")[2]


def test_sendgrid_knows_the_batches_that_it_made(home):
    batch = sendgrid(home, "/v3/mail/batch")[2]["batch_id"]
    assert sendgrid(home, f"/v3/mail/batch/{batch}", method="GET")[2] == {"batch_id": batch}
    others = ["x", "0" * 64, batch[:-1], batch + "A", batch.swapcase(), "a" * 300, "%22", "%C3%A9"]
    for name in others:
        for args in ((f"/v3/mail/batch/{name}", None, "GET"), (f"/v3/user/scheduled_sends/{name}", {"status": "pause"}, "PATCH"), (f"/v3/user/scheduled_sends/{name}", None, "DELETE"),
                     ("/v3/user/scheduled_sends", {"batch_id": name, "status": "cancel"})):
            status, _, answer = sendgrid(home, *args[:2], **({"method": args[2]} if len(args) > 2 else {}))
            assert status == 400 and answer["errors"][0]["message"] == "invalid batch id", (name, args, answer)
        status, _, answer = sendgrid(home, "/v3/mail/send", call(batch_id=name))
        assert status == 400 and answer["errors"][0]["field"] == "batch_id", answer
    other = home.tram("key", "add", "bob@one.test", "--name", "batches", "--scope", "mail.send").stdout.splitlines()[0]
    assert sendgrid(home, f"/v3/mail/batch/{batch}", method="GET", Authorization=f"Bearer {other}")[0] == 400  # of another account
    assert sendgrid(home, "/v3/mail/send", call(batch_id=batch, mail_settings={"sandbox_mode": {"enable": True}}))[0] == 200


def test_what_is_said_to_a_batch_binds_what_comes_later(home):
    batch, other = (sendgrid(home, "/v3/mail/batch")[2]["batch_id"] for _ in range(2))
    for name, status in ((batch, "pause"), (other, "cancel")):
        assert sendgrid(home, "/v3/user/scheduled_sends", {"batch_id": name, "status": status})[0] == 201
        assert sendgrid(home, f"/v3/user/scheduled_sends/{name}", method="GET")[2] == [{"batch_id": name, "status": status}]
        assert sendgrid(home, "/v3/mail/send", call(subject=f"later {status}", batch_id=name))[0] == 202
    home.kill()  # it is so on the disk
    home.start()
    assert sendgrid(home, "/v3/mail/send", call(subject="behind them"))[0] == 202 and came(home, "bob", "behind them")
    assert not [m for m in home.messages("bob") if b"Subject: later" in (m if isinstance(m, bytes) else m.encode())]
    assert sendgrid(home, f"/v3/user/scheduled_sends/{batch}", method="DELETE")[0] == 204
    assert sendgrid(home, f"/v3/user/scheduled_sends/{other}", method="DELETE")[0] == 204
    came(home, "bob", "later pause")
    assert sendgrid(home, "/v3/mail/send", call(subject="at once", batch_id=other))[0] == 202 and came(home, "bob", "at once")
    assert not [m for m in home.messages("bob") if b"Subject: later cancel" in (m if isinstance(m, bytes) else m.encode())]


def test_sendgrid_lists(home):
    everyone = {"recipient_emails": ["gone@two.test", "Left@two.test"]}
    assert sendgrid(home, "/v3/asm/suppressions/global", everyone)[0] == 201
    assert sendgrid(home, "/v3/asm/suppressions/global", {"recipient_emails": ["ok@two.test", "x"]})[0] == 400
    listed = sendgrid(home, "/v3/suppression/unsubscribes?limit=10", method="GET")[2]
    assert sorted(e["email"] for e in listed) == ["Left@two.test", "gone@two.test"]
    assert sendgrid(home, "/v3/asm/suppressions/global/left@two.test", method="DELETE")[0] == 204
    assert sendgrid(home, "/v3/asm/suppressions/global/left@two.test", method="GET")[2] == {}
    group = sendgrid(home, "/v3/asm/groups", {"name": "News", "description": "d"})[2]
    where = f"/v3/asm/groups/{group['id']}"
    assert sendgrid(home, where + "/suppressions", {"recipient_emails": ["carol@one.test"]})[0] == 201
    assert sendgrid(home, where + "/suppressions/search", {"recipient_emails": ["carol@one.test", "bob@one.test"]})[2] == ["carol@one.test"]
    assert "News" in [s["group_name"] for s in sendgrid(home, "/v3/asm/suppressions", method="GET")[2]]
    assert [s["suppressed"] for s in sendgrid(home, "/v3/asm/suppressions/carol@one.test", method="GET")[2]["suppressions"] if s["name"] == "News"] == [True]
    people = [{"to": [{"email": f"{n}@one.test"}]} for n in ("carol", "bob")]
    assert sendgrid(home, "/v3/mail/send", call(subject="group", asm={"group_id": group["id"]}, personalizations=people))[0] == 202
    came(home, "bob", "group")
    assert not [m for m in home.messages("carol") if b"Subject: group\r\n" in (m if isinstance(m, bytes) else m.encode())]
    assert sendgrid(home, "/v3/mail/send", call(asm={"group_id": 999}))[0] == 400
    assert sendgrid(home, where + "/suppressions/carol@one.test", method="DELETE")[0] == 204
    assert sendgrid(home, where, method="DELETE")[0] == 204 and sendgrid(home, where, method="GET")[0] == 404
    assert sendgrid(home, "/v3/suppression/bounces", {"emails": []}, "DELETE")[0] == 400
    assert sendgrid(home, "/v3/suppression/bounces", {"delete_all": True}, "DELETE")[0] == 204


def test_sendgrid_links_to_leave_by(home):
    group = sendgrid(home, "/v3/asm/groups", {"name": "Linked", "description": "d"})[2]["id"]
    t = sendgrid(home, "/v3/templates", {"name": "linked", "generation": "dynamic"})[2]["id"]
    html = '<p><a href="{{{unsubscribe}}}">out</a> <a href="<%asm_preferences_raw_url%>">which</a> <a href="{{{unsubscribe_preferences}}}">p</a> <%asm_nothing%></p>'
    text = "leave: <%asm_group_unsubscribe_raw_url%> all: <%asm_global_unsubscribe_raw_url%>."
    assert sendgrid(home, f"/v3/templates/{t}/versions", {"name": "v", "subject": "linked", "html_content": html, "plain_content": text})[0] == 201
    body = call(template_id=t, asm={"group_id": group}, personalizations=[{"to": [{"email": "bob@one.test"}]}, {"to": [{"email": "carol@one.test"}], "dynamic_template_data": {"unsubscribe": "mine"}},
                                                                          {"to": [{"email": "bob@one.test"}, {"email": "alice@one.test"}]}])
    del body["subject"], body["content"]
    assert sendgrid(home, "/v3/mail/send", body)[0] == 202
    m = came(home, "bob", "linked", lambda m: m["List-Unsubscribe"])  # the letter for two may come first
    link = m["List-Unsubscribe"].partition(",")[0].strip("<>")
    page, plain = text_of(m, "html"), text_of(m)
    assert page.count(f'href="{link}"') == 3 and "<%asm_nothing%>" in page, (link, page)
    assert f"leave: {link} all: https://" in plain and plain.count(link) == 1 and "<%" not in plain, plain
    assert 'href="mine"' in text_of(came(home, "carol", "linked"), "html")
    several = w.until(lambda: [m for m in home.messages("alice") if b"Subject: linked" in (m if isinstance(m, bytes) else m.encode())], what="the letter for two")[0]
    several = email.message_from_bytes(several if isinstance(several, bytes) else several.encode(), policy=email.policy.default)
    assert several["List-Unsubscribe"] is None and text_of(several).strip() == "leave:  all: ."
    path = urllib.parse.urlsplit(link).path  # the page, and then the button
    assert sendgrid(home, f"/v3/asm/groups/{group}/suppressions", method="GET")[2] == []
    connection = http.client.HTTPSConnection(home.address, home.port(443), timeout=60, context=ssl._create_unverified_context())
    connection.request("POST", path, "List-Unsubscribe=One-Click", {"Content-Type": "application/x-www-form-urlencoded"})
    assert connection.getresponse().status == 200
    assert sendgrid(home, f"/v3/asm/groups/{group}/suppressions", method="GET")[2] == ["bob@one.test"]
    assert sendgrid(home, f"/v3/asm/groups/{group}", method="DELETE")[0] == 204


def test_sendgrid_puts_footers_behind_texts(home):
    t = sendgrid(home, "/v3/templates", {"name": "footed", "generation": "dynamic"})[2]["id"]
    assert sendgrid(home, f"/v3/templates/{t}/versions", {"name": "v", "subject": "footed template", "html_content": "<body><p>x</p></body>", "plain_content": "x"})[0] == 201
    settings = {"mail_settings": {"footer": {"enable": True, "text": "foot", "html": "<i>foot</i>"}}, "tracking_settings": {"subscription_tracking": {"enable": True, "text": "out: <% %>", "html": "<p><% leave %></p>"}}}
    both = [{"type": "text/plain", "value": "x"}, {"type": "text/html", "value": "<body><p>x</p></body>"}]
    body = call(template_id=t, **settings)
    del body["subject"], body["content"]
    assert sendgrid(home, "/v3/mail/send", body)[0] == sendgrid(home, "/v3/mail/send", call(subject="footed call", content=both, **settings))[0] == 202
    tagged = {"tracking_settings": {"subscription_tracking": {"enable": True, "substitution_tag": "[u]"}}}
    assert sendgrid(home, "/v3/mail/send", call(subject="tagged", content=[{"type": "text/plain", "value": "a [u] b [u]"}], **tagged))[0] == 202
    assert sendgrid(home, "/v3/mail/send", call(subject="by default", content=both, tracking_settings={"subscription_tracking": {"enable": True}}))[0] == 202
    for subject in ("footed template", "footed call"):
        m = came(home, "bob", subject)
        link = text_of(m).split("out: ")[1].strip()
        assert text_of(m).split() == ["x", "foot", "out:", link] and link.startswith("https://") and "/u/" in link
        assert text_of(m, "html").strip() == f'<body><p>x</p><i>foot</i><p><a href="{link}">leave</a></p></body>'
    a, link, b, again = text_of(came(home, "bob", "tagged")).split()
    assert (a, b) == ("a", "b") and link == again and "/u/" in link
    m = came(home, "bob", "by default")
    assert "click here: https://" in text_of(m) and ">click here</a>" in text_of(m, "html")
    assert sendgrid(home, "/v3/mail/send", call(tracking_settings={"subscription_tracking": {"enable": True, "text": 5}}))[0] == 400


def test_sendgrid_keys(home):
    assert set(sendgrid(home, "/v3/scopes", method="GET")[2]["scopes"]) == {"mail.send", "templates", "suppression", "keys", "stats.read", "webhooks"}
    status, _, made = sendgrid(home, "/v3/api_keys", {"name": "less", "scopes": ["mail.send"]})
    assert status == 201 and made["api_key"].startswith(made["api_key_id"] + ".")
    less = {"Authorization": f"Bearer {made['api_key']}"}
    assert ask(home, "POST", "/v3/mail/send", call(subject="less"), less)[0] == 202
    assert ask(home, "GET", "/v3/templates", None, less)[0] == 403
    assert sendgrid(home, "/v3/api_keys", {"name": "more", "scopes": ["admin"]})[0] == 403
    one = f"/v3/api_keys/{made['api_key_id']}"
    assert sendgrid(home, one, method="GET")[2]["scopes"] == ["mail.send"]
    assert sendgrid(home, one, {"name": "renamed"}, "PATCH")[2] == {"api_key_id": made["api_key_id"], "name": "renamed"}
    assert sendgrid(home, one, {"name": "wider", "scopes": ["mail.send", "templates"]}, "PUT")[2]["scopes"] == ["mail.send", "templates"]
    assert ask(home, "GET", "/v3/templates", None, less)[0] == 200  # at once
    assert sendgrid(home, one, {"name": "kept"}, "PUT")[2]["scopes"] == ["mail.send", "templates"]
    for method, body, status in (("PUT", {"name": "x", "scopes": ["admin"]}, 403), ("PUT", {"name": "x", "scopes": ["nonsense"]}, 400), ("PATCH", {"name": ""}, 400), ("PATCH", {}, 400)):
        assert sendgrid(home, one, body, method)[0] == status, body
    assert sendgrid(home, one, method="GET")[2]["name"] == "kept"
    others = home.tram("key", "add", "bob@one.test", "--name", "bobs", "--scope", "keys").stdout.split(".")[0]
    for wrong in (others, "x" * 16, "short"):
        assert sendgrid(home, f"/v3/api_keys/{wrong}", {"name": "mine"}, "PATCH")[0] == 404
    assert sendgrid(home, f"/v3/api_keys/{made['api_key_id']}", method="DELETE")[0] == 204
    assert ask(home, "POST", "/v3/mail/send", call(), less)[0] == 401


def test_sendgrid_settings(home):
    for where in ("/v3/tracking_settings", "/v3/mail_settings"):
        listed = sendgrid(home, where, method="GET")[2]["result"]
        assert listed and not any(s["enabled"] for s in listed)
        for name in (s["name"] for s in listed):
            off = sendgrid(home, f"{where}/{name}", method="GET")[2]
            assert off["enabled"] is False and sendgrid(home, f"{where}/{name}", {"enabled": False}, "PATCH")[2] == off
            status, _, answer = sendgrid(home, f"{where}/{name}", {"enabled": True}, "PATCH")
            assert status == 400 and answer["errors"][0]["field"] == "enabled" and answer["errors"][0]["message"].startswith("is ")
        assert ask(home, "GET", f"{where}/nothing", None, {"Authorization": f"Bearer {home.key}"})[0] == 404


def test_sendgrid_numbers(home):
    w.within_a_day()
    for n in range(2):
        assert sendgrid(home, "/v3/mail/send", call(subject=f"counted {n}", categories=["counted", f"c{n}"]))[0] == 202
        came(home, "bob", f"counted {n}")
    today = datetime.datetime.now(datetime.timezone.utc).date()
    before = today - datetime.timedelta(days=9)

    def get(path):
        return sendgrid(home, path, method="GET")[2]
    w.until(lambda: get(f"/v3/categories/stats/sums?start_date={before}&limit=1")["stats"][0]["metrics"]["delivered"] == 2, what="the deliveries to be counted")
    days = get(f"/v3/stats?start_date={before}")
    assert [d["date"] for d in days] == [str(before + datetime.timedelta(days=i)) for i in range(10)]
    assert days[0]["stats"][0]["metrics"]["requests"] == 0
    assert [d["date"] for d in get(f"/v3/stats?start_date={before}&offset=2&limit=3")] == [str(before + datetime.timedelta(days=i)) for i in (2, 3, 4)]
    week = get(f"/v3/categories/stats?start_date={before}&aggregated_by=week&categories=counted&categories=c0&categories=none")
    assert [(s["name"], s["metrics"]["delivered"]) for s in week[-1]["stats"]] == [("counted", 2), ("c0", 1), ("none", 0)]
    sums = get(f"/v3/categories/stats/sums?start_date={before}&limit=1")
    assert [(s["name"], s["metrics"]["delivered"]) for s in sums["stats"]] == [("counted", 2)]
    assert {"category": "c1"} in get("/v3/categories?category=c") and {"category": "counted"} not in get("/v3/categories?category=c1")
    for path in ("/v3/stats", "/v3/stats?start_date=x", f"/v3/stats?start_date={before}&aggregated_by=year", f"/v3/categories/stats?start_date={before}",
                 f"/v3/categories/stats/sums?start_date={before}&sort_by_metric=luck"):
        assert sendgrid(home, path, method="GET")[0] == 400


def test_sendgrid_has_who_was_refused_among_bounces(home):
    """An address that its receiver does not know is a bounce, with the receiver's code; what is only said to be none is invalid."""
    for address, evidence in (("gone@two.test", "550 5.1.1 <gone@two.test>: User unknown"), ("old@two.test", "550 no such user"), ("late@two.test", "5.1.10 smtp; null MX"), ("typo@two.test", "no such domain")):
        assert ask(home, "POST", "/v1/suppressions", {"email": address, "reason": "invalid", "evidence": evidence}, {"Authorization": f"Bearer {home.key}"})[0] == 204
    where = "/v3/suppression/"

    def listed(name, query=""):
        answer = sendgrid(home, where + name + query, method="GET")[2]
        return {(x["email"], x.get("status")) for x in answer if x["email"].split("@")[0] in ("gone", "old", "late", "typo")}
    assert listed("bounces") == {("gone@two.test", "5.1.1"), ("old@two.test", ""), ("late@two.test", "5.1.10")} and listed("invalid_emails") == {("typo@two.test", None)}
    assert listed("invalid_emails", "?email=typo@two.test") == {("typo@two.test", None)} and listed("invalid_emails", "?email=other@two.test") == set()
    assert sendgrid(home, where + "bounces/gone@two.test", method="GET")[2][0]["reason"].startswith("550 5.1.1") and sendgrid(home, where + "invalid_emails/gone@two.test", method="GET")[2] == []
    for name in ("gone", "old"):
        assert sendgrid(home, f"{where}invalid_emails/{name}@two.test", method="DELETE")[0] == 404
        assert sendgrid(home, f"{where}bounces/{name}@two.test", method="DELETE")[0] == 204
    assert sendgrid(home, where + "bounces", {"emails": ["late@two.test", "typo@two.test"]}, "DELETE")[0] == 204
    assert listed("bounces") == set() and listed("invalid_emails") == {("typo@two.test", None)}
    assert sendgrid(home, where + "invalid_emails/typo@two.test", method="DELETE")[0] == 204


def test_sendgrid_lists_what_is_asked_for(home):
    ids = [sendgrid(home, "/v3/asm/groups", {"name": f"asked {n}", "description": "d"})[2]["id"] for n in range(3)]
    for query, found in ((f"?id={ids[1]}", [ids[1]]), (f"?id={ids[0]}&id={ids[2]}", [ids[0], ids[2]]), ("?id=999999", []), ("?id=x", [])):
        assert [g["id"] for g in sendgrid(home, "/v3/asm/groups" + query, method="GET")[2]] == found, query
    for n in ids:
        assert sendgrid(home, f"/v3/asm/groups/{n}", method="DELETE")[0] == 204
    assert len(sendgrid(home, "/v3/api_keys?limit=1", method="GET")[2]["result"]) == 1 and sendgrid(home, "/v3/api_keys?limit=x", method="GET")[0] == 400


def test_what_would_be_left_out_in_silence_is_refused(home):
    for header in ("on-behalf-of", "On-Behalf-Of"):
        for path, body, method in (("/v3/suppression/bounces", {"delete_all": True}, "DELETE"), ("/v3/scopes", None, "GET")):
            status, _, answer = sendgrid(home, path, body, method, **{header: "a-subuser"})
            assert status == 400 and "no subusers" in answer["errors"][0]["message"], (path, answer)
    assert sendgrid(home, "/v3/mail/send", call(), **{"on-behalf-of": "a-subuser"})[0] == 202  # as at SendGrid, which does not hear it there
    status, _, answer = sendgrid(home, "/v3/mail/send", call(sections={":part:": "text"}))
    assert status == 400 and answer["errors"][0]["field"] == "sections" and sendgrid(home, "/v3/mail/send", call(sections={}))[0] == 202
    status, _, answer = mailjet(home, {"Messages": [message(URLTags="utm_source=x")]})
    assert status == 400 and answer["Messages"][0]["Errors"][0]["ErrorRelatedTo"] == ["URLTags"] and mailjet(home, {"Messages": [message(URLTags="")]})[0] == 200


def test_templates_belong_to_their_dialect(home):
    pair = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    dynamic = sendgrid(home, "/v3/templates", {"name": "of sendgrid", "generation": "dynamic"})[2]["id"]
    assert sendgrid(home, f"/v3/templates/{dynamic}/versions", {"name": "v", "subject": "s", "html_content": "<p>x</p>"})[0] == 201
    number = str(ask(home, "POST", "/v3/REST/template", {"Name": "of mailjet"}, pair)[2]["Data"][0]["ID"])
    assert ask(home, "POST", f"/v3/REST/template/{number}/detailcontent", {"Text-part": "x"}, pair)[0] == 201
    assert ses(home, "POST", "/v2/email/templates", {"TemplateName": "12", "TemplateContent": {"Subject": "s", "Text": "x"}})[0] == 200
    for name in (dynamic, number):
        where = f"/v2/email/templates/{name}"
        answers = [ses(home, "GET", where), ses(home, "PUT", where, {"TemplateContent": {"Subject": "s", "Text": "y"}}), ses(home, "POST", where + "/render", {"TemplateData": "{}"}),
                   ses(home, "POST", "/v2/email/outbound-emails", email_of({"Template": {"TemplateName": name, "TemplateData": "{}"}}))]
        assert [(status, headers["x-amzn-ErrorType"]) for status, headers, _ in answers] == [(404, "NotFoundException")] * 4, answers
        assert ses(home, "DELETE", where)[0] == 200  # as of any that is not there
    for name in (number, "12"):
        where = f"/v3/templates/{name}"
        calls = [("", "GET", None), ("", "PATCH", {"name": "n"}), ("", "POST", {"name": "n"}), ("", "DELETE", None), ("/versions", "POST", {"name": "n", "subject": "s"}), ("/versions/1", "GET", None), ("/versions/1", "PATCH", {"name": "n"}),
                 ("/versions/1/activate", "POST", {}), ("/versions/1", "DELETE", None)]
        assert [sendgrid(home, where + path, body, method)[0] for path, method, body in calls] == [404] * len(calls)
        assert sendgrid(home, "/v3/mail/send", call(template_id=name))[0] == 400
    for name in (dynamic, "12"):
        where = f"/v3/REST/template/{name}"
        calls = [("", "GET", None), ("/detailcontent", "GET", None), ("/detailcontent", "POST", {"Text-part": "y"}), ("", "DELETE", None)]
        assert [ask(home, method, where + path, body, pair)[0] for path, method, body in calls] == [404] * len(calls)
    assert mailjet(home, {"Messages": [message(TemplateID=12)]})[0] == 400
    assert sendgrid(home, f"/v3/templates/{dynamic}", method="GET")[2]["versions"][0]["html_content"] == "<p>x</p>"
    assert ask(home, "GET", f"/v3/REST/template/{number}/detailcontent", None, pair)[2]["Data"][0]["Text-part"] == "x" and ses(home, "GET", "/v2/email/templates/12")[2]["TemplateContent"]["Text"] == "x"
    assert (sendgrid(home, f"/v3/templates/{dynamic}", method="DELETE")[0], ask(home, "DELETE", f"/v3/REST/template/{number}", None, pair)[0], ses(home, "DELETE", "/v2/email/templates/12")[0]) == (204, 204, 200)


def test_members_of_another_kind_are_refused(home):
    """Whoever mistypes a member hears of it: it is not passed over, and no key of all scopes comes of it."""
    good = {
        "/v3/api_keys": {"name": "n", "scopes": ["mail.send"]},
        "/v3/asm/groups": {"name": "kinds", "description": "d", "is_default": False},
        "/v3/templates": {"name": "kinds", "generation": "legacy"},
        "/v1/suppressions": {"email": "kinds@two.test", "reason": "by-hand", "evidence": "e", "group": 1},
        "DELETE /v3/suppression/bounces": {"delete_all": False, "emails": ["kinds@two.test"]},
    }
    key = {"Authorization": f"Bearer {home.key}"}
    for path, body in good.items():
        method, path = path.split() if " " in path else ("POST", path)
        for name, value in body.items():
            for bad in (7.5, {}, [[]], "7" if not isinstance(value, str) else 7, *([2 ** 32, -1] if name == "group" else [])):
                status, _, answer = ask(home, method, path, {**body, name: bad}, key)
                assert status == 400, (path, name, bad, status, answer)


def test_texts_of_templates_are_texts(home):
    """What is none is refused, and takes nothing of what was there away."""
    pair = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    one = "/v3/templates/" + sendgrid(home, "/v3/templates", {"name": "texts", "generation": "dynamic"})[2]["id"] + "/versions"
    good = {"name": "v", "subject": "s", "html_content": "<p>", "plain_content": "p", "active": 1, "editor": "code", "test_data": "{}", "generate_plain_content": False}
    version = one + "/" + sendgrid(home, one, good)[2]["id"]
    for name, value in good.items():
        for bad in (7, 7.5, {}, [[]], "7", True):
            if type(bad) is type(value):
                continue
            for where, method in ((one, "POST"), (version, "PATCH")):
                status, _, answer = ask(home, method, where, {**good, name: bad}, {"Authorization": f"Bearer {home.key}"})
                assert status == 400 and answer["errors"][0]["message"], (method, name, bad, answer)
    now = ask(home, "PATCH", version, {"html_content": None, "active": None}, {"Authorization": f"Bearer {home.key}"})[2]
    assert {name: now[name] for name in good} == good
    number = ask(home, "POST", "/v3/REST/template", {"Name": "texts"}, pair)[2]["Data"][0]["ID"]
    where = f"/v3/REST/template/{number}/detailcontent"
    assert ask(home, "POST", where, {"Text-part": "t", "Headers": {"Subject": "s"}}, pair)[0] == 201
    for bad in ({"Text-part": 5}, {"Html-part": {}}, {"Text-part": "x", "Headers": {"Subject": 5}}):
        status, _, answer = ask(home, "POST", where, bad, pair)
        assert status == 400 and answer["ErrorMessage"], (bad, answer)
    assert ask(home, "GET", where, None, pair)[2]["Data"][0]["Text-part"] == "t"
    for bad in ({"Subject": 5}, {"Text": []}, {"Html": True}):
        status, headers, answer = ses(home, "POST", "/v2/email/templates", {"TemplateName": "texts", "TemplateContent": {"Subject": "s", "Text": "t", **bad}})
        assert (status, headers["x-amzn-ErrorType"]) == (400, "BadRequestException") and answer["message"], (bad, answer)


def test_sendgrid_inbound_parse_settings(home):
    where = "/v3/user/webhooks/parse/settings"
    assert sendgrid(home, where, method="GET")[2] == {"result": []}
    status, _, made = sendgrid(home, where, {"hostname": "Alice@one.test", "url": "https://hook.two.test/in", "spam_check": True})
    assert status == 201 and len(base64.b64decode(made.pop("public_key"))) == 91
    assert made == {"hostname": "alice@one.test", "url": "https://hook.two.test/in", "spam_check": True, "send_raw": False}
    assert sendgrid(home, where, {"hostname": "alice@one.test", "url": "https://hook.two.test/in"})[0] == 400
    one = where + "/alice%40one.test"
    changed = sendgrid(home, one, {"send_raw": True, "spam_check": False}, "PATCH")[2]
    assert changed["send_raw"] and not changed["spam_check"] and changed["url"] == "https://hook.two.test/in"
    assert sendgrid(home, where, method="GET")[2]["result"] == [changed] and sendgrid(home, one, method="GET")[2] == changed
    for bad in ({}, {"hostname": "one.test"}, {"hostname": "alice@one.test", "url": 7}, {"hostname": "two.test", "url": "https://two.test/"},
                {"hostname": "bob@one.test", "url": "https://two.test/"}, {"hostname": "..", "url": "https://two.test/"}, {"hostname": "a b", "url": "https://two.test/"}):
        assert sendgrid(home, where, bad)[0] in (400, 403, 404), bad
    for bad in ({"url": "http://two.test/"}, {"url": "ftp://two.test/"}, {"send_raw": "true"}, {"spam_check": 1}):
        assert sendgrid(home, one, bad, "PATCH")[0] == 400, bad
    home.tram("domain", "admin", "add", "one.test", "alice@one.test")
    assert sendgrid(home, where, {"hostname": "one.test", "url": "https://two.test/all"})[0] == 201
    before, home.key = home.key, home.tram("key", "add", "bob@one.test", "--name", "in", "--scope", "webhooks").stdout.splitlines()[0]
    try:  # another account's
        for method, body in (("GET", None), ("PATCH", {"send_raw": True}), ("DELETE", None)):
            assert sendgrid(home, one, body, method)[0] == 404
        assert sendgrid(home, where, method="GET")[2] == {"result": []}
    finally:
        home.key = before
    home.tram("domain", "admin", "remove", "one.test", "alice@one.test")
    assert sendgrid(home, f"{where}/one.test", {"url": "https://two.test/new"}, "PATCH")[0] == 403
    assert sendgrid(home, f"{where}/one.test", method="GET")[2]["url"] == "https://two.test/all"
    for name in ("alice%40one.test", "one.test"):
        assert sendgrid(home, f"{where}/{name}", method="DELETE")[0] == 204
    assert sendgrid(home, one, method="DELETE")[0] == 404


def test_sendgrid_webhook_settings(home):
    where = "/v3/user/webhooks/event/settings"
    assert sendgrid(home, where, method="GET")[::2] == (404, {"errors": [{"message": "Invalid id provided."}]})
    assert sendgrid(home, where + "/all", method="GET")[2] == {"max_allowed": 10, "webhooks": []}
    status, _, first = sendgrid(home, where, {"url": "https://hook.two.test/a", "enabled": False, "delivered": True, "group_unsubscribe": True, "friendly_name": "é"})
    assert status == 201 and "public_key" not in first and first["friendly_name"] == "é" and first["enabled"] is False
    heard = {name for name, on in first.items() if on is True}
    assert heard == {"delivered", "group_unsubscribe"} and first["created_date"] == first["updated_date"]
    status, _, answer = sendgrid(home, where, {"url": "https://hook.two.test/a"})
    assert status == 400 and answer["errors"][0]["id"] == first["id"] and "already exists" in answer["errors"][0]["message"]
    second = sendgrid(home, where, {"url": "https://hook.two.test/b", "enabled": False})[2]
    one = f"{where}/{second['id']}"
    assert not [name for name, on in second.items() if on is True]
    assert sendgrid(home, one, {"url": "https://hook.two.test/a"}, "PATCH")[0] == 400
    changed = sendgrid(home, one, {"bounce": True, "friendly_name": None}, "PATCH")[2]
    assert changed["bounce"] and not changed["delivered"] and changed["url"] == second["url"]
    assert sendgrid(home, where, method="GET")[2]["id"] == first["id"]
    assert sendgrid(home, where, {"open": True}, "PATCH")[2]["open"]
    for path in (one.replace("settings/", "settings/signed/"), where + "/signed"):
        assert sendgrid(home, path, method="GET")[2]["public_key"] == ""
        signed = sendgrid(home, path, {"enabled": True}, "PATCH")[2]
        assert len(base64.b64decode(signed["public_key"])) == 91
        assert sendgrid(home, path, method="GET")[2] == signed
    assert sendgrid(home, one, method="GET")[2]["public_key"]
    assert len(sendgrid(home, where + "/all", method="GET")[2]["webhooks"]) == 2
    names = [name for name, value in first.items() if isinstance(value, bool)]
    for bad in ({}, {"url": 7}, {"url": None}, {"url": "http://two.test/"}, {"url": "https://u@two.test/"}, {"url": "https://two.test/\r\nX: y"}, {"url": "https://two.test/" + "a" * 3000},
                {"url": "https://two.test/c", "friendly_name": "x" * 300}, {"url": "https://two.test/c", "friendly_name": []}, {"url": "https://two.test/c", "oauth_client_id": "x"},
                *({"url": "https://two.test/c", name: value} for name in names for value in ("true", 1, None, {}, []))):
        assert sendgrid(home, where, bad)[0] == 400, bad
    on = [name for name, value in changed.items() if value is True]
    nothing = sendgrid(home, one, dict.fromkeys(on, False), "PATCH")[2]  # the last kind switched off leaves none, not all
    assert not [name for name, value in nothing.items() if value is True], nothing
    assert sendgrid(home, one, {"enabled": True, "friendly_name": "n"}, "PATCH")[2] == {**nothing, "enabled": True, "friendly_name": "n", "updated_date": sendgrid(home, one, method="GET")[2]["updated_date"]}
    for bad in ({}, {"enabled": 1}, {"enabled": None}):
        assert sendgrid(home, f"{where}/signed/{first['id']}", bad, "PATCH")[0] == 400
    for bad in ("nothing", "%2e%2e", "x" * 41, "a%2Fb"):
        assert sendgrid(home, f"{where}/{bad}", {"open": True}, "PATCH")[0] in (400, 404), bad
    for url in ("https://127.0.0.1/", "https://[::1]/", "http://mail.one.test/", "ftp://two.test/", "", None):
        assert sendgrid(home, "/v3/user/webhooks/event/test", {"url": url})[0] == 400
    before, home.key = home.key, home.tram("key", "add", "bob@one.test", "--name", "b", "--scope", "webhooks").stdout.splitlines()[0]
    try:  # another account's
        for method, body in (("GET", None), ("PATCH", {"open": True}), ("DELETE", None)):
            assert sendgrid(home, one, body, method)[0] == 404
        assert sendgrid(home, "/v3/user/webhooks/event/test", {"url": "https://two.test/", "id": first["id"]})[0] == 404
        assert sendgrid(home, "/v3/mail/batch")[0] == 403
        for i in range(10):
            assert sendgrid(home, where, {"url": f"https://two.test/{i}"})[0] == 201
        status, _, answer = sendgrid(home, where, {"url": "https://two.test/10"})
        assert status == 400 and "10 webhooks" in answer["errors"][0]["message"]
    finally:
        home.key = before
    for id in (first["id"], second["id"]):
        assert sendgrid(home, f"{where}/{id}", method="DELETE")[0] == 204
    assert sendgrid(home, one, method="DELETE")[0] == 404
    assert sendgrid(home, where, {"url": "https://hook.two.test/c"}, "PATCH")[0] == 200  # the old way: what is set first is made
    assert sendgrid(home, where, {"url": "https://hook.two.test/c", "enabled": False}, "PATCH")[2]["enabled"] is False


# ---- Mailjet ----

def mailjet(home, body, key=None):
    pair = (key or home.key).replace(".", ":", 1)
    return ask(home, "POST", "/v3.1/send", body, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})


def message(**more):
    return {"From": {"Email": "alice@one.test", "Name": "Alice"}, "To": [{"Email": "bob@one.test", "Name": "Bob"}], "Subject": "mj", "TextPart": "Hi", **more}


def test_mailjet_sends(home):
    body = {"Messages": [message(Subject="mj {{var:n:\"you\"}}", TextPart="{% if var:n %}Dear {{var:n}}{% endif %}", HTMLPart="<p>x</p>", TemplateLanguage=True,
                                 Variables={"n": "Bob"}, CustomID="c1", Cc=[{"Email": "carol@one.test"}])]}
    status, _, answer = mailjet(home, body)
    assert status == 200
    one = answer["Messages"][0]
    assert one["Status"] == "success" and one["CustomID"] == "c1" and one["Cc"][0]["Email"] == "carol@one.test"
    assert one["To"][0]["MessageUUID"] and isinstance(one["To"][0]["MessageID"], int)
    m = came(home, "bob", "mj Bob")
    assert text_of(m).strip() == "Dear Bob"
    came(home, "carol", "mj Bob")


def test_mailjet_tells_what_became_of_a_message(home):
    key = home.tram("key", "add", "alice@one.test", "--name", "reads", "--scope", "messages.read").stdout.splitlines()[0]

    def get(path, key=key):
        return ask(home, "GET", path, None, {"Authorization": "Basic " + base64.b64encode(key.replace(".", ":", 1).encode()).decode()})
    sent = [mailjet(home, {"Messages": [message(Subject=f"followed {n}")] * 3})[2]["Messages"] for n in range(2)]
    told = [m["To"][0] for call in sent for m in call]
    assert len({t["MessageID"] for t in told}) == 6 and all(0 < t["MessageID"] < 2**53 for t in told)
    came(home, "bob", "followed 0")
    for t in told:
        path = "/v3/REST/" + t["MessageHref"].partition("/v3/REST/")[2]  # what the sending was answered with leads there
        assert t["MessageHref"].endswith(path)

        def is_sent():
            status, _, answer = get(path)
            assert status == 200 and answer["Count"] == answer["Total"] == 1, answer
            one = answer["Data"][0]
            assert (one["ID"], one["UUID"]) == (t["MessageID"], t["MessageUUID"])
            return one["Status"] == "sent"
        w.until(is_sent, what="the state")
        history = get(path.replace("/message/", "/messagehistory/"))[2]["Data"]
        assert [h["EventType"] for h in history][-1] == "sent" and all(h["Comment"] and h["EventAt"] for h in history), history
    others = home.tram("key", "add", "bob@one.test", "--name", "reads", "--scope", "messages.read").stdout.splitlines()[0]
    for wrong, who in ((told[0]["MessageID"], others), (told[0]["MessageID"] ^ 1, key), (0, key), (2**62, key), ("x", key), (-1, key)):
        for kind in ("message", "messagehistory", "messageinformation", "nothing"):
            status, _, answer = get(f"/v3/REST/{kind}/{wrong}", who)
            assert status == 404 and answer["ErrorMessage"] and answer["StatusCode"] == 404, (wrong, answer)


def test_mailjet_fills_a_text_with_variables_of_all_and_own(home):
    everybody = {"From": {"Email": "alice@one.test"}, "Subject": "globals {{var:who}}", "TextPart": "{{var:firm}} {{var:who}} {{var:x}}", "TemplateLanguage": True, "Variables": {"firm": "F", "who": "all", "x": "1"}, "Headers": {"X-A": "a", "X-B": "b"}}
    status, _, answer = mailjet(home, {"Globals": everybody, "Messages": [{"To": [{"Email": "bob@one.test"}], "Variables": {"who": "Bob"}, "Headers": {"X-B": "own"}}]})
    assert status == 200, answer
    m = came(home, "bob", "globals Bob")
    assert text_of(m).strip() == "F Bob 1" and (m["X-A"], m.get_all("X-B")) == ("a", ["own"]), m.items()
    status, _, answer = mailjet(home, {"Messages": [message(Cc=[{"Email": "carol@one.test"}])], "SandboxMode": True})
    one = answer["Messages"][0]
    assert status == 200 and [(t["MessageID"], t["MessageUUID"]) for t in one["To"] + one["Cc"]] == [(0, "")] * 2 and one["To"][0]["MessageHref"].endswith("/v3/REST/message/0")


def test_mailjet_lists_messages(home):
    """By the word that they were given, by time, state and kind; the account's own, no sandbox, a page at a time."""
    keys = [home.tram("key", "add", f"{name}@one.test", "--name", "lists", "--scope", "mail.send,messages.read").stdout.splitlines()[0] for name in ("carol", "bob")]

    def get(path, key=keys[0], **query):
        pair = {"Authorization": "Basic " + base64.b64encode(key.replace(".", ":", 1).encode()).decode()}
        status, _, answer = ask(home, "GET", f"/v3/REST/{path}?{urllib.parse.urlencode(query)}", None, pair)
        return (answer["Total"], answer["Data"]) if status == 200 else (status, answer["ErrorMessage"])

    def send(key=keys[0], who="carol", sandbox=False, **more):
        status, _, answer = mailjet(home, {"Messages": [message(From={"Email": f"{who}@one.test"}, **more)], "SandboxMode": sandbox}, key)
        assert status == 200, answer
        to = answer["Messages"][0]
        return (to["To"] + to["Cc"])[0]["MessageID"]
    assert get("message") == (0, []) and get("messageinformation") == (0, [])
    before = int(time.time())
    own = [send(Subject=f"listed é {n}", CustomID=f"order {n % 3}") for n in range(7)]
    bulk = send(CustomCampaign="listed", Subject="b", TrackClicks="enabled", Cc=[{"Email": "bob@one.test"}], To=[])
    gone = send(To=[{"Email": "nobody-here@one.test"}], Subject="g")
    send(sandbox=True)
    theirs = send(keys[1], "bob", CustomID="order 1")
    all_of_them = own + [bulk, gone]
    w.until(lambda: {m["ID"]: m["Status"] for m in get("message", Limit=0)[1]} == {n: "bounce" if n == gone else "sent" for n in all_of_them}, what="the states")
    total, data = get("message")
    assert total == 9 and [m["ID"] for m in data] == all_of_them and {m["Subject"] + m["ContactAlt"] + m.get("CustomID", "") for m in data} == {""} and not any("CustomID" in m for m in data)
    total, data = get("message", CustomID="order 1", ShowSubject="true", ShowCustomID="true", ShowContactAlt="1")
    assert [(m["ID"], m["Subject"], m["CustomID"], m["ContactAlt"], m["IsClickTracked"], m["IsUnsubTracked"]) for m in data] == [(own[n], f"listed é {n}", "order 1", "bob@one.test", False, False) for n in (1, 4)]
    assert [m["ID"] for m in get("message", keys[1])[1]] == [theirs]
    one = get(f"message/{bulk}")[1][0]
    assert (one["Campaign"], one["Subject"], one["CustomID"], one["ContactAlt"], one["IsClickTracked"], one["IsUnsubTracked"]) == ("listed", "b", "", "bob@one.test", True, True), one
    ids = {frozenset(q.items()): [m["ID"] for m in get("message", **q)[1]] for q in (
        {"FromType": 2}, {"CustomCampaign": "listed"}, {"MessageStatus": 5}, {"MessageStatus": 2, "FromType": 1}, {"FromTS": before - 1, "ToTS": before + 600}, {"MessageStatus": 0}, {"Limit": 2, "Offset": 3},
        {"Limit": 2, "Offset": 3, "Sort": "ArrivedAt DESC"}, {"Offset": 9}, {"Offset": 2**31 - 1}, {"CustomID": ""}, {"countOnly": 1}, {"FromTS": before + 3600}, {"ToTS": before - 3600}, {"FromTS": "2001-01-01T00:00:00Z", "ToTS": "9999-12-31T23:59:59Z"},
        {"FromTS": before + 3600, "ToTS": before - 3600})}
    assert list(ids.values()) == [[bulk], [bulk], [gone], own, all_of_them, all_of_them, own[3:5], own[4:6][::-1], [], [], [bulk, gone], [], [], [], all_of_them, []], ids
    assert get("message", countOnly="true", CustomID="order 0") == (3, [])
    total, data = get("messageinformation", Sort="ID DESC", Limit=2, CustomCampaign="listed")
    assert total == 1 and (data[0]["ID"], data[0]["SentCount"], data[0]["QueuedCount"]) == (bulk, 1, 0), data
    history = get(f"messagehistory/{gone}")[1]
    assert [h["EventType"] for h in history] == ["bounced"] and "no mailbox of that name" in history[0]["Comment"], history
    home.tram("suppression", "add", "carol@one.test", "left@two.test", "--reason", "unsubscribed")
    blocked = send(CustomCampaign="blocked", To=[{"Email": "left@two.test"}])
    w.until(lambda: [(h["EventType"], h["Comment"]) for h in get(f"messagehistory/{blocked}")[1]] == [("blocked", "unsubscribed")], what="why nobody got it")
    assert [m["ID"] for m in get("message", MessageStatus=8)[1]] == [blocked]
    for wrong in ({"Campaign": 1}, {"Contact": 1}, {"MessageState": 1}, {"customid": "x"}, {"CustomID\0": "x"}, {"MessageStatus": 9}, {"MessageStatus": 10}, {"MessageStatus": 12}, {"MessageStatus": "sent"}, {"MessageStatus": -1}, {"FromType": 4},
                  {"FromTS": "x"}, {"ToTS": "9" * 30}, {"Sort": "Subject"}, {"Sort": "ID UP"}, {"Sort": ""}, {"Limit": 1001}, {"Limit": "x"}, {"Offset": 2**31}, {"countOnly": "x"}, {"ShowSubject": "x"}):
        for kind in ("message", "messageinformation"):
            status, said = get(kind, **wrong)
            assert status == 400 and said, (kind, wrong, said)
    few = home.tram("key", "add", "carol@one.test", "--name", "few", "--scope", "mail.send").stdout.splitlines()[0]
    assert get("message", few)[0] == 403 and get("message", "no.key")[0] == 401


def test_mailjet_counts(home):
    w.within_a_day()
    key = home.tram("key", "add", "alice@one.test", "--name", "counts", "--scope", "messages.read,stats.read").stdout.splitlines()[0]

    def get(path, **query):
        pair = {"Authorization": "Basic " + base64.b64encode(key.replace(".", ":", 1).encode()).decode()}
        return ask(home, "GET", f"/v3/REST/{path}?{urllib.parse.urlencode(query)}", None, pair)
    asked = {"CounterSource": "Campaign", "SourceID": "counted é", "CounterTiming": "Message", "CounterResolution": "Lifetime"}
    assert get("statcounters", **asked)[2] == {"Count": 0, "Data": [], "Total": 0}
    to = [{"Email": "bob@one.test"}, {"Email": "nobody@one.test"}]
    sent = mailjet(home, {"Messages": [message(Subject="counted", To=to, CustomCampaign="counted é")] * 2})[2]["Messages"]

    def counted():
        data = get("statcounters", **asked)[2]["Data"]
        return data and data[0]["MessageSentCount"] == 2 and data[0]["MessageHardBouncedCount"] == 2 and data[0]
    one = w.until(counted, what="the counts")
    assert (one["Total"], one["MessageQueuedCount"], one["MessageSoftBouncedCount"], one["MessageBlockedCount"], one["Timeslice"]) == (4, 0, 0, 0, ""), one
    today = datetime.datetime.now(datetime.timezone.utc)
    status, _, answer = get("statcounters", **{**asked, "CounterResolution": "Day", "CounterTiming": "Event"})
    days = answer["Data"]
    assert status == 200 and all(d["Timeslice"][11:] == "00:00:00Z" and abs((today.date() - datetime.date.fromisoformat(d["Timeslice"][:10])).days) <= 1 for d in days), days
    for what in ("Total", "MessageSentCount", "MessageHardBouncedCount", "EventOpenedCount"):
        assert sum(d[what] for d in days) == one[what], days
    whole = {"CounterSource": "APIKey", "CounterTiming": "Message", "CounterResolution": "Day"}
    all_days = get("statcounters", **whole)[2]
    assert all_days["Count"] == len(all_days["Data"]) and sum(d["MessageSentCount"] for d in all_days["Data"]) >= 2
    later = str(int(today.timestamp()) + 3 * 86400)
    for more, count in (({"FromTS": later, "ToTS": later}, 0), ({"ToTS": "2001-01-01T00:00:00Z"}, 400), ({"FromTS": "2001-01-01T00:00:00Z"}, all_days["Total"]), ({"FromTS": "0001-01-01T00:00:00Z"}, 400),
                        ({"FromTS": "0"}, all_days["Total"]), ({"FromTS": "-1"}, 400), ({"FromTS": "yesterday"}, 400), ({"ToTS": "9" * 30}, 400), ({"ToTS": "9999-12-31T23:59:59Z"}, all_days["Total"]),
                        ({"Offset": "9"}, all_days["Total"]), ({"Limit": "x"}, 400), ({"Limit": "1001"}, 400), ({"CounterTiming": "x"}, 400), ({"CounterResolution": "Hour"}, 400), ({"CounterSource": "List"}, 400),
                        ({"CounterSource": "Campaign"}, 400), ({"CounterSource": "Campaign", "SourceID": "n" * 5000}, 0)):
        status, _, answer = get("statcounters", **{**whole, **more})
        assert status == 400 and answer["ErrorMessage"] if count == 400 else status == 200 and answer["Total"] == count, (more, answer)
    assert get("statcounters")[0] == 400
    for m in sent:
        told = get(f"messageinformation/{m['To'][0]['MessageID']}")[2]["Data"]
        assert len(told) == 1 and (told[0]["ID"], told[0]["SentCount"], told[0]["QueuedCount"]) == (m["To"][0]["MessageID"], 1, 0) and told[0]["SendEndAt"], told
    few = home.tram("key", "add", "alice@one.test", "--name", "few", "--scope", "mail.send").stdout.splitlines()[0]
    assert ask(home, "GET", "/v3/REST/statcounters", None, {"Authorization": "Basic " + base64.b64encode(few.replace(".", ":", 1).encode()).decode()})[0] == 403


def test_mailjet_templates(home):
    pair = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    where = "/v3/REST/template"
    status, _, made = ask(home, "POST", where, {"Name": "hello"}, pair)
    assert status == 201 and made["Count"] == 1
    number = made["Data"][0]["ID"]
    content = {"Headers": {"Subject": "mj template {{var:n}}"}, "Text-part": "Dear {{var:n}}", "Html-part": "<p>{{var:n}}</p>"}
    assert ask(home, "POST", f"{where}/{number}/detailcontent", content, pair)[0] == 201
    assert ask(home, "POST", f"{where}/{number}/detailcontent", {"Text-part": "{% if"}, pair)[0] == 400
    assert ask(home, "GET", f"{where}/{number}/detailcontent", None, pair)[2]["Data"] == [content]
    one = message(TemplateID=number, TemplateLanguage=True, Variables={"n": "Bob"})
    del one["Subject"], one["TextPart"]
    assert mailjet(home, {"Messages": [one]})[0] == 200
    assert text_of(came(home, "bob", "mj template Bob")).strip() == "Dear Bob"
    assert ask(home, "DELETE", f"{where}/{number}", None, pair)[0] == 204
    status, _, answer = mailjet(home, {"Messages": [one]})
    assert status == 400 and answer["Messages"][0]["Errors"][0]["ErrorRelatedTo"] == ["TemplateID"]


def test_mailjet_lists_in_pages(home):
    pair = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    for n in range(3):
        assert ask(home, "POST", "/v3/REST/template", {"Name": f"paged {n}"}, pair)[0] == 201
    whole = ask(home, "GET", "/v3/REST/template?Limit=0", None, pair)[2]
    assert whole["Count"] == whole["Total"] == len(whole["Data"]) >= 3
    for limit, offset in ((1, 0), (2, 1), (1000, 2), (10, whole["Total"]), (1, 2**31 - 1)):
        page = ask(home, "GET", f"/v3/REST/template?Limit={limit}&Offset={offset}", None, pair)[2]
        assert page["Data"] == whole["Data"][offset:][:limit] and (page["Count"], page["Total"]) == (len(page["Data"]), whole["Total"]), page
    names = sorted(t["Name"] for t in whole["Data"])
    for query, found in (("Sort=Name", names), ("Sort=Name+DESC", names[::-1]), ("Sort=Name%20asc", names), ("Name=paged+1", ["paged 1"]), ("Name=nobody", []),
                         (f"ID={whole['Data'][0]['ID']}", [whole["Data"][0]["Name"]]), ("Sort=Name&Name=paged+2", ["paged 2"]), ("countOnly=0&Sort=Name", names)):
        page = ask(home, "GET", f"/v3/REST/template?{query}&Limit=0", None, pair)[2]
        assert [t["Name"] for t in page["Data"]] == found and page["Total"] == len(found), (query, page)
    assert ask(home, "GET", "/v3/REST/template?countOnly=1&Limit=1", None, pair)[2] == {"Count": whole["Total"], "Data": [], "Total": whole["Total"]}
    for wrong in ("Limit=-1", "Limit=1001", "Offset=x", f"Offset={2**31}", "countOnly=x", "Sort=Nothing", "Sort=Name+UP", "Sort=", "Nothing=1", "Name%00x=1", "=1"):
        status, _, answer = ask(home, "GET", f"/v3/REST/template?{wrong}", None, pair)
        assert status == 400 and answer["ErrorMessage"], wrong


def test_mailjet_reports_errors_of_templates(home):
    asked = {"TemplateLanguage": True, "TemplateErrorReporting": {"Email": "carol@one.test", "Name": "C"}}
    body = {"Messages": [message(Subject="told {{var:n}}", CustomID="c-7", **asked), message(Subject="kept {{var:n:\"x\"}}", TextPart="Hi {{var:m}}.", TemplateErrorDeliver=True, **asked),
                         message(Subject="fine {{var:n}}", Variables={"n": 1}, **asked)]}
    headers = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode(), "Idempotency-Key": "reports"}
    first, again = (ask(home, "POST", "/v3.1/send", body, headers) for _ in range(2))
    assert first[0] == again[0] == 200 and first[2] == again[2] and len(first[2]["Messages"]) == 3, first
    report = came(home, "carol", "The template of a message fails: told {{var:n}}")
    assert report["From"] == "Alice <alice@one.test>" and "not sent" in text_of(report) and "c-7" in text_of(report) and "subject" in text_of(report) and "bob@one.test" in text_of(report)
    assert "sent without what fails" in text_of(came(home, "carol", "The template of a message fails: kept {{var:n:\"x\"}}"))
    assert text_of(came(home, "bob", "kept x")).strip() == "Hi ." and came(home, "bob", "fine 1")
    assert ask(home, "POST", "/v3.1/send", {**body, "SandboxMode": True}, {"Authorization": headers["Authorization"]})[0] == 200
    assert mailjet(home, {"Messages": [message(Subject="behind reports", To=[{"Email": "carol@one.test"}])]})[0] == 200 and came(home, "carol", "behind reports")
    told = [m for m in home.messages("carol") if b"The template of a message fails" in (m if isinstance(m, bytes) else m.encode())]
    assert len(told) == 2 and not [m for m in home.messages("bob") if b"Subject: told" in (m if isinstance(m, bytes) else m.encode())]
    status, _, answer = mailjet(home, {"Messages": [message(**{**asked, "TemplateErrorReporting": {"Email": "x"}})]})
    assert status == 400 and answer["Messages"][0]["Errors"][0]["ErrorRelatedTo"] == ["TemplateErrorReporting.Email"]


def test_mailjet_event_callbacks(home):
    pair = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    where = "/v3/REST/eventcallbackurl"

    def call(method, path="", body=None):
        return ask(home, method, where + path, body, pair)[::2]
    assert call("GET") == (200, {"Count": 0, "Data": [], "Total": 0})
    url = "https://hook.two.test/mj"
    status, made = call("POST", "", {"EventType": "sent", "Url": url, "Version": 2})
    sent = {"ID": 1, "EventType": "sent", "IsBackup": False, "Status": "alive", "Url": url, "Version": 2}
    assert (status, made) == (201, {"Count": 1, "Data": [sent], "Total": 1})
    for name in ("open", "click", "bounce", "blocked", "spam", "unsub"):
        assert call("POST", "", {"EventType": name, "Url": url, "Version": 2})[0] == 201
    assert [d["EventType"] for d in call("GET")[1]["Data"]] == ["sent", "open", "click", "bounce", "blocked", "spam", "unsub"]
    assert home.tram("webhook", "list", "alice@one.test").stdout.count(url) == 1  # one webhook of them all
    assert url not in [h["url"] for h in sendgrid(home, "/v3/user/webhooks/event/settings/all", method="GET")[2]["webhooks"]]
    for bad in ({"EventType": "sent", "Url": "https://hook.two.test/other"}, {"EventType": "nothing", "Url": url}, {"Url": url}, {"EventType": "open"}, {"EventType": 5, "Url": url},
                {"EventType": "sent", "Url": url, "Version": 3}, {"EventType": "sent", "Url": url, "IsBackup": True}, {"EventType": "sent", "Url": url, "Status": "half"}):
        status, answer = call("POST", "", bad)
        assert status == 400 and answer["ErrorMessage"] and answer["ErrorIdentifier"], bad
    assert call("PUT", "/2", {"Url": "https://hook.two.test/opens"})[1]["Data"][0] == {**sent, "ID": 2, "EventType": "open", "Url": "https://hook.two.test/opens"}
    assert call("GET", "/sent")[1]["Data"] == [sent] and call("PUT", "/open", {"Status": "dead", "Version": 1})[1]["Data"][0]["Status"] == "dead"
    assert call("PUT", "/open", {"Url": "http://two.test/"})[0] == 400 and call("GET", "/open")[1]["Data"][0]["Version"] == 1
    for gone in ("8", "0", "x", "%2e%2e"):
        assert [call(m, f"/{gone}", {} if m == "PUT" else None)[0] for m in ("GET", "PUT", "DELETE")] == [404] * 3
    for n in range(1, 8):
        assert call("DELETE", f"/{n}") == (204, None) and call("DELETE", f"/{n}")[0] == 404
    assert "mailjet-" not in home.tram("webhook", "list", "alice@one.test").stdout
    # A URL is one however it is written; of calls at the same time one kind goes to one URL.
    url = "https://bücher.two.test/mj"
    for name in ("open", "click"):
        assert call("POST", "", {"EventType": name, "Url": url})[0] == 201
    status, changed = call("PUT", "/open", {"Url": url})
    assert (status, changed["Data"][0]["Url"]) == (200, "https://xn--bcher-kva.two.test/mj")
    assert home.tram("webhook", "list", "alice@one.test").stdout.count("xn--bcher-kva") == 1
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda n: call("POST", "", {"EventType": "spam", "Url": f"https://{n}.two.test/"})[0], range(6)))
    assert sorted(made) == [201] + [400] * 5
    for name in ("open", "click", "spam"):
        assert call("DELETE", "/" + name)[0] == 204
    assert "mailjet-" not in home.tram("webhook", "list", "alice@one.test").stdout


def test_mailjet_refuses_all_of_a_call(home):
    status, _, answer = mailjet(home, {"Messages": [message(Subject="half done"), message(To=[{"Email": "nobody"}]), message(Subject="x\r\ny")]})
    assert status == 400
    errors = [e for m in answer["Messages"] for e in m["Errors"]]
    assert [e["ErrorCode"] for e in errors] == ["mj-0013", "mj-0004"] and ["To[0].Email"] in [e["ErrorRelatedTo"] for e in errors]
    status, _, answer = mailjet(home, {"Messages": [message()] * 51})
    assert status == 400 and answer["ErrorMessage"]
    status, _, answer = mailjet(home, {"Messages": [message(Subject="half done"), message(From={"Email": "eve@two.test"})]})
    assert answer["Messages"][0]["Errors"][0]["ErrorCode"] == "send-0008"
    status, _, answer = mailjet(home, {"Messages": [message()]}, "no.key")
    assert (status, answer["ErrorCode"]) == (401, "mj-0015")
    mailjet(home, {"Messages": [message(Subject="after")]})
    came(home, "bob", "after")
    assert not [m for m in home.messages("bob") if b"half done" in (m if isinstance(m, bytes) else m.encode())]


# ---- SES ----

def ses(home, method, path, body=None, key=None, skew=0):
    name, secret = (key or home.key).split(".")
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    data = b"" if body is None else json.dumps(body).encode()
    host = f"{home.address}:{home.port(443)}"
    where, _, query = path.partition("?")
    canonical = "\n".join([method, urllib.parse.quote(where, safe="/~"), query, f"host:{host}", f"x-amz-date:{stamp}", "", "host;x-amz-date", hashlib.sha256(data).hexdigest()])
    scope = f"{day}/us-east-1/ses/aws4_request"
    what = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    sign = ("AWS4" + secret).encode()
    for part in scope.split("/") + [what]:
        sign = hmac.new(sign, part.encode(), hashlib.sha256).digest()
    authorization = f"AWS4-HMAC-SHA256 Credential={name}/{scope}, SignedHeaders=host;x-amz-date, Signature={sign.hex()}"
    return ask(home, method, path, data if body is not None else None, {"Authorization": authorization, "X-Amz-Date": stamp, "Host": host})


def email_of(content, **more):
    return {"FromEmailAddress": "Alice <alice@one.test>", "Destination": {"ToAddresses": ["bob@one.test"]}, "Content": content, **more}


def simple(subject):
    return {"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": "Hi"}}}}


def test_ses_sends(home):
    status, _, answer = ses(home, "POST", "/v2/email/outbound-emails", email_of(simple("ses simple")))
    assert status == 200 and answer["MessageId"]
    came(home, "bob", "ses simple")
    raw = b"From: alice@one.test\r\nTo: bob@one.test\r\nSubject: ses raw\r\n\r\nraw text\r\n"
    status, _, answer = ses(home, "POST", "/v2/email/outbound-emails", {"Content": {"Raw": {"Data": base64.b64encode(raw).decode()}}})
    assert status == 200, answer
    assert text_of(came(home, "bob", "ses raw")).strip() == "raw text"
    for head in (b"From: bob@one.test\r\n", b"From: alice@one.test\r\nSender: bob@one.test\r\n"):
        forged = base64.b64encode(head + b"To: bob@one.test\r\nSubject: ses forged\r\n\r\nx\r\n").decode()
        status, headers, answer = ses(home, "POST", "/v2/email/outbound-emails", {"FromEmailAddress": "alice@one.test", "Content": {"Raw": {"Data": forged}}})
        assert (status, headers["x-amzn-ErrorType"]) == (400, "MessageRejected") and "bob@one.test" in answer["message"], answer


def test_ses_tells_what_may_be_sent(home):
    def quota():
        return ses(home, "GET", "/v2/email/account")[2]["SendQuota"]
    before = quota()
    assert ses(home, "POST", "/v2/email/outbound-emails", email_of(simple("ses quota")))[0] == 200
    assert quota()["SentLast24Hours"] == before["SentLast24Hours"] + 1 and before["Max24HourSend"] > 0 and before["MaxSendRate"] > 0
    home.tram("account", "set", "alice@one.test", "--daily", "unlimited", "--hourly", "7200")
    assert (quota()["Max24HourSend"], quota()["MaxSendRate"]) == (-1, 2)
    home.tram("account", "set", "alice@one.test", "--daily", "default", "--hourly", "default")
    assert quota() == {**before, "SentLast24Hours": before["SentLast24Hours"] + 1}


def test_fields_for_a_service_go_no_further(home):
    fields = "X-SES-CONFIGURATION-SET: main\r\nX-SES-Message-Tags: a=b, c=d\r\nX-SES-SOURCE-ARN: arn:aws:ses:us-east-1:1:identity/x\r\nX-SMTPAPI: to carol@one.test\r\nX-MJ-Vars: secret\r\nx-mailjet-campaign: c\r\nX-MJX: stays\r\nX-Sesame: stays\r\n"
    raw = f"From: alice@one.test\r\nTo: bob@one.test\r\nSubject: ses by {{}}\r\n{fields}\r\nx\r\n"
    with home.submission("alice") as client:
        client.sendmail("alice@one.test", ["bob@one.test"], raw.format("smtp"))
    assert ses(home, "POST", "/v2/email/outbound-emails", {"Content": {"Raw": {"Data": base64.b64encode(raw.format("api").encode()).decode()}}})[0] == 200
    for way in ("smtp", "api"):
        m = came(home, "bob", f"ses by {way}")
        assert m["X-Sesame"] == m["X-MJX"] == "stays" and not [name for name in m.keys() if name.lower().startswith(("x-ses-", "x-mj-", "x-mailjet-", "x-smtpapi"))], m.items()


def test_ses_templates(home):
    stored = {"TemplateName": "hello", "TemplateContent": {"Subject": "ses {{n}}", "Html": "<p>{{n}}</p>", "Text": "Dear {{n}}"}}
    assert ses(home, "POST", "/v2/email/templates", stored)[0] == 200
    assert ses(home, "POST", "/v2/email/templates", stored)[0] == 409
    assert ses(home, "GET", "/v2/email/templates/hello")[2]["TemplateContent"]["Html"] == "<p>{{n}}</p>"
    assert [t["TemplateName"] for t in ses(home, "GET", "/v2/email/templates")[2]["TemplatesMetadata"]] == ["hello"]
    shown = ses(home, "POST", "/v2/email/templates/hello/render", {"TemplateData": "{\"n\":\"<b>\"}"})[2]["RenderedTemplate"]
    assert "Dear <b>" in shown and "ses <b>" in shown
    status, headers, answer = ses(home, "POST", "/v2/email/templates/hello/render", {"TemplateData": "{}"})
    assert status == 404 and "attribute 'n' is not present" in answer["message"]
    broken = {"TemplateName": "broken", "TemplateContent": {"Subject": "{{#if x}}"}}
    status, headers, answer = ses(home, "POST", "/v2/email/templates", broken)
    assert status == 400 and "line 1, column 1" in answer["message"]
    template = {"Template": {"TemplateName": "hello", "TemplateData": "{\"n\":\"one\"}"}}
    assert ses(home, "POST", "/v2/email/outbound-emails", email_of(template))[0] == 200
    assert text_of(came(home, "bob", "ses one")).strip() == "Dear one"
    entries = [{"Destination": {"ToAddresses": [f"{name}@one.test"]}, "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": json.dumps({"n": name})}}}
               for name in ("bob", "carol")]
    bulk = {"FromEmailAddress": "alice@one.test", "DefaultContent": {"Template": {"TemplateName": "hello", "TemplateData": "{}"}}, "BulkEmailEntries": entries}
    status, _, answer = ses(home, "POST", "/v2/email/outbound-bulk-emails", bulk)
    assert status == 200 and [r["Status"] for r in answer["BulkEmailEntryResults"]] == ["SUCCESS"] * 2
    came(home, "carol", "ses carol")
    for name in ("a1", "a2", "z1"):
        assert ses(home, "POST", "/v2/email/templates", {**stored, "TemplateName": name})[0] == 200
    names, more = [], ""
    while more is not None:
        page = ses(home, "GET", "/v2/email/templates?" + (f"NextToken={more}&" if more else "") + "PageSize=2")[2]
        names += [t["TemplateName"] for t in page["TemplatesMetadata"]]
        more = page.get("NextToken")
    assert names == ["a1", "a2", "hello", "z1"] and ses(home, "GET", "/v2/email/templates?PageSize=0")[0] == 400
    assert ses(home, "DELETE", "/v2/email/templates/hello")[0] == 200
    assert ses(home, "GET", "/v2/email/templates/hello")[0] == 404


def test_ses_suppression(home):
    path = "/v2/email/suppression/addresses"
    assert ses(home, "PUT", path, {"EmailAddress": "gone@two.test", "Reason": "BOUNCE"})[0] == 200
    one = path + "/" + urllib.parse.quote("gone@two.test", safe="")
    assert ses(home, "GET", one)[2]["SuppressedDestination"]["Reason"] == "BOUNCE"
    assert "gone@two.test" in [s["EmailAddress"] for s in ses(home, "GET", path)[2]["SuppressedDestinationSummaries"]]
    assert ses(home, "PUT", path, {"EmailAddress": "angry@two.test", "Reason": "COMPLAINT"})[0] == 200
    now, both = int(time.time()), ["angry@two.test", "gone@two.test"]
    iso = urllib.parse.quote(datetime.datetime.fromtimestamp(now + 600, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), safe="")
    for query, found in (("Reason=BOUNCE", ["gone@two.test"]), ("Reason=COMPLAINT", ["angry@two.test"]), ("Reason=BOUNCE&Reason=COMPLAINT", both), (f"StartDate={now - 600}", both), (f"StartDate={iso}", []),
                         (f"EndDate={iso}", both), (f"EndDate={now - 600}", []), ("PageSize=1000", both)):
        answer = ses(home, "GET", f"{path}?{query}")[2]
        assert sorted(s["EmailAddress"] for s in answer["SuppressedDestinationSummaries"] if s["EmailAddress"] in both) == found, (query, answer)
    for query in ("Reason=NO", "Reason=BOUNCE&Reason=x", "StartDate=x", "EndDate=-5", "StartDate=1e99", "PageSize=0", "PageSize=1001", "PageSize=x"):
        status, headers, answer = ses(home, "GET", f"{path}?{query}")
        assert status == 400 and answer["message"] and headers["x-amzn-ErrorType"] == "BadRequestException", (query, answer)
    assert ses(home, "DELETE", one)[0] == 200
    assert ses(home, "GET", one)[0] == 404


def test_a_page_goes_on_only_where_this_list_ended(home):
    stored = {"TemplateName": "p1", "TemplateContent": {"Subject": "s", "Text": "t"}}
    for name in ("p1", "p2", "p3"):
        assert ses(home, "POST", "/v2/email/templates", {**stored, "TemplateName": name})[0] == 200
        assert ses(home, "PUT", "/v2/email/suppression/addresses", {"EmailAddress": f"{name}@two.test", "Reason": "BOUNCE"})[0] == 200
        assert sendgrid(home, "/v3/templates", {"name": name, "generation": "dynamic"})[0] == 201
    pages = ("/v2/email/templates", "/v2/email/suppression/addresses")
    tokens = {path: ses(home, "GET", f"{path}?PageSize=1")[2]["NextToken"] for path in pages}
    following = sendgrid(home, "/v3/templates?generations=dynamic&page_size=1", method="GET")[2]["_metadata"]["next"]
    token = following.rpartition("page_token=")[2]
    assert sendgrid(home, "/v3/" + following.partition("/v3/")[2], method="GET")[0] == 200
    slips = ["p1", "zzz", "!", "YWJjZGVmcDE", token[:-1], "A" + token, *tokens.values()]
    for path in pages:
        first = ses(home, "GET", f"{path}?PageSize=1")[2]
        status, _, second = ses(home, "GET", f"{path}?NextToken={tokens[path]}&PageSize=1")
        assert status == 200 and second != first, path
        for slip in {*slips, token} - {tokens[path]}:
            status, headers, answer = ses(home, "GET", f"{path}?NextToken={urllib.parse.quote(slip, safe='')}&PageSize=1")
            kind = "InvalidNextTokenException" if "suppression" in path else "BadRequestException"
            assert (status, headers["x-amzn-ErrorType"]) == (400, kind) and "NextToken" in answer["message"], (path, slip, answer)
    for wrong in ("dynamic%20x", "old", "dynamic%26x=1"):
        status, _, answer = sendgrid(home, f"/v3/templates?generations={wrong}&page_size=1", method="GET")
        assert status == 400 and "generations" in answer["errors"][0]["message"], (wrong, answer)
    for slip in slips:
        status, _, answer = sendgrid(home, f"/v3/templates?generations=dynamic&page_size=1&page_token={urllib.parse.quote(slip, safe='')}", method="GET")
        assert status == 400 and "page_token" in answer["errors"][0]["message"], (slip, answer)


def test_the_tag_of_open_tracking_does_not_go_out(home):
    opens = {"open_tracking": {"enable": True, "substitution_tag": "%open%"}}
    body = call(subject="tag of opens", content=[{"type": "text/plain", "value": "a%open%b"}, {"type": "text/html", "value": "<p>%open%x</p>%open%"}], tracking_settings=opens)
    assert sendgrid(home, "/v3/mail/send", body)[0] == 202
    m = came(home, "bob", "tag of opens")
    assert text_of(m).strip() == "ab" and text_of(m, "html").startswith("<p>x</p>") and "/e/o/" in text_of(m, "html"), text_of(m, "html")
    for wrong in ({"tracking_settings": {"open_tracking": {"enable": True, "substitution_tag": 1}}}, {"tracking_settings": {"click_tracking": {"enable": True, "enable_text": "x"}}}, {"asm": {"group_id": 1, "groups_to_display": ["x"]}}):
        status, _, answer = sendgrid(home, "/v3/mail/send", call(**wrong))
        assert status == 400 and answer["errors"], wrong


def test_attachments_are_objects(home):
    for wrong in ("x", None, 1, [], "a\r\nX: y"):
        one = {"Simple": {**simple("s")["Simple"], "Attachments": [wrong]}}
        assert ses(home, "POST", "/v2/email/outbound-emails", email_of(one))[0] == 400, wrong
        assert mailjet(home, {"Messages": [message(Attachments=[wrong])]})[0] == 400, wrong
        assert sendgrid(home, "/v3/mail/send", call(attachments=[wrong]))[0] == 400, wrong


def test_ses_signatures(home):
    where = "/v2/email/account"
    assert ses(home, "GET", where)[2]["SendingEnabled"] is True
    status, headers, answer = ses(home, "GET", where, skew=-3600)
    assert status == 403 and "clock" in answer["message"] and headers["x-amzn-ErrorType"]
    assert ses(home, "GET", where, key=home.key[:-1] + ("x" if home.key[-1] != "x" else "y"))[0] == 403
    assert ask(home, "GET", where, None, {"Authorization": f"Bearer {home.key}"})[0] == 403
    status, _, answer = ses(home, "POST", "/v2/email/outbound-emails", email_of(simple("a\r\nBcc: x")))
    assert status == 400 and "line end" in answer["message"]
    status, headers, _ = ses(home, "POST", "/v2/email/outbound-emails", {**email_of(simple("x")), "FromEmailAddress": "eve@two.test"})
    assert status == 400 and headers["x-amzn-ErrorType"] == "MessageRejected"
