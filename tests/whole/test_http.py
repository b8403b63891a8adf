"""HTTP by clients nobody here wrote: curl, and bytes on a socket."""
import email
import email.policy
import gzip
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess

import pytest

import openapi
import world as w


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("http"))
    home = made.home("one.test", accounts=["alice", "bob"])
    made.publish()
    home.start()
    yield home
    made.close()


def url(home, path, tls=True):
    return f"http{'s' if tls else ''}://{home.address}:{home.port(443 if tls else 80)}{path}"


def curl(home, path, *options, tls=True, input=None):
    """Status, fields (in lower case) and body."""
    done = subprocess.run(["curl", "-sk", "-i", "--max-time", "60", *options, url(home, path, tls)], input=input, capture_output=True)
    assert done.returncode == 0, (done.returncode, done.stderr)
    text = done.stdout
    while True:
        head, _, body = text.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        status = int(lines[0].split()[1])
        if status != 100:
            break
        text = body
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    return status, fields, body


def test_who_came_by_tls_is_told_to_come_so_again(home):
    """RFC 6797 section 7."""
    assert int(curl(home, "/openapi.json")[1]["strict-transport-security"].split("=")[1]) >= 15768000
    assert "strict-transport-security" not in curl(home, "/openapi.json", tls=False)[1]


def get(home, path, *options, **more):
    status, fields, body = curl(home, path, *options, **more)
    assert status == 200, (status, body)
    return json.loads(body)


def test_the_document_tells_what_is_served(home):
    document, few = get(home, "/openapi.json"), make_key(home, "metrics")
    assert document["openapi"].startswith("3.1")
    names = set(document["components"]["schemas"])
    for ref in re.findall(r"#/components/schemas/(\w+)", json.dumps(document)):
        assert ref in names, ref
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            if operation.get("security") and not path.startswith("/v2/email/"):  # those want a signature
                there = re.sub(r"\{\w+\}", "x", path)
                status, fields, body = curl(home, there, "-X", method.upper(), "-H", f"Authorization: Bearer {few}")
                allowed = operation.get("x-local") or operation["x-scope"] == "metrics"
                assert status == (200 if allowed else 403), (path, status, body)
    home.tram("key", "remove", few.split(".")[0])
    for path, said in (("/v1/events", 401), ("/v3/scopes", 401), ("/v2/email/account", 403)):
        status, fields, body = curl(home, path, "-H", "Authorization: Bearer no.key")
        assert status == said, (path, status, body)


