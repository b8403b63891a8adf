"""Programs that people send with, by their ordinary settings: msmtp, mutt, git send-email, nodemailer; msmtp and mutt also
with a token of a small issuer (swaks and curl: tests/whole/test_clients.py)."""
import http.server
import json
import os
import shlex
import subprocess
import threading
from email import policy
from email.parser import BytesParser

import pytest

import node
import test_oauth as oauth
from world import OFFSET, World, until


@pytest.fixture(scope="module")
def home(folder):
    server = http.server.ThreadingHTTPServer((oauth.ISSUER, oauth.PORT + OFFSET), oauth.Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world = World(folder)
    made = world.home("one.test", accounts=["alice", "bob"], config=f'''
login_mechanisms = "SCRAM-SHA-256 PLAIN LOGIN OAUTHBEARER XOAUTH2"
oauth_introspection = "http://{oauth.ISSUER}:{oauth.PORT}/introspect"
oauth_client = "tram"
oauth_secret = "s:cret/"
oauth_scope = "mail"
''')
    world.publish()
    made.start()
    yield made
    world.close()
    server.shutdown()


def run(home, tmp_path, *words, input="", **env):
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "vt100", "LANG": "C.UTF-8", **env}
    done = subprocess.run(words, capture_output=True, input=input.encode(), env=env, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, (words, done.stdout, done.stderr, home.log.read_text()[-2000:])
    return done


def came(home, subject):
    """The letter of that subject that bob got, of somebody who had logged in."""
    def look():
        return next((m for m in home.messages("bob") if str(BytesParser(policy=policy.default).parsebytes(m)["Subject"]) == subject), None)
    letter = until(look, 20, f"the letter {subject}")
    assert b"auth=pass smtp.auth=alice@one.test" in letter
    return letter


def msmtp(home, tmp_path, port, subject, *settings):
    rc = tmp_path / "msmtprc"
    certificate = home.dir / "tls" / "certificate.pem"
    shown = subprocess.run(["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True, check=True)
    rc.write_text("\n".join(["account default", f"host {home.address}", f"port {port}", "from alice@one.test", "user alice@one.test", "tls on",
                             f"tls_fingerprint {shown.stdout.split('=')[1].strip()}", *settings]) + "\n")
    rc.chmod(0o600)
    run(home, tmp_path, "msmtp", "-C", str(rc), "bob@one.test", input=f"From: alice@one.test\nTo: bob@one.test\nSubject: {subject}\n\nHello by msmtp\n")
    assert b"Hello by msmtp\r\n" in came(home, subject)


@pytest.mark.parametrize("mechanism", ["on", "plain", "login", "scram-sha-256", "oauthbearer", "xoauth2"])
def test_msmtp_sends(home, tmp_path, mechanism):
    secret = "good" if "auth" in mechanism else "secret"
    msmtp(home, tmp_path, home.port(587), f"msmtp-{mechanism}", f"auth {mechanism}", f'passwordeval "echo {secret}"')


def test_msmtp_sends_within_tls_from_the_start(home, tmp_path):
    msmtp(home, tmp_path, home.port(465), "msmtp-465", "auth on", "password secret", "tls_starttls off")


@pytest.mark.parametrize("mechanism", ["scram-sha-256", "plain", "oauthbearer", "xoauth2"])
def test_mutt_sends(home, tmp_path, mechanism):
    if "auth" in mechanism:
        how = f'set smtp_authenticators = "{mechanism}"\nset smtp_oauth_refresh_command = "echo good"\n'
    else:
        how = f'set smtp_authenticators = "{mechanism}"\nset smtp_pass = secret\n'
    rc = tmp_path / "muttrc"
    rc.write_text(f'set from = "alice@one.test"\nset smtp_url = "smtp://alice%40one.test@{home.address}:{home.port(587)}/"\n{how}'
                  f"set certificate_file = {home.dir}/tls/certificate.pem\nset ssl_verify_host = no\nset ssl_force_tls = yes\nset copy = no\n")
    run(home, tmp_path, "mutt", "-n", "-F", str(rc), "-s", f"mutt-{mechanism}", "bob@one.test", input="Hello by mutt\n")
    assert b"Hello by mutt\r\n" in came(home, f"mutt-{mechanism}")


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_mutt_reads_with_a_token(home, tmp_path, mechanism):
    msmtp(home, tmp_path, home.port(465), f"to-read-{mechanism}", "auth on", "password secret", "tls_starttls off")
    rc, copy = tmp_path / "muttrc", tmp_path / "copy"
    rc.write_text(f'set imap_user = "bob@one.test"\nset imap_authenticators = "{mechanism}"\nset imap_oauth_refresh_command = "echo bob"\n'
                  f'set folder = "imap://bob%40one.test@{home.address}:{home.port(143)}/"\nset spoolfile = "+INBOX"\nset header_cache = ""\n'
                  f"set certificate_file = {home.dir}/tls/certificate.pem\nset ssl_verify_host = no\nset ssl_force_tls = yes\nset confirmappend = no\nset confirmcreate = no\n")
    command = ["mutt", "-n", "-F", str(rc), "-e", f"push <last-entry><copy-message><kill-line>{copy}<enter><exit>"]
    run(home, tmp_path, "script", "-qec", shlex.join(command), "/dev/null")
    assert "Hello by msmtp" in copy.read_text()


def test_git_send_email(home, tmp_path):
    config = {"user.name": "Alice Đặng", "user.email": "alice@one.test", "sendemail.smtpserver": home.address,
              "sendemail.smtpserverport": str(home.port(587)), "sendemail.smtpencryption": "tls", "sendemail.smtpuser": "alice@one.test",
              "sendemail.smtppass": "secret", "sendemail.smtpsslcertpath": "", "sendemail.confirm": "never"}
    run(home, tmp_path, "git", "init", "-q")
    for name, value in config.items():
        run(home, tmp_path, "git", "config", name, value)
    (tmp_path / "file").write_text("Grüße\n")
    run(home, tmp_path, "git", "add", "file")
    run(home, tmp_path, "git", "commit", "-q", "-m", "A greeting, with words: Grüße")
    run(home, tmp_path, "git", "send-email", "--to=bob@one.test", "-1")
    letter = came(home, "[PATCH] A greeting, with words: Grüße")
    assert "+Grüße\r\n".encode() in letter


def test_nodemailer_sends(home, tmp_path):
    script = tmp_path / "send.js"
    script.write_text("""const nodemailer = require('nodemailer');
const [host, port, ...ways] = JSON.parse(process.argv[2]);
(async () => {
  for (const [subject, auth, secure] of ways) {
    const t = nodemailer.createTransport({ host, port: secure || port, secure: !!secure, requireTLS: !secure, auth, tls: { rejectUnauthorized: false } });
    await t.sendMail({ from: 'Alice <alice@one.test>', to: 'bob@one.test', subject, text: 'Hello by nodemailer \\u00e4\\n', attachments: [{ filename: 'a.bin', content: Buffer.from([0, 255, 10, 13]) }] });
  }
})().catch(e => { console.error(e); process.exit(1); });
""")
    ways = [["nodemailer-password", {"user": "alice@one.test", "pass": "secret"}], ["nodemailer-465", {"user": "alice@one.test", "pass": "secret"}, home.port(465)],
            ["nodemailer-token", {"type": "OAuth2", "user": "alice@one.test", "accessToken": "good"}]]
    run(home, tmp_path, "node", str(script), json.dumps([home.address, home.port(587), *ways]), **{"NODE_PATH": node.environment()["NODE_PATH"]})
    for subject, *_ in ways:
        assert b"nodemailer" in came(home, subject)
