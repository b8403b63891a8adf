"""Certificates from pebble, the ACME authority for tests of Let's Encrypt's authors, with a quarter of its nonces refused (of nine in a row none is good once in 260,000 times)."""
import contextlib
import datetime
import json
import os
import re
import smtplib
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from bind import Between, asked, named, update
from world import OFFSET, World, letter, next_address, until

WHOLE = Path(__file__).resolve().parents[1] / "whole"
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def openssl(*words, **options):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, text=True, **options).stdout


def authority_at(folder, http_port=OFFSET + 80, tls_port=OFFSET + 443, resolver=None):
    """Pebble on a loopback address of its own, known as acme.test, with a DNS of its own where every name is `host`,
    or with the resolver named."""
    address, host = next_address(), next_address()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=trial", "-days", "30", cwd=folder)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=acme.test", cwd=folder)
    (folder / "names").write_text("subjectAltName=DNS:acme.test")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "30", "-extfile", "names", cwd=folder)
    (folder / "config.json").write_text(json.dumps({"pebble": {
        "listenAddress": f"{address}:{OFFSET + 4000}", "managementListenAddress": f"{address}:{OFFSET + 5000}", "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"), "httpPort": http_port, "tlsPort": tls_port, "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
    dns = subprocess.Popen(["pebble-challtestsrv", "-defaultIPv4", host, "-defaultIPv6", "", "-dns01", f"{address}:8053", "-management", f"{address}:8055", "-http01", "", "-https01", "", "-tlsalpn01", ""],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = open(folder / "log", "wb")
    pebble = subprocess.Popen(["pebble", "-config", str(folder / "config.json"), "-dnsserver", resolver or f"{address}:8053", "-strict"], stdout=log, stderr=log,
                              env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "25", "PEBBLE_AUTHZREUSE": "0"})

    def answers():
        try:
            socket.create_connection((address, OFFSET + 4000), 1).close()
            return True
        except OSError:
            return False

    until(answers, what="pebble")
    yield {"address": address, "host": host, "ca": folder / "ca.pem", "log": folder / "log"}
    for process in (pebble, dns):
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    yield from authority_at(tmp_path_factory.mktemp("authority"))


def home_under(folder, authority, config=""):
    world = World(folder)
    home = world.home("one.test", address=authority["host"], accounts=["alice"],
                      config=f'acme = "https://acme.test:4000/dir"\ntls_authorities = "{authority["ca"]}"\n{config}')
    world.publish(extra=f"acme.test. IN A {authority['address']}\nelsewhere.test. IN TXT \"v=spf1 +all\"\nelsewhere.test. IN MX 0 .\n")
    home.start()
    yield home
    print(home.log.read_text()[-9000:])
    world.close()


@pytest.fixture(scope="module")
def home(folder, authority):
    yield from home_under(folder, authority)


def served(home, port, name="mail.one.test"):
    with socket.create_connection((home.address, OFFSET + port)) as s:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(s, server_hostname=name) as t:
            pem = ssl.DER_cert_to_PEM_cert(t.getpeercert(True))
    return openssl("x509", "-noout", "-issuer", "-serial", "-ext", "subjectAltName", input=pem)


def renew_in_turn(home):
    """Each attempt that fails is followed by another way, of which one is open here."""
    for _ in range(3):
        if home.tram("cert", "renew", ok=False).returncode == 0:
            break


def test_a_certificate_comes_by_itself(home):
    until(lambda: "Pebble" in served(home, 993), seconds=25, what="pebble's certificate")
    text = served(home, 465)
    assert set(re.findall(r"DNS:([\w.-]+)", text)) >= {"mail.one.test", "mta-sts.one.test"}, text
    listed = home.json("cert", "list")["certificates"][0]
    assert listed["from"].startswith("https://acme.test") and "failures" not in listed
    assert listed["valid_from"] < listed["renewed"] < listed["valid_until"]


def test_a_customers_host_for_links_gets_a_certificate_of_its_own(home):
    claim = home.json("sending-domain", "add", "alice@one.test", "shop.test")
    with open(home.world.zone) as zone:
        home.world.write_zone(zone.read() + "".join(r["line"] + "\n" for r in claim["records"]))
    seen = home.json("sending-domain", "verify", "alice@one.test", "shop.test")
    assert seen["state"] == "proved" and not seen["links_used"] and "no certificate" in seen["why"], seen
    home.tram("cert", "renew")
    until(lambda: home.json("sending-domain", "show", "alice@one.test", "shop.test")["links_used"], what="its use")
    assert [c["subject"] for c in home.json("cert", "list")["certificates"]][1:] == ["links.shop.test"]
    for _ in range(2):
        assert re.findall(r"DNS:([\w.-]+)", served(home, 443, "links.shop.test")) == ["links.shop.test"]
        assert "links.shop.test" not in served(home, 443)
        home.stop()
        home.start()


def test_renewed_by_command_with_the_key_that_the_dns_knows(home):
    """Its zone shows a TLSA record of the key that `init` made, and of no other; then none."""
    before, shown = served(home, 993), home.json("cert", "show")
    assert shown["tlsa"] in home.world.zone.read_text() and shown["next_tlsa"] not in home.world.zone.read_text()
    told = home.tram("cert", "renew").stdout
    assert "the key is still the one before" in told and "no record of the next key" in told, told
    assert served(home, 993) != before and home.json("cert", "show")["tlsa"] == shown["tlsa"]
    assert "no record of the next key" in home.json("cert", "show")["tlsa_why"]
    home.world.write_zone("".join(line for line in home.world.zone.read_text().splitlines(True) if " TLSA " not in line))
    before = served(home, 993)
    assert "the key is still" not in home.tram("cert", "renew").stdout
    after = home.json("cert", "show")
    assert served(home, 993) != before
    assert after["tlsa"] == shown["next_tlsa"] and after["next_tlsa"] != shown["next_tlsa"]
    home.stop()
    home.start()
    assert served(home, 993) != before and "Pebble" in served(home, 993), "the kept one is served after a restart"
    assert home.json("cert", "show")["tlsa"] == after["tlsa"]


def test_a_name_that_leads_elsewhere_is_told_and_the_old_one_stays(home, authority):
    before = served(home, 993)
    subprocess.run(["curl", "-sf", "-d", json.dumps({"ip": "127.255.0.1"}), f"http://{authority['address']}:8055/set-default-ipv4"], check=True)
    done = home.tram("cert", "renew", ok=False)
    assert done.returncode == 1 or done.returncode == 3
    assert "is not proved" in done.stderr, done.stderr
    assert served(home, 993) == before
    listed = home.json("cert", "list")["certificates"][0]
    assert listed["failures"] == 1 and "not proved" in listed["why"]


def test_an_authority_that_is_gone(home, authority):
    before = served(home, 993)
    home.world.write_zone(home.world.zone.read_text().replace(f"acme.test. IN A {authority['address']}", "acme.test. IN A 127.255.0.2"))
    done = home.tram("cert", "renew", ok=False)
    assert "acme.test" in done.stderr and served(home, 993) == before
    assert home.json("cert", "list")["certificates"][0]["failures"] == 2


@pytest.fixture(scope="module")
def home_without_http(tmp_path_factory, folder):
    """Its authority looks for proofs over HTTP at a port where nobody listens."""
    with contextlib.contextmanager(authority_at)(tmp_path_factory.mktemp("second"), OFFSET + 81) as authority:
        (folder / "second").mkdir()
        yield from home_under(folder / "second", authority)


def test_where_http_does_not_get_through_the_names_are_proved_over_tls(home_without_http):
    home = home_without_http
    until(lambda: home.json("cert", "list")["certificates"][0].get("failures"), what="the first failure")
    assert "not proved by http-01" in home.json("cert", "list")["certificates"][0]["why"]
    home.tram("cert", "renew")
    assert "Pebble" in served(home, 993)
    assert "failures" not in home.json("cert", "list")["certificates"][0]
    before = served(home, 993)
    home.tram("cert", "renew")  # what was believed is tried first
    assert served(home, 993) != before
    shown = subprocess.run(["openssl", "s_client", "-connect", f"{home.address}:{OFFSET + 443}", "-servername", "mail.one.test", "-alpn", "acme-tls/1"],
                           input="", capture_output=True, text=True)
    assert "no peer certificate" in shown.stdout, "nothing is left of the proof"


@pytest.fixture(scope="module")
def zone(tmp_path_factory):
    yield from named(tmp_path_factory.mktemp("named"))


@pytest.fixture(scope="module")
def between(zone):
    return Between(zone)


def tlsa(zone):
    """What BIND shows at the host's name, as `cert show` writes it."""
    return {" ".join(line.split()[4:7]) + " " + "".join(line.split()[7:]).lower()
            for line in asked(zone, f"_{OFFSET + 25}._tcp.mail.one.test", "TLSA").splitlines()}


def keys(home):
    shown = home.json("cert", "show")
    return shown["tlsa"], shown["next_tlsa"]


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory):
    yield from authority_at(tmp_path_factory.mktemp("fourth"))


@pytest.fixture(scope="module")
def other_zone(tmp_path_factory):
    yield from named(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def home_with_tlsa(folder, other_authority, other_zone):
    (folder / "tlsa").mkdir()
    yield from home_under(folder / "tlsa", other_authority, f'dns_update = "{other_zone["at"]}"\ndns_update_key = "{other_zone["folder"]}/key"')


def start_ahead(home, monkeypatch, ahead):
    with monkeypatch.context() as later:
        for name, value in {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME": ahead}.items():
            later.setenv(name, value)
        home.start()


@pytest.mark.skipif(not FAKETIME, reason="faketime is not here")
def test_a_clock_that_is_wrong_is_told_before_anything_is_ordered(home_with_tlsa, other_authority, monkeypatch):
    home = home_with_tlsa
    until(lambda: "Pebble" in served(home, 993), what="pebble's certificate")
    home.stop()
    start_ahead(home, monkeypatch, "+2h")
    before, orders = served(home, 993), other_authority["log"].read_text().count("order-plz")
    done = home.tram("cert", "renew", ok=False)
    assert done.returncode in (1, 3) and "is the clock right? No certificate is asked for" in done.stderr, done.stderr
    assert served(home, 993) == before and other_authority["log"].read_text().count("order-plz") == orders
    home.stop()
    home.start()
    home.tram("cert", "renew")
    assert served(home, 993) != before and other_authority["log"].read_text().count("order-plz") > orders


@pytest.fixture
def home_on_a_disk(home_with_tlsa, tmp_path, monkeypatch):
    """The same, whose disk is full when told so: home.full(True)."""
    home, library = home_with_tlsa, tmp_path / "fault.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library), str(WHOLE / "fault_shim.c"), "-ldl"], check=True)
    order = home.dir / "fault"  # where the server may look
    home.stop()
    with monkeypatch.context() as shim:
        shim.setenv("TRAM_FAULT", str(order))
        shim.setenv("LD_PRELOAD", str(library))
        home.start()

    def full(yes):
        if yes:
            order.with_suffix(".new").write_text("FULL 1000000\n")
            order.with_suffix(".new").replace(order)
        else:  # the shim, which counts in it, may just write it anew
            until(lambda: order.unlink(missing_ok=True) or time.sleep(0.1) or not order.exists(), what="a disk with room")
    home.full = full
    yield home
    full(False)
    home.stop()
    home.start()


def send(home, subject):
    with home.mx() as client:
        client.sendmail("x@elsewhere.test", ["alice@one.test"], letter("x@elsewhere.test", "alice@one.test", subject))


def test_a_disk_that_is_full_when_a_certificate_is_to_be_renewed(home_on_a_disk, other_authority):
    home = home_on_a_disk
    until(lambda: "Pebble" in served(home, 993), what="pebble's certificate")
    send(home, "before")
    before, orders = served(home, 993), other_authority["log"].read_text().count("order-plz")
    home.full(True)
    done = home.tram("cert", "renew", ok=False)
    assert done.returncode in (1, 3) and "no certificate is asked for, since it could not be kept" in done.stderr, done.stderr
    assert served(home, 993) == before and other_authority["log"].read_text().count("order-plz") == orders
    with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException)) as refused:
        send(home, "full")
    why = refused.value
    code = why.recipients["alice@one.test"][0] if isinstance(why, smtplib.SMTPRecipientsRefused) else why.smtp_code
    assert code == 452, "it is put off, not lost"
    home.full(False)

    def taken():
        with contextlib.suppress(smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException):
            return send(home, "after") or True
    until(taken, what="a server that goes on by itself")
    assert len(home.wait_for("alice", 2)) == 2
    home.tram("cert", "renew")
    assert served(home, 993) != before


def test_a_disk_that_gets_full_while_a_certificate_is_made(home_on_a_disk, other_authority):
    home = home_on_a_disk
    until(lambda: "Pebble" in served(home, 993), what="pebble's certificate")
    for _ in range(10):  # until it does so between the order and the certificate
        before = served(home, 993)
        made = other_authority["log"].read_text().count("finalize-order")
        renewal = threading.Thread(target=lambda: home.tram("cert", "renew", ok=False))
        renewal.start()
        until(lambda: other_authority["log"].read_text().count("finalize-order") > made or not renewal.is_alive(), what="the end of the order")
        home.full(True)
        renewal.join()
        lost = served(home, 993) == before
        home.full(False)
        until(lambda: home.tram("cert", "list", ok=False).returncode == 0, what="a server that goes on by itself")
        if lost:
            break
    assert lost
    listed = home.json("cert", "list")["certificates"][0]
    assert seconds(listed["renewed"]) - time.time() < 3600, "it is tried again soon, since that was promised before"
    home.stop()
    home.start()
    assert served(home, 993) == before, "the old one is served after a restart, too"
    renew_in_turn(home)
    assert served(home, 993) != before


@pytest.mark.skipif(not FAKETIME, reason="faketime is not here")
def test_keys_change_with_their_records_in_the_dns(home_with_tlsa, other_zone, monkeypatch):
    home = home_with_tlsa
    until(lambda: "Pebble" in served(home, 993), what="pebble's certificate")
    home.tram("cert", "renew")
    assert tlsa(other_zone) == set(), "where none stands none is put there"
    home.tram("dns", "publish", "one.test")
    present, following = keys(home)
    assert tlsa(other_zone) == {present, following}
    home.world.write_zone(home.world.zone.read_text() + f"_{OFFSET + 25}._tcp.mail.one.test. IN TLSA {following}\n")  # as the world sees it
    name = f"_{OFFSET + 25}._tcp.mail.one.test"
    update(other_zone, f"update delete {name} TLSA", f"update add {name} 0 TLSA {present}")  # nobody remembers it
    home.tram("cert", "renew")  # the next key is not known: the present one stays
    assert keys(home) == (present, following) and tlsa(other_zone) == {present, following}, "and its record is put there"
    known = seconds(home.json("cert", "show")["next_tlsa_ready"])
    home.stop()
    until(lambda: time.time() > known - 3590, what="seconds")
    start_ahead(home, monkeypatch, "+3595")  # as much as the authority lets pass, which tells the time
    home.tram("cert", "renew")  # BIND refuses what is signed so late, which keeps nothing from being renewed
    assert keys(home)[0] == following and tlsa(other_zone) == {present, following}
    assert "the DNS server" in home.json("cert", "show")["tlsa_why"]
    found, = [f for f in home.json("doctor", status=1)["findings"] if f["what"] == "TLSA"]
    assert found["grade"] == "warning" and "keep the present key" in found["sentence"]
    home.stop()
    home.start()
    until(lambda: tlsa(other_zone) == set(keys(home)), what="the record of the next key, and none of the one before")
    assert keys(home)[0] == following and "tlsa_why" not in home.json("cert", "show")


@pytest.fixture(scope="module")
def home_without_ports(tmp_path_factory, folder, zone, between):
    """Its authority reaches neither its HTTP nor its TLS, and asks BIND about the names, which takes our updates."""
    made = contextlib.contextmanager(authority_at)(tmp_path_factory.mktemp("third"), OFFSET + 81, OFFSET + 444, zone["at"])
    with made as authority:
        (folder / "third").mkdir()
        yield from home_under(folder / "third", authority, f'dns_update = "{between.at}"\ndns_update_key = "{zone["folder"]}/key"')


def test_where_no_port_gets_through_the_names_are_proved_in_the_dns(home_without_ports, zone):
    home = home_without_ports
    until(lambda: home.json("cert", "list")["certificates"][0].get("failures"), what="the first failure")
    home.tram("dns", "publish", "one.test")  # names that an authority can find at all
    renew_in_turn(home)
    text = served(home, 993)
    assert "Pebble" in text and "DNS:mta-sts.one.test" in text
    listed = home.json("cert", "list")["certificates"][0]
    assert listed["proved_by"] == "dns-01" and "failures" not in listed, listed
    for name in re.findall(r"DNS:([\w.-]+)", text):
        assert asked(zone, f"_acme-challenge.{name}", "TXT") == "", "nothing is left of the proof"
    home.tram("cert", "renew")  # what was believed is tried first
    assert served(home, 993) != text


def test_a_server_that_takes_a_proof_and_answers_no_question_is_no_hindrance(home_without_ports, between):
    home, before = home_without_ports, served(home_without_ports, 993)
    between.refuses = True
    home.tram("cert", "renew")
    between.refuses = False
    assert between.refused and served(home, 993) != before
    home.logged("it is not seen whether it is there")


def test_a_proof_that_the_dns_swallows_is_told_and_the_old_one_stays(home_without_ports, zone):
    """An update of an alias is passed over without a word (RFC 2136 section 3.4.2.2)."""
    home, before = home_without_ports, served(home_without_ports, 993)
    update(zone, "update add _acme-challenge.mail.one.test 60 CNAME elsewhere.one.test.")
    done = home.tram("cert", "renew", ok=False)
    assert done.returncode in (1, 3) and "does not show it: is that name an alias?" in done.stderr, done.stderr
    assert served(home, 993) == before
    update(zone, "update delete _acme-challenge.mail.one.test CNAME")
    renew_in_turn(home)
    assert served(home, 993) != before


def test_a_dns_that_takes_no_proof_is_told_and_the_old_one_stays(home_without_ports, zone):
    home = home_without_ports
    before = served(home, 993)
    home.stop()
    conf = home.dir / "tram.conf"
    conf.write_text(conf.read_text().replace(f"{zone['folder']}/key", f"{zone['folder']}/other"))
    home.start()
    done = home.tram("cert", "renew", ok=False)
    assert done.returncode in (1, 3) and "the secret of the key is another there" in done.stderr, done.stderr
    assert served(home, 993) == before
