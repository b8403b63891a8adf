"""Bad input in the vendors' dialects: each is refused whole and in the dialect's own form, or fails one letter and tells why."""
import base64
import http.client
import json
import ssl

import pytest

import test_vendors as v
import world as w

LINE = "x\r\nX-Injected: 1"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("faults"))
    home = made.home("one.test", accounts=["alice", "bob", "carol"])
    made.publish()
    home.start()
    scopes = "mail.send,templates,events.read"
    home.key, home.few = (home.tram("key", "add", "alice@one.test", "--name", "k", "--scope", s).stdout.splitlines()[0] for s in (scopes, "templates"))
    yield home
    made.close()


def sendgrid(home, body, key=None):
    return v.ask(home, "POST", "/v3/mail/send", body, {"Authorization": f"Bearer {key or home.key}"})


def ses(home, body, key=None):
    return v.ses(home, "POST", "/v2/email/outbound-emails", body, key)


def personal(**more):
    return {"personalizations": [{"to": [{"email": "bob@one.test"}], **more}]}


# ---- no field of a call becomes another field of the letter ----

FILE = {"content": "aGk=", "filename": "a.txt"}


@pytest.mark.parametrize("change", [
    {"subject": LINE}, {"from": {"email": "alice@one.test", "name": LINE}}, {"from": {"email": f"alice@one.test{LINE}"}}, {"reply_to": {"email": "bob@one.test", "name": LINE}},
    {"reply_to_list": [{"email": f"bob@one.test{LINE}"}]}, {"headers": {"X-A": LINE}}, {"headers": {LINE: "a"}}, {"headers": {"X-A: 1\nX-Injected": "1"}}, {"headers": {"List-Unsubscribe": LINE}},
    {"categories": [LINE]}, {"attachments": [{**FILE, "filename": LINE}]}, {"attachments": [{**FILE, "type": f"text/plain{LINE}"}]},
    {"attachments": [{**FILE, "content_id": LINE, "disposition": "inline"}]}, {"attachments": [{**FILE, "disposition": LINE}]}, {"content": [{"type": f"text/plain{LINE}", "value": "x"}]},
    personal(subject=LINE), personal(headers={"X-A": LINE}), {"personalizations": [{"to": [{"email": "bob@one.test", "name": LINE}]}]}, {"personalizations": [{"to": [{"email": f"bob@one.test{LINE}"}]}]},
    {"personalizations": [{"to": [{"email": "bob@one.test"}], "cc": [{"email": "carol@one.test", "name": "\0"}]}]}, {"batch_id": LINE},
], ids=lambda c: json.dumps(c)[:60])
def test_sendgrid_takes_no_line_end(home, change):
    status, _, answer = sendgrid(home, v.call(**change))
    assert status == 400 and all(e["message"] for e in answer["errors"]), answer


@pytest.mark.parametrize("change", [
    {"Subject": LINE}, {"From": {"Email": "alice@one.test", "Name": LINE}}, {"To": [{"Email": "bob@one.test", "Name": LINE}]}, {"Cc": [{"Email": f"bob@one.test{LINE}"}]},
    {"ReplyTo": {"Email": "bob@one.test", "Name": LINE}}, {"Headers": {"X-A": LINE}}, {"Headers": {LINE: "a"}}, {"Headers": {"Bcc": "carol@one.test"}}, {"CustomCampaign": LINE},
    {"Attachments": [{"ContentType": "text/plain", "Filename": LINE, "Base64Content": "aGk="}]}, {"Attachments": [{"ContentType": LINE, "Filename": "a", "Base64Content": "aGk="}]},
    {"InlinedAttachments": [{"ContentType": "image/png", "Filename": "a", "ContentID": LINE, "Base64Content": "aGk="}]},
], ids=lambda c: json.dumps(c)[:60])
def test_mailjet_takes_no_line_end(home, change):
    status, _, answer = v.mailjet(home, {"Messages": [v.message(**change)]})
    assert status == 400 and all(e["ErrorMessage"] and e["ErrorCode"] for m in answer["Messages"] for e in m["Errors"]), answer


