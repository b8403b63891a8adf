"""Tram asks real filters: what they refuse is refused with their words, what they change is changed, and one that is
killed costs what its setting says."""
import smtplib
from types import SimpleNamespace

import dkim_keys
import pytest

from filters import GTUBE, VIRUS, clamav, rspamd
from postfix import OpenDkim
from world import World, letter, until


@pytest.fixture(scope="module")
def net(folder):
    """A home with all three filters in a row, and the filters."""
    n = SimpleNamespace(world=World(folder))
    n.rspamd, spam_at = rspamd(folder / "rspamd")
    n.clamd, n.clamav, virus_at = clamav(folder / "clamav")
    n.dkim = OpenDkim(folder / "opendkim", "signer", "home.test", "filter", dkim_keys.RSA_2048, "relaxed/relaxed",
                      {"filter._domainkey.home.test": f"v=DKIM1; p={dkim_keys.RSA_2048_P}"})
    n.home = n.world.home("home.test", accounts=["alice", "bob"], config=(
        f'milter = {{"{spam_at} name=rspamd timeout=60s letters=world", "{virus_at} name=clamav timeout=60s", '
        f'"inet:127.0.0.1:{n.dkim.port} name=opendkim failure=pass letters=own"}}'))
    n.world.publish(extra="client.test. 300 TXT \"v=spf1 +all\"\n")
    n.home.start()
    yield n
    n.world.close()
    for daemon in (n.rspamd, n.clamav, n.clamd, n.dkim):
        daemon.close()


def send(net, text, sender="carol@client.test"):
    with net.home.mx() as client:
        client.sendmail(sender, ["alice@home.test"], text)


def refusal(net, text):
    with pytest.raises(smtplib.SMTPDataError) as no:
        send(net, text)
    return no.value.smtp_code, no.value.smtp_error.decode()


def taken(net, text):
    try:
        send(net, text)
        return True
    except smtplib.SMTPException:
        return False


def test_a_good_letter_passes_all_of_them(net):
    send(net, letter("carol@client.test", "alice@home.test", subject="good"))
    got = net.home.wait_for("alice")[-1].decode()
    assert "X-Virus-Status: Clean" in got
    assert "filtered" in net.home.tram("trace", "alice@home.test").stdout


def test_rspamd_refuses_its_test_string(net):
    code, words = refusal(net, letter("carol@client.test", "alice@home.test", body=GTUBE + "\r\n"))
    assert code == 554 and "Gtube" in words, words


def test_clamav_refuses_a_virus(net):
    code, words = refusal(net, letter("carol@client.test", "alice@home.test", body=VIRUS + "\r\n"))
    assert code == 550 and "Infected with Tram.Test" in words, words


def test_a_virus_of_a_user_is_refused_as_well_and_so_by_tram_send(net):
    with net.home.submission() as client, pytest.raises(smtplib.SMTPDataError) as no:
        client.sendmail("alice@home.test", ["bob@home.test"], letter("alice@home.test", "bob@home.test", body=VIRUS + "\r\n"))
    assert b"Infected" in no.value.smtp_error
    done = net.home.tram("send", "bob@home.test", "-f", "alice@home.test",
                         input=letter("alice@home.test", "bob@home.test", body=VIRUS + "\r\n"), ok=False)
    assert done.returncode != 0 and "Infected" in done.stderr


def test_opendkim_signs_what_a_user_sends(net):
    with net.home.submission() as client:
        client.sendmail("alice@home.test", ["bob@home.test"], letter("alice@home.test", "bob@home.test", subject="signed"))
    got = net.home.wait_for("bob")[-1].decode()
    assert "s=filter;" in got and "d=home.test" in got


def test_filters_that_are_killed_cost_nothing(net):
    net.clamav.kill()
    with pytest.raises(smtplib.SMTPSenderRefused) as no:
        send(net, letter("carol@client.test", "alice@home.test", subject="later"))
    assert no.value.smtp_code == 451 and b"A filter of this server is out of order" in no.value.smtp_error
    (net.clamav.folder / "milter.sock").unlink(missing_ok=True)
    net.clamav.start()

    text = letter("carol@client.test", "alice@home.test", subject="later")
    until(lambda: taken(net, text), 30, "the letter")  # the filter is given a rest before it is tried again
    net.dkim.process.kill()
    net.dkim.process.wait()
    with net.home.submission() as client:
        client.sendmail("alice@home.test", ["bob@home.test"], letter("alice@home.test", "bob@home.test", subject="passes"))
    assert b"passes" in net.home.wait_for("bob", 2)[-1]


@pytest.mark.parametrize("name", ["rspamd", "clamav"])
def test_filters_that_die_amid_a_letter_cost_nothing(net, name):
    """After DATA, before the letter: it is put off and comes again, once; the session goes on."""
    daemon = getattr(net, name)
    before = len(net.home.messages())
    text = letter("carol@client.test", "alice@home.test", subject=f"amid-{name}")
    with net.home.mx() as client:
        client.ehlo()
        assert client.mail("carol@client.test")[0] == 250 and client.rcpt("alice@home.test")[0] == 250
        assert client.docmd("DATA")[0] == 354
        daemon.kill()
        client.send((text + ".\r\n").encode())
        code, words = client.getreply()
        assert code == 451 and b"A filter of this server is out of order" in words, (code, words)
        assert client.noop()[0] == 250
    if name == "clamav":
        (daemon.folder / "milter.sock").unlink(missing_ok=True)
    daemon.start()
    until(lambda: taken(net, text), 120, f"{name}, again")  # the filter is given a rest before it is tried again
    got = net.home.wait_for("alice", before + 1)
    assert len([m for m in got if f"amid-{name}".encode() in m]) == 1


def test_rspamd_over_http(folder):
    """By its own protocol: what it is told, what it refuses, marks and changes; killed, and there again."""
    (folder / "over-http").mkdir()
    world = World(folder / "over-http")
    daemon, at = rspamd(folder / "rspamd-http", http=True)
    try:
        home = world.home("home.test", accounts=["alice"], config=f'milter = {{"{at} name=rspamd timeout=60s"}}')
        world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
        home.start()
        net = SimpleNamespace(home=home)
        code, words = refusal(net, letter("carol@client.test", "alice@home.test", body=GTUBE + "\r\n"))
        assert code == 554 and "Gtube" in words, words
        assert refusal(net, letter("carol@client.test", "alice@home.test", subject="soft")) == (451, "4.7.1 Come again in a while")
        for n, (subject, wanted) in enumerate((("mark", "X-Spam: Yes"), ("rewrite", "Subject: *** SPAM *** rewrite"))):
            send(net, letter("carol@client.test", "alice@home.test", subject=subject))
            assert wanted in home.wait_for("alice", n + 1)[-1].decode()
        with home.submission() as client:
            client.sendmail("alice@home.test", ["alice@home.test"],
                            "X-Old: 1\r\n" + letter("alice@home.test", "alice@home.test", subject="fields"))
        got = home.wait_for("alice", 3)[-1].decode()
        assert " alice@home.test alice@home.test alice@home.test\r\n" in got and "X-Heard: 127." in got and "X-Old" not in got, got
        daemon.kill()
        text = letter("carol@client.test", "alice@home.test", subject="later")
        code, words = refusal(net, text)
        assert code == 451 and "A filter of this server is out of order" in words
        daemon.start()
        until(lambda: taken(net, text), 120, "rspamd, again")
    finally:
        world.close()
        daemon.close()
