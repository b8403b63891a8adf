"""The operator's first days: what is refused, what is said, and what is kept."""
import imaplib
import json
import os
import pty
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from world import ROOT, TRAM, letter, next_address, until


def test_only_init_makes_a_store(world):
    home = world.home("one.test", accounts=["alice"])
    store, away = home.dir / "store", home.dir / "away"
    store.rename(away)
    for words in (("serve",), ("domain", "list")):
        assert "only `tram init`" in home.tram(*words, status=3).stderr.lower()
        assert not store.exists()
    store.mkdir()  # where its disk would be mounted
    assert "only `tram init`" in home.tram("serve", status=3).stderr.lower()
    for part in ("index", "bodies"):
        store.rmdir()
        away.rename(store)
        (store / part).rename(home.dir / part)
        assert f"store/{part}" in home.tram("serve", status=3).stderr
        (home.dir / part).rename(store / part)
        store.rename(away)
        store.mkdir()
    store.rmdir()
    away.rename(store)
    assert "alice" in home.tram("account", "list").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_root_leaves_nothing_of_his_own_in_the_home_of_another(world):
    home = world.home("one.test")
    nobody = 65534
    def everything():
        return [home.dir, *home.dir.rglob("*")]
    conf = home.dir / "tram.conf"
    conf.write_text(conf.read_text().replace(str(world.zone), "world.zone"))  # the world's folder is root's
    (home.dir / "world.zone").write_text("; the world\n")
    for path in everything():
        os.chown(path, nobody, nobody)
    home.account("alice")
    home.start()
    home.tram("domain", "add", "two.test")
    state = Path(f"/proc/{home.process.pid}/status").read_text()
    assert f"Uid:\t{nobody}\t{nobody}\t{nobody}" in state
    assert int(state.split("CapEff:")[1].split()[0], 16) == 0, "ports below 1024 are open already"
    home.stop()
    assert {path.stat().st_uid for path in everything()} == {nobody}


def findings(home, domain="one.test"):
    done = home.tram("dns", "check", domain, "--json", ok=False)
    return json.loads(done.stdout)["checked"]


def set_line(home, name, value):
    conf = home.dir / "tram.conf"
    lines = [line for line in conf.read_text().splitlines() if not line.startswith((name + " ", name + "="))]
    conf.write_text("\n".join(lines + [f"{name} = {value}"] * bool(value)) + "\n")


def test_behind_nat_the_public_addresses_count(world):
    home = world.home("one.test")
    set_line(home, "listen", '{"10.0.0.5"}')
    world.publish()
    assert any(f["what"] == "address" and f["finding"] == "dangerous" and "10.0.0.5" in f["sentence"] for f in findings(home))
    set_line(home, "public_addresses", '{"192.0.2.9", "2001:db8::9"}')
    records = home.tram("dns", "records", "one.test").stdout
    assert "IN A 192.0.2.9" in records and "IN AAAA 2001:db8::9" in records and "9.2.0.192.in-addr.arpa" in records
    assert "10.0.0.5" not in records
    world.publish()
    told = findings(home)
    assert not any("10.0.0.5" in f["sentence"] for f in told)
    for what, finding in (("address", "right"), ("SPF of us", "right"), ("reverse name", "right")):
        mine = [f for f in told if f["what"] == what]
        assert mine and all(f["finding"] == finding for f in mine), mine
    set_line(home, "public_addresses", "")
    set_line(home, "listen", "")
    assert any(f["what"] == "address" and "public_addresses" in f["sentence"] for f in findings(home))


