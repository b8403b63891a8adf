"""Every call of SendGrid's published files: what is offered is called and judged by their schemas, the errors too; what is not is refused in their form, and docs/moving.md names it."""
import datetime
import http.client
import json
import re
import ssl

import pytest

import openapi
import test_vendors as v
import world as w

# What the published files have and the program has not, as docs/moving.md names it.
NOT_OFFERED = {"GET /v3/geo/stats": "place", "GET /v3/devices/stats": "device", "GET /v3/clients/stats": "client", "GET /v3/clients/phone/stats": "client",
               "GET /v3/mailbox_providers/stats": "mailbox provider", "GET /v3/browsers/stats": "browser"}
SCOPES = "mail.send,templates,suppression,keys,stats.read,webhooks,senders"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("sendgrid-calls"))
    home = made.home("one.test", accounts=["alice", "bob"])
    made.publish()
    home.start()
    home.key, home.few = (home.tram("key", "add", "alice@one.test", "--name", "k", "--scope", s).stdout.splitlines()[0] for s in (SCOPES, "events.read"))
    home.document = v.ask(home, "GET", "/openapi.json")[2]
    yield home
    made.close()


def offered(home):
    """Those of the published calls that the program's own document has."""
    routes = [(method.upper(), re.sub(r"\{\w+\}", "[^/]+", path)) for path, methods in home.document["paths"].items() for method in methods if path.startswith("/v3/") and not path.startswith("/v3/REST/")]
    return {name for name in v.DOCUMENT if any(name.startswith(method + " ") and re.fullmatch(path, name.partition(" ")[2]) for method, path in routes)}


class Line:
    """One connection that is kept, as the vendors' libraries do."""

    def __init__(self, home):
        self.home, self.connection = home, None

    def ask(self, method, path, body=None, key=None):
        """Status, fields, and the text as it came."""
        for again in (True, False):
            if not self.connection:
                self.connection = http.client.HTTPSConnection(self.home.address, self.home.port(443), timeout=60, context=ssl._create_unverified_context())
            try:
                self.connection.request(method, path, body, {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})})
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):  # it was idle for too long
                self.connection = None
                if not again:
                    raise


class Caller(Line):
    """Calls that must be answered as the published files have it, and which they were."""

    def __init__(self, home):
        super().__init__(home)
        self.seen = set()

    def __call__(self, method, path, body=None, status=None):
        got, _, text = self.ask(method, path, None if body is None else json.dumps(body).encode(), self.home.key)
        answer = json.loads(text) if text else None
        openapi.judge(v.DOCUMENT, method, path, got, body, answer)
        assert got < 400 if status is None else got == status, (method, path, got, answer)
        if got < 400:
            self.seen.add(openapi.operation(v.DOCUMENT, method, path))
        return answer


def templates(call):
    t = call("POST", "/v3/templates", {"name": "t", "generation": "dynamic"})
    one = f"/v3/templates/{t['id']}"
    first, second = (call("POST", one + "/versions", {"name": n, "subject": "s", "html_content": "<p>x</p>", "plain_content": "x", "active": 1, "editor": "code", "test_data": "{}",
                                                       "generate_plain_content": False}) for n in "ab")
    assert call("POST", f"{one}/versions/{first['id']}/activate")["active"] == 1
    call("PATCH", f"{one}/versions/{second['id']}", {"name": "c", "subject": "other", "active": 0})
    assert call("GET", f"{one}/versions/{second['id']}")["subject"] == "other"
    call("PATCH", one, {"name": "renamed"})
    copy = call("POST", one, {"name": "copy"})
    assert [(x["name"], x["subject"], x["active"]) for x in copy["versions"]] == [(x["name"], x["subject"], x["active"]) for x in call("GET", one)["versions"]]
    call("GET", "/v3/templates?generations=dynamic&page_size=1")
    call("DELETE", f"{one}/versions/{second['id']}")
    for x in (t, copy):
        call("DELETE", f"/v3/templates/{x['id']}")


