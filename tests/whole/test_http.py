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
