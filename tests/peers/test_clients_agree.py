"""Real clients change one account at the same time, each in its own way: mbsync and offlineimap both ways, imapflow,
Python's imaplib, curl, mutt, aerc and Thunderbird. When they have come to rest each of them sees the same messages with the same flags
and the same bytes, and nothing is lost or there twice."""
import fcntl
import imaplib
import json
import mailbox
import os
import pty
import random
import select
import shlex
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from node import HERE, environment
from door import Door
from thunderbird import Program
from world import World, insecure_tls

FOLDERS = ("INBOX", "Archive")
SECONDS = int(os.environ.get("TIME", "15"))


@pytest.fixture
def home(tmp_path):
    world = World(tmp_path)
    home = world.home("one.test", accounts=["alice"])
    world.publish()
    yield home.start()
    world.close()


def run(*words, may_fail=False, **options):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, **options)
    assert may_fail or done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


class Books:
    """What was added and what somebody wanted to delete."""

    def __init__(self):
        self.lock, self.made, self.deleted = threading.Lock(), set(), set()

    def make(self, who, n):
        name = f"{who}-{n}"
        with self.lock:
            self.made.add(name)
        return name, f"Subject: {name}\r\nFrom: {who}@one.test\r\n\r\nby {who}, {n}\r\n".encode()

    def delete(self, name):
        with self.lock:
            self.deleted.add(name)


class Client(threading.Thread):
    """Works until it is told to stop; what went wrong is kept."""

    def __init__(self, home, books, folder):
        super().__init__(daemon=True)
        self.home, self.books, self.folder = home, books, folder
        self.ending, self.error, self.n, self.begun = False, None, 0, threading.Event()
        self.random = random.Random(type(self).__name__)

    def run(self):
        try:
            self.begin()
            self.begun.set()
            while not self.ending:
                self.step()
                self.n += 1
        except Exception as e:  # told by the test
            self.error = e
            self.begun.set()

    def begin(self):
        pass

    def close(self):
        pass

    def rest(self):
        """Once more, when the others are still; true: nothing was left to do."""
        return True


