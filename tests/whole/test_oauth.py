"""Logins by OAuth token: OAUTHBEARER and XOAUTH2 over SMTP, IMAP and POP3, checked with a small issuer (RFC 7662)."""
import base64
import imaplib
import json
import smtplib
import time
import urllib.parse

import pytest

from web import Page, serve
from world import OFFSET, World, insecure_tls, letter, next_address

ISSUER, PORT = next_address(), 1080
TOKENS = {
    "good": {"active": True, "email": "alice@one.test", "scope": "openid mail", "exp": time.time() + 3600},
    "bob": {"active": True, "email": "bob@one.test", "scope": "mail"},
    "old": {"active": True, "email": "alice@one.test", "scope": "mail", "exp": time.time() - 1},
    "early": {"active": True, "email": "alice@one.test", "scope": "mail", "nbf": time.time() + 3600},
    "narrow": {"active": True, "email": "alice@one.test", "scope": "mailbox calendar"},
    "stranger": {"active": True, "email": "alice@elsewhere.test", "scope": "mail"},
    "nameless": {"active": True, "scope": "mail"},
    "odd": {"active": "true", "email": "alice@one.test", "scope": "mail"},
}


class Issuer(Page):
    asked, raw = [], None

    def do_POST(self):
        token = urllib.parse.parse_qs(self.body().decode())["token"][0]
        Issuer.asked.append(token)
        good = self.headers["Authorization"] == "Basic " + base64.b64encode(b"tram:s%3Acret%2F").decode()
        self.answer(200 if good and token != "broken" else 401, Issuer.raw or json.dumps(TOKENS.get(token, {"active": False})).encode())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    server = serve(ISSUER, PORT + OFFSET, Issuer)
    world = World(tmp_path_factory.mktemp("oauth"))
    home = world.home("one.test", accounts=["alice", "bob"], config=f'''
login_mechanisms = "SCRAM-SHA-256 PLAIN OAUTHBEARER XOAUTH2"
oauth_introspection = "http://{ISSUER}:{PORT}/introspect"
oauth_client = "tram"
oauth_secret = "s:cret/"
oauth_scope = "mail"
''')
    world.publish()
    home.start()
    yield home
    world.close()
    server.shutdown()


def bearer(token, user="alice@one.test"):
    return f"n,a={user},\x01host=mail.one.test\x01port=587\x01auth=Bearer {token}\x01\x01".encode()


def xoauth2(token, user="alice@one.test"):
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def submission(home):
    client = smtplib.SMTP(home.address, home.port(587), timeout=60, source_address=(next_address(), 0))
    client.starttls(context=insecure_tls())
    client.ehlo()
    return client


def login(client, mechanism, message):
    code, said = client.docmd("AUTH", f"{mechanism} {base64.b64encode(message).decode()}")
    if code != 334:
        return code, None
    return client.docmd(base64.b64encode(b"\x01").decode() if mechanism == "OAUTHBEARER" else "")[0], json.loads(base64.b64decode(said))


def test_a_good_token_is_a_login_in_every_protocol(home):
    with submission(home) as client:
        assert b"OAUTHBEARER XOAUTH2" in client.ehlo_resp
        assert login(client, "OAUTHBEARER", bearer("good"))[0] == 235
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test"))
    with submission(home) as client:
        assert login(client, "XOAUTH2", xoauth2("good"))[0] == 235
    imap = imaplib.IMAP4_SSL(home.address, home.port(993), ssl_context=insecure_tls())
    assert "AUTH=OAUTHBEARER" in imap.capabilities
    assert imap.authenticate("XOAUTH2", lambda _: xoauth2("bob", "bob@one.test"))[0] == "OK"
    assert imap.select("INBOX")[1] == [b"1"]
    import poplib
    pop = poplib.POP3_SSL(home.address, home.port(995), context=insecure_tls())
    assert pop._shortcmd("AUTH OAUTHBEARER " + base64.b64encode(bearer("good", "")).decode()).startswith(b"+OK")
    assert Issuer.asked.count("good") == 1  # remembered for a minute


def test_a_block_by_hand_binds_tokens_that_name_nobody(home):
    home.tram("block", "add", "bob@one.test")
    try:
        for mechanism, message in (("OAUTHBEARER", bearer("bob", "")), ("XOAUTH2", xoauth2("bob", ""))):
            with submission(home) as client:
                assert client.docmd("AUTH", f"{mechanism} {base64.b64encode(message).decode()}") == (
                    421, b"4.7.0 logins are not taken at this moment; try again later")
    finally:
        home.tram("block", "remove", "bob@one.test")
    with submission(home) as client:
        assert login(client, "OAUTHBEARER", bearer("bob", ""))[0] == 235


@pytest.mark.parametrize("token", [t for t in TOKENS if t not in ("good", "bob")] + ["unknown"])
def test_a_token_that_does_not_count(home, token):
    with submission(home) as client:
        code, why = login(client, "OAUTHBEARER", bearer(token))
        assert code == 535 and why["status"] == "invalid_token"
    with submission(home) as client:
        assert login(client, "XOAUTH2", xoauth2(token))[0] == 535


def test_another_name_than_the_token_s_and_an_issuer_that_fails(home):
    with submission(home) as client:
        assert login(client, "OAUTHBEARER", bearer("bob", "alice@one.test"))[0] == 535
    with submission(home) as client:
        assert login(client, "OAUTHBEARER", bearer("broken"))[0] == 454  # it does not believe us: nobody's fault
        for raw in (b"[]", b"not JSON", b'{"active": true', b"{" * 100000):
            Issuer.raw = raw
            try:
                assert login(client, "XOAUTH2", xoauth2("t" + str(len(raw))))[0] == 454, raw
            finally:
                Issuer.raw = None


def test_hostile_messages(home):
    for message in (b"", b"n,a=alice@one.test,\x01auth=Bearer \x01\x01", b"n,a=alice@one.test,\x01auth=Basic eA==\x01\x01",
                    b"p=x,a=alice@one.test,\x01auth=Bearer good\x01\x01", b"n,b,\x01auth=Bearer good\x01\x01",
                    b"n,a=alice@one.test,\x01auth=Bearer good\x01auth=Bearer bob\x01\x01", b"n,a=\xff,\x01auth=Bearer good\x01\x01",
                    b"n,a=alice@one.test,\x01auth=Bearer go od\x01\x01", b"n,a=alice\0@one.test,\x01auth=Bearer good\x01\x01"):
        with submission(home) as client:
            assert client.docmd("AUTH", "OAUTHBEARER " + (base64.b64encode(message).decode() or "="))[0] == 501, message


def test_tokens_need_an_issuer(home):
    conf = home.dir / "tram.conf"
    was = conf.read_text()
    try:
        conf.write_text(was.replace("oauth_introspection", "# oauth_introspection"))
        assert "names an issuer" in home.tram("config", "check", status=1).stdout + home.tram("config", "check", ok=False).stderr
        conf.write_text(was.replace("http://", "http://192.0.2.1/?"))
        assert home.tram("config", "check", ok=False).returncode != 0
    finally:
        conf.write_text(was)
