"""Logins by the certificate of the TLS connection (EXTERNAL, RFC 4422 appendix A) over SMTP, IMAP and POP3."""
import base64
import imaplib
import poplib
import signal
import smtplib
import ssl
import subprocess
import time

import pytest

from world import World, insecure_tls, letter

CONF = """
[ca]
default_ca = here
[here]
dir = .
database = ./index.txt
serial = ./serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 5
policy = any
copy_extensions = copy
[any]
commonName = optional
"""


class Authority:
    def __init__(self, folder):
        self.dir = folder
        folder.mkdir()
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01")
        (folder / "ca.conf").write_text(CONF)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                 "-out", "ca.pem", "-days", "5", "-subj", "/CN=People of one.test")

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.dir, check=True, capture_output=True)

    def issue(self, name, *addresses, days=3):
        """A context for a client that shows a certificate for these addresses."""
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                 f"{name}.csr", "-subj", f"/CN={name}", "-addext", "subjectAltName=" + ",".join(addresses))
        end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))
        self.run("ca", "-config", "ca.conf", "-batch", "-notext", "-startdate", "20200101000000Z", "-enddate", end, "-in",
                 f"{name}.csr", "-out", f"{name}.pem")
        context = insecure_tls()
        context.load_cert_chain(self.dir / f"{name}.pem", self.dir / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    authority, other = Authority(folder / "ours"), Authority(folder / "theirs")
    world = World(folder)
    trusted = folder / "trusted.pem"
    trusted.write_bytes((authority.dir / "ca.pem").read_bytes())
    home = world.home("one.test", accounts=["alice", "bob"], config=f'client_authorities = "{trusted}"')
    world.publish()
    home.start()
    yield home, authority, other, trusted
    world.close()


def submission(home, context):
    client = smtplib.SMTP(home.address, home.port(587), timeout=60)
    client.starttls(context=context)
    client.ehlo()
    return client


def external(client, name=""):
    return client.docmd("AUTH", "EXTERNAL " + (base64.b64encode(name.encode()).decode() or "="))[0]


def test_a_certificate_is_a_login_in_every_protocol(here):
    home, authority, _, _ = here
    alice = authority.issue("alice", "email:alice@one.test")
    with submission(home, alice) as client:
        assert b"EXTERNAL" in client.ehlo_resp
        assert external(client) == 235
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test"))
    with submission(home, alice) as client:  # the name may be asked for, and may be said
        code, said = client.docmd("AUTH", "EXTERNAL")
        assert code == 334 and said == b""
        assert client.docmd(base64.b64encode(b"ALICE@one.test").decode())[0] == 235
    bob = authority.issue("bob", "email:bob@elsewhere.test", "email:bob@one.test")
    imap = imaplib.IMAP4_SSL(home.address, home.port(993), ssl_context=bob)
    assert "AUTH=EXTERNAL" in imap.capabilities
    assert imap.authenticate("EXTERNAL", lambda _: b"")[0] == "OK"
    assert imap.select("INBOX")[1] == [b"1"]
    pop = poplib.POP3_SSL(home.address, home.port(995), context=bob)
    assert b"EXTERNAL" in b" ".join(pop._longcmd("AUTH")[1])
    assert pop._shortcmd("AUTH EXTERNAL =").startswith(b"+OK")


def test_a_certificate_proves_no_more_than_it_says(here):
    home, authority, other, _ = here
    alice = authority.issue("only-alice", "email:alice@one.test")
    for name in ("bob@one.test", "nobody@one.test", "alice@two.test", "alice\0@one.test"):
        with submission(home, alice) as client:
            assert external(client, name) in (535, 501), name
    with submission(home, authority.issue("both", "email:alice@one.test", "email:bob@one.test")) as client:
        assert external(client) == 535  # whom of the two?
        assert external(client, "bob@one.test") == 235
    with submission(home, authority.issue("stranger", "email:eve@one.test")) as client:
        assert external(client) == 535
    with submission(home, authority.issue("utf8", "otherName:1.3.6.1.5.5.7.8.9;UTF8:alice@one.test")) as client:
        assert external(client) == 235


def test_who_shows_none_that_is_believed_is_not_offered_it(here):
    home, authority, other, _ = here
    for context in (insecure_tls(), other.issue("forged", "email:alice@one.test"),
                    authority.issue("over", "email:alice@one.test", days=-1), authority.issue("host", "DNS:alice.one.test")):
        with submission(home, context) as client:
            assert b"EXTERNAL" not in client.ehlo_resp
            assert external(client, "alice@one.test") == 504
            client.login("alice@one.test", "secret")  # the other ways stay open
    client = smtplib.SMTP(home.address, home.port(25), local_hostname="client.test", timeout=60)
    client.starttls(context=authority.issue("again", "email:alice@one.test"))  # nobody logs in there
    client.ehlo()
    assert b"AUTH" not in client.ehlo_resp


def test_a_revoked_certificate_counts_no_more_nor_does_its_session(here):
    home, authority, _, trusted = here
    lost, kept = authority.issue("lost", "email:alice@one.test"), authority.issue("kept", "email:alice@one.test")

    def connect(context, session=None):
        imap = imaplib.IMAP4_SSL.__new__(imaplib.IMAP4_SSL)
        raw = __import__("socket").create_connection((home.address, home.port(993)), 30)
        tls = context.wrap_socket(raw, session=session)
        return tls, tls.recv(4096)

    tls, greeting = connect(lost)
    assert b"AUTH=EXTERNAL" in greeting
    tls.sendall(b"a NOOP\r\n")
    tls.recv(100)
    session = tls.session  # with a ticket
    tls.close()
    tls, greeting = connect(lost, session)
    assert tls.session_reused and b"AUTH=EXTERNAL" in greeting
    tls.close()
    authority.run("ca", "-config", "ca.conf", "-revoke", "lost.pem")
    authority.run("ca", "-config", "ca.conf", "-gencrl", "-out", "crl.pem")
    trusted.write_bytes((authority.dir / "ca.pem").read_bytes() + (authority.dir / "crl.pem").read_bytes())
    home.process.send_signal(signal.SIGHUP)
    for _ in range(300):
        tls, greeting = connect(lost)
        tls.close()
        if b"AUTH=EXTERNAL" not in greeting:
            break
        time.sleep(0.1)
    assert b"AUTH=EXTERNAL" not in greeting
    assert b"AUTH=EXTERNAL" not in connect(lost, session)[1]
    assert b"AUTH=EXTERNAL" in connect(kept)[1]
