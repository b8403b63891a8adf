"""Clients that nobody here wrote, with their ordinary settings: swaks, curl, openssl, mutt, neomutt."""
import os
import shlex
import subprocess

import pytest

from world import letter


def run(*words, input=None):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, input=input)


def test_swaks_submits_and_curl_reads(one):
    done = run("swaks", "--server", f"{one.address}:{one.port(587)}", "--tls", "--auth", "PLAIN", "--auth-user", "alice@one.test",
               "--auth-password", "secret", "--from", "alice@one.test", "--to", "bob@one.test", "--h-Subject", "from swaks", "--body", "Hello by swaks")
    assert done.returncode == 0, done.stdout
    one.wait_for("bob")
    done = run("curl", "-sk", f"imaps://{one.address}:{one.port(993)}/INBOX;MAILINDEX=1", "-u", "bob@one.test:secret")
    assert "from swaks" in done.stdout and "Hello by swaks" in done.stdout, done
    done = run("curl", "-sk", f"pop3s://{one.address}:{one.port(995)}/1", "-u", "bob@one.test:secret")
    assert "from swaks" in done.stdout and "Hello by swaks" in done.stdout, done


def test_swaks_by_every_mechanism_and_port(one):
    for n, (port, tls, auth) in enumerate([(587, "--tls", "LOGIN"), (465, "--tlsc", "PLAIN"), (465, "--tlsc", "LOGIN")]):
        done = run("swaks", "--server", f"{one.address}:{one.port(port)}", tls, "--auth", auth, "--auth-user", "alice@one.test",
                   "--auth-password", "secret", "--from", "alice@one.test", "--to", "bob@one.test")
        assert done.returncode == 0, done.stdout
    one.wait_for("bob", 3)
    done = run("swaks", "--server", f"{one.address}:{one.port(587)}", "--tls", "--auth", "PLAIN", "--auth-user", "alice@one.test",
               "--auth-password", "wrong", "--from", "alice@one.test", "--to", "bob@one.test")
    assert done.returncode != 0 and "535 5.7.8" in done.stdout
    done = run("swaks", "--server", f"{one.address}:{one.port(587)}", "--auth", "PLAIN", "--auth-user", "alice@one.test",
               "--auth-password", "secret", "--from", "alice@one.test", "--to", "bob@one.test")
    assert done.returncode != 0, "no login in clear"


def test_curl_uploads_appends_and_deletes(one, tmp_path):
    url = f"smtps://{one.address}:{one.port(465)}"
    done = run("curl", "-sk", url, "--mail-from", "alice@one.test", "--mail-rcpt", "bob@one.test", "-u", "alice@one.test:secret", "-T", "-",
               input=letter("alice@one.test", "bob@one.test", "by curl"))
    assert done.returncode == 0, done
    one.wait_for("bob")
    imap = f"imaps://{one.address}:{one.port(993)}"
    draft = tmp_path / "draft.eml"
    draft.write_bytes(letter("bob@one.test", "x@y.test", "a draft").encode())
    done = run("curl", "-sk", f"{imap}/Drafts", "-u", "bob@one.test:secret", "-T", str(draft))
    assert done.returncode == 0, done
    assert len(one.messages("bob", "Drafts")) == 1
    done = run("curl", "-sk", f"{imap}/INBOX", "-u", "bob@one.test:secret", "-X", "SEARCH SUBJECT curl")
    assert "* SEARCH 1" in done.stdout
    done = run("curl", "-sk", f"pop3s://{one.address}:{one.port(995)}/1", "-u", "bob@one.test:secret", "-I", "-X", "DELE")
    assert one.messages("bob") == []


def test_openssl_sees_modern_tls_only(one):
    for flag, good in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)):
        done = run("openssl", "s_client", "-connect", f"{one.address}:{one.port(993)}", flag, "-brief", input="a LOGOUT\r\n")
        assert ("CONNECTION ESTABLISHED" in done.stderr) == good, (flag, done)


def mutt(program, home, tmp_path, user, *words, input=""):
    """A mutt of this user, with nothing set but who and where; the certificate was accepted before."""
    rc = tmp_path / f"{user}.rc"
    login = f"{user}%40one.test@{home.address}"
    rc.write_text(f"""set from = "{user}@one.test"
set smtp_url = "smtp://{login}:{home.port(587)}/"
set smtp_pass = secret
set imap_user = "{user}@one.test"
set imap_pass = secret
set folder = "imap://{login}:{home.port(143)}/"
set spoolfile = "+INBOX"
set certificate_file = {home.dir}/tls/certificate.pem
set ssl_verify_host = no
set ssl_force_tls = yes
set copy = no
set confirmcreate = no
set confirmappend = no
set header_cache = ""
""")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "vt100", "LANG": "C.UTF-8"}
    command = [program, "-n", "-F", str(rc), *words]
    if not input:  # it wants a terminal
        command = ["script", "-qec", shlex.join(command), "/dev/null"]
    return subprocess.run(command, capture_output=True, input=input.encode(), env=env, timeout=60)


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt_sends_and_reads(one, tmp_path, program):
    done = mutt(program, one, tmp_path, "alice", "-s", f"from {program}", "bob@one.test", input="Hello by mutt\n")
    assert done.returncode == 0, (done.stdout, one.log.read_text()[-2000:])
    one.wait_for("bob")
    copy = tmp_path / "copy"
    mutt(program, one, tmp_path, "bob", "-e", f"push <first-entry><copy-message><kill-line>{copy}<enter><exit>")
    assert f"Subject: from {program}" in copy.read_text() and "Hello by mutt" in copy.read_text()
