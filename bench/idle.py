#!/usr/bin/env python3
"""make bench-idle: what IMAP sessions that wait cost in memory (SESSIONS, 10,000 unless told otherwise).

A fresh home with 50 accounts; sessions log in over TLS, select INBOX and say IDLE; then as many that were greeted in
clear and say nothing (nobody logs in without TLS, so there are no others). What the server's resident memory grew by,
divided by the sessions: once they are there, and after 30 s, when what is given back while idle has been. A letter then
tells how long news takes to reach the sessions of its account."""
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "whole"))
from world import World, insecure_tls  # noqa: E402

SESSIONS = int(os.environ.get("SESSIONS", "10000"))
ACCOUNTS = 50
REST = 30  # seconds


def connect(home, port):
    return socket.create_connection((home.address, home.port(port)), timeout=60)


def until(sock, word):
    got = b""
    while word not in got:
        more = sock.recv(4096)
        assert more, got
        got += more
    return got


def idle(home, tls, i):
    sock = tls.wrap_socket(connect(home, 993))
    sock.sendall(f'1 LOGIN a{i % ACCOUNTS}@bench.test secret\r\n'.encode())
    until(sock, b"1 OK")
    sock.sendall(b"2 SELECT INBOX\r\n")
    until(sock, b"2 OK")
    sock.sendall(b"3 IDLE\r\n")
    until(sock, b"+ ")
    return sock


def greeted(home, _tls, _i):
    sock = connect(home, 143)
    until(sock, b"\r\n")
    return sock


def measured(home, what, opening, rest):
    before, begun, tls = home.resident_kb(), time.monotonic(), insecure_tls()
    opening(home, tls, 0).close()  # what is loaded once
    sockets = [opening(home, tls, i) for i in range(SESSIONS)]
    took = time.monotonic() - begun
    at_once = home.resident_kb() - before
    time.sleep(rest)
    later = home.resident_kb() - before
    print(f"{what}: {len(sockets)} sessions in {took:.0f} s, {at_once / SESSIONS:.1f} KB each, {later / SESSIONS:.1f} KB each after {rest} s", flush=True)
    return sockets


def news(home, sockets):
    with home.imap("a0") as client:
        begun = time.monotonic()
        client.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
        for sock in sockets[::ACCOUNTS]:
            until(sock, b"EXISTS")
    print(f"news: all {len(sockets[::ACCOUNTS])} sessions of an account heard within {(time.monotonic() - begun) * 1000:.0f} ms of APPEND's begin", flush=True)


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert most > SESSIONS + 200, f"{most} files may be open: fewer SESSIONS, or a higher limit (ulimit -Hn)"
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="tram-idle-", dir=os.environ.get("BENCH_DIR")) as folder:
        world = World(folder)
        config = f"connections_max = {2 * SESSIONS + 1000}\nconnections_per_address = {2 * SESSIONS + 1000}"
        home = world.home("bench.test", accounts=[f"a{i}" for i in range(ACCOUNTS)], config=config)
        world.publish()
        try:
            home.start()
            sockets = measured(home, "IDLE within TLS", idle, REST)
            news(home, sockets)
            for sock in sockets:
                sock.close()
            home.stop()
            home.start()
            measured(home, "greeted in clear", greeted, 5)
        finally:
            world.close()


main()
