"""TLS with other servers: DANE by the zone, MTA-STS by a policy over HTTPS, and what `tram tls probe` says of them."""
import email
import gzip
import http.server
import imaplib
import json
import poplib
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest

from world import OFFSET, World, insecure_tls, letter, next_address, until, within_a_day

POLICY = "version: STSv1\r\nmode: {}\r\nmx: {}\r\nmax_age: 86400\r\n"


class PolicyServer:
    """https://mta-sts.two.test, by Python, with a certificate of its own making."""

    def __init__(self, folder):
        self.address, self.text, self.visits = next_address(), "", 0
        self.folder, self.context = folder, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate = self.show("web")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.visits += 1
                body = outer.text.encode()
                self.send_response(200 if self.path == "/.well-known/mta-sts.txt" else 404)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = http.server.HTTPServer((self.address, 443 + OFFSET), Handler)
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def show(self, name):
        """A new certificate from now on."""
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=mta-sts.two.test",
                        "-addext", "subjectAltName=DNS:mta-sts.two.test"], check=True, capture_output=True)
        self.context.load_cert_chain(certificate, key)
        return certificate

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Net:
    """one.test sends to two.test, whose zone is written anew for each test."""

    def __init__(self, folder):
        self.world = World(folder)
        self.web = PolicyServer(folder)
        self.two = self.world.home("two.test", accounts=["bob"])
        trusted = folder / "trusted.pem"
        trusted.write_text((self.two.dir / "tls/certificate.pem").read_text() + self.web.certificate.read_text())
        self.one = self.world.home("one.test", accounts=["alice"], config='queue_retry_first = "1s"\nqueue_retry_most = "1s"\n'
                                   f'tls_authorities = "{trusted}"')
        self.records = [h.tram("dns", "records", h.domain).stdout for h in (self.one, self.two)]
        self.zone()
        self.one.start()
        self.two.start()

    def zone(self, tlsa=True, secure=True, sts="", wrong=False):
        lines = [x for x in "\n".join(self.records).splitlines() if "mta-sts" not in x and (tlsa or " TLSA " not in x)]
        if wrong:
            lines = [x[:-8] + "00000000" if " TLSA " in x and "two.test" in x else x for x in lines]
        if not secure:
            lines.insert(0, ";! insecure")
        if sts:
            lines += [f'_mta-sts.two.test. TXT "v=STSv1; id={sts}"', f"mta-sts.two.test. A {self.web.address}"]
        self.world.write_zone("\n".join(lines) + "\n")

    def send(self, subject):
        with self.one.submission() as client:
            client.sendmail("alice@one.test", ["bob@two.test"], letter("alice@one.test", "bob@two.test", subject))

    def waits(self):
        """The reply of the one letter that waits, once it was tried."""
        def tried():
            letters = self.one.json("queue", "list")["letters"]
            return letters and letters[0]["recipients"][0].get("reply")
        return until(tried, what="a letter that waits")

    def road(self):
        until(lambda: "empty" in self.one.tram("queue", "list").stdout, what="an empty queue")
        events = self.one.json("trace", "--last", "1")["letters"][0]["events"]
        return next(e["sentence"] for e in events if e["event"] == "relayed")

    def probe(self, *more):
        return self.one.json("tls", "probe", "two.test", *more)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    made = Net(tmp_path_factory.mktemp("tls"))
    yield made
    made.web.close()
    made.world.close()


def test_dane(net):
    net.zone()
    net.send("proved")
    assert "certificate proved by DANE" in net.road()
    told = net.probe("--connect")
    host = told["hosts"][0]
    assert told["dnssec"] and host["tls"] == "dane" and host["tlsa"][0].startswith("3 1 1 ")
    assert host["good"] and "proved by DANE" in host["session"]
    net.zone(wrong=True)
    until(lambda: net.probe()["hosts"][0]["tlsa"][0].endswith("00000000"), what="the new zone")
    net.send("not proved")
    assert "over TLS alone, because DNSSEC proves 1 TLSA record at" in net.waits()
    host = net.probe("--connect")["hosts"][0]
    assert not host["good"] and "not believed" in host["session"]
    said = net.one.tram("tls", "probe", "two.test", "--connect").stdout
    assert "DNSSEC proves which hosts take its mail" in said and "no session: " in said
    net.zone()
    net.one.tram("queue", "retry", "--all")
    assert "certificate proved by DANE" in net.road()


def open_tls(home, port, context):
    """A session of TLS at that door, by the clients that everybody has: what it agreed on."""
    at = (home.address, home.port(port))
    if port in (25, 587):
        with smtplib.SMTP(*at, local_hostname="client.test", timeout=60) as c:
            c.starttls(context=context)
            return c.sock.cipher()[0]
    if port == 143:
        with imaplib.IMAP4(*at) as c:
            c.starttls(ssl_context=context)
            return c.sock.cipher()[0]
    if port == 110:
        c = poplib.POP3(*at, timeout=60)
        c.stls(context=context)
        return c.sock.cipher()[0]
    with socket.create_connection(at, 30) as plain, context.wrap_socket(plain) as c:
        return c.cipher()[0]