def test_files_are_told_by_halves_zipped_and_not_again(home):
    def ask(*fields, method="GET", path="/openapi.json"):
        connection = http.client.HTTPSConnection(home.address, home.port(443), timeout=60, context=ssl._create_unverified_context())
        connection.request(method, path, headers=dict(f.split(": ", 1) for f in fields))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body
    status, fields, whole = ask()
    tag, n = fields["ETag"], len(whole)
    assert status == 200 and tag.startswith('"') and fields["Accept-Ranges"] == "bytes" and fields["Vary"] == "Accept-Encoding" and fields["Cache-Control"] == "no-cache"
    status, fields, zipped = ask("Accept-Encoding: br, gzip;q=0.5")
    assert status == 200 and fields["Content-Encoding"] == "gzip" and gzip.decompress(zipped) == whole and len(zipped) < n / 4 and fields["ETag"] != tag
    assert ask("Accept-Encoding: gzip", f"If-None-Match: {fields['ETag']}")[0] == 304
    # It is zipped once, and each form has a tag that conditions know.
    assert ask("Accept-Encoding: gzip", f"If-Match: {fields['ETag']}")[::2] == (200, zipped) and ask("Accept-Encoding: gzip", 'If-Match: "x"')[0] == 412
    for no in ("Accept-Encoding: gzip;q=0", "Accept-Encoding: gzipped", "Accept-Encoding: identity"):
        assert ask(no)[1]["Content-Encoding"] is None, no
    for same in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        status, fields, body = ask(f"If-None-Match: {same}")
        assert (status, body, fields["ETag"]) == (304, b"", tag) and fields["Content-Type"] is None, same
    assert ask('If-None-Match: "x"')[0] == ask(f"If-Match: {tag}")[0] == ask("If-Match: *")[0] == 200
    assert ask('If-Match: "x"')[0] == ask(f"If-Match: W/{tag}")[0] == 412
    for asked, first, last in (("0-9", 0, 9), (f"{n - 5}-", n - 5, n - 1), ("-7", n - 7, n - 1), (f"5-{n * 2}", 5, n - 1), (f"-{n * 2}", 0, n - 1)):
        status, fields, body = ask(f"Range: bytes={asked}", "Accept-Encoding: gzip")
        assert (status, body, fields["Content-Range"]) == (206, whole[first:last + 1], f"bytes {first}-{last}/{n}"), asked
    for beyond in (f"{n}-", "-0", f"{n + 9}-{n + 10}"):
        status, fields, body = ask(f"Range: bytes={beyond}")
        assert (status, fields["Content-Range"], body) == (416, f"bytes */{n}", b""), beyond
    for unheard in ("bytes=5-2", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes=--1", "bytes=", "bytes=1", "bytes=" + "9" * 40 + "-5"):
        assert ask(f"Range: {unheard}")[::2] == (200, whole), unheard
    assert ask("Range: bytes=0-1", f"If-Range: {tag}")[0] == 206 and ask("Range: bytes=0-1", 'If-Range: "x"')[0] == ask("Range: bytes=0-1", "If-Range: Mon, 30 Nov 2026 00:00:00 GMT")[0] == 200
    status, fields, body = ask("Range: bytes=0-1", method="HEAD")
    assert (status, fields["Content-Length"], body) == (200, str(n), b"")


def test_answers_are_as_the_document_says(home):
    told = openapi.own(get(home, "/openapi.json"))
    key = make_key(home, "keys", "mail.send", "messages.read", "campaigns", "events.read", "suppression", "senders")
    seen = set()

    def ask(name, path=None, body=None):
        """The answer, which fits its schema; as does the question when it was taken."""
        method, pattern = name.split()
        raw = b"\n".join(json.dumps(x).encode() for x in body) if isinstance(body, list) else json.dumps(body).encode()
        status, fields, answer = curl(home, path or pattern, "-X", method, *bearer(key), *(["--data-binary", "@-"] if body else []), input=raw if body else None)
        answer = json.loads(answer) if answer else None
        schemas, seen_as = told[name], "error" if status >= 400 else "answer"
        wrong = openapi.faults(answer, schemas[seen_as]) + (openapi.faults(body, schemas["request"]) if status < 400 else [])
        assert schemas[seen_as] is None or not wrong, (name, status, answer, wrong)
        seen.add((name, seen_as))
        return answer

    ask("GET /healthz")
    made = ask("POST /v1/keys", body={"name": "x", "scopes": ["mail.send"]})
    assert ask("GET /v1/keys")["keys"] and ask("DELETE /v1/keys/{id}", f"/v1/keys/{made['id']}") is None
    letter = {"from": "alice@one.test", "to": ["bob@one.test"], "subject": "as told", "text": "x"}
    id = ask("POST /v1/messages", body=letter)["id"]
    w.until(lambda: ask("GET /v1/messages/{id}", f"/v1/messages/{id}")["delivered"], what="its delivery")
    id = ask("POST /v1/campaigns", body=[{**{k: v for k, v in letter.items() if k != "to"}, "campaign": "told"}, {"to": "bob@one.test"}])["id"]
    assert ask("GET /v1/campaigns")["campaigns"] and ask("GET /v1/campaigns/{id}", f"/v1/campaigns/{id}")["campaign"] == "told"
    assert ask("GET /v1/events")["events"]
    ask("POST /v1/suppressions", body={"email": "no@two.test"})
    assert ask("GET /v1/suppressions")["suppressions"] and ask("DELETE /v1/suppressions/{email}", "/v1/suppressions/no@two.test") is None
    assert ask("POST /v1/domains", body={"domain": "shop.test"})["records"] and ask("GET /v1/domains")["domains"]
    assert ask("POST /v1/domains/{domain}/verify", "/v1/domains/shop.test/verify")["state"] == "open"
    assert ask("GET /v1/domains/{domain}", "/v1/domains/shop.test") and ask("DELETE /v1/domains/{domain}", "/v1/domains/shop.test") is None
    for name in ("POST /v1/messages", "POST /v1/keys", "POST /v1/suppressions"):
        ask(name, body={"odd": 1})
        assert (name, "error") in seen
    for name in ("GET /v1/messages/{id}", "GET /v1/campaigns/{id}"):
        ask(name, name.split()[1].replace("{id}", "nothing"))
        assert (name, "error") in seen
    ours = {name for name in told if name.split()[1].startswith("/v1/") and told[name]["answer"]}
    assert len(ours - {name for name, how in seen if how == "answer"} - {f"POST /v1/campaigns/{{id}}/{x}" for x in ("pause", "resume", "cancel")}) == 0
    home.tram("key", "remove", key.split(".")[0])


def test_health_is_for_the_host_itself(home):
    assert get(home, "/healthz") == {"status": "ok"}
    assert get(home, "/healthz", tls=False) == {"status": "ok"}


def test_clear_text_leads_to_tls(home):
    status, fields, _ = curl(home, "/openapi.json?x=y", tls=False)
    assert status == 301
    assert fields["location"] == url(home, "/openapi.json?x=y")


def test_errors_are_problems(home):
    status, fields, body = curl(home, "/v1/nothing")
    assert status == 404 and fields["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == 404


# ---- HTTP/2, by curl, nghttp and h2load ----

def test_http2(home):
    status, fields, body = curl(home, "/healthz", "--http2")
    assert status == 200 and json.loads(body) == {"status": "ok"} and fields["content-length"] == str(len(body))
    assert get(home, "/openapi.json", "--http2") == get(home, "/openapi.json", "--http1.1")
    status, fields, body = curl(home, "/healthz", "--http2", "-I")
    assert status == 200 and not body
    line = w.until(lambda: [x for x in home.log.read_text().splitlines() if "http=2" in x and "method=HEAD" in x], what="the line")[-1]
    assert "status=200" in line and "path=/healthz" in line
    key = make_key(home, "mail.send")
    letter = {"from": "alice@one.test", "to": ["bob@one.test"], "subject": "by HTTP/2", "text": "x" * 300_000}
    status, _, body = curl(home, "/v1/messages", "--http2", *bearer(key), "--data-binary", "@-", input=json.dumps(letter).encode())
    assert status == 202, body
    w.until(lambda: [m for m in home.messages("bob") if b"by HTTP/2" in (m if isinstance(m, bytes) else m.encode())], what="the letter")
    status, _, _ = curl(home, "/v1/messages", "--http2", "--data-binary", "@-", input=b"x" * 5_000_000)  # refused before it is whole
    assert status == 401
    home.tram("key", "remove", key.split(".")[0])


def test_http2_is_only_spoken_where_it_was_agreed(home):
    status, _, _ = curl(home, "/healthz", "--http1.1")
    assert status == 200
    done = subprocess.run(["curl", "-s", "--max-time", "60", "--http2-prior-knowledge", url(home, "/healthz", tls=False)], capture_output=True)
    assert done.returncode != 0
    done = subprocess.run(["curl", "-s", "-i", "--max-time", "60", "--http2", url(home, "/healthz", tls=False)], capture_output=True)
    assert done.stdout.startswith(b"HTTP/1.1 200")  # Upgrade: h2c is passed over


def test_http2_of_other_clients(home):
    said = subprocess.run(["nghttp", "-nv", "--no-verify-peer", url(home, "/healthz"), url(home, "/nothing")], capture_output=True, text=True, timeout=60).stdout
    assert ":status: 200" in said and ":status: 404" in said and "MAX_CONCURRENT_STREAMS(0x03):32" in said, said
    assert "GOAWAY" not in said.replace("send GOAWAY", "")
    said = subprocess.run(["h2load", "-n", "80", "-c", "2", "-m", "20", url(home, "/healthz")], capture_output=True, text=True, timeout=60).stdout
    assert "80 succeeded, 0 failed" in said, said
    script = """
const h2 = require("http2"), c = h2.connect(process.argv[1], {rejectUnauthorized: false});
let left = 20, bad = 0;
for (let i = 0; i < 20; i++) {
  const r = c.request({":method": "POST", ":path": "/v1/messages"});
  let text = "", status;
  r.on("response", h => status = h[":status"]);
  r.on("data", d => text += d);
  r.on("end", () => { if (status !== 401 || JSON.parse(text).status !== 401) bad++; if (!--left) { console.log("bad", bad); c.close(); } });
  r.end("x".repeat(1000 * i));
}
"""
    if shutil.which("node"):
        done = subprocess.run(["node", "-e", script, url(home, "")], capture_output=True, text=True, timeout=60)
        assert done.stdout == "bad 0\n", (done.stdout, done.stderr)


def test_http2_ends_in_order_with_the_server(home):
    with subprocess.Popen(["openssl", "s_client", "-quiet", "-alpn", "h2", "-connect", f"{home.address}:{home.port(443)}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as c:
        c.stdin.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        c.stdin.flush()
        assert c.stdout.read(9)[3] == 4  # SETTINGS
        home.stop()
        assert b"\x08\x07\x00" in c.stdout.read()  # GOAWAY
    home.start()


def test_one_line_of_the_log_a_request(home):
    curl(home, "/healthz?secret=1", "-A", "x")
    line = w.until(lambda: [x for x in home.log.read_text().splitlines() if "path=/healthz" in x and "method=GET" in x], what="the line")[-1]
    assert "status=200" in line and "secret" not in line and "ms=" in line, line


def test_bytes_that_are_no_http(home):
    with socket.create_connection((home.address, home.port(80)), timeout=60) as s:
        s.sendall(b"EHLO x\r\n")
        assert s.makefile("rb").read().startswith(b"HTTP/1.1 400 Bad Request\r\n")


# ---- JSON that is small and is much ----

def test_json_is_weighed_before_it_is_built(home):
    key = make_key(home, "mail.send", "campaigns")
    wide, deep = b'{"to":[' + b",".join([b"[]"] * 2_000_000) + b"]}", b'{"data":' + b"[" * 2000 + b"]" * 2000 + b"}"
    for path in ("/v1/messages", "/v3/mail/send", "/v1/campaigns"):
        for body in (wide, deep) if path != "/v1/campaigns" else (deep,):
            status, fields, answer = curl(home, path, "-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json", "--data-binary", "@-", input=body)
            assert status == 413, (path, status, answer)
            assert b"deep" in answer or b"memory" in answer, answer
    home.tram("key", "remove", key.split(".")[0])


# ---- keys ----

def make_key(home, *scopes, account="alice", options=()):
    return home.tram("key", "add", f"{account}@one.test", "--name", "test", "--scope", ",".join(scopes), *options).stdout.splitlines()[0]


def bearer(key):
    return "-H", f"Authorization: Bearer {key}"


def test_a_block_by_hand_of_the_account_binds_its_keys(home):
    key = make_key(home, "events.read")
    assert curl(home, "/v1/events", *bearer(key))[0] == 200
    home.tram("block", "add", "alice@one.test")
    try:
        status, _, answer = curl(home, "/v1/events", *bearer(key))
        assert status == 429 and b"logins are not taken at this moment" in answer, (status, answer)
    finally:
        home.tram("block", "remove", "alice@one.test")
    assert curl(home, "/v1/events", *bearer(key))[0] == 200
    home.tram("key", "remove", key.split(".")[0])


def test_keys_are_told_once_listed_and_removed_at_once(home):
    key = make_key(home, "keys", "mail.send")
    name, secret = key.split(".")
    assert name in [k["id"] for k in get(home, "/v1/keys", *bearer(key))["keys"]]
    assert get(home, "/v1/keys", "-u", f"{name}:{secret}")["keys"]
    row = next(k for k in home.json("key", "list")["keys"] if k["id"] == name)
    assert row["scopes"] == ["mail.send", "keys"] and row["account"] == "alice@one.test" and secret not in json.dumps(row)
    row = next(k for k in home.json("key", "list", "alice@one.test")["keys"] if k["id"] == name)
    assert row["used_from"].startswith("127.")
    home.tram("key", "remove", name)
    status, fields, body = curl(home, "/v1/keys", *bearer(key))
    assert status == 401 and "www-authenticate" in fields
    assert curl(home, "/v1/keys")[0] == 401
    assert secret not in home.log.read_text()


def test_a_key_does_only_what_it_may(home):
    key = make_key(home, "mail.send")
    status, _, body = curl(home, "/v1/keys", *bearer(key))
    assert status == 403 and "scope keys" in json.loads(body)["detail"]
    refused = home.tram("key", "add", "alice@one.test", "--name", "x", "--scope", "mail.sned", status=2)
    assert "mail.send, messages.read" in refused.stderr
    elsewhere = make_key(home, "keys", options=("--ip", "192.0.2.0/24"))
    status, _, body = curl(home, "/v1/keys", *bearer(elsewhere))
    assert status == 401 and "may not be used from" in json.loads(body)["detail"]


def post(home, path, body, *options):
    return curl(home, path, "-X", "POST", "-H", "Content-Type: application/json", "--data-binary", "@-", *options,
                input=body if isinstance(body, bytes) else json.dumps(body).encode())


def test_keys_make_keys_of_no_more_than_their_own(home):
    key = make_key(home, "keys", "mail.send")
    status, _, body = post(home, "/v1/keys", {"name": "child", "scopes": ["mail.send"], "networks": ["127.0.0.0/8"]}, *bearer(key))
    assert status == 201, body
    child = json.loads(body)
    assert curl(home, "/v1/keys", *bearer(child["key"]))[0] == 403
    assert post(home, "/v1/keys", {"name": "child", "scopes": ["admin"]}, *bearer(key))[0] == 403
    assert post(home, "/v1/keys", {"name": "child", "scopes": ["what"]}, *bearer(key))[0] == 400
    assert post(home, "/v1/keys", b"{", *bearer(key))[0] == 400
    assert post(home, "/v1/keys", b"[]", *bearer(key))[0] == 400
    bob = make_key(home, "keys", account="bob")
    assert curl(home, f"/v1/keys/{child['id']}", "-X", "DELETE", *bearer(bob))[0] == 404
    assert curl(home, f"/v1/keys/{child['id']}", "-X", "DELETE", *bearer(key))[0] == 204
    assert curl(home, f"/v1/keys/{child['id']}", "-X", "DELETE", *bearer(key))[0] == 404


def test_keys_end_with_their_account(home):
    home.account("carol")
    key = make_key(home, "keys", account="carol")
    assert curl(home, "/v1/keys", *bearer(key))[0] == 200
    home.tram("account", "disable", "carol@one.test")
    assert curl(home, "/v1/keys", *bearer(key))[0] == 401
    home.tram("account", "enable", "carol@one.test")
    assert curl(home, "/v1/keys", *bearer(key))[0] == 200
    home.tram("account", "remove", "carol@one.test")
    assert curl(home, "/v1/keys", *bearer(key))[0] == 401
    assert not [k for k in home.json("key", "list")["keys"] if k["account"].startswith("carol")]


def test_a_copy_of_the_node_knows_its_keys(home, tmp_path):
    key = make_key(home, "keys")
    home.tram("backup", str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "keys.secret").read_text() == (home.dir / "keys.secret").read_text()
    assert (home.dir / "keys.secret").stat().st_mode & 0o777 == 0o600
    assert key.split(".")[1] not in (home.dir / "keys.secret").read_text()


# ---- how clients and servers find us ----

def at(home, name):
    """curl's options to reach a name of this world."""
    return "--resolve", f"{name}:{home.port(443)}:{home.address}"


def named(home, name, path, *options, input=None):
    done = subprocess.run(["curl", "-sk", "-w", "\n%{http_code} %{content_type}", "--max-time", "60", *at(home, name), *options,
                           f"https://{name}:{home.port(443)}{path}"], input=input, capture_output=True, check=True)
    body, _, last = done.stdout.rpartition(b"\n")
    return int(last.split()[0]), last.split(b" ", 1)[1].decode(), body


def test_the_mta_sts_policy_and_its_id(home):
    def policy_and_id():
        status, kind, body = named(home, "mta-sts.one.test", "/.well-known/mta-sts.txt")
        assert status == 200 and kind == "text/plain"
        records = home.tram("dns", "records", "one.test").stdout
        return body.decode(), re.search(r'_mta-sts\.one\.test\. IN TXT "v=STSv1; id=(\w{1,32})"', records)[1]
    text, first = policy_and_id()
    assert text == "version: STSv1\r\nmode: testing\r\nmx: mail.one.test\r\nmax_age: 86400\r\n"
    home.tram("domain", "set", "one.test", "--mta-sts", "enforce")
    text, second = policy_and_id()
    assert "mode: enforce\r\n" in text and second != first
    assert home.json("domain", "show", "one.test")["mta_sts"] == "enforce"
    home.tram("domain", "set", "one.test", "--mta-sts", "testing")
    assert policy_and_id()[1] == first
    assert named(home, "mta-sts.other.test", "/.well-known/mta-sts.txt")[0] == 404
    assert named(home, "mail.one.test", "/.well-known/mta-sts.txt")[0] == 404
    home.tram("domain", "set", "one.test", "--mta-sts", "sometimes", status=2)
    home.tram("domain", "set", "one.test", status=2)


def servers(xml):
    import xml.etree.ElementTree as tree
    root = tree.fromstring(xml)
    return root, {(s.get("type"), s.findtext("socketType")): (s.findtext("hostname"), int(s.findtext("port"))) for s in root.iter() if s.tag.endswith("Server") and s.get("type")}


def test_thunderbird_finds_its_settings(home):
    for name, path in [("autoconfig.one.test", "/mail/config-v1.1.xml?emailaddress=alice%40one.test"),
                       ("autoconfig.one.test", "/mail/config-v1.1.xml"),
                       ("one.test", "/.well-known/autoconfig/mail/config-v1.1.xml"),
                       ("mail.one.test", "/mail/config-v1.1.xml?emailaddress=who@one.test")]:
        status, kind, body = named(home, name, path)
        assert status == 200 and kind.startswith("text/xml")
        root, found = servers(body)
        assert root.find("emailProvider").get("id") == "one.test"
        assert found[("imap", "SSL")] == ("mail.one.test", home.port(993))
        assert found[("smtp", "STARTTLS")] == ("mail.one.test", home.port(587))
        assert len(found) == 6
    home.tram("domain", "add", "müller.test")
    root, found = servers(named(home, "mail.one.test", "/mail/config-v1.1.xml?emailaddress=j%C3%B6rg@m%C3%BCller.test")[2])
    assert root.find("emailProvider").get("id") == "xn--mller-kva.test" and len(found) == 6
    assert root.findtext("emailProvider/displayName") == "müller.test", "people read it"
    home.tram("domain", "remove", "müller.test")
    assert named(home, "mail.one.test", "/mail/config-v1.1.xml?emailaddress=a@elsewhere.test")[0] == 404
    assert named(home, "mail.one.test", "/mail/config-v1.1.xml?emailaddress=%3Cx")[0] == 400


def test_outlook_finds_its_settings(home):
    import xml.etree.ElementTree as tree
    ask = b"""<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
<Request><EMailAddress>alice@one.test</EMailAddress><AcceptableResponseSchema>x</AcceptableResponseSchema></Request></Autodiscover>"""
    status, kind, body = named(home, "autodiscover.one.test", "/Autodiscover/Autodiscover.xml", "--data-binary", "@-", input=ask)
    assert status == 200 and kind.startswith("text/xml")
    n = {"o": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"}
    found = {p.findtext("o:Type", None, n): (p.findtext("o:Server", None, n), int(p.findtext("o:Port", None, n)), p.findtext("o:LoginName", None, n))
             for p in tree.fromstring(body).iter("{%s}Protocol" % n["o"])}
    assert found["IMAP"] == ("mail.one.test", home.port(993), "alice@one.test") and found["SMTP"][1] == home.port(465)
    post = lambda text: named(home, "autodiscover.one.test", "/autodiscover/autodiscover.xml", "--data-binary", "@-", input=text)
    # XML says one thing in many ways
    for written, meant in ((b"a&amp;b@one.test", "a&b@one.test"), (b"&#97;lice@one.test", "alice@one.test"), (b"<![CDATA[alice@one.test]]>", "alice@one.test"),
                           (b"\n  ali<!-- -->ce@one.test ", "alice@one.test"), (b'"&lt;x&gt;"@one.test', '"<x>"@one.test')):
        status, _, body = post(ask.replace(b"alice@one.test", written))
        assert status == 200 and {e.text for e in tree.fromstring(body).iter("{%s}LoginName" % n["o"])} == {meant}, (written, body)
    status, _, body = post(ask.replace(b"EMailAddress", b"a:EMailAddress").replace(b"<Request>", b'<Request xmlns:a="x">'))
    assert status == 200 and b"<LoginName>alice@one.test<" in body
    for bad in (b"", b"alice@one.test", ask[:-5], ask.replace(b"alice@one.test", b"&x;"), b'<!DOCTYPE a [<!ENTITY x "alice@one.test">]>' + ask[21:].replace(b"alice@one.test", b"&x;"),
                ask.replace(b"alice", b"a" * 2000), ask + b" " * 20000, ask.replace(b"alice@one.test", b"&lt;x&gt;@one.test")):
        assert post(bad)[0] == 400, bad[:100]
    where = json.loads(named(home, "mail.one.test", "/autodiscover/autodiscover.json/v1.0/alice@one.test?Protocol=AutodiscoverV1")[2])
    assert where == {"Protocol": "AutodiscoverV1", "Url": f"https://mail.one.test:{home.port(443)}/autodiscover/autodiscover.xml"}
    status, _, body = named(home, "mail.one.test", "/autodiscover/autodiscover.json?Email=alice@one.test&Protocol=EWS")
    assert status == 400 and json.loads(body)["ErrorCode"] == "InvalidProtocol"


def test_phones_get_a_signed_profile(home, tmp_path):
    import plistlib
    status, kind, body = named(home, "mail.one.test", "/.well-known/mobileconfig?email=alice%2Bnews@one.test")
    assert status == 200 and kind == "application/x-apple-aspen-config"
    (tmp_path / "profile").write_bytes(body)
    done = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-in", str(tmp_path / "profile"), "-noverify", "-binary",
                           "-certfile", str(home.dir / "tls" / "certificate.pem")], capture_output=True)
    assert done.returncode == 0, done.stderr
    mail = plistlib.loads(done.stdout)["PayloadContent"][0]
    assert mail["EmailAddress"] == "alice+news@one.test" and mail["IncomingMailServerHostName"] == "mail.one.test"
    assert mail["IncomingMailServerPortNumber"] == home.port(993) and mail["OutgoingMailServerPortNumber"] == home.port(465)
    assert mail["OutgoingMailServerUseSSL"] is True
    again = named(home, "mail.one.test", "/.well-known/mobileconfig?email=alice%2Bnews@one.test")[2]
    (tmp_path / "profile").write_bytes(again)
    assert named(home, "mail.one.test", "/.well-known/mobileconfig")[0] == 400
    assert named(home, "mail.one.test", "/.well-known/mobileconfig?email=%3Cstring%3E%26@one.test")[0] == 400
    home.tram("domain", "add", "bücher.test")
    for asked, address, shown in (("%22%5D%5D%3E%3Cb%3E%22@one.test", '"]]><b>"@one.test', "one.test"), ("a%26b@one.test", "a&b@one.test", "one.test"),
                                  ("zo%C3%AB@b%C3%BCcher.test", "zoë@bücher.test", "bücher.test")):
        (tmp_path / "profile").write_bytes(named(home, "mail.one.test", f"/.well-known/mobileconfig?email={asked}")[2])
        done = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-in", str(tmp_path / "profile"), "-noverify", "-binary"], capture_output=True, check=True)
        profile = plistlib.loads(done.stdout)
        assert profile["PayloadContent"][0]["EmailAddress"] == address and profile["PayloadDisplayName"] == f"Mail of {shown}"
    home.tram("domain", "remove", "bücher.test")


def test_records_for_clients(home):
    records = home.tram("dns", "records", "one.test").stdout
    for service, port in [("imaps", 993), ("submissions", 465), ("pop3s", 995), ("autodiscover", 443)]:
        assert f"_{service}._tcp.one.test. IN SRV 0 1 {home.port(port)} mail.one.test." in records
    for name in ["autoconfig", "autodiscover", "mta-sts"]:
        assert f"{name}.one.test. IN CNAME mail.one.test." in records


def test_figures_for_prometheus(home):
    w.until(lambda: not home.json("queue", "list")["letters"], what="the letters of others to be on their way")
    status, fields, body = curl(home, "/metrics")
    assert status == 200 and fields["content-type"].startswith("text/plain; version=0.0.4")
    values = {}
    for line in body.decode().splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP tram_\w+ .+\.|TYPE tram_\w+ (gauge|counter))", line), line
        else:
            name, value = re.fullmatch(r'(tram_\w+(?:\{\w+="[\w.]+"\})?) (\d+(?:\.\d+)?)', line).groups()
            values[name] = float(value)
    assert values["tram_queue_letters"] == values["tram_queue_stalled_total"] == 0 and values['tram_http_requests_total{code="2xx"}'] > 0
    assert values["tram_certificate_expiry_timestamp_seconds"] > values["tram_start_time_seconds"] > 1_700_000_000


# ---- commands ----

def test_the_operators_commands_over_http(home):
    key = make_key(home, "admin")
    names = {c["name"] for c in get(home, "/v1/commands", *bearer(key))["commands"]}
    assert {"account list", "queue list", "key list", "block add"} <= names and not names & {"send", "backup", "serve", "init"}
    status, _, body = post(home, "/v1/commands/queue.top", {"live": True}, *bearer(key))
    assert (status, json.loads(body.decode().splitlines()[-1])["status"]) == (200, 0)  # once, and ends
    status, _, body = post(home, "/v1/commands/account.list", {}, *bearer(key))
    lines = [json.loads(line) for line in body.decode().splitlines()]
    assert status == 200 and lines[-1]["status"] == 0
    assert {"alice@one.test", "bob@one.test"} <= {line["row"]["address"] for line in lines[:-1]}
    status, _, body = post(home, "/v1/commands/domain.show", {"domain": "one.test"}, *bearer(key))
    assert status == 200 and json.loads(body)["reply"]["domain"] == "one.test"
    status, _, body = post(home, "/v1/commands/domain.show", {"domain": "none.test"}, *bearer(key))
    assert json.loads(body)["status"] == 1 and json.loads(body)["error"]
    assert post(home, "/v1/commands/domain.show", {"dom": "x"}, *bearer(key))[0] == 400
    assert post(home, "/v1/commands/domain.show", b"[]", *bearer(key))[0] == 400
    assert post(home, "/v1/commands/send", {}, *bearer(key))[0] == 404
    assert post(home, "/v1/commands/account.list", {}, *bearer(make_key(home, "keys")))[0] == 403
    assert post(home, "/v1/commands/account.list", {})[0] == 401


# ---- messages ----

def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def arrived(home, subject, user="bob"):
    """The messages of that subject, once there is one."""
    return w.until(lambda: [m for m in map(parsed, home.messages(user)) if m["Subject"] == subject], what=subject)


def send(home, key, body, *options):
    status, fields, answer = post(home, "/v1/messages", body, *bearer(key), *options)
    return status, json.loads(answer)


def test_a_message_is_taken_delivered_and_told_of(home):
    key = make_key(home, "mail.send", "messages.read")
    status, answer = send(home, key, {
        "from": {"email": "alice@one.test", "name": "Älice, \"the\" shop"}, "to": ["Bob <bob@one.test>"], "reply_to": "alice@one.test",
        "subject": "Grüße", "html": "<p>Hello <b>Bob</b></p>", "headers": {"X-Order": "4711"}, "categories": ["orders"],
        "attachments": [{"filename": "größe.txt", "type": "text/plain", "content": "aGVsbG8=", "disposition": "attachment"}]})
    assert status == 202 and answer["recipients"] == 1 and not answer["repeated"], answer
    message = arrived(home, "Grüße")[0]
    assert message["From"].addresses[0].display_name == "Älice, \"the\" shop" and message["X-Order"] == "4711"
    assert "Hello" in message.get_body(("plain",)).get_content() and "<b>Bob</b>" in message.get_body(("html",)).get_content()
    files = list(message.iter_attachments())
    assert "filename*=utf-8''gr%C3%B6%C3%9Fe.txt" in files[0].as_string() and files[0].get_content().strip() == "hello"
    shown = w.until(lambda: (lambda m: m["delivered"] == 1 and m)(get(home, f"/v1/messages/{answer['id']}", *bearer(key))), what="its end")
    assert any(e["event"] == "delivered" and e["recipient"] == "bob@one.test" for e in shown["events"]), shown
    other = make_key(home, "messages.read", account="bob")
    assert curl(home, f"/v1/messages/{answer['id']}", *bearer(other))[0] == 404
    assert curl(home, "/v1/messages/0123456789abcdef", *bearer(key))[0] == 404
    assert curl(home, "/v1/messages/x", *bearer(key))[0] == 404


def test_the_same_call_sends_once_over_a_crash_too(home):
    key = make_key(home, "mail.send", "messages.read")
    body = {"from": "alice@one.test", "to": "bob@one.test", "subject": "once", "text": "once"}
    again = "-H", "Idempotency-Key: order-1"
    status, first = send(home, key, body, *again)
    assert status == 202
    status, second = send(home, key, body, *again)
    assert status == 202 and second["id"] == first["id"] and second["repeated"]
    assert send(home, key, {**body, "text": "twice"}, *again)[0] == 422
    home.kill()
    home.start()
    status, third = send(home, key, body, *again)
    assert status == 202 and third["id"] == first["id"] and third["repeated"]
    w.until(lambda: get(home, f"/v1/messages/{first['id']}", *bearer(key))["delivered"] == 1, what="its end")
    assert len(arrived(home, "once")) == 1


def test_what_is_wrong_is_told_whole(home):
    key = make_key(home, "mail.send")
    good = {"from": "alice@one.test", "to": "bob@one.test", "subject": "s", "text": "t"}
    for change, field in [({"to": "bob"}, "to"), ({"to": ["bob@one.test", 3]}, "to.1"), ({"to": []}, "to"), ({"form": "x"}, "form"),
                          ({"text": 3}, "text"), ({"stream": "fast"}, "stream"), ({"from": None}, "from"),
                          ({"headers": {"X": "a\r\nBcc: x@y.test"}}, "headers.X"), ({"headers": {"Subject": "x"}}, "headers.Subject"),
                          ({"attachments": [{"filename": "a", "content": "???"}]}, "attachments.0.content"),
                          ({"to": {"email": "bob@one.test", "name": "a\nb"}}, "to.name"), ({"categories": ["a", 5]}, "categories.1"), ({"categories": [""]}, "categories.0")]:
        status, answer = send(home, key, {**good, **change})
        assert status == 422 and field in [e["field"] for e in answer["errors"]], (change, answer)
    status, answer = send(home, key, {**good, "subject": "a\r\nBcc: x@y.test"})
    assert status == 422, answer
    status, answer = send(home, key, {**good, "from": "bob@one.test"})
    assert status == 403, answer
    assert send(home, key, {**good, "sandbox": True})[0] == 200
    assert post(home, "/v1/messages", good, *bearer(make_key(home, "events.read")))[0] == 403
    assert post(home, "/v1/messages", good)[0] == 401


def test_a_raw_message_goes_as_it_is(home):
    key = make_key(home, "mail.send")
    raw = b"From: Alice <alice@one.test>\r\nTo: bob@one.test\r\nBcc: alice@one.test\r\nSubject: raw one\r\n\r\nAs it is.\r\n"
    status, _, answer = curl(home, "/v1/messages", "-X", "POST", "-H", "Content-Type: message/rfc822", "--data-binary", "@-", *bearer(key), input=raw)
    assert status == 202, answer
    message = arrived(home, "raw one")[0]
    assert message.get_content().strip() == "As it is." and message["Bcc"] is None
    assert arrived(home, "raw one", "alice")
    status, _, answer = curl(home, "/v1/messages", "-X", "POST", "-H", "Content-Type: message/rfc822", "--data-binary", "@-", *bearer(key), input=b"no message")
    assert status == 422, answer
    for to in (b"bob@one.test, bob@@one.test", b"bob@one.test, carol"):  # all of them, or none
        status, _, answer = curl(home, "/v1/messages", "-X", "POST", "-H", "Content-Type: message/rfc822", "--data-binary", "@-", *bearer(key), input=raw.replace(b"bob@one.test", to))
        assert status == 422 and json.loads(answer)["errors"][0]["field"] == "To", answer


def test_a_body_that_is_too_long_is_refused_before_it_is_read(home):
    key = make_key(home, "mail.send")
    status, _, body = curl(home, "/v1/messages", "-X", "POST", *bearer(key), "-H", "Content-Length: 99999999", "-H", "Expect: 100-continue", "--data-binary", "x")
    assert status == 413