def suppression(call):
    for name in ("bounces", "blocks", "invalid_emails", "spam_reports"):
        where = f"/v3/suppression/{name}"
        reason = {"bounces": "bounced", "blocks": "by-hand", "invalid_emails": "invalid", "spam_reports": "spam"}[name]
        for n in range(3):
            call.home.tram("suppression", "add", "alice@one.test", f"{name}{n}@two.test", "--reason", reason)
        assert len(call("GET", where + "?limit=2")) == 2 and len(call("GET", where)) == 3
        assert call("GET", f"{where}/{name}0@two.test")[0]["email"] == f"{name}0@two.test"
        call("DELETE", f"{where}/{name}0@two.test")
        call("DELETE", where, {"emails": [f"{name}1@two.test"]})
        assert [x["email"] for x in call("GET", where)] == [f"{name}2@two.test"]
        call("DELETE", where, {"delete_all": True})
        assert call("GET", where) == []
    today = datetime.datetime.now(datetime.timezone.utc).date()
    call("GET", f"/v3/suppression/bounces/classifications?start_date={today}")
    call("GET", f"/v3/suppression/bounces/classifications/Invalid%20Address?start_date={today}")
    call("POST", "/v3/asm/suppressions/global", {"recipient_emails": ["left@two.test"]})
    assert call("GET", "/v3/asm/suppressions/global/left@two.test") == {"recipient_email": "left@two.test"}
    assert [x["email"] for x in call("GET", "/v3/suppression/unsubscribes")] == ["left@two.test"]
    call("DELETE", "/v3/asm/suppressions/global/left@two.test")


def groups(call):
    one = f"/v3/asm/groups/{call('POST', '/v3/asm/groups', {'name': 'News', 'description': 'monthly', 'is_default': True})['id']}"
    call("PATCH", one, {"name": "Old news", "description": "yearly", "is_default": False})
    call("GET", one)
    call("GET", "/v3/asm/groups")
    call("POST", one + "/suppressions", {"recipient_emails": ["a@two.test", "b@two.test"]})
    assert sorted(call("GET", one + "/suppressions")) == ["a@two.test", "b@two.test"]
    assert call("POST", one + "/suppressions/search", {"recipient_emails": ["b@two.test", "c@two.test"]}) == ["b@two.test"]
    call("GET", "/v3/asm/suppressions")
    call("GET", "/v3/asm/suppressions/a@two.test")
    call("DELETE", one + "/suppressions/a@two.test")
    call("DELETE", one)


def sending(call):
    call("POST", "/v3/mail/send", v.call(subject="tour", categories=["tour"]))
    call("POST", "/v3/mail/send", v.call(mail_settings={"sandbox_mode": {"enable": True}}))
    batch = call("POST", "/v3/mail/batch")["batch_id"]
    call("GET", f"/v3/mail/batch/{batch}")
    call("POST", "/v3/mail/send", v.call(batch_id=batch, send_at=int(datetime.datetime.now().timestamp()) + 3600))
    call("POST", "/v3/user/scheduled_sends", {"batch_id": batch, "status": "pause"})
    call("GET", "/v3/user/scheduled_sends")
    assert call("GET", f"/v3/user/scheduled_sends/{batch}") == [{"batch_id": batch, "status": "pause"}]
    call("DELETE", f"/v3/user/scheduled_sends/{batch}")
    call("PATCH", f"/v3/user/scheduled_sends/{batch}", {"status": "cancel"})
    today = datetime.datetime.now(datetime.timezone.utc).date()
    call("GET", f"/v3/stats?start_date={today}&aggregated_by=day")
    w.until(lambda: {"category": "tour"} in call("GET", "/v3/categories"), what="the category")
    call("GET", f"/v3/categories/stats?start_date={today}&categories=tour")
    call("GET", f"/v3/categories/stats/sums?start_date={today}")


def around(call):
    key = call("POST", "/v3/api_keys", {"name": "more", "scopes": ["mail.send"]})
    one = f"/v3/api_keys/{key['api_key_id']}"
    call("GET", "/v3/api_keys")
    call("GET", one)
    call("PATCH", one, {"name": "other"})
    call("PUT", one, {"name": "other", "scopes": ["templates"]})
    call("DELETE", one)
    call("GET", "/v3/scopes")
    hook = "/v3/user/webhooks/event/settings"
    id = call("POST", hook, {"url": "https://hook.two.test/", "enabled": False, "delivered": True})["id"]
    for path in (hook, f"{hook}/{id}"):
        call("GET", path)
        call("PATCH", path, {"bounce": True})
    for path in (f"{hook}/signed", f"{hook}/signed/{id}"):
        call("PATCH", path, {"enabled": True})
        assert call("GET", path)["public_key"]
    call("GET", hook + "/all")
    call("DELETE", f"{hook}/{id}")
    parse = "/v3/user/webhooks/parse/settings"
    call("POST", parse, {"hostname": "alice@one.test", "url": "https://hook.two.test/in"})
    call("GET", parse)
    call("GET", parse + "/alice@one.test")
    call("PATCH", parse + "/alice@one.test", {"send_raw": True})
    call("DELETE", parse + "/alice@one.test")
    today = datetime.datetime.now(datetime.timezone.utc).date()
    assert call("GET", f"/v3/user/webhooks/parse/stats?start_date={today}&end_date={today}") == [{"date": str(today), "stats": [{"metrics": {"received": 0}}]}]
    for where in ("/v3/tracking_settings", "/v3/mail_settings"):
        for name in (s["name"] for s in call("GET", where)["result"]):
            call("GET", f"{where}/{name}")
            call("PATCH", f"{where}/{name}", {"enabled": False})


