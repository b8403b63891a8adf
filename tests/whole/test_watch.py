"""`tram watch`, `tram trace --follow` and `trace --session`: what happens, as it does."""
import base64
import json
import queue
import select
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

from sink import Sink
from world import TRAM, World, insecure_tls, letter, next_address, until


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("watch"))
    home = world.home("one.test", accounts=["alice", "bob"], config="log_level = error\n")
    world.publish()
    home.start()
    yield home
    world.close()


class Watching:
    """Lines that a command tells, and its end by Ctrl-C."""

    def __init__(self, home, *words):
        self.process = subprocess.Popen([TRAM, "-C", str(home.dir), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line.decode().rstrip()) for line in self.process.stdout], daemon=True).start()

    def until(self, *words):
        """The lines up to the one that has all these words."""
        seen = []
        while not (seen and all(word in seen[-1] for word in words)):
            seen.append(self.lines.get(timeout=60))
        return seen

    def end(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == -signal.SIGINT
        rest = []
        while not self.lines.empty():
            rest.append(self.lines.get())
        return rest


def begun(home, watching):
    """Something is told until it is heard, so the watcher is there."""
    def hear():
        with home.mx() as client:
            client.ehlo()
            client.mail("probe@away.test")
            client.rcpt("nobody@one.test")
        try:
            return watching.lines.get(timeout=1)
        except queue.Empty:
            return None
    until(hear, what="the first line")


def send(home, to, subject):
    with home.submission() as client:
        client.sendmail("alice@one.test", [to], letter("alice@one.test", to, subject))


def test_watch_tells_what_happens_at_the_level_that_is_asked_for(home):
    watching = Watching(home, "watch", "--json")
    begun(home, watching)
    send(home, "bob@one.test", "one")
    seen = [json.loads(line) for line in watching.until('"delivered"', "bob@one.test")]
    received = next(o for o in seen if o.get("event") == "received")
    assert received["level"] == "info" and received["time_us"] > 10**15 and "alice@one.test" in received["why"]
    assert any(o.get("event") == "accepted" and o["user"] == "alice@one.test" for o in seen)
    watching.end()
    assert "received" not in home.log.read_text()  # the log itself keeps its own level


def test_watch_for_one_address_sees_its_letters_from_the_start_and_no_others(home):
    watching = Watching(home, "watch", "bob@one.test", "--event", "received,delivered")
    probing = Watching(home, "watch", "--event", "refused")
    begun(home, probing)
    until(lambda: send(home, "bob@one.test", "there?") or not watching.lines.empty(), what="the watcher")
    send(home, "alice@one.test", "to herself")
    send(home, "bob@one.test", "last")
    home.wait_for("alice")
    seen = watching.until("delivered", "bob@one.test")
    while not watching.lines.empty() or "delivered" not in seen[-1]:
        seen += watching.until("delivered", "bob@one.test")
    assert not [line for line in seen if "alice@one.test:" in line]
    assert [line for line in seen if "received" in line and "sender <alice@one.test>" in line]
    watching.end()
    probing.end()


def test_trace_follow_tells_the_road_and_goes_on(home):
    send(home, "bob@one.test", "before")
    until(lambda: '"delivered"' in home.tram("trace", "bob@one.test", "--limit", "1", "--json", ok=False).stdout and not home.json("queue", "list")["letters"], what="it to be over")
    known = home.json("trace", "bob@one.test", "--limit", "1")["letters"][0]
    following = Watching(home, "trace", "bob@one.test", "--limit", "1", "--follow", "--json")
    assert json.loads(following.until("events")[-1]) == known
    send(home, "bob@one.test", "after")
    seen = [json.loads(line) for line in following.until('"delivered"')]
    assert {o["id"] for o in seen} != {known["id"]} and len(seen[0]["events"]) == 1
    told = [(o["id"], o["events"][0]["event"]) for o in seen]
    assert len(told) == len(set(told)) and ("received" in [event for _, event in told])
    following.end()
    home.tram("trace", "0" * 16, "--follow", status=1)


def test_letters_of_a_session_are_found_by_its_id(home):
    with home.mx() as client:
        client.ehlo()
        for to in ("nobody@one.test", "no-one@one.test"):
            client.mail("x@away.test")
            assert client.rcpt(to)[0] == 550
            client.rset()
    newest = home.json("trace", "no-one@one.test")["letters"][-1]
    session = newest["events"][-1]["session"]
    letters = home.json("trace", "--session", session)["letters"]
    assert [o["events"][-1]["recipient"] for o in letters] == ["nobody@one.test", "no-one@one.test"]
    assert f"(session {session})" in home.tram("trace", newest["id"]).stdout
    home.tram("trace", "--session", "0" * 16, status=1)
    home.tram("trace", newest["id"], "--session", session, status=2)


def many_lines(home):
    """Two megabytes of the log: requests of strangers, a hundred a connection."""
    ask = f"GET /healthz HTTP/1.1\r\nHost: {home.address}\r\n\r\n".encode()
    for _ in range(100):
        with socket.create_connection((home.address, home.port(80)), timeout=60) as s:
            s.sendall(ask * 100)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass


def test_a_watcher_that_does_not_read_holds_nobody_and_hears_what_it_lost(home):
    stuck = subprocess.Popen([TRAM, "-C", str(home.dir), "watch", "--json"], stdout=subprocess.PIPE)
    until(lambda: send(home, "bob@one.test", "there?") or select.select([stuck.stdout], [], [], 0.5)[0], what="the watcher")
    lost, read = 0, 0
    many_lines(home)
    send(home, "bob@one.test", "the last one")
    for line in stuck.stdout:
        lost += json.loads(line).get("lost", 0)
        read += 1
        if lost:
            break
    assert lost and read
    stuck.kill()
    stuck.wait()


def test_debug_records_the_next_session_of_a_peer_without_its_secrets(home):
    peer, other = next_address(), next_address()
    home.tram("account", "add", "carol@one.test", input="Tr0ub4dor-carol")
    recording = Watching(home, "debug", peer)
    recording.until("waiting for a session of", peer)
    with home.mx(source=other) as client:
        client.ehlo()
    with smtplib.SMTP(home.address, home.port(587), source_address=(peer, 0)) as client:
        client.starttls(context=insecure_tls())
        client.login("carol@one.test", "Tr0ub4dor-carol")
        client.sendmail("carol@one.test", ["bob@one.test"], letter("carol@one.test", "bob@one.test", "confidential"))
    assert recording.process.wait(60) == 0
    text = "\n".join(recording.until("the session is over"))
    for words in ("S: 220 ", "C: ehlo", "C: STARTTLS", "S: 250 ", "S: 235 ", "C: mail FROM:<carol@one.test>", "bytes of a letter)",
                  "S: 354", "event=session", "C: QUIT"):
        assert words.lower() in text.lower(), (words, text)
    for secret in ("Tr0ub4dor", base64.b64encode(b"Tr0ub4dor-carol").decode(), base64.b64encode(b"\0carol@one.test\0Tr0ub4dor-carol").decode()[:30],
                   "confidential", other):
        assert secret not in text, text


def test_debug_hides_what_follows_a_login_that_was_refused_and_shows_letters_when_asked(home):
    peer = next_address()
    recording = Watching(home, "debug", peer, "--content", "--json")
    recording.until("waiting")
    with home.mx(source=peer) as client:
        client.ehlo()
        client.docmd("AUTH", "LOGIN c2VjcmV0LXVzZXI=")
        client.docmd("c2VjcmV0LXBhc3N3b3Jk")
        client.sendmail("x@away.test", ["bob@one.test"], letter("x@away.test", "bob@one.test", "to be seen"))
    assert recording.process.wait(60) == 0
    lines = [json.loads(line) for line in recording.until("the session is over")]
    text = json.dumps(lines)
    assert "c2VjcmV0" not in text and "AUTH LOGIN ..." in text and "Subject: to be seen" in text


def test_debug_records_imap_pop3_and_outgoing_sessions_without_secrets(home):
    home.tram("account", "add", "dora@one.test", input="Tr0ub4dor-dora")
    peer = next_address()
    submit = letter("alice@one.test", "dora@one.test", "confidential", "for your eyes only\r\n")
    with home.submission() as client:
        client.sendmail("alice@one.test", ["dora@one.test"], submit)
    until(lambda: home.messages("dora", password="Tr0ub4dor-dora"), what="the letter")
    secrets = "Tr0ub4dor", base64.b64encode(b"\0dora@one.test\0Tr0ub4dor-dora").decode()[:30], "for your eyes", "confidential"

    def recorded(who, act, *options):
        recording = Watching(home, "debug", who, *options)
        recording.until("waiting for a session of", who)
        act()
        assert recording.process.wait(60) == 0
        return "\n".join(recording.until("the session is over"))

    def talk(port, lines):
        raw = insecure_tls().wrap_socket(socket.create_connection((home.address, home.port(port)), source_address=(peer, 0)))
        with raw, raw.makefile("rb") as answers:
            for line, end in lines:
                raw.sendall(line)
                while not answers.readline().startswith(end):
                    pass

    secret = base64.b64encode(b"\0dora@one.test\0Tr0ub4dor-dora")
    text = recorded(peer, lambda: talk(993, [
        (b"", b"* OK"), (b"a LOGIN dora@one.test Tr0ub4dor-no\r\n", b"a NO"), (b"b AUTHENTICATE PLAIN " + secret + b"\r\n", b"b OK"),
        (b"c SELECT INBOX\r\n", b"c OK"), (b"d FETCH 1 (UID BODY.PEEK[])\r\n", b"d OK"), (b"e LOGOUT\r\n", b"e OK")]))
    for words in ("S: * OK [CAPABILITY", "C: a LOGIN ...", "S: a NO", "C: b AUTHENTICATE ...", "C: (by PLAIN)", "C: c SELECT INBOX",
                  "event=accepted", "bytes of a letter)", "C: e LOGOUT"):
        assert words in text, (words, text)
    assert not [s for s in secrets if s in text], text
    text = recorded(peer, lambda: talk(995, [
        (b"", b"+OK"), (b"USER dora@one.test\r\n", b"+OK"), (b"PASS Tr0ub4dor-no\r\n", b"-ERR"), (b"AUTH PLAIN\r\n", b"+"),
        (secret + b"\r\n", b"+OK"), (b"RETR 1\r\n", b"."), (b"QUIT\r\n", b"+OK")]))
    for words in ("S: +OK", "C: USER dora@one.test", "C: PASS ...", "C: AUTH PLAIN ...", "S: + ...", "bytes of the login)", "C: RETR 1",
                  "bytes of a letter)", "C: QUIT"):
        assert words in text, (words, text)
    assert not [s for s in secrets if s in text], text
    away = next_address()
    home.world.publish(extra=f"away.test. MX 0 mx.away.test.\nmx.away.test. A {away}\n")
    sink = Sink([away], home.port(25))
    try:
        def leave():
            with home.submission() as client:
                client.sendmail("alice@one.test", ["eve@away.test"], letter("alice@one.test", "eve@away.test", "confidential"))
        text = recorded("away.test", leave, "--content")
        for words in ("event=begins", "S: 220 sink", "C: EHLO mail.one.test", "C: MAIL FROM:<alice@one.test>", "C: RCPT TO:<eve@away.test>",
                      "bytes of a letter)", "S: 250"):
            assert words in text, (words, text)
        assert "Subject: confidential" in text
    finally:
        sink.close()
    assert "no address and no domain" in home.tram("debug", "nonsense", status=2).stderr


def test_wrong_use(home):
    assert "nothing that happens is called bounce" in home.tram("watch", "--event", "bounce", status=2).stderr
    home.stop()
    assert "running server" in home.tram("watch", status=3).stderr
    assert "running server" in home.tram("debug", "192.0.2.1", status=3).stderr
    assert "running server" in home.tram("trace", "--last", "1", "--follow", status=3).stderr
    home.start()
