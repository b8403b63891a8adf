"""testssl.sh against every port of a running server, with a certificate of an authority that it is told to trust, by
ECDSA and by RSA: nothing is found that docs/tls.md does not name, and the grade by the guide of SSL Labs is A or A+."""
import json
import os
import re
import shutil
import subprocess

import pytest

from world import World

NAME = "mail.one.test"
PORTS = {25: ["-t", "smtp"], 587: ["-t", "smtp"], 465: [], 143: ["-t", "imap"], 993: [], 110: ["-t", "pop3"], 995: [], 443: ["-h"]}
KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
EXTENSIONS = "subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\ncrlDistributionPoints=URI:http://ca.test/crl\n"

#: What is found and may be found; docs/tls.md says why.
KNOWN = {
    "OCSP_stapling": (),
    "DNS_CAArecord": (),            # the test asks no DNS
    "cipherlist_AVERAGE": (25,),  # CBC with forward secrecy, for who would come in clear
    "LUCKY13": (25,),
    "HTTP_status_code": (443,),     # nothing lies at "/"
}

#: Stands for openssl: testssl.sh ends its client at once, often before the ticket of TLS 1.3 has come that it is to keep;
#: this one stays until the ticket is there, or 10 s.
PATIENT = r"""#!/bin/sh
last= kept=
for word; do
    [ "$last" != -sess_out ] || kept=$word
    last=$word
done
[ -n "$kept" ] || exec openssl "$@"
left=100
while [ ! -s "$kept" ] && [ $left -gt 0 ]; do
    sleep 0.1
    left=$((left - 1))
done | openssl "$@"
"""

pytestmark = pytest.mark.skipif(not shutil.which("testssl"), reason="testssl.sh is not here")


def certify(folder, kind):
    """A key and a certificate by the authority of the folder, as authorities make them today: with a list of what
    was revoked, without OCSP."""
    ssl = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    if not (folder / "ca.pem").exists():
        ssl("req", "-x509", "-newkey", *KEYS["ec"], "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=an authority", "-days", "100")
    ssl("req", "-newkey", *KEYS[kind], "-nodes", "-keyout", f"{kind}.key", "-out", "request.pem", "-subj", f"/CN={NAME}")
    (folder / "extensions").write_text(EXTENSIONS % NAME)
    ssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{kind}.pem", "-days", "90", "-extfile", "extensions")
    return folder / f"{kind}.pem", folder / f"{kind}.key"


@pytest.fixture(scope="module", params=list(KEYS))
def served(request, folder):
    here = folder / request.param
    here.mkdir()
    world = World(here)
    home = world.home("one.test", accounts=["alice"])
    for made, place in zip(certify(here, request.param), ("certificate.pem", "key.pem")):
        (home.dir / "tls" / place).write_bytes(made.read_bytes())
    world.publish()
    (here / "openssl").write_text(PATIENT)
    (here / "openssl").chmod(0o755)
    home.start()
    yield here, home, request.param
    world.close()


def ask(here, home, port, *what):
    """What testssl.sh says of a port: name of the finding -> (severity, words)."""
    out = here / f"{port}.json"
    out.unlink(missing_ok=True)
    done = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", home.address, "--add-ca",
                           str(here / "ca.pem"), "--openssl", str(here / "openssl"), "--jsonfile", str(out), *what, *PORTS[port], f"{NAME}:{home.port(port)}"],
                          env=dict(os.environ, NO_ENGINE="true"),  # no GOST from its openssl: newer ones have no such engine, and it warns
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3000)
    assert out.exists(), done.stdout + done.stderr
    return {f["id"]: (f["severity"], f["finding"]) for f in json.loads(out.read_text())}


def grade(found):
    """By the Server Rating Guide of SSL Labs (2009q), which this testssl.sh does not count itself."""
    offered = lambda version: found[version][1].startswith("offered")
    severities = [s for name, (s, _) in found.items() if name not in KNOWN]
    if any(map(offered, ("SSLv2", "SSLv3"))) or {"HIGH", "CRITICAL"} & set(severities):
        return "F"
    if any(map(offered, ("TLS1", "TLS1_1"))) or "MEDIUM" in severities or "offered" not in found["PFS"][1]:
        return "B"
    ciphers = [c for name, (_, words) in found.items() if re.fullmatch(r"cipherorder_TLSv1_[23]", name) for c in words.split()]
    bits = [128 if "128" in c else 256 for c in ciphers]
    strength = sum({128: 80, 256: 100}[f(bits)] for f in (min, max)) / 2
    points = 0.3 * 100 + 0.3 * 90 + 0.4 * strength  # TLS 1.2 and 1.3; keys as strong as RSA with 2048 bits, not as 4096
    assert points >= 80 and offered("TLS1_2")
    return "A-" if not offered("TLS1_3") else "A+" if found.get("HSTS_time", ("",))[0] == "OK" else "A"


@pytest.mark.parametrize("port", PORTS)
def test_nothing_below_a(served, port):
    here, home, kind = served
    if kind == "rsa" and port != 443:
        pytest.skip("the others would say the same")
    found = ask(here, home, port, "-p", "-s", "-f", "-P", "-S", "-U")
    odd = {name: words for name, words in found.items() if words[0] not in ("OK", "INFO", "DEBUG")}
    told = [f"{severity} {name}: {words}" for name, (severity, words) in odd.items() if not (name in KNOWN and (not KNOWN[name] or port in KNOWN[name]))]
    print(port, kind, grade(found), odd)
    assert port == 25 or not [c for c in found.get("cipherorder_TLSv1_2", ("", ""))[1].split() if c.startswith("DHE-")]  # RFC 9325 section 4.1
    assert not told, "\n".join(told)
    assert grade(found) == ("A+" if port == 443 else "A")