class Imaplib(Client):
    def begin(self):
        self.client = self.home.imap("alice")

    def step(self):
        c, dice = self.client, self.random.random()
        assert c.select("INBOX")[0] == "OK"
        if dice < 0.4:
            _, text = self.books.make("imaplib", self.n)
            assert c.append("INBOX", r"(\Flagged)" if dice < 0.2 else None, None, text)[0] == "OK"
        uids = c.uid("search", None, "ALL")[1][0].split()
        if uids:
            self.change(c, self.random.choice(uids), self.random.random())
        time.sleep(0.02)

    def change(self, c, uid, dice):
        got = next((part for part in c.uid("fetch", uid, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] if isinstance(part, tuple)), None)
        if not got:
            return  # somebody else was quicker
        if dice < 0.15:
            self.books.delete(got[1].split(b": ", 1)[1].strip().decode())
            assert c.uid("store", uid, "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
            assert c.uid("expunge", uid)[0] == "OK"
        elif dice < 0.3:
            assert c.uid("move", uid, "Archive")[0] == "OK"
        else:
            assert c.uid("store", uid, self.random.choice(["+FLAGS", "-FLAGS"]), r"(\Seen)")[0] == "OK"


class Curl(Client):
    def step(self):
        url = f"imaps://{self.home.address}:{self.home.port(993)}"
        _, text = self.books.make("curl", self.n)
        draft = self.folder / "draft.eml"
        draft.write_bytes(text)
        run("curl", "-sk", f"{url}/INBOX", "-u", "alice@one.test:secret", "-T", str(draft))
        run("curl", "-sk", f"{url}/INBOX", "-u", "alice@one.test:secret", "-X", "SEARCH UNSEEN")
        time.sleep(0.3)


class Mutt(Client):
    def step(self):
        rc = self.folder / "mutt.rc"
        login = f"alice%40one.test@{self.home.address}"
        rc.write_text(f'set imap_user = "alice@one.test"\nset imap_pass = secret\nset folder = "imap://{login}:{self.home.port(143)}/"\n'
                      f"set spoolfile = +INBOX\nset certificate_file = {self.home.dir}/tls/certificate.pem\nset ssl_verify_host = no\n"
                      "set ssl_force_tls = yes\nset sleep_time = 0\nset move = no\nset quit = yes\nset timeout = 1\n")
        key = self.random.choice(["<flag-message>", "<toggle-new>", "<next-entry><flag-message>"])
        command = shlex.join(["mutt", "-n", "-F", str(rc), "-e", f"push <last-entry>{key}<sync-mailbox><exit>"])
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TERM": "vt100", "LANG": "C.UTF-8"}
        # a key that finds nothing to do drops the rest of what was pushed: then it waits for a hand that does not come
        subprocess.run(["script", "-qec", f"timeout --foreground 5 {command}", "/dev/null"], capture_output=True, env=env, timeout=60)
        time.sleep(0.3)


def clear(home):
    """For clients that trust no certificate of ours."""
    return Door("127.0.0.1", 0, lambda: insecure_tls().wrap_socket(socket.create_connection((home.address, home.port(993)))))


class Aerc(Client):
    """Stays connected, as somebody who sits in front of it; what it shows is read and dropped."""

    def begin(self):
        self.door = clear(self.home)
        config = self.folder / "config" / "aerc"
        config.mkdir(parents=True)
        accounts = config / "accounts.conf"
        accounts.touch(0o600)
        accounts.write_text(f"[alice]\nsource = imap+insecure://alice%40one.test:secret@127.0.0.1:{self.door.port}\n"
                            "default = INBOX\nfrom = alice <alice@one.test>\n")
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_CONFIG_HOME": str(config.parent), "TERM": "xterm", "LANG": "C.UTF-8"}
        near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.terminal = near
        self.program = subprocess.Popen(["setsid", "--ctty", "aerc"], stdin=far, stdout=far, stderr=far, env=env)
        os.close(far)
        self.shown = b""
        self.watch(4)

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                self.shown = (self.shown + os.read(self.terminal, 65536))[-4000:]

    def step(self):
        assert self.program.poll() is None, self.shown
        words = self.random.choice([":flag -t", ":read -t", ":next", ":next 5", ":prev", ":mv Archive"])
        os.write(self.terminal, words.encode() + b"\r")
        self.watch(0.5)

    def close(self):
        if hasattr(self, "program"):
            self.program.kill()
            self.program.wait(10)
            self.door.close()


class Thunderbird(Client):
    last = None

    def begin(self):
        self.door = clear(self.home)
        self.program = Program(self.folder, self.door.port)
        self.program.run("begin", host="127.0.0.1", user="alice@one.test", password="secret", folders=FOLDERS)

    def step(self):
        self.program.run("step", folders=FOLDERS, dice=self.random.random(), which=self.random.random())
        time.sleep(0.1)

    def sees(self):
        seen = self.program.run("sees", folders=FOLDERS)
        return {f: sorted(tuple(m) for m in seen[f]) for f in FOLDERS}

    def rest(self):
        before, self.last = self.last, self.sees()
        return self.last == before

    def close(self):
        if hasattr(self, "program"):
            self.program.close()
            self.door.close()


class Maildirs(Client):
    """A program that keeps a Maildir of each folder in step, and a reader who changes them between its runs."""

    resting = False  # while others are at work a message that is gone between two commands may end a run

    def begin(self):
        self.configure()
        self.sync()

    def box(self, folder):
        return mailbox.Maildir(self.folder / "mail" / folder, factory=None)

    def step(self):
        box = self.box("INBOX")
        if self.random.random() < 0.6:
            _, text = self.books.make(type(self).__name__.lower(), self.n)
            box.add(mailbox.MaildirMessage(text))
        keys = sorted(box.keys())
        if keys:
            self.change(box, self.random.choice(keys), self.random.random())
        self.sync()

    def change(self, box, key, dice):
        message = box[key]
        if dice < 0.15:
            self.books.delete(message["Subject"])
            box.remove(key)
            return
        (message.add_flag if dice < 0.7 else message.remove_flag)(self.random.choice("SF"))
        message.set_subdir("cur")
        box[key] = message

    def sees(self):
        return {f: sorted((m["Subject"], " ".join(w for w, c in ((r"\Flagged", "F"), (r"\Seen", "S")) if c in m.get_flags()))
                          for m in self.box(f)) for f in FOLDERS}

    def rest(self):
        self.resting = True
        before = self.sees()
        self.sync()
        return self.sees() == before


class Mbsync(Maildirs):
    def configure(self):
        (self.folder / "mail").mkdir()
        self.rc = self.folder / "mbsyncrc"
        self.rc.write_text(f"""IMAPAccount tram
Host {self.home.address}
Port {self.home.port(993)}
User alice@one.test
Pass secret
SSLType IMAPS
CertificateFile {self.home.dir}/tls/certificate.pem

IMAPStore far
Account tram

MaildirStore near
Path {self.folder}/mail/
Inbox {self.folder}/mail/INBOX
SubFolders Verbatim

Channel both
Far :far:
Near :near:
Patterns {' '.join(FOLDERS)}
Create Near
Expunge Both
SyncState *
""")

    def sync(self):
        run("mbsync", "-q", "-c", str(self.rc), "both", may_fail=not self.resting, env=dict(os.environ, HOME=str(self.folder)))


class Offlineimap(Maildirs):
    def configure(self):
        der = subprocess.run(["openssl", "x509", "-in", f"{self.home.dir}/tls/certificate.pem", "-noout", "-fingerprint", "-sha512"], capture_output=True, text=True)
        fingerprint = der.stdout.split("=")[1].strip().replace(":", "").lower()
        self.rc = self.folder / "offlineimaprc"
        self.rc.write_text(f"""[general]
accounts = tram
metadata = {self.folder}/meta
maxsyncaccounts = 1
[Account tram]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {self.folder}/mail
[Repository far]
type = IMAP
remotehost = {self.home.address}
remoteport = {self.home.port(993)}
remoteuser = alice@one.test
remotepass = secret
ssl = yes
cert_fingerprint = {fingerprint}
auth_mechanisms = PLAIN
maxconnections = 1
folderfilter = lambda name: name in {FOLDERS!r}
""")

    def sync(self):
        run("offlineimap", "-c", str(self.rc), "-u", "quiet", "-o", may_fail=not self.resting, env=dict(os.environ, HOME=str(self.folder)))


def truth(home):
    """What a session that has just begun sees: name, flags and bytes of each message."""
    client, told = home.imap("alice"), {}
    for folder in FOLDERS:
        assert client.select(folder, readonly=True)[0] == "OK"
        told[folder] = []
        if client.uid("search", None, "ALL")[1] != [b""]:
            for part in client.fetch("1:*", "(FLAGS BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    flags = imaplib.ParseFlags(part[0])
                    told[folder].append((part[1].split(b"\r\n")[0].split(b": ")[1].decode(),
                                         " ".join(f for f in (r"\Flagged", r"\Seen") if f.encode() in flags), part[1].decode("latin-1")))
        told[folder].sort()
    client.logout()
    return told


def without_bytes(seen):
    return {folder: [m[:2] for m in seen[folder]] for folder in FOLDERS}


def test_clients_on_one_account_agree(home, tmp_path, request):
    books, clients = Books(), []
    for kind in (Imaplib, Curl, Mutt, Aerc, Thunderbird, Mbsync, Offlineimap):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        clients.append(kind(home, books, folder))
        request.addfinalizer(clients[-1].close)
    flow = subprocess.Popen(["node", str(HERE / "flow.js"), home.address, str(home.port(993)), "7"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment())
    for client in clients:
        client.start()
    for client in clients:
        assert client.begun.wait(120), type(client).__name__
    time.sleep(SECONDS)
    for client in clients:
        client.ending = True
    for client in clients:
        client.join(120)
        assert not client.is_alive() and client.error is None, (type(client).__name__, client.error)
        assert client.n > 1, f"{type(client).__name__} did nothing"
    assert flow.poll() is None, flow.stderr.read()
    print("end", file=flow.stdin, flush=True)
    told = flow.stdout.readline()
    assert told, flow.stderr.read()
    told = json.loads(told)
    books.made |= set(told["made"])
    books.deleted |= set(told["deleted"])
    for _ in range(10):  # what one brings the other has to fetch
        if all([client.rest() for client in clients]):
            break
    print("look", file=flow.stdin, flush=True)
    seen = json.loads(flow.stdout.readline())
    assert flow.wait(30) == 0
    now = truth(home)
    names = [m[0] for folder in FOLDERS for m in now[folder]]
    assert len(names) == len(set(names)), "something is there twice"
    assert set(names) <= books.made and books.made - set(names) <= books.deleted, "something is lost, or nobody's"
    assert {f: sorted(tuple(m) for m in seen[f]) for f in FOLDERS} == now, "imapflow sees something else"
    for client in clients:
        if isinstance(client, (Thunderbird, Maildirs)):
            assert client.sees() == without_bytes(now), f"{type(client).__name__} sees something else"
    with home.imap("alice") as client:
        assert client.select("INBOX")[1] == [str(len(now["INBOX"])).encode()]
