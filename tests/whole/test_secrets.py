"""Who looks into the memory of the running server finds no password, token or key that was said to it, also while the session goes on;
nor does one come into logs or core files."""
import base64
import json
import os
import poplib
import resource
import signal
import smtplib
import socket
import subprocess
import urllib.parse
from imaplib import IMAP4, IMAP4_SSL

import pytest

from looking import MARK, found, password
from web import Page, serve
from world import OFFSET, TRAM, World, insecure_tls, next_address, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a process that shows itself to nobody")
ISSUER, PORT = next_address(), 1080
NAMES = ["plain", "line", "login", "first", "imap", "literal", "sasl", "pop", "sasl-pop"]


class Issuer(Page):
    def do_POST(self):
        token = urllib.parse.parse_qs(self.body().decode())["token"][0]
        self.answer(200, json.dumps({"active": token == password("token"), "email": "plain@one.test"}).encode())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    issuer = serve(ISSUER, PORT + OFFSET, Issuer)
    world = World(tmp_path_factory.mktemp("secrets"))
    home = world.home("one.test", config=f"""
log_level = "debug"
login_mechanisms = "SCRAM-SHA-256 PLAIN LOGIN OAUTHBEARER XOAUTH2"
oauth_introspection = "http://{ISSUER}:{PORT}/introspect"
oauth_client = "tram"
oauth_secret = "x"
""")
    for name in NAMES:
        home.account(name, password(name))
    world.publish()
    home.start()
    yield home
    world.close()
    issuer.shutdown()


def nothing(home, *others):
    """What was answered a moment ago is wiped a moment later: when the command's memory is given back."""
    until(lambda: not found(home.process.pid, *others), what="memory that tells no password")
    assert MARK not in home.log.read_text()


def coded(*parts):
    return base64.b64encode("\0".join(parts).encode()).decode()


def plain(name, secret=None):
    return coded("", f"{name}@one.test", secret or password(name))


def submission(home):
    client = smtplib.SMTP(home.address, home.port(587), timeout=60)
    client.starttls(context=insecure_tls())
    client.ehlo()
    return client


def clear(home, port):
    s = socket.create_connection((home.address, home.port(port)), 60)
    s.recv(1000)
    return s


def test_what_is_there_is_seen(home):
    """Half of a line waits for the other one."""
    with clear(home, 143) as s:
        s.sendall(b"a LOGIN x " + password("half").encode())
        until(lambda: found(home.process.pid), what="the half line in memory")
    with clear(home, 587) as s:
        s.sendall(b"AUTH PLAIN " + plain("half").encode())
        until(lambda: found(home.process.pid), what="the half line in memory")
    until(lambda: not found(home.process.pid), what="the end of it")


def test_smtp(home):
    open_ones = [submission(home) for _ in range(7)]
    plain_one, line, login, wrong, token, false_token, odd = open_ones
    assert plain_one.docmd("AUTH PLAIN " + plain("plain"))[0] == 235
    assert line.docmd("AUTH PLAIN")[0] == 334 and line.docmd(plain("line"))[0] == 235
    assert login.docmd("AUTH LOGIN")[0] == 334 and login.docmd(coded("login@one.test"))[0] == 334
    assert login.docmd(coded(password("login")))[0] == 235
    assert wrong.docmd("AUTH PLAIN " + plain("plain", password("wrong")))[0] == 535
    bearer = base64.b64encode(f"n,a=plain@one.test,\x01auth=Bearer {password('token')}\x01\x01".encode()).decode()
    assert token.docmd("AUTH OAUTHBEARER " + bearer)[0] == 235
    bearer = base64.b64encode(f"user=plain@one.test\x01auth=Bearer {password('false')}\x01\x01".encode()).decode()
    assert false_token.docmd("AUTH XOAUTH2 " + bearer)[0] == 334
    assert odd.docmd("AUTH NTLM " + plain("odd"))[0] == 504
    assert odd.docmd("AUTH PLAIN " + plain("odd") + "?")[0] == 501
    assert odd.docmd(password("typed"))[0] == 500
    nothing(home)
    for client in open_ones:
        client.close()


