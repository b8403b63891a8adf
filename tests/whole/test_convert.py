"""What leaves to a server without 8BITMIME is converted, and signed after it: the signature is good, the text the same."""
import email
import socketserver
import threading

from world import OFFSET, letter, next_address, until

TEXT = "Grüße aus Hà Nội, and enough plain text around them that quoted-printable is the shorter form of it\r\n" * 3


class OldServer(socketserver.ThreadingTCPServer):
    """Speaks ESMTP without any extension, and keeps the letters."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, address):
        self.letters, self.mails = [], []
        super().__init__((address, 25 + OFFSET), Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Session(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line + b"\r\n")

    def take_letter(self):
        self.say(b"354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        self.server.letters.append(b"".join(lines))

    def handle(self):
        self.say(b"220 old.test ESMTP")
        for line in self.rfile:
            verb = line.split()[0].upper()
            if verb == b"MAIL":
                self.server.mails.append(line)
            if verb == b"DATA":
                self.take_letter()
            self.say(b"221 bye" if verb == b"QUIT" else b"250 fine")
            if verb == b"QUIT":
                return


def test_what_is_converted_is_signed_after_it(world):
    one = world.home("one.test", accounts=["alice"])
    address = next_address()
    world.publish(extra=f"old.test. MX 10 mx.old.test.\nmx.old.test. A {address}\n")
    old = OldServer(address)
    one.start()
    try:
        fields = {"MIME_Version": "1.0", "Content_Type": "text/plain; charset=utf-8", "Content_Transfer_Encoding": "8bit"}
        with one.submission() as client:
            text = letter("alice@one.test", "bob@old.test", body=TEXT, **fields).encode()
            client.sendmail("alice@one.test", ["bob@old.test"], text, mail_options=["BODY=8BITMIME"])
        got = until(lambda: old.letters and old.letters[0], what="the letter")
        got.decode("ascii")
        assert b"BODY=" not in old.mails[0]
        message = email.message_from_bytes(got)
        assert message["Content-Transfer-Encoding"] == "quoted-printable"
        assert message.get_payload(decode=True).decode() == TEXT
        signatures = message.get_all("DKIM-Signature")
        verdicts = one.tram("check", "dkim", input=got).stdout.splitlines()
        assert len(signatures) == len(verdicts) == 2 and all(v.startswith("pass") for v in verdicts), verdicts
        trace = until(lambda: "converted for it" in (t := one.tram("trace", "bob@old.test").stdout) and t, what="the event")
        assert "accepted by mx.old.test" in trace
    finally:
        old.close()
