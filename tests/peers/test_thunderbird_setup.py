"""Thunderbird itself finds the settings of an address by what the server says of them, proves them by a login, and reads."""
import shutil
import socket
import subprocess

import pytest
from door import Door
from thunderbird import Program
from world import World

NAMES = ["one.test", "autoconfig.one.test", "mail.one.test"]


def certify(home, folder):
    """A certificate for the names, by an authority that is made for this; returns that authority's own."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    (folder / "names").write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in NAMES))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=the authority of a test", "-days", "30")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "asked.pem", "-subj", "/CN=mail.one.test")
    openssl("x509", "-req", "-in", "asked.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "certificate.pem", "-days", "30", "-extfile", "names")
    for name in ("certificate.pem", "key.pem"):
        (home.dir / "tls" / name).write_bytes((folder / name).read_bytes())
    return "".join(line for line in (folder / "ca.pem").read_text().splitlines() if not line.startswith("-"))


@pytest.mark.skipif(not shutil.which("thunderbird"), reason="thunderbird is not installed")
def test_an_address_and_a_password_are_enough(tmp_path):
    world = World(tmp_path)
    home = world.home("one.test", accounts=["alice"])
    authority = certify(home, tmp_path)
    world.publish()
    home.start()
    home.tram("send", "-f", "alice@one.test", "alice@one.test", input="Subject: found by itself\r\n\r\nhello\r\n")
    home.wait_for("alice", 1)
    door = Door(home.address, 443, lambda: socket.create_connection((home.address, home.port(443))))
    program = Program(tmp_path)
    try:
        told = program.run("find", names={n: home.address for n in NAMES}, authority=authority, address="alice@one.test", password="secret")
    finally:
        program.close()
        door.close()
        world.close()
    assert told["source"] == "xml-from-isp-https", told
    tls, starttls, plain_password = 3, 2, 3  # nsMsgSocketType, nsMsgAuthMethod
    assert told["incoming"] == ["imap", "mail.one.test", home.port(993), tls, plain_password, "alice@one.test"]
    assert told["outgoing"] == ["smtp", "mail.one.test", home.port(465), tls, plain_password, "alice@one.test"]
    assert ["pop3", "mail.one.test", home.port(995), tls, plain_password, "alice@one.test"] in told["others"]
    assert ["imap", "mail.one.test", home.port(143), starttls, plain_password, "alice@one.test"] in told["others"]
    assert told["inbox"] == ["found by itself"]
