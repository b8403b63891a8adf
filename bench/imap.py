#!/usr/bin/env python3
"""make bench-imap: Tram's IMAP beside Debian's Dovecot (Maildir) and Cyrus, in this run, over TLS on all sides, with the same
letters and the same client. LETTERS=1000,30000 says how many there are; ONLY=tram,dovecot or cyrus asks some alone; LOAD=1
puts them there offline instead of by APPEND, which takes long for 100,000: tram import of a Maildir, Dovecot has that Maildir as it
is, Cyrus the files in its spool, with reconstruct. WITHOUT=body,text leaves out what has one of these words in its name (of
1,000,000 letters a search in bodies takes the others minutes), COLD=0 all that is asked cold. Cyrus is fetched, not installed (bench/cyrus.py), and left out
where that cannot be done.

Warm: the median of three (LEAST=5: the least of so many, for a machine that is busy), after one that is not counted; Tram's
index of texts, which the first search has made at 1,000 letters a second, is there by then,
unless something is left out. Cold: the first of a server that was started anew, whose files were taken out of the page cache."""
import os
import random
import shutil
import signal
import ssl
import socket
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "whole"))
import cyrus  # noqa: E402
from world import World, insecure_tls, until  # noqa: E402

SIZES = [int(n) for n in os.environ.get("LETTERS", "1000,30000").split(",")]
ONLY = os.environ.get("ONLY", "").lower()
WITHOUT = os.environ.get("WITHOUT", "").split(",") if os.environ.get("WITHOUT") else []
LOAD = os.environ.get("LOAD", "") not in ("", "0")
BATCH = 100  # letters of one APPEND
AT_ONCE = 10000  # of one import
COLD = os.environ.get("COLD", "") != "0"
LEAST = int(os.environ.get("LEAST", "0"))
SYLLABLES = "ka lo mi ren ta su vor el an di po ge hul qui ster bra nen fy wo zu".split()


def words(dice, n):
    return " ".join("".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))) for _ in range(n))


def letter(dice, i, line=lambda dice: words(dice, 12)):
    """About 3 KB: twenty fields, one in three of two parts; some are answers to the one before."""
    lines = [line(dice) + ("" if i % 9973 else " xylograph") for _ in range(dice.randint(10, 40))]
    text = "\r\n".join(lines)
    reply = i and i % 4 == 0
    subject = f"{'Re: ' if reply else ''}{words(dice, 4)} {'harvest' if i % 97 == 0 else ''}{i // 4 * 4}"
    head = [f"Return-Path: <p{i % 500}@source.test>"]
    head += [f"Received: from h{k}.source.test (h{k}.source.test [192.0.2.{k}]) by h{k + 1}.source.test with ESMTPS id"
             f" {dice.getrandbits(60):x}; Mon, 2 Nov 2026 10:00:0{k} +0000" for k in range(4)]
    head += [f"DKIM-Signature: v=1; a=rsa-sha256; d=source.test; s=a; h=from:to:subject:date; bh={dice.getrandbits(200):x};"
             f"\r\n b={dice.getrandbits(900):x}"]
    head += [f"From: Person {i % 500} <p{i % 500}@source.test>", "To: Bob <bob@bench.test>, list@bench.test",
             f"Subject: {subject}", time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000", time.gmtime(1700000000 + 61 * i)),
             f"Message-ID: <{i}.x@source.test>", "MIME-Version: 1.0", "User-Agent: bench/1", "List-Id: <list.bench.test>",
             f"X-Spam-Score: {i % 7}", "Precedence: list"]
    if reply:
        head += [f"In-Reply-To: <{i - 1}.x@source.test>", f"References: <{i - 2}.x@source.test> <{i - 1}.x@source.test>"]
    if i % 3:
        return "\r\n".join([*head, "Content-Type: text/plain; charset=utf-8", "", text, ""]).encode()
    parts = ["--b0", "Content-Type: text/plain; charset=utf-8", "", text, "--b0", "Content-Type: text/html; charset=utf-8",
             "", f"<html><body><p>{text}</p></body></html>", "--b0--", ""]
    return "\r\n".join([*head, 'Content-Type: multipart/alternative; boundary="b0"', "", *parts]).encode()


class Refused(Exception):
    pass


