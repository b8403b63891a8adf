"""People of a real directory (slapd): their letters, their logins, and what happens when they or it are gone. The server
runs within its fence, over TLS, as an entry that may read what others may not; the first server of its list is dead."""
import base64
import imaplib
import smtplib
from types import SimpleNamespace

import pytest

from looking import found, password
from slapd import BASE, Slapd
from world import World, insecure_tls, letter, until


def settings(slapd):
    return f'''
ldap = "ldaps://127.0.0.1:1 {slapd.tls_url}"
ldap_base = "{BASE}"
ldap_filter = "(&(objectClass=inetOrgPerson)(mail=%s))"
ldap_login = "cn=tram,{BASE}"
ldap_password = "{slapd.folder}/password"
ldap_quota = "employeeType"
'''


@pytest.fixture(scope="module")
def net(folder):
    n = SimpleNamespace(world=World(folder), slapd=Slapd(folder / "slapd").start())
    n.home = n.world.home("home.test", accounts=["alice"],
                          config=settings(n.slapd) + f'tls_authorities = "{n.slapd.folder}/cert.pem"')
    n.world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
    n.home.start()
    yield n
    n.world.close()
    n.slapd.stop()


def rcpt(net, address):
    with net.home.mx() as client:
        client.ehlo()
        client.mail("x@client.test")
        return client.rcpt(address)[0]


def login(net, user, password):
    with smtplib.SMTP_SSL(net.home.address, net.home.port(465), context=insecure_tls()) as client:
        try:
            return client.login(user, password)[0]
        except smtplib.SMTPAuthenticationError as no:
            return no.smtp_code


def test_a_person_gets_letters_and_logs_in(net):
    with net.home.mx() as client:
        client.sendmail("x@client.test", ["office@home.test"], letter("x@client.test", "office@home.test", subject="hello"))
    imap = imaplib.IMAP4_SSL(net.home.address, net.home.port(993), ssl_context=insecure_tls())
    imap.login("carol@home.test", "secret")
    until(lambda: imap.select("INBOX")[1] == [b"1"], what="the letter")
    with smtplib.SMTP_SSL(net.home.address, net.home.port(465), context=insecure_tls()) as client:
        client.login("office@home.test", "secret")
        for sender in ("carol@home.test", "office@home.test"):
            client.sendmail(sender, ["alice@home.test"], letter(sender, "alice@home.test"))
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("alice@home.test", ["alice@home.test"], letter("alice@home.test", "alice@home.test"))
    assert "of the directory elsewhere" in net.home.tram("account", "show", "carol@home.test").stdout


def test_nothing_of_a_password_stays_in_memory(net):
    """Also not in libldap's, which tells it to the directory."""
    net.slapd.change(f"dn: uid=carol,{{base}}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password('carol')}\n")
    assert login(net, "carol@home.test", password("carol")) == 235
    assert login(net, "carol@home.test", password("wrong")) == 535
    assert not found(net.home.process.pid)
    net.slapd.change("dn: uid=carol,{base}\nchangetype: modify\nreplace: userPassword\nuserPassword: secret\n")


def test_who_is_refused(net):
    assert login(net, "carol@home.test", "Secret") == 535
    assert login(net, "nobody@home.test", "secret") == 535
    assert login(net, "eve@home.test", "x") == 535  # has no password there
    assert login(net, "*@home.test", "secret") == 535
    assert rcpt(net, "nobody@home.test") == 550
    assert rcpt(net, "*@home.test") == 550
    assert rcpt(net, "shared@home.test") == 451  # two people
    assert rcpt(net, "eve@home.test") == 250


def test_who_is_shut_out_is_so_by_each_of_their_addresses(net):
    assert login(net, "office@home.test", "secret") == 235
    net.home.tram("block", "add", "office@home.test")
    assert [b["who"] for b in net.home.json("block", "list")["blocks"]] == ["carol@home.test"]
    for user in ("office@home.test", "carol@home.test"):
        with smtplib.SMTP_SSL(net.home.address, net.home.port(465), context=insecure_tls()) as client:
            client.ehlo()
            said = base64.b64encode(f"\0{user}\0secret".encode()).decode()
            assert client.docmd("AUTH", f"PLAIN {said}") == (421, b"4.7.0 logins are not taken at this moment; try again later")
            client.close()
    net.home.tram("block", "remove", "carol@home.test")
    assert login(net, "office@home.test", "secret") == 235
    # as tram(1) says: a person there who has no account gets it, somebody whom nobody knows gets none
    for who in ("dave", "nobody"):
        assert f"{who}@home.test" not in net.home.tram("account", "list").stdout
        net.home.tram("block", "remove", f"{who}@home.test", ok=False)
        assert (f"{who}@home.test" in net.home.tram("account", "list").stdout) == (who == "dave")


def test_somebody_who_is_removed_there(net):
    assert login(net, "dave@home.test", "dave's") == 235
    imap = imaplib.IMAP4_SSL(net.home.address, net.home.port(993), ssl_context=insecure_tls())
    imap.login("dave@home.test", "dave's")
    net.slapd.change("dn: uid=dave,{base}\nchangetype: delete\n")
    until(lambda: rcpt(net, "dave@home.test") == 550, 90, "the end of what was remembered")
    assert login(net, "dave@home.test", "dave's") == 535
    with pytest.raises(imaplib.IMAP4.abort):
        imap.select("INBOX")


def test_a_directory_that_dies_and_comes_back(net):
    assert rcpt(net, "carol@home.test") == 250
    net.slapd.stop()
    assert rcpt(net, "fresh@home.test") == 451
    assert rcpt(net, "carol@home.test") == 250  # the last word counts
    assert login(net, "nobody2@home.test", "x") == 454
    assert login(net, "alice@home.test", "secret") == 235
    net.slapd.start()
    until(lambda: rcpt(net, "fresh@home.test") == 550, 30, "the directory, back")
    assert login(net, "carol@home.test", "secret") == 235


def test_a_certificate_of_others_is_not_believed(net):
    other = net.world.home("other.test", config=settings(net.slapd).replace("mail=%s", "uid=%u"))
    net.world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
    other.start()
    with other.mx() as client:
        client.ehlo()
        client.mail("x@client.test")
        assert client.rcpt("carol@other.test")[0] == 451
    other.stop()


def test_how_much_an_account_may_hold_is_what_the_directory_says(net):
    def quota():
        return net.home.json("account", "show", "carol@home.test")["quota"]

    def says(value):
        """From the next question on; what was remembered ends with the server."""
        net.slapd.change(f"dn: uid=carol,{{base}}\nchangetype: modify\nreplace: employeeType\n{value}")
        net.home.stop()
        net.home.start()
        return rcpt(net, "carol@home.test")

    assert login(net, "carol@home.test", "secret") == 235
    assert quota() == 5 << 30
    says("employeeType: 700\n")
    assert quota() == 700
    with net.home.mx() as client, pytest.raises(smtplib.SMTPRecipientsRefused) as full:
        client.sendmail("x@client.test", ["carol@home.test"], letter("x@client.test", "carol@home.test", subject="x" * 800))
    assert full.value.recipients["carol@home.test"][0] in (452, 552)
    says("")  # no value: what it was stays
    assert quota() == 700
    says("employeeType: many\n")
    net.home.logged("which is no size")
    assert quota() == 700
    assert says("employeeType: 0\n") == 250
    assert quota() is None