def test_dns_check_says_that_the_resolver_is_dead(world):
    home = world.home("one.test", accounts=["alice"])
    set_line(home, "zone", "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((home.address, 0))
        set_line(home, "resolver", f'"{home.address}:{silent.getsockname()[1]}"')
        begun = time.monotonic()
        told = findings(home)
        assert time.monotonic() - begun < 200  # it was four minutes
        doctor = {f["what"]: f for f in home.json("doctor", status=1)["findings"]}
        assert doctor["resolver"]["grade"] == "wrong" and "DNS" not in doctor
        assert "block list" not in doctor  # nobody said that our addresses stand on none
        home.tram("alerts", "--look", ok=False)  # what may be a matter of a moment is told the second time
        assert "answers nothing" in {a["about"]: a for a in home.json("alerts", "--look", status=1)["alerts"]}["resolver"]["sentence"]
    assert [f["what"] for f in told] == ["resolver"] and "answers nothing" in told[0]["sentence"]


def answer_once_all_are_asked(sock, names):
    """A resolver for which nothing exists, and which answers about keys only when it was asked about that many."""
    held, seen = [], set()
    while True:
        try:
            question, peer = sock.recvfrom(4096)
        except OSError:
            return
        held.append((question, peer))
        if b"_domainkey" in question.lower():
            seen.add(question[13:13 + question[12]].lower())
        elif not seen or len(seen) == names:
            held = held[:-1]
            sock.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:question.index(b"\0", 12) + 5], peer)
        if len(seen) == names:
            for q, who in held:
                sock.sendto(q[:2] + b"\x81\x83" + q[4:6] + bytes(6) + q[12:q.index(b"\0", 12) + 5], who)
            held = []


def test_all_keys_are_looked_for_at_once(world):
    home = world.home("one.test")
    set_line(home, "zone", "")
    (home.dir / "anchors").write_text(f"proved.test. IN DS 1 13 2 {'ab' * 32}\n")  # so that the rest needs no proof
    set_line(home, "dns_anchors", f'"{home.dir}/anchors"')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as slow:
        slow.bind((home.address, 0))
        set_line(home, "resolver", f'"{home.address}:{slow.getsockname()[1]}"')
        threading.Thread(target=answer_once_all_are_asked, args=(slow, 2), daemon=True).start()
        keys = home.json("dkim", "publish-check", "one.test", status=1)["keys"]
        assert [k["published"] for k in keys] == ["missing", "missing"], keys
        home.tram("dkim", "rotate", "one.test")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as slow:
        slow.bind((home.address, 0))
        set_line(home, "resolver", f'"{home.address}:{slow.getsockname()[1]}"')
        threading.Thread(target=answer_once_all_are_asked, args=(slow, 2), daemon=True).start()
        waits = home.json("dkim", "rotate", "one.test")["waits"]
        assert [k["published"] for k in waits] == ["missing", "missing"], waits


