"""Backup MX: mail of another's domain is kept while its server is away, for those whom it knows."""
import smtplib
import socket
import threading

import pytest

from world import World, letter, next_address, until

SHY = next_address()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("backup"))
    primary = world.home("two.test", accounts=["bob"])
    backup = world.home("one.test", accounts=["alice"], config='backup_domains = {"two.test", "void.test", "loop.test", "shy.test"}\n')
    world.publish(extra="two.test. 300 IN MX 20 mail.one.test.\nloop.test. 300 IN MX 10 mail.one.test.\n"
                        f"shy.test. 300 IN MX 10 mail.shy.test.\nmail.shy.test. 300 IN A {SHY}\n"
                        f"void.test. 300 IN MX 10 mail.void.test.\nmail.void.test. 300 IN A {next_address()}\n")
    primary.start()
    backup.start()
    yield primary, backup
    world.close()


def said(home, *recipients, sender="carol@one.test"):
    """The answers to RCPT; the letter is sent when one is taken."""
    with home.mx() as client:
        client.ehlo()
        assert client.mail("")[0] == 250
        answers = [client.rcpt(r) for r in recipients]
        if any(code == 250 for code, _ in answers):
            code, text = client.data(letter("x@away.test", recipients[0]))
            answers.append((code, text))
    return answers


def test_the_primary_is_asked_and_its_mail_passed_on(two):
    primary, backup = two
    good, bad, other, data = said(backup, "bob@two.test", "nobody@two.test", "x@three.test")
    assert good[0] == 250 and data[0] == 250
    assert bad[0] == 550 and bad[1].startswith(b"5.1.1 mail.two.test") and b"says: 550" in bad[1]
    assert other[0] == 550 and other[1].startswith(b"5.7.1 ")  # no open relay
    primary.wait_for("bob", 1)


def test_what_is_known_counts_while_the_primary_is_away_and_the_rest_is_kept(two):
    primary, backup = two
    primary.stop()
    good, bad, unknown, _ = said(backup, "bob@two.test", "nobody@two.test", "eve@two.test")
    assert (good[0], bad[0], unknown[0]) == (250, 550, 250)
    backup.logged("cannot be asked, its mail is kept")
    assert backup.log.read_text().count("cannot be asked, its mail is kept") == 1
    assert backup.json("queue", "list")
    primary.start()
    backup.tram("queue", "retry", "--all")
    until(lambda: len(primary.messages("bob")) == 2)


def test_a_domain_whose_servers_are_silent_is_kept_within_a_bound(two):
    _, backup = two
    taken = 0
    for n in range(12):
        with backup.mx() as client:
            client.ehlo()
            client.mail("")
            for k in range(100):
                code, text = client.rcpt(f"u{n}.{k}@void.test")
                if code != 250:
                    break
                taken += 1
        if code != 250:
            break
    assert taken == 1000 and code == 450 and text.startswith(b"4.4.1 "), (taken, code, text)


def test_a_domain_that_names_nobody_but_us_is_no_backup(two):
    _, backup = two
    assert said(backup, "bob@loop.test")[0][0] == 550


def test_who_refuses_us_says_nothing_of_the_recipient(two):
    """Postfix refuses clients and null senders only at RCPT, with a 5yz."""
    _, backup = two
    with socket.create_server((SHY, 10025)) as server:
        def serve():
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as f:
                peer.sendall(b"220 shy\r\n")
                while line := f.readline():
                    peer.sendall({b"RCPT": b"554 5.7.1 Client host rejected\r\n", b"QUIT": b"221 bye\r\n"}.get(line[:4].upper(), b"250 ok\r\n"))
        threading.Thread(target=serve, daemon=True).start()
        assert said(backup, "bob@shy.test")[0][0] == 250


def test_the_home_itself_is_not_shut_out(two):
    _, backup = two
    with backup.submission() as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("alice@one.test", ["nobody@one.test"], letter("alice@one.test", "nobody@one.test"))