class Client:
    def __init__(self, address, port, password):
        plain = socket.create_connection((address, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = insecure_tls().wrap_socket(plain)
        self.n = 0
        self.room = memoryview(bytearray(1 << 20))
        self.until(b"* OK")
        self.ask(f"LOGIN {password}")

    def until(self, mark):
        """Reads up to the line that begins so; what came last."""
        tail, got = b"\r\n", 0
        while True:
            # else a server that leaves Nagle's algorithm on waits 40 ms for an acknowledgement
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            n = self.sock.recv_into(self.room)
            if not n:
                raise SystemExit("the server closed the connection")
            got += n
            tail = tail[-4096:] + bytes(self.room[max(0, n - 65536):n])
            at = tail.find(b"\r\n" + mark)
            if at >= 0 and tail.endswith(b"\r\n"):
                return tail[at + 2:], got

    def ask(self, command):
        self.n += 1
        tag = f"tg{self.n:06}z "
        self.sock.sendall((tag + command + "\r\n").encode() if isinstance(command, str) else tag.encode() + command)
        last, got = self.until(tag.encode())
        if not last.startswith(tag.encode() + b"OK"):
            raise Refused(f"{command[:80]!r}: {last!r}")
        return got


class Tram:
    name = "Tram"

    def __init__(self, folder):
        self.world = World(folder)
        self.home = self.world.home("bench.test", address="127.0.0.40", accounts=["bob"])
        self.world.publish()
        self.folder = self.home.dir
        self.start()

    def start(self):
        self.home.start()

    def stop(self):
        self.home.stop()

    def load(self, count):
        letters = all_letters(count)
        for _ in range(0, count, AT_ONCE):
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as maildir:
                write_maildir(maildir, islice(letters, AT_ONCE))
                self.home.tram("import", "bob@bench.test", "--maildir", maildir)

    def client(self):
        return Client(self.home.address, self.home.port(993), "bob@bench.test secret")


class Dovecot:
    """An instance of its own. mail_fsync is the default, "optimized": APPEND is durable."""
    name = "Dovecot"
    port = 11993

    def __init__(self, folder):
        self.folder = Path(folder) / "dovecot"
        self.folder.mkdir()
        os.chmod(folder, 0o755)
        mail = self.folder / "mail"
        mail.mkdir()
        shutil.chown(mail, "nobody", "nogroup")
        (self.folder / "users").write_text("bob@bench.test:{PLAIN}secret:65534:65534::" + str(mail) + "::\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem", "-days", "9", "-subj",
                        "/CN=mail.bench.test"], check=True, capture_output=True)
        self.conf = self.folder / "dovecot.conf"
        self.conf.write_text(f"""base_dir = {self.folder}/run
log_path = {self.folder}/log
protocols = imap
listen = 127.0.0.41
mail_location = maildir:~/Maildir
first_valid_uid = 1
ssl = required
ssl_cert = <{self.folder}/cert.pem
ssl_key = <{self.folder}/key.pem
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
  }}
}}
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
userdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
""")
        self.start()

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.conf])
        until(self.answers, what="Dovecot")

    def answers(self):
        try:
            self.client()
            return True
        except (OSError, ssl.SSLError):
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def load(self, count):
        write_maildir(self.folder / "mail" / "Maildir", all_letters(count))
        for path in [self.folder / "mail" / "Maildir", *(self.folder / "mail" / "Maildir").rglob("*")]:
            shutil.chown(path, "nobody", "nogroup")

    def client(self):
        return Client("127.0.0.41", self.port, "bob@bench.test secret")


class Cyrus(cyrus.Cyrus):
    def __init__(self, folder):
        super().__init__(folder)
        self.start()

    def start(self):
        super().start()
        until(self.answers, what="Cyrus")

    answers = Dovecot.answers

    def load(self, count):
        client = self.client()  # a first login makes INBOX
        client.sock.close()
        self.stop()
        to = self.spool()
        for i, text in all_letters(count):
            (to / f"{i + 1}.").write_bytes(text)
        self.reconstruct()
        self.start()

    def client(self):
        return Client(cyrus.ADDRESS, self.port, "bob secret")