def test_dns_check_keeps_what_is_there_and_claims_nothing(world):
    home = world.home("one.test")
    world.publish(extra="_spf.mass.test. IN TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n")
    text = world.zone.read_text()
    sts = [f for f in findings(home) if f["name"] == "_mta-sts.one.test"]
    assert [f["finding"] for f in sts] == ["wrong"] and "https://mta-sts.one.test" in sts[0]["sentence"]
    assert "cannot be fetched" in sts[0]["sentence"], "nobody serves it"
    world.write_zone(text.replace('one.test. IN TXT "v=spf1 mx -all"', 'one.test. IN TXT "v=spf1 include:_spf.mass.test ?all"'))
    wrong = [f for f in findings(home) if f["what"] == "SPF of us"]
    assert wrong[0]["finding"] == "wrong"
    assert wrong[0]["publish"] == 'one.test. IN TXT "v=spf1 mx include:_spf.mass.test -all"'


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def certificate(home, name="mail.one.test", days=90):
    """A self-signed one in the place of the home's."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days, "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name}", "-keyout", home.dir / "tls/key.pem", "-out", home.dir / "tls/certificate.pem")


def test_one_check_of_certificates_for_every_command(world, tmp_path):
    home = world.home("one.test")
    key, chain = home.dir / "tls/key.pem", home.dir / "tls/certificate.pem"
    assert "signed by itself" in home.tram("config", "check").stdout
    certificate(home, days=5)
    assert "warning: the certificate ends on" in home.tram("config", "check").stdout
    told = [f for f in findings(home) if f["what"] == "certificate" and f["finding"] == "wrong"]
    assert len(told) == 1 and "send SIGHUP" in told[0]["sentence"]
    assert home.json("stats")["certificate_days_left"] in (4, 5)
    home.start()
    until(lambda: "warning serve: the certificate ends on" in home.log.read_text(), what="the warning at start")
    certificate(home, name="other.test")
    assert "is for other.test and not for mail.one.test" in home.tram("config", "check", status=1).stderr
    home.process.send_signal(signal.SIGHUP)
    until(lambda: "error serve: the certificate is for other.test" in home.log.read_text(), what="the error at SIGHUP")
    home.stop()
    certificate(home)
    key.chmod(0o644)
    assert "can read the key" in home.tram("config", "check").stdout
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", tmp_path / "locked.pem")
    key.write_bytes((tmp_path / "locked.pem").read_bytes())
    assert "encrypted" in home.tram("config", "check", status=1).stderr
    # an authority that this machine does not know
    certificate(home, name="authority.test")
    for path in (key, chain):
        path.rename(tmp_path / f"ca-{path.name}")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mail.one.test", "-addext",
            "subjectAltName=DNS:mail.one.test", "-keyout", key, "-out", tmp_path / "csr.pem")
    openssl("x509", "-req", "-in", tmp_path / "csr.pem", "-CA", tmp_path / "ca-certificate.pem", "-CAkey", tmp_path / "ca-key.pem",
            "-days", "90", "-copy_extensions", "copy", "-set_serial", "7", "-out", chain)
    assert "the issuer /CN=authority.test is not known" in home.tram("config", "check").stdout


def made_otherwise(home, *how):
    openssl("req", "-x509", "-nodes", "-days", "90", "-subj", "/CN=mail.one.test", *how, "-keyout", home.dir / "tls/key.pem", "-out", home.dir / "tls/certificate.pem")


CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
FOR_HOST = ("-addext", "subjectAltName=DNS:mail.one.test")


def test_a_certificate_that_no_client_would_take_is_told_and_one_that_cannot_be_served_replaces_none(world):
    home = world.home("one.test")
    made_otherwise(home, *CURVE)
    assert "is for no name and not for mail.one.test" in home.tram("config", "check", status=1).stderr  # its CN counts nothing
    made_otherwise(home, *CURVE, *FOR_HOST, "-addext", "extendedKeyUsage=clientAuth")
    assert "not made for servers" in home.tram("config", "check", status=1).stderr
    certificate(home)
    home.start()
    served = ssl.get_server_certificate((home.address, home.port(465)))
    for weak in (("-newkey", "rsa:1024"), ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp192k1")):
        made_otherwise(home, *weak, *FOR_HOST)
        assert "too weak to be served" in home.tram("config", "check", status=1).stderr
        before = home.log.read_text().count("the certificate is not changed: the certificate cannot be served")
        home.process.send_signal(signal.SIGHUP)
        until(lambda: home.log.read_text().count("the certificate is not changed: the certificate cannot be served") > before, what="the line at SIGHUP")
        assert ssl.get_server_certificate((home.address, home.port(465))) == served
    home.stop()
    refused = home.tram("serve", ok=False)
    assert refused.returncode == 3 and "cannot be served" in refused.stderr, refused.stderr


@pytest.mark.parametrize("name", ["tls_authorities", "client_authorities", "dns_anchors", "routes"])
def test_files_that_tram_conf_names_are_looked_at(world, name):
    """What would end the start, or a letter, is told before."""
    home = world.home("one.test")

    def told(path):
        set_line(home, name, f'{{"far.test via relay.far.test:587 user=u password-file={path}"}}' if name == "routes" else f'"{path}"')
        return home.tram("config", "check", ok=False)
    missing = told(home.dir / "not-there")
    assert missing.returncode == 1 and "No such file" in missing.stderr, missing
    assert name in missing.stderr or "relay.far.test" in missing.stderr
    (home.dir / "words").write_text("no certificate\n")
    assert told(home.dir / "words").returncode == (0 if name == "routes" else 1)
    if "authorities" in name:
        assert told(home.dir / "tls/certificate.pem").returncode == 0


def test_the_log_and_the_trace_tell_of_letters_and_logins(one):
    from smtplib import SMTPAuthenticationError
    with pytest.raises(SMTPAuthenticationError):
        one.submission(password="wrong")
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test"))
    one.wait_for("bob")
    with one.mx() as client:
        client.ehlo()
        client.mail("x@elsewhere.test")
        assert client.rcpt("nobody@one.test")[0] == 550
    def told(*words):  # lines are written some milliseconds after what they tell
        return until(lambda: [line for line in one.log.read_text().splitlines() if all(word in line for word in words)],
                       60, f"the line with {words}")
    assert told("info login: event=refused user=alice@one.test", f'session="smtpd {one.address.rsplit(".", 3)[0]}')
    assert told("info login: event=accepted user=alice@one.test") and told("user=bob@one.test", 'session="imap')
    assert told("info letter: event=received id=", 'session="smtpd ', "alice@one.test")
    assert told("info letter: event=delivered id=", "to=bob@one.test")
    assert told("info letter: event=refused id=", "to=nobody@one.test", "why=", "550")
    ids = [o["id"] for o in one.json("trace", "--last", "2")["letters"]]
    assert len(ids) == 2
    assert [o["id"] for o in one.json("trace", "--domain", "elsewhere.test", "--since", "1h")["letters"]] == ids[1:]
    one.tram("trace", "--host", "192.0.2.200", status=1)
    one.tram("trace", "--since", "yesterday", status=2)
    one.tram("trace", ids[0], "--last", "2", status=2)
    one.tram("trace", status=2)
    assert "Z  received" in one.tram("trace", ids[0]).stdout


def test_make_run_prints_its_hints_when_it_serves_and_ends_with_its_terminal(tmp_path):
    address = next_address()
    env = {**os.environ, "HOME_DIR": str(tmp_path / "try"), "ADDRESS": address}
    # Who ran the tests may have ignored SIGHUP (nohup), and a shell cannot undo that.
    run = subprocess.Popen([str(ROOT / "tools/run")], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    try:
        assert "Tram serves" in run.stdout.readline()
        with socket.create_connection((address, 10143), timeout=60) as s:
            assert s.recv(100).startswith(b"* OK")
        run.send_signal(signal.SIGHUP)
        assert run.wait(60) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 10143), timeout=60)
        # a port in use: no hints, and the server's own words and status
        with socket.socket() as s:
            s.bind((address, 10025))
            s.listen()
            done = subprocess.run([str(ROOT / "tools/run")], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
            assert done.returncode == 3 and not done.stdout and f"{address}:10025" in done.stderr
    finally:
        if run.poll() is None:
            run.terminate()
            run.wait(60)
        run.stdout.close()


def test_a_typed_password_is_asked_for_twice(world):
    home = world.home("one.test")
    def typed(*lines):
        master, slave = pty.openpty()
        run = subprocess.Popen([TRAM, "-C", str(home.dir), "account", "add", "x@one.test"], stdin=slave, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
        os.close(slave)
        said = b""
        for line in lines:
            while not said.endswith(b": ") and (byte := run.stderr.read(1)):
                said += byte
            os.write(master, line.encode() + b"\n")
            said += b"|"
        said += run.stderr.read()
        run.stderr.close()
        os.close(master)
        return run.wait(60), said.decode()
    assert "shorter than 8" in typed("short")[1]
    assert "not the same" in typed("long enough", "long enouhg")[1]
    assert "x@one.test" not in home.tram("account", "list").stdout
    assert typed("long enough", "long enough")[0] == 0
    assert "x@one.test" in home.tram("account", "list").stdout


def test_blocks_are_listed_made_and_lifted_and_outlive_a_restart(one):
    home = one

    def blocks():
        return {b["who"]: b for b in json.loads(home.tram("block", "list", "--json").stdout)["blocks"]}

    def greeting():
        with socket.create_connection((home.address, home.port(25)), timeout=60) as s:
            return s.makefile("rb").readline()

    assert home.tram("block", "list").stdout == "Nobody is shut out.\n"
    home.tram("block", "add", "192.0.2.9/24")
    home.tram("block", "add", "127.0.0.0/8", "--hours", "1")
    home.tram("block", "add", "ALICE@one.test")
    home.tram("block", "add", "nobody@one.test", status=1)
    home.tram("block", "add", "192.0.2.0/40", status=2)
    home.tram("block", "remove", "198.51.100.1", status=1)
    assert blocks().keys() == {"192.0.2.0/24", "127.0.0.0/8", "alice@one.test"}
    assert "until" not in blocks()["192.0.2.0/24"] and blocks()["127.0.0.0/8"]["by_hand"]
    assert 3000 < blocks()["127.0.0.0/8"]["until"] - time.time() <= 3601
    assert greeting().startswith(b"421 4.7.0 ")
    home.stop()
    home.tram("block", "remove", "192.0.2.200/24")  # without a server, too
    home.start()
    assert blocks().keys() == {"127.0.0.0/8", "alice@one.test"}
    assert greeting().startswith(b"421 4.7.0 ")
    home.tram("block", "remove", "127.0.0.1/8")
    assert greeting().startswith(b"220 ")
    with pytest.raises(imaplib.IMAP4.error, match="logins are not taken"):
        home.imap("alice")
    home.tram("block", "remove", "alice@one.test")
    home.imap("alice").logout()
    assert home.tram("block", "list").stdout == "Nobody is shut out.\n"


def reply_to_all(lines):
    """A server that greets and answers everything with these bytes; its address and port."""
    server = socket.create_server((next_address(), 10025))

    def run():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as f:
                peer.sendall(b"220 mx\r\n")
                while line := f.readline():
                    peer.sendall(b"250 ok\r\n" if line[:4].upper() in (b"EHLO", b"HELO") else lines)

    threading.Thread(target=run, daemon=True).start()
    return server


def test_nothing_that_strangers_say_steers_the_terminal(world):
    evil = "\x1b]0;x\x07\x1b[2J\u009b31m\u202etxt.exe\u2028\x7f"
    server = reply_to_all(f"451 4.0.0 {evil}\r\n".encode())
    try:
        home = world.home("one.test", accounts=["alice"])
        world.publish(extra=f"evil.test. MX 10 mx.evil.test.\nmx.evil.test. A {server.getsockname()[0]}\n"
                            "sender.test. TXT \"v=spf1 +all\"\nsender.test. MX 0 .\n")
        home.start()
        with socket.create_connection((home.address, home.port(25)), timeout=60) as s, s.makefile("rb") as f:
            f.readline()
            for line in (f"EHLO {evil}", f"MAIL FROM:<{evil}@sender.test>", f"RCPT TO:<{evil}@one.test>", f"X{evil}",
                         "EHLO client.test", "MAIL FROM:<a@sender.test> SMTPUTF8", "RCPT TO:<alice@one.test>", "DATA",
                         f"From: {evil} <a@sender.test>\r\nSubject: {evil}\r\nMessage-ID: <{evil}@x>\r\n\r\nHello\r\n."):
                s.sendall(line.encode() + b"\r\n")
                while f.readline()[3:4] == b"-":
                    pass
        with home.submission() as client:
            client.sendmail("alice@one.test", ["bob@evil.test"], letter("alice@one.test", "bob@evil.test", subject="hi"))
        waits = until(lambda: [q for q in home.json("queue", "list")["letters"]
                               if "451" in home.tram("queue", "show", q["id"]).stdout])
        said = [home.tram("queue", "show", waits[0]["id"]).stdout, home.tram("queue", "list").stdout,
                home.tram("queue", "list", "--json").stdout, home.tram("trace", "--last", "50").stdout,
                home.tram("trace", "--last", "50", "--json").stdout, home.tram("trace", evil, ok=False).stderr,
                home.tram("alias", "add", f"{evil}@one.test", "x", ok=False).stderr, home.log.read_text(errors="replace")]
        home.stop()
        assert "txt.exe" in said[0] and "txt.exe" in said[-1]
        for text in said:
            bad = [c for c in text if c != "\n" and (ord(c) < 32 or 0x7f <= ord(c) < 0xa0 or c in "\u202e\u2028\ufffd")]
            assert not bad, (bad, text)
    finally:
        server.close()


def lose_the_last_answer():
    """A server that closes the connection when a letter's last dot has come; its address and port."""
    server = socket.create_server((next_address(), 10025))

    def run():
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as f:
                peer.sendall(b"220 mx\r\n")
                data = False
                while (line := f.readline()) and line != b".\r\n":
                    if not data:
                        data = line[:4].upper() == b"DATA"
                        peer.sendall(b"354 go on\r\n" if data else b"250 ok\r\n")

    threading.Thread(target=run, daemon=True).start()
    return server


