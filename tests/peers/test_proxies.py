"""Letters leave from addresses of other machines: by Debian's microsocks, Dante and HAProxy (loopback stands for them)."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from world import World, letter, next_address, until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "whole"))
from test_sources import Receiver  # noqa: E402

PORT = 11080


def answers(address):
    with socket.socket() as s:
        return s.connect_ex((address, PORT)) == 0


class Proxy:
    """A program at an address of its own, from which it leaves."""

    def __init__(self, folder, kind, login=()):
        self.address = next_address()
        self.out = next_address()
        self.command = {"microsocks": self.microsocks, "dante": self.dante, "haproxy": self.haproxy}[kind](folder, *login)
        self.log = open(folder / f"{kind}.log", "ab")
        self.start()

    def microsocks(self, folder, user=None, password=None):
        login = ["-u", user, "-P", password] if user else []
        return ["/usr/bin/microsocks", "-i", self.address, "-p", str(PORT), "-b", self.out, *login]

    def dante(self, folder):
        conf = folder / "danted.conf"
        conf.write_text(f"logoutput: stderr\ninternal: {self.address} port = {PORT}\nexternal: {self.out}\nclientmethod: none\nsocksmethod: none\n"
                        "user.privileged: root\nuser.unprivileged: nobody\n"
                        "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n"
                        "socks block { from: 0.0.0.0/0 to: 127.0.0.66/32 command: connect }\n"
                        "socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 command: connect }\n")
        return ["/usr/sbin/danted", "-f", str(conf), "-p", str(folder / "danted.pid")]

    def haproxy(self, folder):
        conf = folder / "haproxy.conf"
        conf.write_text("defaults\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n"
                        f"listen mail\n    mode tcp\n    bind {self.address}:{PORT} accept-proxy\n    source 0.0.0.0 usesrc clientip\n    server any *\n")
        return ["/usr/sbin/haproxy", "-f", str(conf), "-db"]

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log, start_new_session=True)
        until(lambda: answers(self.address), 20, " ".join(self.command))

    def stop(self):
        """With its children, who may hold a connection on which a letter could still leave."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture(scope="module")
def world(folder):
    made = World(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.server.close()


@pytest.fixture(scope="module")
def home(world, receiver):
    made = world.home("one.test", accounts=["alice"])
    world.publish(extra=f"two.test. MX 10 mx.two.test.\nmx.two.test. A {receiver.address}\nnowhere.test. MX 10 mx.nowhere.test.\n"
                        f"mx.nowhere.test. A {next_address()}\nshut.test. MX 10 mx.shut.test.\nmx.shut.test. A 127.0.0.66\n")
    made.start()
    yield made
    made.stop()


def send(home, to="bob@two.test"):
    with home.submission("alice") as client:
        client.sendmail("alice@one.test", [to], letter("alice@one.test", to))


def why(home):
    return [r["why"] for q in home.json("queue", "list")["letters"] for r in q["recipients"]]


def replies(home):
    return [r.get("reply", "") for q in home.json("queue", "list")["letters"] for r in q["recipients"]]


@pytest.mark.parametrize("kind", ["microsocks", "dante", "haproxy"])
def test_a_letter_leaves_by_a_proxy_and_waits_for_it(home, receiver, folder, kind):
    there = folder / kind
    there.mkdir()
    proxy = Proxy(there, kind)
    try:
        scheme = "proxy" if kind == "haproxy" else "socks5"
        home.tram("source", "add", "far", "--ip", proxy.out, "--via", f"{scheme}://{proxy.address}:{PORT}")
        receiver.seen.clear()
        send(home)
        until(lambda: receiver.seen == [(proxy.out, "mail.one.test")], 20, "a letter from the proxy's address")
        checks = json.loads(home.tram("source", "show", "far", "--json", ok=False).stdout)["checks"]
        assert [c["state"] for c in checks if c["what"] == "proxy"] == ["right"]
        send(home, to="bob@nowhere.test")
        until(lambda: [q for q in home.json("queue", "list")["letters"] if q["recipients"][0]["attempts"] == 1], 20, "a receiver that is not there")
        assert "trouble" not in home.json("source", "list")["sources"][0], "that is no fault of the proxy"
        home.tram("queue", "drop", "--all")
        proxy.stop()
        send(home)
        until(lambda: any("the source far: its proxy" in w and "does not answer" in w for w in why(home)), 20, "a letter that waits for the proxy")
        waits = home.json("queue", "list")["letters"][0]["recipients"][0]
        assert waits["attempts"] == 0, "it is not the letter's attempt"
        assert "does not answer" in home.json("source", "list")["sources"][0]["trouble"]
        proxy.start()
        home.tram("source", "add", "far", "--ip", proxy.out, "--via", f"{scheme}://{proxy.address}:{PORT}")
        until(lambda: len(receiver.seen) == 2 and receiver.seen[1][0] == proxy.out, 20, "the letter that waited")
    finally:
        home.tram("source", "remove", "far", ok=False)
        proxy.stop()
        shutil.rmtree(there)


def test_a_login_is_wanted_and_given(home, receiver, folder):
    there = folder / "login"
    there.mkdir()
    proxy = Proxy(there, "microsocks", ("me", "secret"))
    try:
        home.tram("source", "add", "far", "--ip", proxy.out, "--via", f"socks5://{proxy.address}:{PORT}")
        receiver.seen.clear()
        send(home)
        until(lambda: any("its proxy" in w and "it wants a login" in w for w in why(home)), 20, "a letter that waits for the login")
        home.tram("source", "login", "far", "me", input="secret\n")
        until(lambda: receiver.seen == [(proxy.out, "mail.one.test")], 20, "the letter that waited")
        assert "secret" not in home.tram("source", "show", "far", "--json", ok=False).stdout
    finally:
        home.tram("source", "remove", "far", ok=False)
        proxy.stop()


def test_what_the_rules_of_a_proxy_forbid_is_no_trouble_of_its_source(home, folder):
    there = folder / "rules"
    there.mkdir()
    proxy = Proxy(there, "dante")
    try:
        home.tram("source", "add", "far", "--ip", proxy.out, "--via", f"socks5://{proxy.address}:{PORT}")
        send(home, to="bob@shut.test")
        until(lambda: any("the proxy says: its rules do not allow the connection" in w for w in replies(home)), 20, "a letter that the rules keep")
        assert "trouble" not in home.json("source", "list")["sources"][0], "anybody's MX may point there"
    finally:
        home.tram("queue", "drop", "--all")
        home.tram("source", "remove", "far", ok=False)
        proxy.stop()