def test_imap(home):
    open_ones = [IMAP4_SSL(home.address, home.port(993), ssl_context=insecure_tls()) for _ in range(5)]
    word, literal, sasl, first, wrong = open_ones
    word.login("imap@one.test", password("imap"))
    literal.send(b"a LOGIN literal@one.test {%d}\r\n" % len(password("literal")))
    literal.readline()
    literal.send(password("literal").encode() + b"\r\n")
    assert literal.readline().startswith(b"a OK")
    sasl.authenticate("PLAIN", lambda _: f"\0sasl@one.test\0{password('sasl')}".encode())
    first.send(f"a AUTHENTICATE PLAIN {plain('first')}\r\n".encode())
    assert first.readline().startswith(b"a OK")
    with pytest.raises(IMAP4.error):
        wrong.login("imap@one.test", password("wrong"))
    nothing(home)
    for client in open_ones:
        client.shutdown()


def test_pop3(home):
    open_ones = [poplib.POP3_SSL(home.address, home.port(995), context=insecure_tls(), timeout=60) for _ in range(3)]
    word, sasl, wrong = open_ones
    word.user("pop@one.test")
    word.pass_(password("pop"))
    assert sasl._shortcmd("AUTH PLAIN " + plain("sasl-pop")).startswith(b"+OK")
    wrong.user("pop@one.test")
    with pytest.raises(poplib.error_proto):
        wrong.pass_(password("wrong"))
    nothing(home)
    for client in open_ones:
        client.close()


def test_what_must_not_be_said_in_clear(home):
    open_ones = []
    for port, line in ((587, "AUTH PLAIN " + plain("clear")), (25, "AUTH PLAIN " + plain("clear")), (143, "a LOGIN x " + password("clear")),
                       (110, "PASS " + password("clear"))):
        s = clear(home, port)
        s.sendall(line.encode() + b"\r\n")
        assert s.recv(1000)
        open_ones.append(s)
    nothing(home)
    for s in open_ones:
        s.close()


def test_control_socket_and_http(home):
    """What is set and made by commands, then said over HTTP; the connection of HTTP/1.1 stays."""
    home.account("new", password("new"))
    home.tram("account", "passwd", "new@one.test", input=password("newer") + "\n")
    app = home.tram("account", "app-password", "add", "new@one.test", "--name", "phone").stdout.split("\n")[0].strip()
    key = home.tram("key", "add", "new@one.test", "--name", "t", "--scope", "mail.send").stdout.split("\n")[0]
    secret = key.split(".", 1)[1]
    nothing(home, app, secret)
    with home.imap("new", app):
        nothing(home, app, secret)
    for said in (key, f"{key.split('.')[0]}.{password('key')}"):
        for how in (["-H", f"Authorization: Bearer {said}"], ["-u", said.replace(".", ":", 1)]):
            done = subprocess.run(["curl", "-sk", "--http2", *how, "--data", "{}", f"https://{home.address}:{home.port(443)}/v1/messages"], check=True, capture_output=True)
            assert b'"status":401' in done.stdout or b'"status":4' in done.stdout, done.stdout
    nothing(home, app, secret)
    with insecure_tls().wrap_socket(socket.create_connection((home.address, home.port(443)), 60)) as s:
        s.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {home.address}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 ")
        until(lambda: not found(home.process.pid, app, secret), what="an idle connection that holds nothing")


def test_private_keys_do_not_lie_there_as_in_their_files(home):
    """TLS's key is in use, as numbers of OpenSSL; its text was read and is gone."""
    lines = [line for line in (home.dir / "tls" / "key.pem").read_text().split("\n") if len(line) > 40 and "-----" not in line]
    assert lines
    until(lambda: not found(home.process.pid, *lines), what="memory without the key's text")


def test_no_core_file_is_written(home, tmp_path):
    """Whatever limit it is started with; another program here would leave one."""
    def dumps(words, ready):
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
        if ready:
            assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGSEGV)
        child.stdout.close()
        _, status = os.waitpid(child.pid, 0)
        child.returncode = -os.WTERMSIG(status)  # Popen does not wait for it again
        assert child.returncode == -signal.SIGSEGV
        return os.WCOREDUMP(status)

    other = home.world.home("two.test")
    if not dumps(["sleep", "60"], False):
        pytest.skip("no program leaves a core file here")
    assert not dumps([TRAM, "-C", str(other.dir), "serve"], True)