def test_the_queue_is_searched_by_what_befell_its_letters(world):
    later, lost = reply_to_all(b"451 4.2.2 the mailbox is full\r\n"), lose_the_last_answer()
    try:
        home = world.home("one.test", accounts=["alice"])
        world.publish(extra="".join(f"{name}.test. MX 10 mx.{name}.test.\nmx.{name}.test. A {server.getsockname()[0]}\n"
                                    for name, server in (("later", later), ("lost", lost))))
        home.start()
        for name in ("later", "lost"):
            with home.submission() as client:
                client.sendmail("alice@one.test", [f"bob@{name}.test"], letter("alice@one.test", f"bob@{name}.test"))

        def found(*words):
            return sorted(q["recipients"][0]["address"] for q in home.json("queue", "list", *words)["letters"])

        both = ["bob@later.test", "bob@lost.test"]
        until(lambda: found("--uncertain") == ["bob@lost.test"] and found("--host", "later.test"), 60, "two letters that wait")
        kind = {q["recipients"][0]["address"]: q["recipients"][0] for q in home.json("queue", "list")["letters"]}
        assert sorted(kind) == both and kind["bob@lost.test"]["uncertain"] and "uncertain" not in kind["bob@later.test"]
        word = kind["bob@later.test"]["class"]
        assert found("--class", word) == ["bob@later.test"] and found("--class", "auto") == []
        assert found("--host", "mx.later.test") == ["bob@later.test"] and found("--host", "ater.test") == []
        assert found("--host", "test") == both
        assert found("--uncertain", "--host", "later.test") == []
        assert found("--older", "1h") == []
        until(lambda: found("--older", "1s") == both, 60, "letters older than a second")
        assert "takes a time" in home.tram("queue", "list", "--older", "soon", status=2).stderr
        assert json.loads(home.tram("queue", "drop", "--all", "--uncertain", "--json").stdout)["letters"] == 1
        until(lambda: found() == ["bob@later.test"], 60, "the other letter alone")
        home.stop()
    finally:
        later.close()
        lost.close()


