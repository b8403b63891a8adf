"""HTTP by clients nobody here wrote: curl, and bytes on a socket."""
import json
import re
import socket
import subprocess

import pytest

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
    done = subprocess.run(["curl", "-sk", "-i", "--max-time", "20", *options, url(home, path, tls)], input=input, capture_output=True)
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


def get(home, path, *options, **more):
    status, fields, body = curl(home, path, *options, **more)
    assert status == 200, (status, body)
    return json.loads(body)


def test_the_document_tells_what_is_served(home):
    document = get(home, "/openapi.json")
    assert document["openapi"].startswith("3.1")
    names = set(document["components"]["schemas"])
    for ref in re.findall(r"#/components/schemas/(\w+)", json.dumps(document)):
        assert ref in names, ref
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            if operation.get("security"):
                there = re.sub(r"\{\w+\}", "x", path)
                status, fields, body = curl(home, there, "-X", method.upper(), "-H", "Authorization: Bearer no.key")
                assert status == (200 if operation.get("x-local") else 401), (path, status, body)


def test_health_is_for_the_host_itself(home):
    assert get(home, "/healthz") == {"status": "ok"}
    assert get(home, "/healthz", tls=False) == {"status": "ok"}


def test_clear_text_leads_to_tls(home):
    status, fields, _ = curl(home, "/openapi.json?x=y", tls=False)
    assert status == 308
    assert fields["location"] == url(home, "/openapi.json?x=y")


def test_errors_are_problems(home):
    status, fields, body = curl(home, "/v1/nothing")
    assert status == 404 and fields["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == 404


def test_http2_is_not_offered_but_clients_come_down(home):
    status, _, _ = curl(home, "/healthz", "--http2")
    assert status == 200


def test_one_line_of_the_log_a_request(home):
    curl(home, "/healthz?secret=1", "-A", "x")
    line = w.until(lambda: [x for x in home.log.read_text().splitlines() if "path=/healthz" in x and "method=GET" in x], what="the line")[-1]
    assert "status=200" in line and "secret" not in line and "ms=" in line, line


def test_bytes_that_are_no_http(home):
    with socket.create_connection((home.address, home.port(80)), timeout=20) as s:
        s.sendall(b"EHLO x\r\n")
        assert s.makefile("rb").read().startswith(b"HTTP/1.1 400 Bad Request\r\n")


# ---- keys ----

def make_key(home, *scopes, account="alice", options=()):
    return home.tram("key", "add", f"{account}@one.test", "--name", "test", "--scope", ",".join(scopes), *options).stdout.splitlines()[0]


def bearer(key):
    return "-H", f"Authorization: Bearer {key}"


def test_keys_are_told_once_listed_and_removed_at_once(home):
    key = make_key(home, "keys", "mail.send")
    name, secret = key.split(".")
    assert get(home, "/v1/keys", *bearer(key))["keys"][0]["id"] == name
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