# What is measured: its name, the command, for how many letters at most (0: all), whether it is asked cold too.
READS = [
    ("select", "SELECT INBOX", True),
    ("flags of all", "FETCH 1:* (UID FLAGS)", True),
    ("envelopes of all", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", True),
    ("body structures of all", "FETCH 1:* (UID BODYSTRUCTURE)", True),
    ("header fields of all", "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)])", True),
    ("previews of the last 1,000", "FETCH {last} (UID PREVIEW)", True),
    ("bodies of the last 1,000", "FETCH {last} (UID BODY.PEEK[])", True),
    ("search subject", "SEARCH SUBJECT harvest", True),
    ("search from", "SEARCH FROM p77@", False),
    ("search body, a rare word", "SEARCH BODY xylograph", True),
    ("search text, a rare word", "SEARCH TEXT xylograph", False),
    ("search since", "SEARCH SINCE 1-Jan-2026", False),
    ("sort by subject", "SORT (SUBJECT) UTF-8 ALL", False),
    ("sort by date", "SORT (DATE) UTF-8 ALL", False),
    ("threads", "THREAD REFERENCES UTF-8 ALL", False),
]
CHANGES = [("flags set, all of them", ["STORE 1:* +FLAGS.SILENT (\\Flagged)", "STORE 1:* -FLAGS.SILENT (\\Flagged)"])]


def timed(client, command):
    start = time.monotonic()
    client.ask(command)
    return time.monotonic() - start


def warm(client, commands):
    """None: it is refused. The first is not counted."""
    try:
        took = [timed(client, command) for command in commands][1:]
    except Refused as e:
        print(e, file=sys.stderr)
        return None
    return min(took) if LEAST else median(took)


def all_letters(count):
    dice = random.Random(7)
    if count < 200000:
        for i in range(count):
            yield i, letter(dice, i)
        return
    lines = [words(dice, 12) for _ in range(20000)]  # a million letters of words that nobody else has take minutes
    for i in range(count):
        yield i, letter(dice, i, lambda dice: lines[dice.randrange(len(lines))])


def write_maildir(folder, letters):
    for name in ("cur", "new", "tmp"):
        (Path(folder) / name).mkdir(parents=True)
    for i, text in letters:
        (Path(folder) / "cur" / f"{1700000000 + i}.{i:07}.bench:2,").write_bytes(text)


def fill(server, count):
    """Appends them; seconds."""
    dice, client, took = random.Random(7), server.client(), 0
    for first in range(0, count, BATCH):
        command = b"APPEND INBOX"
        for i in range(first, min(first + BATCH, count)):
            text = letter(dice, i)
            command += b" {%d+}\r\n%s" % (len(text), text)
        took += timed(client, command + b"\r\n")
    return took


def drop_from_cache(folder):
    subprocess.run(["sync", "-f", folder], check=True)
    for path in Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def wanted(what):
    """Those whose names have none of the words that are left out."""
    return [one for one in what if not any(word in one[0] for word in WITHOUT)]


def measure(server, count):
    out = {}
    if LOAD:
        server.load(count)
    else:
        out["append (warm)"] = fill(server, count)
    last = f"{max(1, count - 999)}:{count}"
    client = server.client()
    client.ask("SELECT INBOX")
    if not WITHOUT:
        client.ask("SEARCH TEXT xylograph")
        time.sleep(count / 500 if server.name == "Tram" else 1)
    for name, command, _ in wanted(READS):
        out[f"{name} (warm)"] = warm(client, [command.format(last=last)] * (1 + (LEAST or 3)))
    for name, pair in wanted(CHANGES):
        out[f"{name} (warm)"] = warm(client, pair[1:] + pair * (LEAST or 2))
    for name, command, cold in wanted(READS) if COLD else []:
        if not cold:
            continue
        server.stop()
        drop_from_cache(server.folder)
        server.start()
        client = server.client()
        if name != "select":
            client.ask("SELECT INBOX")
        out[f"{name} (cold)"] = timed(client, command.format(last=last))
        client.sock.close()
    return out


def run(kind, count):
    """None: it cannot be had here."""
    folder = tempfile.mkdtemp(prefix="tram-imap-", dir=os.environ.get("BENCH_DIR"))
    try:
        server = kind(folder)
        try:
            return measure(server, count)
        finally:
            server.stop()
    except cyrus.Unavailable as e:
        print(f"{kind.name} is left out: {e}", file=sys.stderr)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown(seconds):
    return "refused" if seconds is None else f"{seconds * 1000:,.1f}"


def main():
    kinds = [kind for kind in (Tram, Dovecot, Cyrus) if not ONLY or kind.name.lower() in ONLY.split(",")]
    for count in SIZES:
        found = {kind.name: run(kind, count) for kind in kinds}
        found = {name: took for name, took in found.items() if took}
        first, *others = found
        heads = [first, *(head for name in others for head in (name, "ratio"))]
        print(f"| {count:,} letters, milliseconds | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
        for what, own in found[first].items():
            cells = [shown(own)]
            for name in others:
                took = found[name][what]
                cells += [shown(took), f"{took / own:.1f}" if took and own else ""]
            print(f"| {what} | {' | '.join(cells)} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