def test_what_is_wrong_is_told_in_the_form_asked_for_and_names_what_is_here(world):
    home = world.home("one.test", accounts=["alice"])
    for words in (("domain", "list", "one.test"), ("queue", "list", "--nope"), ("account", "show", "-1")):
        assert home.json(*words, status=2)["error"]
    said = home.tram("domain", "list", "\x1b[2J" + "x" * 5000, status=2).stderr
    assert "\x1b" not in said and len(said) < 700, said
    for words in (("account", "show", ""), ("key", "remove", ""), ("trace", "")):
        assert "is empty" in home.tram(*words, status=2).stderr, words
    for kind in ("account", "alias"):  # of a domain that is not here there is no empty list
        assert "is not here" in home.tram(kind, "list", "two.test", status=1).stderr
        home.tram(kind, "list", "one.test")
    assert "tram campaign list" in home.tram("campaign", "show", "nope", status=1).stderr


def test_what_only_a_running_server_can_do_says_so(world):
    home = world.home("one.test", accounts=["alice"], config='acme = "https://127.0.0.1:9/directory"')
    for words in (("send-test", "alice@one.test"), ("cert", "renew"), ("watch",), ("debug", "192.0.2.1")):
        said = home.tram(*words, status=3)
        assert "server" in said.stderr and not said.stdout, (words, said.stderr)
