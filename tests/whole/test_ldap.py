"""A directory of people elsewhere that is dead: nobody is refused for good, and our own people notice nothing.
tests/peers/test_slapd.py asks a real one."""
import imaplib
import poplib
import smtplib

import pytest

from world import World, insecure_tls, letter


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("ldap"))
    home = world.home("one.test", accounts=["alice"], config='''
ldap = "ldap://127.0.0.1:1"
ldap_base = "dc=one,dc=test"
''')
    world.publish()
    home.start()
    yield home
    world.close()


def test_unknown_names_are_tried_again_later(home):
    with home.mx() as client:
        client.ehlo()
        client.mail("x@two.test")
        assert client.rcpt("nobody@one.test")[0] == 451
        assert client.rcpt("postmaster@one.test")[0] == 250
        assert client.rcpt("alice@one.test")[0] == 250


def test_logins_are_tried_again_later(home):
    with smtplib.SMTP_SSL(home.address, home.port(465), context=insecure_tls()) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        with pytest.raises(smtplib.SMTPAuthenticationError) as no:
            client.login("nobody@one.test", "secret")
        assert no.value.smtp_code == 454
        client.login("alice@one.test", "secret")
        client.sendmail("alice@one.test", ["alice@one.test"], letter("alice@one.test", "alice@one.test"))
    imap = imaplib.IMAP4_SSL(home.address, home.port(993), ssl_context=insecure_tls())
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        imap.login("nobody@one.test", "secret")
    pop = poplib.POP3_SSL(home.address, home.port(995), context=insecure_tls())
    pop.user("nobody@one.test")
    with pytest.raises(poplib.error_proto, match="SYS/TEMP"):
        pop.pass_("secret")


def test_it_is_said_in_the_log(home):
    home.logged("the directory of people cannot be")  # reached, or searched