def content(**more):
    simple = v.simple("s")["Simple"]
    return {"Content": {"Simple": {**simple, **more}}}


@pytest.mark.parametrize("change", [
    content(Subject={"Data": LINE}), content(Headers=[{"Name": "X-A", "Value": LINE}]), content(Headers=[{"Name": LINE, "Value": "a"}]), content(Headers=[{"Name": "Bcc", "Value": "carol@one.test"}]),
    content(Attachments=[{"FileName": LINE, "RawContent": "aGk="}]), content(Attachments=[{"FileName": "a", "ContentType": f"a/b{LINE}", "RawContent": "aGk="}]),
    {"FromEmailAddress": f"Alice {LINE} <alice@one.test>"}, {"ReplyToAddresses": [f"bob@one.test{LINE}"]}, {"Destination": {"ToAddresses": [f"B {LINE} <bob@one.test>"]}},
    {"FeedbackForwardingEmailAddress": LINE},
], ids=lambda c: json.dumps(c)[:60])
def test_ses_takes_no_line_end(home, change):
    status, headers, answer = ses(home, {**v.email_of(v.simple("s")), **change})
    if "FeedbackForwardingEmailAddress" in change and status == 200:
        return  # it goes nowhere: what is looked for is the field in a letter
    assert status == 400 and headers["x-amzn-ErrorType"] in ("BadRequestException", "MessageRejected") and answer["message"], answer


def test_data_of_a_template_becomes_no_field(home):
    """Rendered late, so it is no fault of the call: the letter is not made, and an event says why."""
    v.sendgrid(home, "/v3/mail/send", v.call(subject="data -n-", personalizations=[{"to": [{"email": "bob@one.test"}], "substitutions": {"-n-": LINE}}]))
    made = v.sendgrid(home, "/v3/templates", {"name": "t", "generation": "dynamic"})[2]["id"]
    v.sendgrid(home, f"/v3/templates/{made}/versions", {"name": "v", "subject": "data {{{n}}}", "html_content": "<p>x</p>"})
    body = {"personalizations": [{"to": [{"email": "bob@one.test"}], "dynamic_template_data": {"n": LINE}}], "from": {"email": "alice@one.test"}, "template_id": made}
    assert v.sendgrid(home, "/v3/mail/send", body)[0] == 202
    assert v.mailjet(home, {"Messages": [v.message(Subject="data {{var:n}}", TemplateLanguage=True, Variables={"n": LINE})]})[0] == 200
    template = {"Template": {"TemplateContent": {"Subject": "data {{n}}", "Text": "x"}, "TemplateData": json.dumps({"n": LINE})}}
    assert ses(home, v.email_of(template))[0] == 200

    def failed():
        events = v.ask(home, "GET", "/v1/events", None, {"Authorization": f"Bearer {home.key}"})[2]["events"]
        found = [e for e in events if e["event"] == "failed" and "must not hold a line end" in e["reply"]]
        return found if len(found) == 4 else None
    w.until(failed, what="four failures")
    assert not [m for m in home.messages("bob") if b"Subject: data" in (m if isinstance(m, bytes) else m.encode())]


# ---- what is large, or grows ----

def test_templates_that_explode_fail_their_letter_alone(home):
    rows = list(range(1000))
    made = v.sendgrid(home, "/v3/templates", {"name": "boom", "generation": "dynamic"})[2]["id"]
    boom = "{{#each l}}{{#each @root.l}}{{#each @root.l}}x{{/each}}{{/each}}{{/each}}"
    assert v.sendgrid(home, f"/v3/templates/{made}/versions", {"name": "v", "subject": "boom", "html_content": boom})[0] == 201
    people = [{"to": [{"email": "bob@one.test"}], "dynamic_template_data": {"l": rows}}, {"to": [{"email": "carol@one.test"}], "dynamic_template_data": {"l": [1]}}]
    status, headers, _ = v.sendgrid(home, "/v3/mail/send", {"personalizations": people, "from": {"email": "alice@one.test"}, "template_id": made})
    assert status == 202
    assert v.came(home, "carol", "boom")

    def failed():
        events = v.ask(home, "GET", "/v1/events", None, {"Authorization": f"Bearer {home.key}"})[2]["events"]
        return [e for e in events if e["event"] == "failed" and e["email"] == "bob@one.test"]
    assert w.until(failed, 60, "the failure")[0]["reply"]
    assert not [m for m in home.messages("bob") if b"Subject: boom" in (m if isinstance(m, bytes) else m.encode())]
    deep = "{{#if a}}" * 500 + "{{/if}}" * 500
    status, _, answer = v.sendgrid(home, f"/v3/templates/{made}/versions", {"name": "deep", "subject": deep})
    assert status == 400 and answer["errors"][0]["message"]


