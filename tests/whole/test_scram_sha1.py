"""SCRAM-SHA-1 (RFC 5802) for old clients: its keys are made when a password is set while it is offered."""
import base64
import hashlib
import hmac
import smtplib

import pytest

from world import World, insecure_tls, next_address

OFFERED = 'login_mechanisms = "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"'


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("sha1"))
    home = world.home("one.test", accounts=["early"])
    world.publish()
    with open(home.dir / "tram.conf", "a") as conf:
        conf.write(OFFERED + "\n")
    home.account("alice")
    home.start()
    yield home
    world.close()


def submission(home):
    client = smtplib.SMTP(home.address, home.port(587), timeout=60, source_address=(next_address(), 0))
    client.starttls(context=insecure_tls())
    client.ehlo()
    return client


def scram(client, name, password, digest="sha1"):
    """The client's half; the code of the last answer."""
    bare = f"n={name},r=fyko+d2lbbFgONRv9qkxdawL"
    code, said = client.docmd("AUTH", f"SCRAM-SHA-{digest[3:]} " + base64.b64encode(b"n,," + bare.encode()).decode())
    if code != 334:
        return code
    first = base64.b64decode(said).decode()
    nonce, salt, rounds = (part[2:] for part in first.split(","))
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", digest)
    message = f"{bare},{first},c=biws,r={nonce}".encode()
    signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    code, said = client.docmd(base64.b64encode(f"c=biws,r={nonce},p={proof}".encode()).decode())
    if code != 334:
        return code
    wanted = hmac.digest(hmac.digest(salted, b"Server Key", digest), message, digest)
    assert base64.b64decode(said) == b"v=" + base64.b64encode(wanted)
    return client.docmd("")[0]


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_both_kinds_log_in(home, digest):
    with submission(home) as client:
        assert b"SCRAM-SHA-256 SCRAM-SHA-1" in client.ehlo_resp
        assert scram(client, "alice@one.test", "wrong", digest) == 535
        assert scram(client, "nobody@one.test", "secret", digest) == 535
        assert scram(client, "alice@one.test", "secret", digest) == 235


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_app_passwords(home, digest):
    password = home.tram("account", "app-password", "add", "alice@one.test", "--name", digest, "--for", "smtp").stdout.split("\n")[0]
    with submission(home) as client:
        assert scram(client, "alice@one.test", password, digest) == 235


def test_a_password_that_was_set_before_has_no_such_keys(home):
    with submission(home) as client:
        assert scram(client, "early@one.test", "secret") == 535
        assert scram(client, "early@one.test", "secret", "sha256") == 235
    home.logged("set before SCRAM-SHA-1 was offered")
    password = home.tram("account", "app-password", "add", "early@one.test", "--name", "phone", "--for", "smtp").stdout.split("\n")[0]
    with submission(home) as client:
        assert scram(client, "early@one.test", "secret") == 535
        assert scram(client, "early@one.test", "") == 535
        assert scram(client, "early@one.test", password) == 235  # that one was set now
    home.tram("account", "passwd", "early@one.test", input="fresh")
    with submission(home) as client:
        assert scram(client, "early@one.test", "fresh") == 235
