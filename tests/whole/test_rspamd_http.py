"""Rspamd by its own protocol (POST /checkv2), a play of it that says what the letter's subject asks for: what it hears,
what its answers do, and what one that is slow, gone or mad costs."""
import json
import smtplib
import socket
import threading

import pytest

from world import letter, until

GOOD = {"action": "no action", "score": 0.1}
ANSWERS = {
    "reject": {"action": "reject", "messages": {"smtp_message": "550 no\r\n250 such luck \u00e4"}},
    "bare": {"action": "reject"},
    "soft": {"action": "soft reject", "messages": {"smtp_message": "Come again"}},
    "grey": {"action": "greylist", "messages": {"smtp_message": "score"}},
    "mark": {"action": "add header", "score": 7.25, "required_score": 15},
    "mark2": {"action": "add header", "milter": {"spam_header": "X-Junk-Says"}},
    "rewrite": {"action": "rewrite subject", "subject": "[J\u00fcnk] " + "\u00e4" * 60},
    "thrown": {"action": "reject", "milter": {"reject": "discard"}},
    "held": {"action": "reject", "milter": {"reject": "quarantine"}},
    "fields": {"action": "no action", "dkim-signature": "v=1; a=x",
               "milter": {"remove_headers": {"X-All": 0, "X-Second": 2, "x-last": -1, "X-None": 7},
                          "add_headers": {"X-Top": {"value": "top", "order": 0}, "X-End": "end\r\nX-Forged: yes",
                                          "X-Two": [{"value": "1", "order": 1}, "2"], "X-Far": {"value": "f", "order": 99999999999}}}},
    "badname": {"action": "no action", "milter": {"add_headers": {"X Bad: x\r\nY": "v"}}},
    "many": {"action": "no action", "milter": {"add_headers": {"X": ["v"] * 5000}}},
    "error": {"error": "cannot parse"},
}
RAW = {
    "status": b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    "garbage": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{nope!}",
    "nohttp": b"SSH-2.0-x\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "short": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"action":"no action"}',
    "huge": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "deep": b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100000,
    "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (3 << 20),
    "heads": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000,
    "gone": b"",
    "toend": b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(ANSWERS["mark"]).encode(),
}


class Play:
    """An Rspamd of the test's."""

    def __init__(self):
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.over = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while not self.over.is_set():
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(conn,), daemon=True).start()

    def answer(self, conn):
        with conn, conn.makefile("rb") as f:
            try:
                line = f.readline()
                fields = []
                while (one := f.readline().strip()):
                    fields.append(tuple(one.decode().split(": ", 1)))
                text = f.read(int(dict(fields)["Content-Length"]))
                self.heard.append((line, fields, text))
                subject = text.split(b"Subject: ", 1)[1].split(b"\r\n", 1)[0].decode()
                if subject == "silent":
                    self.over.wait(60)
                body = json.dumps(ANSWERS.get(subject, GOOD)).encode()
                conn.sendall(RAW.get(subject, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n%s"
                                     % (len(body), body)))
            except OSError:
                pass

    def close(self):
        self.over.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


@pytest.fixture
def play():
    play = Play()
    yield play
    play.close()


def node(world, play, options=""):
    home = world.home("home.test", accounts=["alice"],
                      config=f'milter = {{"http://127.0.0.1:{play.port} name=rspamd {options}"}}')
    world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
    home.start()
    return home


def send(home, subject, body="Hello.\r\n", to=("alice@home.test",), **fields):
    with home.mx() as client:
        client.ehlo("client.test")
        client.sendmail("carol@client.test", to, letter("carol@client.test", "alice@home.test", subject, body, **fields))


def refused(home, subject):
    with pytest.raises(smtplib.SMTPDataError) as no:
        send(home, subject)
    return no.value.smtp_code, no.value.smtp_error.decode()


def head_of(got):
    return got.split(b"\r\n\r\n", 1)[0].decode()


def test_what_it_hears(world, play):
    home = node(world, play)
    send(home, "first", body=("x" * 900 + "\r\n") * 300 + ".dot\r\n")
    line, fields, text = play.heard[-1]
    assert line == b"POST /checkv2 HTTP/1.0\r\n"
    said = dict(fields)
    assert said["From"] == "<carol@client.test>" and said["Rcpt"] == "alice@home.test" and said["Helo"] == "client.test"
    assert said["IP"].startswith("127.") and said["MTA-Name"] and len(said["Queue-Id"]) == 16 and "User" not in said
    got = home.wait_for("alice")[-1]
    assert text.split(b"\r\n\r\n", 1)[1] == got.split(b"\r\n\r\n", 1)[1]  # the body to the byte
    with home.submission() as client:
        client.sendmail("alice@home.test", ["alice@home.test", "postmaster@home.test"],
                        letter("alice@home.test", "alice@home.test", "own"))
    fields = play.heard[-1][1]
    assert dict(fields)["User"] == "alice@home.test" and "TLS-Version" in dict(fields)
    assert [v for k, v in fields if k == "Rcpt"] == ["alice@home.test", "postmaster@home.test"]


