"""The first day, on two fresh machines: the package installs, `tram setup` makes the node, the records are published, the
certificate comes, a client finds its servers by the domain alone and believes them, and mail goes both ways."""
import json
import re
import tempfile
from pathlib import Path

import pytest

import internet as net

pytestmark = pytest.mark.skipif(bool(net.missing()), reason=str(net.missing()))
DOMAINS = ["one.test", "two.test"]
PASSWORD = "a long secret of the day"


@pytest.fixture(scope="module")
def world():
    folder = Path(tempfile.mkdtemp(prefix="tram-world-"))
    folder.chmod(0o755)
    made = net.Internet(folder)
    try:
        made.dns(DOMAINS)
        made.authority()
        fresh = net.Disk(made, "fresh")
        fresh.install(net.package())
        made.machines = [net.Machine(made, n, d, fresh.upper) for n, d in enumerate(DOMAINS)]
        yield made
    finally:
        for log in folder.glob("m*.log"):
            print(log.name, log.read_text()[-3000:])
        made.close()


def test_the_package_installs_on_a_fresh_machine(world):
    for m in world.machines:
        m.trust(world.trusted)
        assert m.run("getent", "passwd", "tram").stdout.split(":")[5] == "/var/lib/tram"
        assert re.match(r"tram \d", m.run("tram", "--version").stdout)
        home = m.root / "var/lib/tram"
        assert home.is_dir() and not list(home.iterdir()), "only init and setup make a home"
        assert "restore" in m.tram("help", "backup").stdout + m.tram("help").stdout


def wrong(m):
    """What is still wrong; first come the TLSA records of certificates that came meanwhile."""
    m.tram("dns", "publish", m.domain, check=False)
    found = [f for f in m.json("doctor", check=False)["findings"] if f["grade"] == "wrong"]
    m.wrong = found
    return found


def test_setup_makes_a_node_and_the_world_finds_it(world):
    for m in world.machines:
        told = m.tram("setup", "--domain", m.domain, "--account", "alice", "--acme", "https://acme.test:14000/dir", "--listen", m.address,
                      "--resolver", f"{net.CORE}:53", input=PASSWORD + "\n").stdout
        assert f"{m.domain}. IN MX 10 mail.{m.domain}." in told and "it does not run" in told
        conf = m.root / "var/lib/tram/tram.conf"
        (m.root / "var/lib/tram/dns.key").write_text((world.folder / "key").read_text())
        m.run("chown", "tram:tram", "/var/lib/tram/dns.key")
        m.run("chmod", "600", "/var/lib/tram/dns.key")
        (m.root / "var/lib/tram/anchor").write_text(world.anchor.read_text())
        conf.write_text(conf.read_text() + f'\ndns_update = "{net.CORE}:53"\ndns_update_key = "dns.key"\ndns_anchors = "anchor"\n')
        m.serve()
        assert " changes are made" in m.tram("dns", "publish", m.domain).stdout
    for m in world.machines:
        net.until(lambda: m.json("cert", "list")["certificates"][0]["from"].startswith("https://acme.test"), 60, "the certificate")
        net.until(lambda: not wrong(m), 200, "a node that is well")  # its web names come into the certificate, too
        tried = m.tram("try", f"alice@{m.domain}").stdout
        assert "right     the authority has given a certificate" in tried and re.search(rf"^right +alice@{m.domain} +delivered", tried, re.M), tried


FIND = """
import json, ssl, sys, urllib.request, xml.etree.ElementTree as xml
domain = sys.argv[1]
found = xml.fromstring(urllib.request.urlopen(f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress=alice@{domain}", timeout=20).read())
out = {}
for kind in ("incomingServer", "outgoingServer"):
    for s in found.iter(kind):
        out.setdefault(s.get("type"), {k: s.findtext(k).replace("%EMAILADDRESS%", f"alice@{domain}") for k in ("hostname", "port", "socketType", "username")})
print(json.dumps(out))
"""
SEND = """
import smtplib, ssl, sys
host, port, user, password, to, subject = sys.argv[1:]
with smtplib.SMTP_SSL(host, int(port), context=ssl.create_default_context(), timeout=30) as c:
    c.login(user, password)
    c.sendmail(user, [to], f"From: {user}\\r\\nTo: {to}\\r\\nSubject: {subject}\\r\\nMessage-ID: <{subject}@{user.split('@')[1]}>\\r\\n\\r\\nHello\\r\\n")
"""
READ = """
import imaplib, ssl, sys, time
host, port, user, password, subject = sys.argv[1:]
with imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context()) as c:
    c.login(user, password)
    c.select()
    for _ in range(100):
        c.noop()
        n = c.search(None, "SUBJECT", subject)[1][0].split()
        if n:
            print(c.fetch(n[0], "(BODY[])")[1][0][1].decode())
            break
        time.sleep(0.3)
"""


def test_clients_find_and_believe_the_servers_and_mail_goes_both_ways(world):
    found = [json.loads(world.ask(FIND, d)) for d in DOMAINS]
    for d, f in zip(DOMAINS, found):
        assert {"imap", "pop3", "smtp"} <= set(f) and all(s["hostname"] == f"mail.{d}" and s["socketType"] == "SSL" for s in f.values()), f
        assert f["imap"]["username"] == f"alice@{d}"
    for here, there in ((0, 1), (1, 0)):
        user, to, subject = f"alice@{DOMAINS[here]}", f"alice@{DOMAINS[there]}", f"letter-{here}"
        world.ask(SEND, found[here]["smtp"]["hostname"], found[here]["smtp"]["port"], user, PASSWORD, to, subject)
        text = world.ask(READ, found[there]["imap"]["hostname"], found[there]["imap"]["port"], to, PASSWORD, subject)
        results = re.sub(r"\r?\n[ \t]+", " ", text).split("Authentication-Results:")[1].split("\n")[0]
        assert "spf=pass" in results and "dkim=pass" in results and "dmarc=pass" in results and "iprev=pass" in results, results
        assert re.search(r"over TLSv1\.3.*proved by DANE", world.machines[here].tram("trace", f"{subject}@{DOMAINS[here]}").stdout)


def test_the_zones_are_proved_and_dane_is_seen(world):
    """RFC 7672: the records that `dns publish` put there, proved by DNSSEC, vouch for the certificates."""
    for m, other in zip(world.machines, DOMAINS[::-1]):
        m.tram("dns", "publish", m.domain, check=False)  # the next key's, if a certificate came since
        checked = [c for c in m.json("dns", "check", m.domain, check=False)["checked"] if c["what"] == "TLSA"]
        assert len(checked) == 2 and {c["finding"] for c in checked} == {"right"}, checked
        probed = m.json("tls", "probe", other)
        assert probed["dnssec"] and probed["hosts"][0]["tls"] == "dane", probed


def test_the_package_goes_and_the_mail_stays(world):
    m = world.machines[1]
    m.server.terminate()
    assert m.server.wait(30) == 0
    m.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "remove", "tram")
    assert (m.root / "var/lib/tram/tram.conf").exists() and not (m.root / "usr/bin/tram").exists()
