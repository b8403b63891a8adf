"""A scripted stranger against the real program (make attack): while each attack runs, letters of good people
go through in under a second, the loops answer in time, and memory stays where it is."""
import multiprocessing
import os
import random
import resource
import select
import socket
import ssl
import statistics
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "whole"))
import world as w  # noqa: E402

STRANGER = "127.200.0.9"  # the host itself, 127.0.0.1, has no share of its own
MEMORY_KB = 200 * 1024
SIGNATURES = 8
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def home(tmp_path):
    world = w.World(tmp_path)
    made = world.home("one.test", accounts=["alice", "bob"])
    silent = "".join(f";! timeout s{n}._domainkey.silent.test\n" for n in range(SIGNATURES))
    world.publish(extra="good.test. IN TXT \"v=spf1 +all\"\ngood.test. IN MX 0 .\n" + silent)
    yield made.start()
    world.close()


class Attack:
    """Runs attacker(stop) on some threads of a process of their own, so that who measures waits for none of them;
    measures what good people notice meanwhile."""

    def __init__(self, home, attacker, threads):
        self.home, self.attacker, self.number = home, attacker, threads
        self.stop, self.over = threading.Event(), FORK.Event()
        self.process = FORK.Process(target=self.swarm, daemon=True)

    def swarm(self):
        os.nice(15)  # strangers have processors of their own
        threads = [threading.Thread(target=self.run, daemon=True) for _ in range(self.number)]
        for thread in threads:
            thread.start()
        self.over.wait()
        self.stop.set()
        for thread in threads:
            thread.join(30)

    def run(self):
        while not self.stop.is_set():
            try:
                self.attacker(self.home, self.stop)
            except OSError:  # the server ends what leads nowhere
                time.sleep(0.02)

    def measure(self, seconds=8):
        before, cpu = self.home.resident_kb(), cpu_seconds(self.home)
        self.process.start()
        delays, letters, most, end = [], [], 0, time.monotonic() + seconds
        while time.monotonic() < end:
            letters.append(self.letter())
            delays += self.round_trips(20)
            most = max(most, self.home.resident_kb())
        cpu = (cpu_seconds(self.home) - cpu) / seconds
        self.over.set()
        self.process.join(60)
        p99 = statistics.quantiles(delays, n=100)[98]
        print(f"\n  {self.attacker.__name__}: {most - before} KB more, {100 * cpu:.0f} % of a processor, p99 of a command {1000 * p99:.1f} ms, "
              f"slowest letter {1000 * max(letters):.0f} ms of {len(letters)}")
        assert most - before < MEMORY_KB
        assert max(letters) < 1
        assert p99 < 0.02

    def letter(self):
        start = time.monotonic()
        with self.home.mx("127.0.0.1") as client:
            client.sendmail("carol@good.test", ["bob@one.test"], w.letter("carol@good.test", "bob@one.test"))
        return time.monotonic() - start

    def round_trips(self, n):
        took = []
        with self.home.mx("127.0.0.1") as client:
            for _ in range(n):
                start = time.monotonic()
                client.noop()
                took.append(time.monotonic() - start)
        return took


