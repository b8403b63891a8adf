"""DANE with a DNS that Knot signs, proved by our resolver from an anchor of the test: letters to a real Postfix over TLS."""
import hashlib
import subprocess
from types import SimpleNamespace

import pytest

from knot import Knot
from postfix import ADDRESS, Postfix
from world import OFFSET, World, letter, until

SMTP = 25 + OFFSET


def certificate(folder):
    """For Postfix; and the TLSA data of its key (3 1 1)."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=nobody.example",
                    "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    der = subprocess.run(f"openssl x509 -in {cert} -pubkey -noout | openssl pkey -pubin -outform DER", shell=True, check=True, capture_output=True).stdout
    return key, cert, hashlib.sha256(der).hexdigest()


def mail(domain, tlsa):
    return f"{domain}. 60 MX 10 mx.{domain}.\nmx.{domain}. 60 A {ADDRESS}\n_{SMTP}._tcp.mx.{domain}. 60 TLSA 3 1 1 {tlsa}\n"


def zone(domain, tlsa):
    return f"{domain}. 60 SOA ns. x. 1 60 60 60 60\n{domain}. 60 NS ns.\n" + mail(domain, tlsa)


@pytest.fixture(scope="module")
def pair(folder):
    p = SimpleNamespace(world=World(folder))
    key, cert, right = certificate(folder)
    wrong = "ab" * 32
    p.tram = p.world.home("one.test", accounts=["alice"])
    published = p.tram.tram("dns", "records", "one.test").stdout
    root = published + mail("good.test", right) + mail("wrong.test", wrong)
    root += f"bogus.test. 60 NS ns.\nbogus.test. 60 DS 4711 13 2 {'cd' * 32}\nplain.test. 60 NS ns.\n"
    p.knot = Knot(folder / "knot", root, {"bogus.test.": (zone("bogus.test", right), True), "plain.test.": (zone("plain.test", wrong), False)})
    anchor = folder / "anchor"
    anchor.write_text("; of this test\n" + p.knot.anchor())
    conf = p.tram.dir / "tram.conf"
    conf.write_text("".join(line for line in conf.read_text().splitlines(True) if not line.startswith("zone ")) +
                    f'resolver = "{ADDRESS}:{p.knot.port}"\ndns_anchors = "{anchor}"\n')
    p.postfix = Postfix(folder / "postfix", "good.test", SMTP, {}, {}, None)
    subprocess.run(["/usr/sbin/postconf", "-c", str(folder / "postfix" / "etc"), "virtual_mailbox_domains=good.test wrong.test bogus.test plain.test", "smtpd_tls_security_level=may", f"smtpd_tls_cert_file={cert}",
                    f"smtpd_tls_key_file={key}"], check=True)
    subprocess.run([*p.postfix.command, "reload"], check=True, capture_output=True)
    p.tram.start()
    yield p
    p.knot.close()
    p.postfix.close()
    p.world.close()


def send(pair, domain):
    with pair.tram.submission("alice") as client:
        client.sendmail("alice@one.test", [f"box@{domain}"], letter("alice@one.test", f"box@{domain}", **{"X-Case": domain}))


def test_a_right_key_lets_the_letter_through(pair):
    send(pair, "good.test")
    until(lambda: "good.test" in pair.postfix.letters(), 30, "a letter over TLS that DANE proves")
    assert "certificate proved by DANE" in pair.tram.tram("trace", "box@good.test").stdout
    assert "DANE" in pair.tram.tram("tls", "probe", "good.test").stdout


@pytest.mark.parametrize("domain, says", [("wrong.test", "over TLS alone"), ("bogus.test", "DNSSEC")])
def test_a_wrong_key_and_a_wrong_signature_keep_it(pair, domain, says):
    send(pair, domain)

    def waits():
        return [r for q in pair.tram.json("queue", "list", "--domain", domain)["letters"] for r in q["recipients"] if r["attempts"]]

    waiting = until(waits, 30, "an attempt that came to nothing")[0]
    assert waiting["state"] == "waiting" and says in waiting["reply"], waiting
    assert domain not in pair.postfix.letters()
    assert "proved by DANE" not in pair.tram.tram("trace", f"box@{domain}").stdout


def test_a_zone_that_is_not_signed_promises_nothing(pair):
    send(pair, "plain.test")
    until(lambda: "plain.test" in pair.postfix.letters(), 30, "a letter whose TLSA record nobody proves")
    assert "certificate not verified" in pair.tram.tram("trace", "box@plain.test").stdout
