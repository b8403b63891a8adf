#!/usr/bin/env python3
"""make bench-relay: letters handed on, by Tram and by Debian's Postfix, in turns, in this run, with the same work.

SESSIONS connections of Postfix's smtp-source bring LETTERS letters of SIZE bytes for an alias; each leaves for another
server, Postfix's smtp-sink, which answers at once and keeps nothing. Measured for each of ROUNDS rounds: letters a second
until the last has left, and the CPU time of the whole server (every process of it) for a letter, from the first byte that
came in to the last answer of the sink. Both say 250 only after the letter is on disk.

Then the same with signatures: letters of a domain of one's own. Tram gets them from a client that logs in within TLS and
signs twice (RSA with 2,048 bits, Ed25519); Postfix gets them in clear from a trusted address and OpenDKIM signs once (RSA
with 2,048 bits)."""
import base64
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from bench import LETTERS, ROUNDS, SESSIONS, SIZE, Postfix, cpu_of, family
from world import World, insecure_tls, next_address, until

SINK = 10025  # the port of the sinks; Tram's deliveries go to port 25 plus its offset


class Client(threading.Thread):
    """A session of an application: EHLO, who it is, then letters one after the other."""

    def __init__(self, address, port, login, letters):
        super().__init__()
        self.address, self.port, self.login, self.letters = address, port, login, letters
        body = "".join(f"{i:06} {'x' * 62}\r\n" for i in range(SIZE // 72))
        self.letter = f"From: news@bench.test\r\nTo: x@sink.test\r\nSubject: bench\r\nDate: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}\r\n\r\n{body}.\r\n".encode()

    def say(self, line, code):
        self.s.sendall(line)
        while True:
            answer = self.f.readline()
            if answer[3:4] != b"-":
                assert answer.startswith(code), (line[:80], answer)
                return

    def log_in(self):
        self.say(b"STARTTLS\r\n", b"220")
        self.s = insecure_tls().wrap_socket(self.s)
        self.f = self.s.makefile("rb")
        self.say(b"EHLO client.test\r\n", b"250")
        self.say(b"AUTH PLAIN " + base64.b64encode(f"\0{self.login}\0secret".encode()) + b"\r\n", b"235")

    def run(self):
        with socket.create_connection((self.address, self.port), timeout=60) as self.s:
            self.f = self.s.makefile("rb")
            self.say(b"", b"220")
            self.say(b"EHLO client.test\r\n", b"250")
            if self.login:
                self.log_in()
            for _ in range(self.letters):
                self.say(b"MAIL FROM:<news@bench.test>\r\n", b"250")
                self.say(b"RCPT TO:<x@sink.test>\r\n", b"250")
                self.say(b"DATA\r\n", b"354")
                self.say(self.letter, b"250")
            self.say(b"QUIT\r\n", b"221")


class TramRelay:
    name = "Tram"

    def __init__(self, folder, sink, signed):
        self.world = World(folder)
        self.address = next_address()
        self.home = self.world.home("bench.test", address=self.address, accounts=["news"])
        self.home.tram("account", "set", "news@bench.test", "--daily", "unlimited", "--hourly", "unlimited")
        self.home.tram("alias", "add", "list@bench.test", "x@sink.test")
        self.world.publish(extra='source.test. IN TXT "v=spf1 +all"\nsource.test. IN A 127.0.0.1\n'
                                 f"sink.test. IN MX 10 mx.sink.test.\nmx.sink.test. IN A {sink}\n")
        self.home.start()
        self.login = "news@bench.test" if signed else None
        self.port, self.roots = self.home.port(587 if signed else 25), [self.home.process.pid]

    def waiting(self):
        return self.home.json("stats")["letters"]

    def close(self):
        self.world.close()


class PostfixRelay(Postfix):
    def __init__(self, folder, sink, signed):
        super().__init__(folder)
        self.address, self.login, self.roots = "127.0.0.1", None, [self.root]
        self.set("virtual_alias_domains=bench.test", "virtual_mailbox_domains=", "virtual_alias_maps=static:x@sink.test" if not signed else "virtual_alias_maps=",
                 f"relayhost=[{sink}]:{SINK}", "smtp_tls_security_level=none", "anvil_rate_time_unit=3600s")
        self.dkim = self.sign() if signed else None
        subprocess.run([*self.command, "reload"], capture_output=True, check=True)
        time.sleep(1)
        self.queue = self.folder / "queue"

    def set(self, *settings):
        subprocess.run(["/usr/sbin/postconf", "-c", str(self.folder / "etc"), *settings], check=True)

    def sign(self):
        keys = self.folder / "dkim"
        keys.mkdir()
        subprocess.run(["openssl", "genrsa", "-out", str(keys / "key"), "2048"], capture_output=True, check=True)
        (keys / "conf").write_text(f"Domain bench.test\nKeyFile {keys}/key\nSelector s\nSocket inet:11026@127.0.0.1\nMode s\nInternalHosts 127.0.0.0/8\n"
                                   "Background no\nRequireSafeKeys no\nSyslog no\nCanonicalization relaxed/simple\n")
        self.set("smtpd_milters=inet:127.0.0.1:11026", "milter_default_action=tempfail")
        dkim = subprocess.Popen(["/usr/sbin/opendkim", "-f", "-x", str(keys / "conf")])
        self.roots.append(dkim.pid)
        until(lambda: not socket.socket().connect_ex(("127.0.0.1", 11026)), 10, "OpenDKIM")
        return dkim

    def waiting(self):
        return sum(len(files) for part in ("maildrop", "incoming", "active", "deferred") for _, _, files in os.walk(self.queue / part))

    def close(self):
        super().close()
        if self.dkim:
            self.dkim.terminate()
            self.dkim.wait()


def used(server):
    return sum(cpu_of(family(root)) for root in server.roots)


def bring(server):
    if not server.login and not getattr(server, "dkim", None):
        subprocess.run(["/usr/sbin/smtp-source", "-d", "-s", str(SESSIONS), "-m", str(LETTERS), "-l", str(SIZE), "-f", "a@source.test",
                        "-t", "list@bench.test", "-M", "source.test", f"inet:{server.address}:{server.port}"], check=True)
        return
    clients = [Client(server.address, server.port, server.login, LETTERS // SESSIONS) for _ in range(SESSIONS)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()


def measure(server):
    before, start = used(server), time.monotonic()
    bring(server)
    taken = time.monotonic() - start
    until(lambda: time.sleep(0.5) or server.waiting() == 0, 600, f"the end of the queue of {server.name}")
    return {"taken": LETTERS / taken, "relayed": LETTERS / (time.monotonic() - start), "cpu_us": (used(server) - before) / LETTERS * 1e6}


def compare(folder, sink, signed):
    servers = [kind(tempfile.mkdtemp(dir=folder), sink, signed) for kind in (TramRelay, PostfixRelay)]
    results = {s.name: [] for s in servers}
    print("signed with DKIM" if signed else "an alias to another server")
    try:
        for _ in range(ROUNDS):
            for s in servers:
                r = measure(s)
                results[s.name].append(r)
                print(f"  {s.name:8} {r['taken']:7.0f} taken/s {r['relayed']:7.0f} relayed/s {r['cpu_us']:7.0f} us CPU/letter")
    finally:
        for s in servers:
            s.close()
    tram, peer = ({k: median(r[k] for r in results[s.name]) for k in results[s.name][0]} for s in servers)
    print(f"  medians: {tram['relayed'] / peer['relayed']:.1f} times the rate, 1/{peer['cpu_us'] / tram['cpu_us']:.1f} of the CPU a letter "
          f"({tram['cpu_us']:.0f} to {peer['cpu_us']:.0f} us)\n")


def main():
    folder = tempfile.mkdtemp(prefix="tram-relay-", dir=os.environ.get("BENCH_DIR"))
    os.chmod(folder, 0o755)
    address = next_address()
    sink = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", f"{address}:{SINK}", "1000"])
    print(f"{LETTERS} letters of {SIZE} bytes over {SESSIONS} sessions, {ROUNDS} rounds each in turns, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    try:
        for signed in (False, True):
            compare(folder, address, signed)
    finally:
        sink.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