def too_long(home, path, headers):
    """The answer to a body that says that it is larger than what is taken; nothing of it is sent."""
    connection = http.client.HTTPSConnection(home.address, home.port(443), timeout=60, context=ssl._create_unverified_context())
    connection.putrequest("POST", path)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(90 << 20), "Expect": "100-continue", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


def test_bodies_that_are_too_long_are_refused_in_each_form(home):
    basic = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    status, answer = too_long(home, "/v3/mail/send", {"Authorization": f"Bearer {home.key}"})
    assert status == 413 and answer["errors"][0]["message"], answer
    status, answer = too_long(home, "/v3.1/send", basic)
    assert status == 413 and answer["ErrorMessage"] and answer["StatusCode"] == 413, answer
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={home.key.split('.')[0]}/20261130/us-east-1/ses/aws4_request, SignedHeaders=host;x-amz-date, Signature={'0' * 64}", "X-Amz-Date": "20261130T000000Z"}
    status, answer = too_long(home, "/v2/email/outbound-emails", signed)
    assert status == 413 and answer["message"], answer


def test_a_body_of_29_mb_is_taken_and_one_of_31_is_not(home):
    def body(megabytes):
        return v.call(subject=f"large {megabytes}", attachments=[{"content": base64.b64encode(bytes(megabytes * 786432)).decode(), "filename": "zeros"}])
    status, _, answer = sendgrid(home, body(31))
    assert status == 413 and answer["errors"], answer
    assert sendgrid(home, body(29))[0] == 202
    whole = v.came(home, "bob", "large 29")
    assert len(list(whole.iter_attachments())[0].get_content()) == 29 * 786432


# ---- who may not ----

def test_a_key_with_too_little_scope_is_told_so_in_each_form(home):
    status, _, answer = sendgrid(home, v.call(), home.few)
    assert status == 403 and answer["errors"][0]["message"] == "access forbidden"
    status, _, answer = v.mailjet(home, {"Messages": [v.message()]}, home.few)
    assert status == 403 and answer["ErrorMessage"] and answer["StatusCode"] == 403
    status, headers, answer = ses(home, v.email_of(v.simple("s")), home.few)
    assert status == 403 and headers["x-amzn-ErrorType"] == "AccessDeniedException" and answer["message"]


def test_a_signature_that_comes_again_sends_nothing_twice(home, monkeypatch):
    asked, real = [], v.ask
    monkeypatch.setattr(v, "ask", lambda *a: asked.append(a) or real(*a))
    first = ses(home, v.email_of(v.simple("replayed")))
    again = real(*asked[-1])
    assert first[0] == again[0] == 200 and first[2] == again[2]
    other = list(asked[-1])
    other[3] = other[3].replace(b"replayed", b"repl4yed")  # another body under the same signature
    assert real(*other)[0] == 403
    for skew in (-3600, 3600, 86400):
        status, headers, answer = v.ses(home, "GET", "/v2/email/account", skew=skew)
        assert status == 403 and "clock" in answer["message"], (skew, answer)
    v.came(home, "bob", "replayed")
    assert sendgrid(home, v.call(subject="behind it"))[0] == 202 and v.came(home, "bob", "behind it")
    assert sum(b"Subject: replayed" in (m if isinstance(m, bytes) else m.encode()) for m in home.messages("bob")) == 1


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"5", b"\xff\xfe{}", b'{"a":1,"a":2}', b'{"from": "\xed\xa0\x80"}', b'{"subject": "\\ud800"}', b"{}"])
def test_json_that_is_none_is_told_in_each_form(home, body):
    basic = {"Authorization": "Basic " + base64.b64encode(home.key.replace(".", ":", 1).encode()).decode()}
    status, _, answer = sendgrid(home, body)
    assert status == 400 and answer["errors"][0]["message"], answer
    status, _, answer = v.ask(home, "POST", "/v3.1/send", body, basic)
    assert status == 400 and (answer.get("ErrorMessage") or answer["Messages"]), answer


