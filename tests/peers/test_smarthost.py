"""Letters by a smarthost with a login: a real Postfix that lets Dovecot judge it, by SCRAM-SHA-256 alone, so that no password is said."""
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from postfix import ADDRESS, Postfix, answers, free_port
from world import World, letter, until


class Dovecot:
    """Its login service alone."""

    def __init__(self, folder, user, password):
        folder.mkdir()
        self.port = free_port()
        (folder / "users").write_text(f"{user}:{{PLAIN}}{password}\n")
        conf = folder / "dovecot.conf"
        conf.write_text(f"base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = {folder}/log\nauth_verbose = yes\nprotocols =\nssl = no\n"
                        "auth_mechanisms = scram-sha-256\n"
                        f"passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN {folder}/users\n}}\n"
                        "userdb {\n  driver = static\n  args = uid=nobody gid=nogroup home=/nonexistent\n}\n"
                        f"service auth {{\n  inet_listener {{\n    address = {ADDRESS}\n    port = {self.port}\n  }}\n}}\n")
        self.log = folder / "log"
        self.process = subprocess.Popen([shutil.which("dovecot", path="/usr/sbin:/usr/bin"), "-F", "-c", str(conf)])
        until(lambda: answers(self.port), 20, f"Dovecot: {self.log}")

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def pair(folder):
    p = SimpleNamespace(world=World(folder), port=free_port())
    p.dovecot = Dovecot(folder / "dovecot", "me", "secret")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=relay.test",
                    "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    p.postfix = Postfix(folder / "postfix", "two.test", p.port, {}, {}, None)
    subprocess.run(["/usr/sbin/postconf", "-c", str(folder / "postfix" / "etc"), "smtpd_tls_security_level=may", f"smtpd_tls_cert_file={cert}", f"smtpd_tls_key_file={key}",
                    "smtpd_sasl_auth_enable=yes", "smtpd_sasl_type=dovecot", f"smtpd_sasl_path=inet:{ADDRESS}:{p.dovecot.port}", "smtpd_tls_auth_only=yes",
                    "smtpd_client_restrictions=permit_sasl_authenticated,reject"], check=True)
    subprocess.run([*p.postfix.command, "reload"], check=True, capture_output=True)
    p.password = folder / "password"
    p.password.write_text("secret\n")
    p.tram = p.world.home("one.test", accounts=["alice"],
                          config=f'routes = {{"* via [{ADDRESS}]:{p.port} tls=encrypted user=me password-file={p.password} login=scram"}}')
    p.world.publish()
    p.tram.start()
    yield p
    p.postfix.close()
    p.dovecot.close()
    p.world.close()


def send(pair, case):
    with pair.tram.submission("alice") as client:
        client.sendmail("alice@one.test", ["box@two.test"], letter("alice@one.test", "box@two.test", **{"X-Case": case}))


def test_scram_lets_us_in_at_postfix_and_dovecot(pair):
    send(pair, "known")
    until(lambda: "known" in pair.postfix.letters(), 30, f"the letter\n{pair.postfix.log()[-2000:]}")
    assert "sasl_method=SCRAM-SHA-256, sasl_username=me" in pair.postfix.log()


def test_a_wrong_password_keeps_the_letter(pair):
    pair.password.write_text("another\n")
    pair.tram.stop()
    pair.tram.start()
    send(pair, "unknown")

    def waits():
        return [r for q in pair.tram.json("queue", "list")["letters"] for r in q["recipients"] if r["attempts"]]

    waiting = until(waits, 30, "an attempt that came to nothing")[0]
    assert waiting["state"] == "waiting" and "535" in waiting["reply"], waiting
    assert "unknown" not in pair.postfix.letters()
