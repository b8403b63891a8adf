"""A trial network on loopback: homes of Tram, each on its own address, one zone file for all."""
import ctypes
import ctypes.util
import fcntl
import itertools
import json
import os
import signal
import smtplib
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAM = os.environ.get("TRAM", str(ROOT / "build" / "tram"))
OFFSET = 10000
_address = itertools.count(2)


def served():
    """The networks 127.N in which somebody listens: a server may have outlived the tests that started it."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1][4:6], 16) for row in rows if row[3] == "0A" and row[1][6:8] == "7F"}


def own_network():
    """A number that no other process of tests has at this time: the file is locked until this one ends."""
    taken = served()
    for k in range(200):
        n = 1 + (os.getpid() + k) % 200
        if n in taken:
            continue
        try:
            held = open(Path(tempfile.gettempdir()) / f"tram-tests-{n}", "w")
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return n, held
        except OSError:  # somebody's
            continue
    raise RuntimeError("200 processes of tests at the same time")


_network, _held = own_network()


def next_address():
    """Each test host gets a loopback address of its own (127.1.x.y, apart from the demo's)."""
    n = next(_address)
    return f"127.{_network}.{n // 250}.{n % 250 + 2}"


def insecure_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def until(condition, seconds=60, what="the condition"):
    """Waits for an event by asking; fails with its name when it does not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


def within_a_day(seconds=180):
    """For what is counted by days: it does not begin when the day of UTC is about to end."""
    left = 86400 - time.time() % 86400
    if left < seconds:
        time.sleep(left + 1)


def spoil(home, key, *objects, value=b"\x01damaged"):
    """Another value for this row of each of these objects of the index, by librocksdb itself; the server is stopped."""
    rocks = ctypes.CDLL(ctypes.util.find_library("rocksdb"))
    for made in ("rocksdb_options_create", "rocksdb_writeoptions_create", "rocksdb_open_column_families"):
        getattr(rocks, made).restype = ctypes.c_void_p
    options, writing = rocks.rocksdb_options_create(), rocks.rocksdb_writeoptions_create()
    names, handles = (ctypes.c_char_p * 2)(b"default", b"trace"), (ctypes.c_void_p * 2)()
    why = ctypes.c_char_p()
    db = rocks.rocksdb_open_column_families(ctypes.c_void_p(options), str(home.dir / "store" / "index").encode(), 2, names,
                                            (ctypes.c_void_p * 2)(options, options), handles, ctypes.byref(why))
    assert db and not why.value, why.value
    for name in objects:
        row = name.encode() + b"\0" + key.encode()
        rocks.rocksdb_put_cf(ctypes.c_void_p(db), ctypes.c_void_p(writing), ctypes.c_void_p(handles[0]), row, ctypes.c_size_t(len(row)), value, ctypes.c_size_t(len(value)), ctypes.byref(why))
        assert not why.value, why.value
    for handle in handles:
        rocks.rocksdb_column_family_handle_destroy(ctypes.c_void_p(handle))
    rocks.rocksdb_close(ctypes.c_void_p(db))


class World:
    """A zone file and the homes that it names."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.zone = self.folder / "world.zone"
        self.zone.write_text("; the world\n")
        self.homes = []

    def home(self, domain, **options):
        home = Home(self, domain, **options)
        self.homes.append(home)
        return home

    def publish(self, *homes, extra=""):
        lines = ["; the world"]
        for home in homes or self.homes:
            for domain in home.domains:
                lines.append(home.tram("dns", "records", domain).stdout)
        self.write_zone("\n".join(lines) + "\n" + extra)

    def write_zone(self, text):
        fresh = self.zone.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.zone)
        time.sleep(0.15)  # a server looks at the file at most ten times a second

    def close(self):
        for home in self.homes:
            home.stop()