def test_what_its_answers_do(world, play):
    home = node(world, play)
    code, words = refused(home, "reject")
    assert code == 554 and words.startswith("5.7.1 550 no") and "\n" not in words, words
    assert refused(home, "bare") == (554, "5.7.1 Spam message rejected")
    assert refused(home, "soft") == (451, "4.7.1 Come again")
    n = 0
    for subject, field in (("grey", None), ("mark", "X-Spam: Yes"), ("mark2", "X-Junk-Says: Yes"), ("toend", "X-Spam: Yes")):
        send(home, subject)
        n += 1
        got = head_of(home.wait_for("alice", n)[-1])
        assert field in got if field else "X-Spam" not in got
    trace = home.tram("trace", "alice@home.test").stdout
    assert 'rspamd said "greylist"' in trace and 'rspamd said "add header", 7.25 of 15, changed 1 header field' in trace
    send(home, "rewrite")
    got = head_of(home.wait_for("alice", n + 1)[-1])
    assert got.count("Subject:") == 1 and "Subject: =?utf-8?" in got.replace("UTF-8", "utf-8") and max(map(len, got.split("\r\n"))) < 998
    send(home, "thrown")
    send(home, "held")
    send(home, "last")
    assert "held" not in str(head_of(home.wait_for("alice", n + 2)[-1])) and len(home.messages()) == n + 2
    until(lambda: len(home.json("queue", "list")["letters"]) == 1, what="the held letter alone")


def test_fields_that_come_and_go(world, play):
    home = node(world, play)
    text = ("From: carol@client.test\r\nTo: alice@home.test\r\nSubject: fields\r\nDate: Tue, 01 Dec 2026 00:00:00 +0000\r\n"
            "Message-ID: <f@client.test>\r\nX-All: 1\r\nx-all: 2\r\nX-Second: a\r\nX-Second: b\r\nX-Second: c\r\n"
            "X-Last: p\r\nX-Last: q\r\n\r\nbody\r\n")
    with home.mx() as client:
        client.sendmail("carol@client.test", ["alice@home.test"], text)
    got = head_of(home.wait_for("alice")[-1])
    assert "x-all" not in got.lower() and "X-Second: a\r\nX-Second: c\r\nX-Last: p\r\n" in got and "X-Last: q" not in got
    assert "X-Top: top" in got and "\r\nX-Forged" not in got and "X-End: end" in got and "X-Two: 1" in got and "X-Two: 2" in got
    assert "DKIM-Signature: v=1; a=x" in got and "X-Far: f" in got


@pytest.mark.parametrize("options", ["timeout=3s", "timeout=3s failure=pass", "timeout=3s failure=refuse"])
def test_one_that_is_slow_or_mad(world, play, options):
    home = node(world, play, options)
    for subject in [*(RAW.keys() - {"toend"}), "badname", "many", "error", "silent"]:
        if "pass" in options:
            send(home, subject)
            continue
        code, words = refused(home, subject)
        assert code == (554 if "refuse" in options else 451) and "A filter of this server is out of order" in words and "rspamd" not in words, (subject, words)
    count = len(home.wait_for("alice", len(RAW) + 3)) if "pass" in options else 0
    send(home, "well")
    assert len(home.wait_for("alice", count + 1)) == count + 1
    play.close()
    if "pass" in options:
        send(home, "gone for good")
    else:
        refused(home, "gone for good")


def test_places_that_are_none_are_refused(world, play):
    home = world.home("home.test", accounts=["alice"])
    for bad in ("http://", "http://localhost:1", "http://127.0.0.1:0", "http://127.0.0.1:11333/checkv2", "https://127.0.0.1:1",
                "http://[::1]:99999"):
        with open(home.dir / "tram.conf") as f:
            text = f.read()
        with open(home.dir / "tram.conf", "w") as f:
            f.write(text + f'\nmilter = {{"{bad}"}}\n')
        done = home.tram("account", "list", ok=False)
        assert done.returncode != 0 and "http://127.0.0.1:11333" in done.stderr, (bad, done.stderr)
        with open(home.dir / "tram.conf", "w") as f:
            f.write(text)
