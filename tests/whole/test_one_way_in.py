"""Whoever hands a letter over, it takes the same road: submission, `tram send`, a bounce, a report."""
import re
import socket
import threading

from world import OFFSET, next_address, until

EIGHT = "Grüße\r\n".encode()


class Sink:
    """A server for sink.test that offers 8BITMIME, refuses nobody@ for good, and keeps what it was told."""

    def __init__(self):
        self.address, self.letters = next_address(), {}
        self.listener = socket.create_server((self.address, 25 + OFFSET))
        threading.Thread(target=self._accept, daemon=True).start()

    def zone(self):
        return ("sink.test. IN MX 10 mx.sink.test.\n"
                f"mx.sink.test. IN A {self.address}\n"
                '_dmarc.sink.test. IN TXT "v=DMARC1; p=none; rua=mailto:report@sink.test"\n')

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, peer.makefile("rb") as lines:
            mail, to = b"", []
            peer.sendall(b"220 mx.sink.test\r\n")
            for line in lines:
                verb, answer = line[:4].upper(), b"250 ok\r\n"
                if verb == b"EHLO":
                    answer = b"250-mx.sink.test\r\n250 8BITMIME\r\n"
                elif verb == b"MAIL":
                    mail, to = line, []
                elif verb == b"RCPT" and b"<nobody@" in line:
                    answer = b"550 5.1.1 no such user\r\n"
                elif verb == b"RCPT":
                    to.append(re.search(rb"<(\w+)@", line)[1].decode())
                elif verb == b"DATA" and not to:
                    answer = b"554 5.5.1 for nobody\r\n"
                elif verb == b"DATA":
                    peer.sendall(b"354 go on\r\n")
                    text = b""
                    while not text.endswith(b"\r\n.\r\n"):
                        text += lines.readline()
                    self.letters.update({user: (mail, text) for user in to})
                peer.sendall(answer)
                if verb == b"QUIT":
                    return

    def close(self):
        self.listener.close()


def submit(one):
    with one.submission() as client:
        client.sendmail("alice@one.test", ["submitted@sink.test"],
                        b"From: alice@one.test\r\nSubject: t\r\n\r\n" + EIGHT, ["BODY=8BITMIME"])


def hand_over(one):
    one.tram("send", "-f", "alice@one.test", "sent@sink.test",
             input=b"From: alice@one.test\nSubject: t\n\none\rtwo\n" + EIGHT.replace(b"\r", b""))


def make_bounce(one):
    """A stranger's letter, sent on to nobody: its sender is told, with the 8-bit letter in it."""
    one.tram("alias", "add", "gone@one.test", "nobody@sink.test")
    with one.mx() as client:
        client.sendmail("bounced@sink.test", ["gone@one.test"],
                        b"From: bounced@sink.test\r\nSubject: t\r\n\r\n" + EIGHT, ["BODY=8BITMIME", "RET=FULL"])


def make_report(one):
    """About the stranger's letter."""
    assert one.json("dmarc", "send-reports")["letters"] == 1


ROADS = [  # who gets it, how it is made, what its trace holds in this order, is it 8-bit
    ("submitted", submit, ["received from", "header fields were added", "signed with DKIM for one.test", "queued for 1"], True),
    ("sent", hand_over, ["handed over by", "line ends made CR LF", "signed with DKIM for one.test", "queued for 1"], True),
    ("bounced", make_bounce, ["made here: the report about the letter", "signed with DKIM for one.test", "queued for 1"], True),
    ("report", make_report, ["made here: the DMARC report", "signed with DKIM for one.test", "queued for 1"], False),
]


def test_every_letter_takes_the_same_road(world):
    one, sink = world.home("one.test", accounts=["alice"]), Sink()
    world.publish(extra=sink.zone())
    one.start()
    try:
        for user, make, told, eight in ROADS:
            make(one)
            mail, text = until(lambda: sink.letters.get(user), what=f"the letter for {user}")
            letter_id = re.search(rb"\bid (\w{16})\b", text)[1].decode()  # of the topmost Received field
            trace = one.tram("trace", letter_id).stdout
            at = [trace.find(words) for words in told]
            assert -1 not in at and at == sorted(at), (user, told, trace)
            assert (b" BODY=8BITMIME" in mail) == eight, (user, mail)
            assert (max(text) > 127) == eight, (user, text)
            assert text.count(b"\r") == text.count(b"\n") == text.count(b"\r\n"), (user, text)
            assert text.count(b"DKIM-Signature:") >= 1, (user, text)
    finally:
        sink.close()
