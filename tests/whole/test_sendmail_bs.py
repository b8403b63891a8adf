"""`sendmail -bs`: programs that speak SMTP with it on standard input and output."""
import os
import subprocess

import pytest

from world import TRAM, World


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("bs"))
    home = world.home("one.test", accounts=["alice", "bob"])
    os.symlink(TRAM, home.dir.parent / "sendmail")
    world.publish()
    home.start()
    yield home
    world.close()


def speak(home, text):
    done = subprocess.run([home.dir.parent / "sendmail", "-bs"], input=text, capture_output=True, timeout=60,
                          env=os.environ | {"TRAM_HOME": str(home.dir)}, cwd=home.dir.parent)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def codes(lines):
    return [line[:3] for line in lines if line[3:4] != "-"]


LETTER = b"From: alice@one.test\r\nTo: bob@one.test\r\nSubject: %s\r\n\r\n..a dot\r\nthe end\r\n.\r\n"


def test_letters_one_after_another(home):
    envelope = b"MAIL FROM:<alice@one.test> BODY=8BITMIME\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n"
    status, said, errors = speak(home, b"EHLO x\r\n" + envelope + LETTER % b"one" + envelope.replace(b"\r\n", b"\n") +
                                 (LETTER % b"two").replace(b"\r\n", b"\n") + b"QUIT\r\n")
    assert (status, errors) == (0, "")
    assert codes(said) == ["220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "221"]
    home.wait_for("bob", 2)
    bodies = home.messages("bob")
    assert all(b"\r\n\r\n.a dot\r\nthe end\r\n" in body for body in bodies)
    assert all(any(b"Subject: " + w in body for body in bodies) for w in (b"one", b"two"))


def test_order_and_bad_commands(home):
    status, said, _ = speak(home, b"DATA\r\nRCPT TO:<bob@one.test>\r\nMAIL FROM:<alice\r\nFOO\r\nSTARTTLS\r\nHELO x\r\nVRFY bob\r\nNOOP\r\n"
                            b"MAIL FROM:<alice@one.test> SIZE=1\r\nMAIL FROM:<alice@one.test>\r\nMAIL FROM:<alice@one.test>\r\n"
                            b"RCPT TO:<bob@one.test> NOTIFY=NEVER\r\nRSET\r\n" + b"x" * 100000 + b"\r\nHELP\r\n")
    assert codes(said) == ["220", "503", "503", "501", "500", "502", "250", "252", "250", "555", "250", "503", "555", "250", "500", "502"]
    assert status == 0


def test_who_is_nobody_is_told_with_the_letter(home):
    _, said, _ = speak(home, b"MAIL FROM:<alice@one.test>\r\nRCPT TO:<nobody@one.test>\r\nDATA\r\n" + LETTER % b"none")
    assert codes(said)[-1] == "554" and "nobody@one.test" in said[-1]


def test_the_others_get_it_and_the_answer_names_who_is_nobody(home):
    before = len(home.messages("bob"))
    _, said, _ = speak(home, b"MAIL FROM:<alice@one.test>\r\nRCPT TO:<nobody@one.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n" + LETTER % b"some")
    assert codes(said)[-1] == "250" and "not sent to nobody@one.test" in said[-1]
    home.wait_for("bob", before + 1)


def test_a_letter_without_its_end_is_not_sent(home):
    before = len(home.messages("bob"))
    status, said, _ = speak(home, b"MAIL FROM:<alice@one.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n" + (LETTER % b"cut")[:-3])
    assert status == 3
    assert codes(said) == ["220", "250", "250", "354"]
    assert len(home.messages("bob")) == before


def test_a_line_without_end_is_refused_and_the_session_goes_on(home):
    envelope = b"MAIL FROM:<alice@one.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n"
    status, said, _ = speak(home, envelope + b"Subject: x\r\n\r\n" + b"x" * (3 << 20) + b"\r\n.\r\nNOOP\r\nQUIT\r\n")
    assert codes(said)[-3:] == ["552", "250", "221"] and status == 0


def verify(home, *words, stdin=None):
    """`sendmail -bv`: standard input stays open, for nobody may read it."""
    done = subprocess.run([home.dir.parent / "sendmail", *words], stdin=stdin or subprocess.DEVNULL, capture_output=True,
                          timeout=60, env=os.environ | {"TRAM_HOME": str(home.dir)}, cwd=home.dir.parent)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_bv_says_where_letters_would_go(home):
    home.tram("alias", "add", "team@one.test", "alice@one.test", "x@elsewhere.test")
    before = home.tram("queue", "list").stdout
    read, write = os.pipe()
    try:
        status, said, errors = verify(home, "-bv", "alice", "team@one.test", "x@elsewhere.test", stdin=read)
    finally:
        os.close(read), os.close(write)
    assert (status, errors) == (0, "")
    assert said.splitlines() == [
        "alice@one.test... deliverable: here, to alice@one.test",
        "team@one.test... deliverable: elsewhere, to x@elsewhere.test",
        "x@elsewhere.test... deliverable: to one that was named before"], said
    status, said, errors = verify(home, "-b", "v", "nobody@one.test", "bob@one.test", "a b@c@")
    assert status == 1 and "bob@one.test... deliverable: here, to bob@one.test\n" in said
    assert "nobody@one.test... not deliverable: " in said and said.count("not deliverable") == 2
    assert verify(home, "-bv")[0] == 2
    assert home.tram("queue", "list").stdout == before