def cpu_seconds(home):
    """That the server has had until now; with the letters of good people, which are many."""
    user, system = Path(f"/proc/{home.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def dial(home, port):
    s = socket.create_connection((home.address, home.port(port)), 10, source_address=(STRANGER, 0))
    s.settimeout(10)
    assert s.recv(1000)
    return s


def flood(port, text):
    def commands_that_lead_nowhere(home, stop):
        with dial(home, port) as s:
            while not stop.is_set():
                s.sendall(text * 200)
                if not s.recv(1 << 16):
                    return
    return commands_that_lead_nowhere


def fields_without_end(home, stop):
    """232 KB of Authentication-Results, and then the letter trickles."""
    field = b"Authentication-Results: x.test" + b"; a=b" * 30 + b"\r\n"
    with dial(home, 25) as s:
        s.sendall(b"EHLO a.test\r\nMAIL FROM:<a@good.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n")
        while b"354" not in s.recv(4096):
            pass
        s.sendall(field * (232 * 1024 // len(field)) + b"From: a@good.test\r\n\r\n")
        while not stop.is_set():
            s.sendall(b"x")
            time.sleep(0.2)


def silent_signatures(home, stop):
    """Each letter bears signatures of domains about which the DNS never says anything."""
    fields = "".join(f"DKIM-Signature: v=1; a=rsa-sha256; d=silent.test; s=s{n}; h=from; b=AAAA;\r\n"
                     " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\r\n" for n in range(SIGNATURES))
    with dial(home, 25) as s:
        s.settimeout(40)
        s.sendall(b"EHLO a.test\r\nMAIL FROM:<a@good.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n")
        while b"354" not in s.recv(4096):
            pass
        s.sendall((fields + "From: a@good.test\r\n\r\n.\r\n").encode())
        while not stop.is_set() and s.recv(4096):
            pass


def large_letters(home, stop):
    """Large header sections, and a body that does not end."""
    field = b"X-Field: " + b"x" * 110 + b"\r\n"
    with dial(home, 25) as s:
        s.sendall(b"EHLO a.test\r\nMAIL FROM:<a@good.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n")
        while b"354" not in s.recv(4096):
            pass
        s.sendall(field * 1900 + b"From: a@good.test\r\n\r\n" + b"x" * 70 + b"\r\n")
        while not stop.is_set():
            s.sendall(b"x" * 70 + b"\r\n")
            time.sleep(0.1)


def guesses(home, stop):
    context = w.insecure_tls()
    with context.wrap_socket(dial_raw(home, 993)) as s:
        while not stop.is_set():
            s.sendall(b"a LOGIN alice@one.test wrong\r\n")
            if not s.recv(4096):
                return


def guesses_from_everywhere(home, stop):
    """Each network tries each name a few times, as long as the guard lets it: many derivations wait at once."""
    network = f"127.{random.randrange(1, 200)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    context = w.insecure_tls()
    with context.wrap_socket(dial_raw(home, 993, network)) as s:
        for n in range(4):
            s.sendall(b"a LOGIN nobody%d@one.test wrong\r\n" % random.randrange(1000))
            if stop.is_set() or not s.recv(4096):
                return


def dial_raw(home, port, network=STRANGER):
    s = socket.create_connection((home.address, home.port(port)), 10, source_address=(network, 0))
    s.settimeout(30)
    return s


def probes(home, stop):
    with dial(home, 25) as s:
        s.sendall(b"EHLO a.test\r\nMAIL FROM:<a@good.test>\r\n")
        for n in range(1000):
            s.sendall(b"RCPT TO:<nobody%d@one.test>\r\n" % n)
            if stop.is_set() or not s.recv(4096):
                return


def places(home, stop):
    held = []
    try:
        while not stop.is_set() and len(held) < 500:
            held.append(dial_raw(home, 143))
        stop.wait(5)
    finally:
        for s in held:
            s.close()


def hello_of_tls():
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = w.insecure_tls().wrap_bio(come, go, server_hostname="mail.one.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return go.read()


class Drips:
    """Connections from as many networks, each of which says a byte a second; whoever has to give way comes again.
    One thread with one epoll."""

    def __init__(self, home, port, number, whole=False):
        self.home, self.port, self.number = home, port, number
        self.tls = hello_of_tls() if port == 993 else b""
        self.first = self.tls if whole else self.tls[:1]
        self.poll, self.socks, self.greeted, self.came_again, self.answered = select.epoll(), {}, 0, 0, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.next = 0

    def dial(self):
        n, self.next = self.next, self.next + 1
        s = socket.socket()
        s.setblocking(False)
        s.bind((f"127.{n % 100 + 100}.{n // 100 % 250}.{n // 25000 % 250 + 1}", 0))
        s.connect_ex((self.home.address, self.home.port(self.port)))
        self.poll.register(s, select.EPOLLIN | select.EPOLLOUT * bool(self.tls))
        self.socks[s.fileno()] = [s, False]

    def connected(self, fd):
        """Where TLS is to begin nothing is heard before the client has said something."""
        s, greeted = self.socks[fd]
        self.poll.modify(s, select.EPOLLIN)
        if not greeted and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            s.send(self.first)
            self.greeted += 1
            self.socks[fd][1] = True

    def hear(self, fd):
        s, greeted = self.socks[fd]
        try:
            text = s.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        self.answered += bool(text and self.tls)
        if text and not greeted and not text.startswith((b"421", b"* BYE", b"-ERR")):
            self.greeted += 1
            self.socks[fd][1] = True
        elif not text:
            del self.socks[fd]
            s.close()
            self.came_again += 1
            self.dial()

    def run(self):
        for _ in range(self.number):
            self.dial()
        word, turn = self.tls[1:] or b"EHLO " + b"x" * 400 + b"\r\n", 0
        while not self.stop.is_set():
            end = time.monotonic() + 1
            for s, greeted in list(self.socks.values()):
                if greeted and not (self.tls and self.first == self.tls):
                    try:
                        s.send(word[turn % len(word):][:1])
                    except OSError:
                        pass
            turn += 1
            while (left := end - time.monotonic()) > 0:
                for fd, what in self.poll.poll(left, 512):
                    if what == select.EPOLLOUT:
                        self.connected(fd)
                    else:
                        self.hear(fd)
        for s, _ in self.socks.values():
            s.close()


DRIPS = 5000


@pytest.mark.parametrize("port, budget, whole", [(25, 24, False), (143, 24, False), (110, 24, False), (993, 24, False), (993, 64, True)])
def test_five_thousand_that_say_a_byte_a_second(home, port, budget, whole):
    """They are greeted at once, and so is a good client among them; each costs at most so many KiB. whole: they say the
    hello of TLS at once, and then nothing."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    drips, attack, before, cpu = Drips(home, port, DRIPS, whole), Attack(home, None, 0), home.resident_kb(), cpu_seconds(home)
    begun = time.monotonic()
    drips.thread.start()
    try:
        w.until(lambda: drips.greeted >= DRIPS, 30, "the greeting of all")
        if whole:  # what it costs to answer them is over
            w.until(lambda: drips.answered >= DRIPS, 60, "the server's part of all handshakes")
        up = time.monotonic() - begun
        delays, letters, greetings, end = [], [], [], time.monotonic() + 15
        while time.monotonic() < end:
            start = time.monotonic()
            with socket.create_connection((home.address, home.port(25)), 10) as s:
                assert s.recv(1000).startswith(b"220")
            greetings.append(time.monotonic() - start)
            letters.append(attack.letter())
            delays += attack.round_trips(20)
        more, cpu = home.resident_kb() - before, (cpu_seconds(home) - cpu) / (time.monotonic() - begun)
        p99 = statistics.quantiles(delays, n=100)[98]
        print(f"\n  {DRIPS} at {port} in {up:.1f} s, {drips.came_again} gave way: {more} KB more, {100 * cpu:.0f} % of a processor, greeting "
              f"{1000 * max(greetings):.0f} ms, p99 of a command {1000 * p99:.1f} ms, slowest letter "
              f"{1000 * max(letters):.0f} ms of {len(letters)}")
        assert more < DRIPS * budget
        assert max(letters) < 1 and max(greetings) < 0.5 and p99 < 0.02
    finally:
        drips.stop.set()
        drips.thread.join(30)


def absurd_chunk(home, stop):
    with dial(home, 25) as s:
        s.sendall(b"BDAT 9000000000000000000\r\n")
        while not stop.is_set():
            s.sendall(b"x" * 65536)


@pytest.mark.parametrize("attacker, threads", [
    (flood(143, b"a NOOP\r\n"), 4), (flood(110, b"CAPA\r\n"), 4),
    (flood(25, b"EHLO a.test\r\nMAIL FROM:<a@good.test>\r\nRSET\r\n"), 4),
    (absurd_chunk, 4), (fields_without_end, 40), (guesses, 20),
    (guesses_from_everywhere, 120), (silent_signatures, 20), (large_letters, 45), (probes, 20), (places, 2),
], ids=lambda v: getattr(v, "__name__", str(v)))
def test_a_stranger_takes_no_more_than_a_share(home, attacker, threads):
    Attack(home, attacker, threads).measure()