def domains(call):
    where = "/v3/whitelabel/domains"
    one = f"{where}/{call('POST', where, {'domain': 'shop.test', 'subdomain': 'em'})['id']}"
    call("GET", where)
    call("GET", one)
    call("PATCH", one, {})
    assert call("POST", one + "/validate")["valid"] is False
    links = "/v3/whitelabel/links"
    link = f"{links}/{call('POST', links, {'domain': 'shop.test', 'subdomain': 'go'})['id']}"
    call("GET", links)
    call("GET", link)
    call("PATCH", link, {})
    assert call("POST", link + "/validate")["valid"] is False
    call("DELETE", link)
    call("DELETE", one)


# These can only fail here: there is no default domain, and nothing listens where a webhook may lead.
ONLY_REFUSED = {"GET /v3/whitelabel/domains/default", "GET /v3/whitelabel/links/default", "POST /v3/user/webhooks/event/test"}


def test_every_call_that_is_offered_is_answered_as_published(home):
    call = Caller(home)
    for part in (templates, suppression, groups, sending, around, domains):
        part(call)
    for name in ("GET /v3/whitelabel/domains/default", "GET /v3/whitelabel/links/default"):
        call(*name.split(), status=404)
    call("POST", "/v3/user/webhooks/event/test", {"url": "https://127.0.0.1/"}, status=400)
    assert offered(home) - call.seen == ONLY_REFUSED
    assert len(call.seen) > 90


def filled(path):
    return re.sub(r"\{(\w+)\}", lambda m: {"email": "nobody@two.test", "group_id": "999", "hostname": "in.two.test"}.get(m[1], "no-such"), path)


def told(line, name, status, body, key):
    method, _, path = name.partition(" ")
    got, fields, text = line.ask(method, filled(path), body, key)
    assert got in status, (name, got, text)
    if got >= 400:
        assert fields["Content-Type"].startswith("application/json"), (name, fields["Content-Type"])
        wrong = openapi.faults(json.loads(text), openapi.error_of(v.DOCUMENT[name], got), "error")
        assert not wrong and json.loads(text)["errors"][0]["message"], (name, got, text, wrong)


def test_every_error_is_told_as_published(home):
    line = Line(home)
    told(line, "POST /v3/mail/send", (401,), b"{}", "no.key")
    for name in sorted(offered(home)):
        told(line, name, (401,), None, None)
        told(line, name, (403,), None, home.few)
        if name.split()[0] in ("POST", "PUT", "PATCH"):
            takes_none = name == "POST /v3/mail/batch" or name.endswith(("/activate", "/validate"))
            for body in (b"", b"{", b"[]", b"null", b'"x"'):
                told(line, name, (200, 201, 404) if takes_none else (400, 404), body, home.key)
        if "{" in name:
            told(line, name, (200, 201, 204, 400, 404), b"{}", home.key)


def test_what_is_not_offered_is_refused_in_the_same_form(home):
    line = Line(home)
    page = " ".join((w.ROOT / "docs" / "moving.md").read_text().split())
    assert {name for name in v.DOCUMENT if name not in offered(home)} == set()
    for name, words in NOT_OFFERED.items():
        method, path = name.split()
        status, fields, text = line.ask(method, path, None, home.key)
        assert status == 404 and fields["Content-Type"].startswith("application/json") and json.loads(text)["errors"][0]["message"], (name, text)
        assert words in page, words
    for method, path in (("PUT", "/v3/mail/send"), ("DELETE", "/v3/scopes"), ("PATCH", "/v3/templates")):
        status, _, text = line.ask(method, path, b"{}", home.key)
        assert status == 405 and json.loads(text)["errors"][0]["message"], (path, text)
