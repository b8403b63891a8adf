"""A disk that fails and descriptors that run out: the service goes on without a restart, and keeps what it said."""
import os
import shlex
import re
import resource
import smtplib
import socket
import subprocess
from pathlib import Path

import pytest

from world import TRAM, letter, until

SHIM = Path(__file__).with_name("fault_shim.c")


@pytest.fixture
def home(world, monkeypatch):
    """A running server whose index fails on order: home.fail("EIO", 1)."""
    library = world.folder / "fault.so"
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"], check=True)
    home = world.home("one.test", accounts=["alice", "bob"])
    order = home.dir / "fault"  # where the server may look and write
    world.publish(extra='elsewhere.test. IN TXT "v=spf1 +all"\nelsewhere.test. IN MX 0 .\n')
    monkeypatch.setenv("TRAM_FAULT", str(order))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    home.start()
    monkeypatch.delenv("LD_PRELOAD")

    def fail(error, times):
        fresh = order.with_suffix(".new")
        fresh.write_text(f"{error} {times}\n")
        fresh.replace(order)
    home.fail, home.order, home.shim = fail, order, library
    return home


def subjects(home, user):
    return [re.search(rb"Subject: (\S+)", m).group(1).decode() for m in home.messages(user)]


def send(home, subject, *users):
    with home.mx() as client:
        client.sendmail("x@elsewhere.test", [f"{u}@one.test" for u in users], letter("x@elsewhere.test", "all@one.test", subject))


def test_one_failed_sync_is_left_behind_without_a_restart(home):
    send(home, "before", "bob")
    for n in range(3):
        home.fail("EIO", 1)
        send(home, f"direct-{n}", "bob")
        home.fail("EIO", 1)
        send(home, f"queued-{n}", "alice", "bob")
    until(lambda: home.json("queue", "list")["letters"] == [], 60, "an empty queue")
    wanted = sorted(["before"] + [f"direct-{n}" for n in range(3)] + [f"queued-{n}" for n in range(3)])
    assert sorted(subjects(home, "bob")) == wanted
    home.logged("opened again")
    # a line that finds no space would end the program: RocksDB keeps no diary
    diary = "".join(p.read_text() for p in (home.dir / "store/index").glob("LOG*"))
    assert diary == ""
    home.kill()  # nothing that was told rests on what the disk only pretended to have
    home.start()
    assert sorted(subjects(home, "bob")) == wanted
    assert "whole" in home.tram("verify").stdout


def test_a_sync_without_space_is_not_taken_for_not_done(home):
    home.fail("ENOSPC", 1)
    send(home, "full", "bob")
    send(home, "after", "bob")
    assert sorted(subjects(home, "bob")) == ["after", "full"]


def test_a_disk_that_keeps_failing_ends_the_program_with_a_sentence(home):
    send(home, "before", "bob")
    home.fail("EIO", 1000)
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(home, "unknown", "bob")
    assert home.process.wait(60) == 1
    assert "the program ends: the index cannot be" in home.log.read_text()
    home._forget()
    home.order.unlink()
    home.start()
    assert subjects(home, "bob").count("before") == 1
    send(home, "after", "bob")
    assert "after" in subjects(home, "bob")


def test_a_command_on_a_stopped_node_says_that_the_disk_is_full(home, monkeypatch):
    send(home, "before", "bob")
    home.stop()
    monkeypatch.setenv("LD_PRELOAD", str(home.shim))
    files = sorted(os.listdir(home.dir / "store/index"))
    home.fail("NOROOM", 1000)
    for words in (["account", "list"], ["verify"], ["serve"]):
        done = home.tram(*words, status=3)
        assert "make room" in done.stderr, done.stderr
    assert sorted(os.listdir(home.dir / "store/index")) == files  # an attempt leaves nothing
    home.fail("FULL", 100000)  # also where the disk says that there is room, as with a quota
    done = home.tram("account", "list", status=3)
    assert "No space left" in done.stderr, done.stderr
    monkeypatch.delenv("LD_PRELOAD")
    home.order.unlink()
    home.start()
    assert subjects(home, "bob") == ["before"]


def limited(files):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def test_idle_connections_leave_descriptors_for_mail(world, monkeypatch):
    home = world.home("one.test", accounts=["alice", "bob"])
    order = home.dir / "fault"  # where the server may look and write
    world.publish(extra='elsewhere.test. IN TXT "v=spf1 +all"\nelsewhere.test. IN MX 0 .\n')
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: real(*a, **k, preexec_fn=limited(900)))
    home.start()
    monkeypatch.setattr(subprocess, "Popen", real)
    with home.mx() as first:
        idle = [socket.create_connection((home.address, home.port(143)), timeout=60) for _ in range(900)]
        for n in range(5):
            first.sendmail("x@elsewhere.test", ["alice@one.test", "bob@one.test"],
                           letter("x@elsewhere.test", "all@one.test", f"n-{n}", "x" * 70 + "\r\n" * 20))
        until(lambda: home.json("queue", "list")["letters"] == [], 60, "an empty queue")
        for s in idle:
            s.close()
    home.wait_for("bob", 5)
    assert sorted(subjects(home, "bob")) == [f"n-{n}" for n in range(5)]


def test_a_start_with_too_few_descriptors_is_refused(world):
    home = world.home("one.test")
    done = subprocess.run([TRAM, "-C", str(home.dir), "serve"],
                          capture_output=True, timeout=60, preexec_fn=limited(256))
    assert done.returncode != 0
    assert b"this process may have 256 files open, and needs at least" in done.stderr