# ---- what docs/moving.md says is not offered ----

@pytest.mark.parametrize("path", ["/v3/subusers", "/v3/teammates", "/v3/ips", "/v3/ips/pools", "/v3/ips/warmup", "/v3/whitelabel/ips", "/v3/whitelabel/dns/email", "/v3/marketing/contacts", "/v3/marketing/lists",
                                  "/v3/marketing/singlesends", "/v3/designs", "/v3/verified_senders", "/v3/validations/email", "/v3/messages", "/v3/devices/stats",
                                  "/v3/clients/stats", "/v3/geo/stats", "/v3/mailbox_providers/stats", "/v3/browsers/stats", "/v3/alerts", "/v3/sso/integrations", "/v3/access_settings/whitelist",
                                  "/v3/user/settings/enforced_tls", "/v3/user/profile", "/v3/senders", "/v3/senders/1"])
def test_sendgrid_says_what_is_not_offered(home, path):
    status, _, answer = v.ask(home, "GET", path, None, {"Authorization": f"Bearer {home.key}"})
    assert status == 404 and "SendGrid is not offered" in answer["errors"][0]["message"], answer


def test_a_target_that_is_none_is_refused_in_the_form_of_the_dialect(home):
    """What is wrong with a head is told as a library can read it: an escape that is none, too many fields, no Host."""
    sentences = {"/v3/mail/batch/": lambda a: a["errors"][0]["message"], "/v3/templates/": lambda a: a["errors"][0]["message"], "/v3/REST/message/": lambda a: a["ErrorMessage"],
                 "/v3.1/send": lambda a: a["ErrorMessage"], "/v2/email/templates/": lambda a: a["message"], "/v1/messages/": lambda a: a["detail"]}
    for path, sentence in sentences.items():
        for target in (path + "%00", path + "%", path + "%zz", path + "?x=%0"):
            status, _, answer = v.ask(home, "GET", target, None, {"Authorization": f"Bearer {home.key}"})
            assert status == 400 and "wrong escape" in sentence(answer), (target, answer)
        status, _, answer = v.ask(home, "GET", path, None, {f"X-{n}": "1" for n in range(300)})
        assert status in (400, 431) and sentence(answer), answer


@pytest.mark.parametrize("method,path", [("GET", "messagehistory"), ("GET", "statistics/link-click"), ("GET", "campaignoverview"), ("GET", "contact"), ("GET", "contactslist"), ("GET", "campaign"),
                                         ("GET", "newsletter"), ("GET", "parseroute"), ("GET", "apikey"), ("GET", "metasender"), ("POST", "/v3/send"), ("POST", "/v3.1/messages")])
def test_mailjet_says_what_is_not_offered(home, method, path):
    status, _, answer = v.ask(home, method, path if path[0] == "/" else f"/v3/REST/{path}", {} if method == "POST" else None)
    assert status == 404 and "Mailjet is not offered" in answer["ErrorMessage"] and answer["StatusCode"] == 404 and len(answer["ErrorIdentifier"]) == 36, answer


@pytest.mark.parametrize("method,path", [("GET", "contact-lists"), ("GET", "custom-verification-email-templates"), ("GET", "configuration-sets"), ("GET", "dedicated-ips"), ("GET", "dedicated-ip-pools"),
                                         ("GET", "deliverability-dashboard"), ("POST", "metrics/batch"), ("GET", "insights/x"), ("GET", "import-jobs/x"), ("GET", "export-jobs/x"), ("POST", "tenants"),
                                         ("GET", "identities/x.test/policies"), ("PUT", "account/details"), ("PUT", "account/sending"), ("PUT", "identities/x.test/feedback"),
                                         ("PUT", "identities/x.test/configuration-set"), ("POST", "outbound-custom-verification-emails")])