class Home:
    def __init__(self, world, domain, address=None, accounts=(), config=""):
        self.world, self.domain, self.domains = world, domain, [domain]
        self.address = address or next_address()
        self.dir = world.folder / domain
        self.process = None
        self.log = world.folder / f"{domain}.log"
        self.tram("init", "--domain", domain, "--listen", self.address, "--port-offset", str(OFFSET), "--zone", str(world.zone))
        if config:
            with open(self.dir / "tram.conf", "a") as f:
                f.write(config + "\n")
        for name in accounts:
            self.account(name)

    def tram(self, *words, input=None, ok=True, status=None):
        """Runs a command; ok: it must end with 0; status: with this."""
        if isinstance(input, str):
            input = input.encode()
        done = subprocess.run([TRAM, "-C", str(self.dir), *words], input=input, capture_output=True, timeout=120)
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if status is not None:
            assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        elif ok:
            assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words, status=0):
        return json.loads(self.tram(*words, "--json", status=status).stdout)

    def account(self, name, password="secret"):
        self.tram("account", "add", f"{name}@{self.domain}", input=password)

    def start(self):
        assert self.process is None
        self.log_file = open(self.log, "ab")
        self.process = subprocess.Popen([TRAM, "-C", str(self.dir), "serve"], stdout=subprocess.PIPE, stderr=self.log_file)
        timer = threading.Timer(90, self.process.kill)
        timer.start()
        line = self.process.stdout.readline().decode()
        timer.cancel()
        assert line == "ready\n", (line, self.log.read_text()[-2000:])
        return self

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                status = "killed after 90 s"
            self._forget()
            assert status == 0, (status, self.log.read_text()[-3000:])

    def logged(self, text):
        """Lines of the log are written some milliseconds after what they tell."""
        until(lambda: text in self.log.read_text(), 60, f"the line with {text!r} in the log")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        self.process.stdout.close()
        self.log_file.close()
        self.process = None

    def port(self, n):
        return n + OFFSET

    def resident_kb(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])

    # ---- clients nobody here wrote ----

    def submission(self, user="alice", password="secret"):
        client = smtplib.SMTP(self.address, self.port(587), timeout=60)
        client.starttls(context=insecure_tls())
        client.login(f"{user}@{self.domain}", password)
        return client

    def mx(self, source=None):
        return smtplib.SMTP(self.address, self.port(25), local_hostname="client.test", timeout=60,
                            source_address=(source, 0) if source else None)

    def imap(self, user="alice", password="secret"):
        import imaplib
        client = imaplib.IMAP4_SSL(self.address, self.port(993), ssl_context=insecure_tls())
        client.login(f"{user}@{self.domain}", password)
        return client

    def pop(self, user="alice", password="secret"):
        import poplib
        client = poplib.POP3_SSL(self.address, self.port(995), context=insecure_tls(), timeout=60)
        client.user(f"{user}@{self.domain}")
        client.pass_(password)
        return client

    def messages(self, user="alice", folder="INBOX", password="secret"):
        """Every message of a folder, whole (none as a surrogate, RFC 6855), in order of UID."""
        client = self.imap(user, password)
        try:
            client.xatom("ENABLE", "UTF8=ACCEPT")
            status, _ = client.select(f'"{folder}"', readonly=True)
            assert status == "OK"
            status, data = client.uid("search", None, "ALL")
            found = []
            for uid in data[0].split():
                status, parts = client.uid("fetch", uid, "(BODY.PEEK[])")
                found.append(parts[0][1])
            return found
        finally:
            client.logout()

    def wait_for(self, user, count=1, folder="INBOX", seconds=60):
        return until(lambda: (lambda m: len(m) >= count and m)(self.messages(user, folder)), seconds,
                     f"message number {count} for {user} in {folder}")


def letter(sender, recipient, subject="hello", body="Hello.\r\n", **fields):
    head = {"From": sender, "To": recipient, "Subject": subject, **fields}
    return "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items()) + "\r\n" + body