NO_SESSION = (OSError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto)  # ssl.SSLError is an OSError


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("port", [25, 587, 465, 143, 993, 110, 995, 443])
def test_older_ciphers_are_for_strangers_alone(net, port):
    """docs/tls.md. A client of TLS 1.2 with nothing but CBC; one with what is asked for; one with TLS 1.1."""
    def context(ciphers, version=ssl.TLSVersion.TLSv1_2):
        made = insecure_tls()
        made.set_ciphers(ciphers)
        made.minimum_version = made.maximum_version = version
        return made

    assert open_tls(net.two, port, context("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256")) == "ECDHE-ECDSA-AES128-GCM-SHA256"
    if port == 25:
        assert open_tls(net.two, port, context("ECDHE-ECDSA-AES128-SHA256")) == "ECDHE-ECDSA-AES128-SHA256"
    else:
        with pytest.raises(NO_SESSION):
            open_tls(net.two, port, context("ECDHE-ECDSA-AES128-SHA256"))
    with pytest.raises(NO_SESSION):
        open_tls(net.two, port, context("ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_1))


def test_an_mta_sts_policy_is_obeyed(net):
    net.web.text = POLICY.format("enforce", "mail.two.test")
    net.zone(secure=False, sts="a1")
    told = until(lambda: (lambda t: t["mta_sts"]["holds"] and t)(net.probe("--connect")), what="the policy")
    assert not told["dnssec"] and told["mta_sts"]["mode"] == "enforce"
    host = told["hosts"][0]
    assert host["tls"] == "certificate" and host["good"] and host["session"].endswith("certificate verified")
    net.send("verified")
    assert net.road().count("certificate verified") == 1
    assert net.web.visits == 1
    net.web.text = POLICY.format("enforce", "*.elsewhere.test")
    net.zone(secure=False, sts="a2")
    until(lambda: net.probe()["hosts"][0]["tls"] == "passed over", what="the next policy")
    net.send("not for this host")
    assert "the MTA-STS policy of two.test does not name it" in net.waits()
    net.web.text = POLICY.format("testing", "*.elsewhere.test")
    net.zone(secure=False, sts="a3")
    until(lambda: net.probe()["mta_sts"]["mode"] == "testing", what="the last policy")
    net.one.tram("queue", "retry", "--all")
    net.road()
    assert net.web.visits == 3
    net.web.show("nobody vouches for")
    net.zone(secure=False, sts="a4")
    told = until(lambda: (lambda t: t["mta_sts"].get("trouble") and t)(net.probe()), what="a web server that is not believed")
    assert told["mta_sts"]["holds"] and told["mta_sts"]["mode"] == "testing" and "certificate" in told["mta_sts"]["trouble"]
    net.web.close()
    net.zone(secure=False, sts="a5")
    told = until(lambda: (lambda t: "certificate" not in t["mta_sts"].get("trouble", "certificate") and t)(net.probe()), what="no web server")
    assert told["mta_sts"]["holds"] and "cannot be fetched" in told["mta_sts"]["trouble"]
    assert "cannot be fetched" in net.one.tram("tls", "probe", "two.test").stdout


def test_a_domain_without_servers(net):
    assert net.one.tram("tls", "probe", "nowhere.test", status=1).stderr.strip()
    assert "delivered here" in net.one.tram("tls", "probe", "One.test", status=1).stderr
    assert json.loads(net.one.tram("tls", "probe", "[127.0.0.9]", "--json").stdout)["hosts"][0]["tls"] == "opportunistic"


def test_reports_go_out_and_come_in(net):
    within_a_day()
    net.zone()
    net.send("one more good session")
    net.road()
    sent = net.one.json("tls", "send-reports")
    assert sent["letters"] == 1 and not sent["later"]
    told = until(lambda: (lambda t: t["reports"] and t)(net.two.json("tls", "report", "two.test")), what="the report")
    assert told["good_sessions"] >= 2 and told["reporters"] == ["one.test"]
    assert "validation-failure" in [f["result"] for f in told["failures"]]
    said = net.two.tram("tls", "report", "two.test").stdout
    assert "1 reports about two.test" in said and "validation-failure" in said
    report = next(m for m in (email.message_from_bytes(raw) for raw in net.two.wait_for("bob")) if m["TLS-Report-Domain"])
    assert report["TLS-Report-Submitter"] == "one.test" and report.get_param("report-type") == "tlsrpt"
    assert "tls-report-domain" in report["DKIM-Signature"].lower()
    document = json.loads(gzip.decompress(report.get_payload()[1].get_payload(decode=True)))
    kinds = {p["policy"]["policy-type"] for p in document["policies"]}
    assert "tlsa" in kinds and document["contact-info"] == "postmaster@one.test"
    assert net.one.json("tls", "send-reports")["letters"] == 0, "the session of the report is not reported"