def test_ses_says_what_is_not_offered(home, method, path):
    status, headers, answer = v.ses(home, method, f"/v2/email/{path}", {} if method in ("PUT", "POST") else None)
    assert status == 404 and headers["x-amzn-ErrorType"] == "NotFoundException" and "SES is not offered" in answer["message"], answer


# ---- lists in pages ----

def test_a_page_begins_where_an_answer_said(home):
    """A place that no answer gave would be an empty page, and read as the end of the list."""
    scopes = "templates,suppression,events.read,senders,stats.read"
    key, other = (home.tram("key", "add", f"{name}@one.test", "--name", "pages", "--scope", scopes).stdout.splitlines()[0] for name in ("alice", "carol"))

    def bearer(path, method="GET", body=None, key=key):
        return v.ask(home, method, path, body, {"Authorization": f"Bearer {key}"})
    for i in range(3):
        assert bearer("/v3/templates", "POST", {"name": f"t{i}", "generation": "legacy"})[0] == 201
        assert v.ses(home, "POST", "/v2/email/templates", {"TemplateName": f"s{i}", "TemplateContent": {"Subject": "x", "Text": "x"}}, key)[0] == 200
        assert v.ses(home, "PUT", "/v2/email/suppression/addresses", {"EmailAddress": f"g{i}@two.test", "Reason": "BOUNCE"}, key)[0] == 200
        assert v.ses(home, "POST", "/v2/email/identities", {"EmailIdentity": f"page{i}.test"}, key)[0] == 200
    tokens = {}
    for path, kind, items in (("templates", "BadRequestException", "TemplatesMetadata"), ("identities", "BadRequestException", "EmailIdentities"), ("suppression/addresses", "InvalidNextTokenException", "SuppressedDestinationSummaries")):
        where = f"/v2/email/{path}?"
        first = v.ses(home, "GET", where + "PageSize=2", None, key)[2]
        tokens[where] = token = first["NextToken"]
        second = v.ses(home, "GET", where + f"NextToken={token}&PageSize=2", None, key)[2][items]
        assert second and not any(one in second for one in first[items])
        for wrong in ("zzz", "s0", token[:-1], token + "A", "A" * 3000, *(t for w_, t in tokens.items() if w_ != where)):
            status, headers, answer = v.ses(home, "GET", where + f"NextToken={wrong}", None, key)
            assert (status, headers["x-amzn-ErrorType"]) == (400, kind) and "NextToken" in answer["message"], (where, wrong, answer)
        assert v.ses(home, "GET", where + f"NextToken={token}", None, other)[0] == 400, "it is the account's"
    page = bearer("/v3/templates?page_size=2")[2]
    token = page["_metadata"]["next"].rpartition("page_token=")[2]
    assert len(bearer(f"/v3/templates?page_size=2&page_token={token}")[2]["result"]) == 1
    for query in (f"templates?page_size=2&page_token={token}A", "templates?page_size=2&page_token=zzz", "suppression/bounces?offset=x", "suppression/bounces?limit=-1",
                  "suppression/bounces?start_time=x", "whitelabel/domains?offset=x", "stats?start_date=2026-01-01&offset=x", "categories?limit=1e3"):
        status, _, answer = bearer("/v3/" + query)
        assert status == 400 and answer["errors"][0]["message"], (query, answer)
    listed = bearer("/v1/suppressions")[2]
    again = bearer(f"/v1/suppressions?after={listed['next']}")[2]
    assert len(listed["suppressions"]) >= 3 and again == {"suppressions": [], "next": listed["next"], "more": False}
    for query in ("suppressions?after=a/g0@two.test", f"suppressions?after={listed['next']}A", "events?after=ffffffffffffff", "events?after=zz"):
        status, _, answer = bearer("/v1/" + query)
        assert status == 400 and "after" in answer["detail"], (query, answer)
    assert bearer("/v1/events?after=" + bearer("/v1/events")[2]["next"])[0] == 200
