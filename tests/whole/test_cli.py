"""The command line: its exit statuses, its sentences, and errors a user can act on."""
import contextlib
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import termios

from world import TRAM, insecure_tls, letter, until

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*words, **kw):
    return subprocess.run([TRAM, *words], capture_output=True, text=True, timeout=60, **kw)


def test_wrong_use_is_2_and_says_how():
    for words in ([], ["no-such"], ["queue"], ["queue", "no-such"], ["-C", "/tmp", "domain", "add"],
                  ["-C", "/tmp", "init"], ["-C", "/tmp", "check", "spf", "--ip", "1.2.3.4"], ["-C", "/tmp", "queue", "list", "--nope"]):
        done = run(*words)
        assert done.returncode == 2, (words, done)
        assert "usage" in done.stderr or "help" in done.stderr
    assert run("help").returncode == 0


def test_help_version_and_errors_as_data():
    assert run("--version").stdout.startswith("tram ")
    done = run("queue", "list", "--help")
    assert done.returncode == 0 and "--limit N" in done.stdout and "default 1000" in done.stdout
    assert run("help", "no-such").returncode == 1
    done = run("-C", "/tmp", "queue", "list", "--limit", "x", "--json")
    assert done.returncode == 2 and "--limit" in json.loads(done.stdout)["error"] and not done.stderr
    done = run("-C", "/nonexistent/home", "domain", "list", "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["status"] == 3


def test_without_a_home():
    env = {k: v for k, v in os.environ.items() if k != "TRAM_HOME"}
    done = run("domain", "list", env=env)
    assert done.returncode == 2 and "-C" in done.stderr
    done = run("-C", "/nonexistent/home", "domain", "list")
    assert done.returncode == 3 and "/nonexistent/home" in done.stderr


def test_init_twice_is_refused(world):
    home = world.home("one.test")
    done = home.tram("init", "--domain", "one.test", status=1)
    assert "already" in done.stderr


def has_open(pid, name):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{fd}").endswith(name):
                return True
        except FileNotFoundError:
            pass
    return False


def test_a_command_on_a_stopped_node_is_broken_off_at_once(world):
    home = world.home("one.test", accounts=["alice"])
    for sig in (signal.SIGINT, signal.SIGTERM):
        command = subprocess.Popen([TRAM, "-C", str(home.dir), "suppression", "import", "alice@one.test"], stdin=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        until(lambda: has_open(command.pid, "store/index/LOCK"), what="a command that has the store open")
        assert "open" in home.tram("account", "list", ok=False).stderr
        command.send_signal(sig)
        assert command.wait(60) == -sig
        command.stdin.close()
        assert "alice@one.test" in home.tram("account", "list").stdout


def test_who_breaks_off_at_a_password_sees_again_what_is_typed(world):
    home = world.home("one.test", accounts=["alice"])
    main, terminal = pty.openpty()
    command = subprocess.Popen([TRAM, "-C", str(home.dir), "account", "passwd", "alice@one.test"], stdin=terminal,
                               stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    echo = lambda: termios.tcgetattr(terminal)[3] & termios.ECHO
    until(lambda: not echo(), what="the question")
    command.send_signal(signal.SIGINT)
    assert command.wait(60) == -signal.SIGINT
    assert echo()
    os.close(main), os.close(terminal)


def test_a_configuration_error_names_file_line_and_remedy(world):
    home = world.home("one.test")
    conf = home.dir / "tram.conf"
    good = conf.read_text()
    lines = good.count("\n") + 1
    for line, word in (('hostname = "nodots"', "full host name"), ('listen = {"1.2.3"}', "IP address"),
                       ('size_max = "huge"', "50M"), ('queue_lifetime = "soon"', "5d"), ('colour = "red"', "colour"),
                       ('port_offset = 70000', "port_offset"), ('hostname = "unfinished', "premature end")):
        conf.write_text(good + line + "\n")
        done = home.tram("config", "check", status=1)
        assert f"tram.conf:{lines}" in done.stderr or f"tram.conf:{lines + 1}" in done.stderr, (line, done.stderr)
        assert word in done.stderr, (line, done.stderr)
        done = home.tram("serve", status=3)
        assert "tram.conf" in done.stderr
    conf.write_text(good)
    home.tram("config", "check")


def test_every_setting_mistyped_is_one_sentence_with_its_name(world):
    """Whatever stands behind it: no crash, no wrong use, and who reads the sentence knows which line it is."""
    home = world.home("one.test")
    conf = home.dir / "tram.conf"
    text = conf.read_text()
    names = re.findall(r'^    \{"([a-z_0-9]+)", ', (ROOT / "src/core/config.c").read_text(), re.M)
    files = {"dns_anchors", "tls_certificate", "tls_key", "tls_authorities", "client_authorities", "ldap_password"}
    assert len(names) > 80 and files < set(names)
    for name in names:
        rest = re.sub(rf"^{name} *=.*$", "", text, flags=re.M)
        for value in ("-1", '"x y"', '"\x01"', '"unfinished', "{", "7 parsecs"):
            conf.write_text(f"{rest}\n{name} = {value}\n")
            done = home.tram("config", "check", ok=False)
            assert done.returncode in (0, 1), (name, value, done.returncode, done.stderr)
            said = done.stderr
            if done.returncode:
                assert said.count("\n") == 1 and (name in said or "tram.conf:" in said), (name, value, said)
            assert done.returncode or name not in files, (name, value, done.stdout)
    conf.write_text(text)
    home.tram("config", "check")


def test_a_certificate_that_cannot_be_used_is_named(world):
    home = world.home("one.test")
    other = world.home("two.test")
    home.tram("config", "check")
    (home.dir / "tls" / "key.pem").write_bytes((other.dir / "tls" / "key.pem").read_bytes())
    assert "does not belong" in home.tram("config", "check", status=1).stderr
    (home.dir / "tls" / "certificate.pem").write_text("garbage")
    assert "no certificate" in home.tram("config", "check", status=1).stderr


def test_a_new_certificate_is_served_after_sighup(one, world):
    def served():
        with socket.create_connection((one.address, one.port(993))) as s, insecure_tls().wrap_socket(s) as t:
            return t.getpeercert(binary_form=True)
    other = world.home("two.test")
    before = served()
    for name in ("certificate.pem", "key.pem"):
        (one.dir / "tls" / name).write_bytes((other.dir / "tls" / name).read_bytes())
    one.process.send_signal(signal.SIGHUP)
    until(lambda: served() != before, what="the new certificate")
    until(lambda: "mail.two.test" in one.log.read_text(), what="the line in the log")


def test_a_port_in_use_is_one_sentence(world):
    home = world.home("one.test")
    with socket.socket() as s:
        s.bind((home.address, home.port(25)))
        s.listen()
        done = home.tram("serve", status=3)
    assert f"{home.address}:{home.port(25)}" in done.stderr
    assert done.stderr.count("\n") <= 2


def test_two_servers_on_one_home(one):
    done = one.tram("serve", status=3)
    assert "store" in done.stderr or "in use" in done.stderr or "uses" in done.stderr


def test_domains_accounts_aliases(world):
    home = world.home("one.test", accounts=["alice"])
    for running in (False, True):
        if running:
            home.start()
        n = "b" if running else "a"
        home.tram("domain", "add", f"{n}.test")
        assert f"{n}.test" in home.tram("domain", "list").stdout
        home.tram("domain", "add", f"{n}.test", status=1)
        home.tram("account", "add", f"x@{n}.test", input="pw")
        home.tram("account", "add", f"x@{n}.test", input="pw", status=1)
        home.tram("account", "add", "x@nowhere.test", input="pw", status=1)
        home.tram("account", "add", "not an address", input="pw", ok=False)
        home.tram("account", "add", f"y@{n}.test", input="", status=2)
        home.tram("domain", "remove", f"{n}.test", status=1)
        home.tram("alias", "add", f"info@{n}.test", f"x@{n}.test", "far@away.example")
        assert home.json("alias", "list", f"{n}.test")["aliases"][0]["targets"] == [f"x@{n}.test", "far@away.example"]
        home.tram("alias", "remove", f"info@{n}.test")
        home.tram("alias", "remove", f"info@{n}.test", status=1)
        home.tram("account", "remove", f"x@{n}.test")
        home.tram("domain", "remove", f"{n}.test")
        assert f"{n}.test" not in home.tram("domain", "list").stdout
    assert home.json("domain", "show", "one.test")["accounts"] == 1


def test_passwords_change_and_accounts_close(one):
    import imaplib
    import pytest
    one.imap().logout()
    one.tram("account", "passwd", "alice@one.test", input="other")
    with pytest.raises(imaplib.IMAP4.error):
        one.imap()
    one.imap(password="other").logout()
    one.tram("account", "disable", "alice@one.test")
    with pytest.raises(imaplib.IMAP4.error):
        one.imap(password="other")
    with one.mx() as client:
        client.ehlo()
        client.mail("x@elsewhere.test")
        code, text = client.rcpt("alice@one.test")
        assert code == 550 and text.startswith(b"5.2.1")
    one.tram("account", "enable", "alice@one.test")
    one.imap(password="other").logout()


def test_check_spf_dkim_message(one, world):
    done = one.tram("check", "spf", "--ip", one.address, "--helo", "mail.one.test", "--mail-from", "alice@one.test")
    assert done.stdout.splitlines()[0] == "pass"
    done = one.tram("check", "spf", "--ip", "192.0.2.77", "--helo", "x.test", "--mail-from", "alice@one.test", status=1)
    assert done.stdout.splitlines()[0] == "fail"
    done = one.tram("check", "spf", "--ip", "192.0.2.77", "--helo", "x.test", "--mail-from", "a@nowhere.test", status=1)
    assert done.stdout.splitlines()[0] == "none"
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test"))
    raw = one.wait_for("bob")[0]
    done = one.tram("check", "dkim", input=raw)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all(line.startswith("pass ") and "one.test" in line for line in lines)
    done = one.tram("check", "dkim", input=raw.replace(b"Hello.", b"Hullo."), status=1)
    assert all(line.startswith("fail ") for line in done.stdout.splitlines())
    done = one.tram("check", "arc", input=raw, status=1)
    assert done.stdout.splitlines()[0] == "none"
    done = one.tram("check", "message", "--ip", "192.0.2.77", "--helo", "x", "--mail-from", "alice@one.test",
                    input=letter("alice@one.test", "bob@one.test"), status=1)
    assert done.stdout.startswith("Authentication-Results:") and "reject" in done.stdout


def test_dns_records_can_be_read_back(one):
    lines = one.tram("dns", "records", "one.test").stdout
    for word in ("IN MX 10 mail.one.test.", "v=spf1", "_domainkey.one.test. IN TXT", "p=reject", "IN TLSA 3 1 1", "_mta-sts", "TLSRPT", "in-addr.arpa"):
        assert word in lines
    one.tram("dkim", "publish-check", "one.test")


def test_dkim_rotation_waits_for_the_world(one, world):
    one.tram("dkim", "rotate", "one.test")
    states = [k["state"] for k in one.json("dkim", "list", "one.test")["keys"]]
    assert sorted(states) == ["active", "active", "publish", "publish"]
    one.tram("dkim", "publish-check", "one.test", status=1)
    assert "waits" in one.tram("dkim", "rotate", "one.test").stdout
    world.publish()
    one.tram("dkim", "rotate", "one.test")
    states = [k["state"] for k in one.json("dkim", "list", "one.test")["keys"]]
    assert sorted(states) == ["active", "active", "retired", "retired"]


def test_numbers_out_of_range_are_refused(one):
    for limit in ("0", "-1", "x", "1001"):
        assert "--limit" in one.tram("trace", "alice@one.test", "--limit", limit, status=2).stderr
    assert "--limit" in one.tram("queue", "list", "--limit", "x", status=2).stderr


def test_json_is_json(one):
    for words in (("domain", "list"), ("account", "list"), ("alias", "list"), ("queue", "list"), ("queue", "stats"), ("stats",),
                  ("dns", "records", "one.test"), ("domain", "show", "one.test"), ("dkim", "list", "one.test")):
        json.loads(one.tram(*words, "--json").stdout)


def test_json_of_an_unknown_command(one):
    for words in (("nonsense", "--json"), ("--json",), ("queue", "nonsense", "--json"), ("queue", "show", "--json"), ("domain", "add", "--json")):
        done = one.tram(*words, status=2)
        assert json.loads(done.stdout)["status"] == 2 and not done.stderr, words


def test_a_list_of_any_size_comes_row_by_row(one):
    """More than 4 MiB of reply, which the server never has in one piece; who reads only the start is no harm."""
    aliases, targets = 90, [f"{n:060d}@{'x' * 40}.example" for n in range(500)]
    for n in range(aliases):
        one.tram("alias", "add", f"list{n:03d}@one.test", *targets)
    one.tram("alias", "list")
    before = one.resident_kb()
    text = one.tram("alias", "list", "--json").stdout
    rows = json.loads(text)["aliases"]
    assert len(text) > 4 << 20 and len(rows) >= aliases and all(len(r["targets"]) == 500 for r in rows if "list" in r["address"])
    assert one.resident_kb() - before < 4096
    words = one.tram("alias", "list").stdout
    assert words.count("->") == len(rows)
    head = subprocess.Popen([TRAM, "-C", str(one.dir), "alias", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert head.stdout.read(10)
    head.stdout.close()
    assert head.wait(60) != 0
    assert one.tram("alias", "list").stdout == words


def test_nobody_else_reads_what_a_home_holds(one):
    old = os.umask(0)
    try:
        one.tram("account", "list")
    finally:
        os.umask(old)
    seen = 0
    for path in [one.dir / "tram.conf", *one.dir.glob("store/**/*"), *one.dir.glob("tls/*")]:
        with contextlib.suppress(FileNotFoundError):  # the server goes on, and may take away a file of its index
            assert path.stat().st_mode & 0o077 == 0, path
            seen += 1
    assert seen > 5


def test_verify_and_backup(one, tmp_path):
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test"))
    one.wait_for("bob")
    assert "whole" in one.tram("verify").stdout
    one.tram("backup", str(tmp_path / "copy"))
    assert (tmp_path / "copy").is_dir()
    one.tram("backup", str(tmp_path / "copy"), ok=False)


def test_a_node_is_restored_from_a_backup(one, tmp_path):
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test", subject="kept"))
    one.wait_for("bob")
    copy, fresh = tmp_path / "copy", tmp_path / "fresh"
    one.tram("backup", str(copy))
    assert not list(tmp_path.glob("*.unfinished"))
    for path in [copy, *copy.glob("**/*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    done = run("-C", str(fresh), "restore", str(copy))
    assert done.returncode == 0, done.stderr
    assert fresh.stat().st_mode & 0o777 == one.dir.stat().st_mode & 0o777 == 0o711  # other users reach public/, and see nothing
    for name in ("tram.conf", "tls/key.pem", "tls/certificate.pem"):
        assert (fresh / name).read_bytes() == (one.dir / name).read_bytes()
    assert run("-C", str(fresh), "domain", "show", "one.test", "--json").stdout == one.tram("domain", "show", "one.test", "--json").stdout
    assert run("-C", str(fresh), "account", "list", "--json").stdout == one.tram("account", "list", "--json").stdout
    assert "whole" in run("-C", str(fresh), "verify").stdout
    assert run("-C", str(fresh), "restore", str(copy)).returncode == 1
    assert run("-C", str(tmp_path / "other"), "restore", str(tmp_path)).returncode == 2
    one.stop()
    one.dir, old = fresh, one.dir
    try:
        one.start()
        assert "kept" in str(one.wait_for("bob"))
        one.stop()
    finally:
        one.dir = old


def test_settings_that_cannot_work_are_named_each_in_a_sentence(world):
    home = world.home("one.test")
    conf = home.dir / "tram.conf"
    good = conf.read_text()
    conf.write_text(good + "queue_delay_warning = 6d\nproxy_from = {\"0.0.0.0/0\"}\nsender_hourly = 5000\n")
    said = home.tram("config", "check", status=1).stderr
    assert "proxy_from 0.0.0.0/0 is the world, or a large part of it" in said and said.count("\n") == 1
    conf.write_text(good + "queue_delay_warning = 6d\nsender_hourly = 5000\n")
    said = home.tram("config", "check").stdout
    assert "warning: queue_delay_warning is not shorter than queue_lifetime" in said
    assert "warning: sender_hourly 5000 is above sender_daily 2000" in said
    conf.write_text(good)
    assert "warning: queue" not in home.tram("config", "check").stdout
