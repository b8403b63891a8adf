#!/usr/bin/env python3
"""Makes format-N.tar.gz: a small home with something of everything, which every later version must read
(tests/whole/test_upgrade.py says what it holds). To be run once, by the last program before a new format, and within a
format (2b, 2c) when rows have got new tags: tests/homes/make.py N"""
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "whole"))
from world import World, letter, until  # noqa: E402

CONF = 'queue_lifetime = "30d"\nqueue_retry_first = "1h"\nqueue_retry_most = "1h"\n'


def append(client, folder, name, flags):
    text = letter("a@one.test", "alice@one.test", name).encode()
    assert client.append(folder, flags, '"01-Feb-2020 03:04:05 +0530"', text)[0] == "OK"


def fill(home):
    home.tram("alias", "add", "info@one.test", "bob@one.test")
    home.tram("domain", "set", "one.test", "--catch-all", "bob@one.test", "--mta-sts", "enforce")
    home.tram("account", "set", "bob@one.test", "--daily", "77", "--quota", "2G")
    home.tram("account", "app-password", "add", "bob@one.test", "--name", "phone", "--for", "imap")
    home.tram("suppression", "add", "alice@one.test", "gone@two.test")
    home.tram("block", "add", "192.0.2.0/24")
    home.tram("key", "add", "alice@one.test", "--name", "shop", "--scope", "mail.send")
    home.start()
    client = home.imap("alice")
    client.create("Work/Deep")
    client.subscribe("Work/Deep")
    append(client, "Work/Deep", "kept", r"(\Seen \Flagged $Label1)")
    append(client, "Work/Deep", "expunged", r"(\Deleted)")
    client.select("Work/Deep")
    client.search(None, "EMAILID", "Mnone")
    client.expunge()
    client.logout()
    with home.submission("alice") as smtp:
        smtp.sendmail("alice@one.test", ["info@one.test"], letter("alice@one.test", "info@one.test", "by alias"))
        smtp.sendmail("alice@one.test", ["carl@two.test"], letter("alice@one.test", "carl@two.test", "on its way"))
    home.wait_for("bob")
    until(lambda: "deferred" in home.tram("trace", "--last", "20").stdout, what="an attempt")
    home.tram("images")
    home.stop()


def pack(home, out):
    def plain(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        skip = Path(info.name).name in ("LOCK", "control.sock", "lmtp") or Path(info.name).name.startswith("LOG")
        return None if skip or not (info.isfile() or info.isdir()) else info
    with tarfile.open(out, "w:xz") as tar:
        tar.add(home.dir, "home", filter=plain)


def main():
    number = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        home = world.home("one.test", accounts=["alice", "bob"], config=CONF)
        world.write_zone("mail.two.test. A 127.0.0.99\ntwo.test. MX 10 mail.two.test.\n")
        fill(home)
        pack(home, Path(__file__).parent / f"format-{number}.tar.xz")



if __name__ == "__main__":
    main()
