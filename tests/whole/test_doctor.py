"""`tram doctor`: what is wrong with a node, the worst first; and its exit status."""
import email.utils
import http.server
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from world import OFFSET, TRAM, World, next_address, spoil


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    yield w
    w.close()


def findings(home, *words, status):
    return home.json("doctor", *words, status=status)["findings"]


def test_the_doctor_names_what_is_wrong_and_what_to_do(world):
    home = world.home("one.test", accounts=["alice"])
    stopped = findings(home, status=1)
    assert {"what": "server", "grade": "wrong", "sentence": "it does not run", "remedy": "systemctl start tram, or tram serve"} in stopped
    assert any(f["what"] == "DNS" and f["grade"] == "wrong" and f.get("remedy", "").startswith("publish: ") for f in stopped)
    order = [f["grade"] for f in stopped]
    assert order == sorted(order, key=["wrong", "warning", "fine"].index)
    home.start()
    world.publish(extra=f"peer.test. IN A {home.address}\n")
    well = findings(home, status=1)
    ports = [f for f in well if f["what"] == "port"]
    assert len(ports) == 5 and all(f["grade"] == "fine" for f in ports)
    # its own certificate is all that is left: nobody believes it, nor the policy that is served with it
    left = [f for f in well if f["grade"] == "wrong"]
    assert all(f["what"] == "certificate" or "_mta-sts" in f["sentence"] + f["remedy"] for f in left), left
    assert [f for f in findings(home, "--outwards", "peer.test", status=1) if f["what"] == "outwards"][0]["grade"] == "fine"
    listed = ".".join(reversed(home.address.split("."))) + ".zen.spamhaus.org. IN A 127.0.0.4\n"
    world.publish(extra=listed)
    assert [f for f in findings(home, status=1) if f["what"] == "block list"][0]["grade"] == "wrong"
    assert "wrong    block list" in home.tram("doctor", status=1).stdout


class Clock(http.server.BaseHTTPRequestHandler):
    """A web server that says what time it is."""
    ahead = 0

    def do_GET(self):
        self.send_response_only(404)
        self.send_header("Date", email.utils.formatdate(time.time() + Clock.ahead, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def of(found, what):
    return [(f["grade"], f["sentence"]) for f in found if f["what"] == what]


def test_a_clock_that_is_wrong_by_a_year_is_told(world):
    home, address = world.home("clock.test"), next_address()
    world.publish(home, extra=f"deb.debian.org. A {address}\n")
    server = http.server.HTTPServer((address, OFFSET + 80), Clock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert of(findings(home, status=1), "clock") == [("fine", "it agrees with that of deb.debian.org")]
        for ahead, grade, words in ((365 * 86400, "wrong", "364 days behind"), (-365 * 86400, "wrong", "365 days ahead of"), (60, "warning", " s behind")):
            Clock.ahead = ahead
            (told, sentence), = of(findings(home, status=1), "clock")
            assert told == grade and (words in sentence or words.replace("364", "365") in sentence), sentence
    finally:
        server.shutdown()
        server.server_close()


def test_addresses_that_nobody_named_are_told(world):
    """In a network of its own, where the machine has two addresses that the world would route."""
    home = world.home("addresses.test")
    conf = home.dir / "tram.conf"
    text = conf.read_text()
    up = "ip link set lo up; ip addr add 2001:db8::5/64 dev lo; ip addr add 2001:db8::6/64 dev lo; ip addr add 198.51.100.7/32 dev lo; "
    if subprocess.run(["unshare", "-rn", "sh", "-c", up.replace(";", "&&", 3) + "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")

    def told(*lines):
        conf.write_text("\n".join([*[x for x in text.splitlines() if not lines or not x.startswith("listen")], *lines]) + "\n")
        done = subprocess.run(["unshare", "-rn", "sh", "-c", up + 'exec "$0" "$@"', TRAM, "-C", str(home.dir), "doctor", "--json"], capture_output=True, timeout=120)
        return of(json.loads(done.stdout)["findings"], "address")

    served_nowhere = told()
    assert len(served_nowhere) == 2 and all(g == "warning" and "where nothing is served" in s for g, s in served_nowhere)
    assert any("2001:db8::" in s for _, s in served_nowhere) and any("198.51.100.7" in s for _, s in served_nowhere)
    unnamed = told('public_addresses = {"198.51.100.7"}')
    assert [g for g, _ in unnamed] == ["warning"] and "letters may leave from 2001:db8::" in unnamed[0][1]
    assert told('public_addresses = {"198.51.100.7", "2001:db8::25"}') == [("fine", "every address of the machine is named")]


def test_the_way_out_and_the_lists_of_ipv6(world):
    home = world.home("out.test", config='public_addresses = {"2001:db8::25"}')
    world.publish(home, extra=f"gmail-smtp-in.l.google.com. A {next_address()}\n" + "5.2." + "0." * 22 + "8.b.d.0.1.0.0.2.zen.spamhaus.org. A 127.0.0.2\n"
                  ";! servfail " + "5.2." + "0." * 22 + "8.b.d.0.1.0.0.2.bl.spamcop.net\n")
    found = findings(home, status=1)
    (grade, sentence), = of(found, "outwards")
    assert grade == "wrong" and "does not answer" in sentence
    assert ("wrong", "2001:db8::25 stands on zen.spamhaus.org") in of(found, "block list")
    assert ("warning", "1 of 2 questions are not answered, first by bl.spamcop.net: whether we stand there is not known") in of(found, "block list")


def test_one_damaged_domain_hides_nothing_else(world):
    home = world.home("bad.test", accounts=["alice"])
    home.tram("domain", "add", "good.test")
    world.publish(home)
    spoil(home, ".", "d:bad.test")
    found = findings(home, status=1)
    damaged, = [f for f in found if f["sentence"].startswith("bad.test cannot be examined: ")]
    assert (damaged["grade"], damaged["what"], damaged["remedy"]) == ("wrong", "DNS", "tram verify says what is damaged")
    assert [f for f in found if f["what"] == "DNS" and "good.test" in f["sentence"]]
    assert {"block list", "queue", "disk"} <= {f["what"] for f in found}
    assert [d["domain"] for d in home.json("domain", "list")["domains"]] == ["bad.test", "good.test"]
    home.start()
    assert home.json("stats")["domains"] == 2
    home.tram("alerts", "--look", status=1)
    told = {a["about"]: a["sentence"] for a in home.json("alerts", status=1)["alerts"]}
    assert "cannot be examined" in told["DNS bad.test"] and "tram verify" in told["DNS bad.test"]
    home.stop()


def test_a_node_of_many_domains_is_examined_within_bounds(world):
    home = world.home("many.test")
    world.publish(home)
    spoil(home, ".", *[f"d:d{i:04}.test" for i in range(220)])
    (grade, sentence), = of(findings(home, status=1), "domains")
    assert grade == "warning" and sentence == "200 of 221 were looked at, and no more: not those from d0200.test on"


def test_a_dns_that_answers_half_is_not_taken_for_one_that_is_right(world):
    home = world.home("half.test")
    names = ["_dmarc.half.test", "_mta-sts.half.test", "_smtp._tls.half.test"]
    world.publish(home, extra="".join(f";! servfail {name}\n" for name in names))
    checked = home.json("dns", "check", "half.test", status=1)["checked"]
    silent = {c["name"]: c["sentence"] for c in checked if c["finding"] == "unknown"}
    assert set(silent) == set(names) and all("the DNS gave no answer" in s for s in silent.values()), silent
    right = {c["what"] for c in checked if c["finding"] == "right"}
    assert {"MX", "SPF", "DKIM", "address"} <= right
    told = findings(home, status=1)
    assert {f["grade"] for f in told if f["what"] == "DNS" and any(name in f["sentence"] for name in names)} == {"warning"}


def test_setup_waits_for_what_the_dns_is_silent_of(world):
    home = world.home("slow.test")
    published = home.tram("dns", "records", "slow.test").stdout
    names = "".join(f";! servfail {name}\n" for name in ("slow.test", "_dmarc.slow.test"))
    words = ["setup", "--json", "--domain", "slow.test", "--account", "dora", "--listen", home.address, "--port-offset", "10000", "--zone", str(world.zone), "--wait", "5"]
    world.write_zone(published + names)
    waits = subprocess.Popen([TRAM, "-C", str(home.dir), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    waits.stdin.write("one-long-secret\n")
    waits.stdin.close()
    time.sleep(3)
    assert waits.poll() is None
    world.write_zone(published)
    said = json.loads(waits.stdout.read())
    assert waits.wait(60) == 0 and said["published"] is True


ONE_FAMILY = """
ip link set lo up && ip addr del "$1" dev lo && ip addr add "$2" dev lo nodad || exit 77
cd "$3" && echo one-long-secret | "$4" -C . setup --domain lone.test --account a --zone "$5" --port-offset 10000 > ../setup || exit 1
"$4" -C . serve > ../log 2>&1 &
for i in $(seq 600); do grep -q ready ../log && break; sleep 0.1; done
"$4" -C . doctor --json > ../found
echo "Subject: x" | "$4" -C . send -f a@lone.test a@lone.test b@far.test
for i in $(seq 300); do "$4" -C . account list | grep -q "1 messages" && break; sleep 0.1; done
"$4" -C . account list > ../accounts
"$4" -C . queue list > ../queue
kill $! && wait $!
"""


@pytest.mark.parametrize("family, own, gone, other", [(6, "2001:db8::25", "127.0.0.1/8", "2001:db8:1::9"), (4, "198.51.100.7", "::1/128", "198.51.100.9")])
def test_a_machine_with_one_family_of_addresses_is_set_up(tmp_path, family, own, gone, other):
    home, zone = tmp_path / "home", tmp_path / "zone"
    home.mkdir()
    record = {4: "A", 6: "AAAA"}[family]
    zone.write_text(f"gmail-smtp-in.l.google.com. {record} {other}\nfar.test. MX 10 mx.far.test.\nmx.far.test. A 198.51.100.9\nmx.far.test. AAAA 2001:db8:1::9\n")
    done = subprocess.run(["unshare", "-rn", "sh", "-c", ONE_FAMILY, "sh", gone, own + ("/64" if family == 6 else "/32"), home, TRAM, zone], capture_output=True, text=True, timeout=120)
    if done.returncode == 77:
        pytest.skip("no network namespace can be made here")
    assert done.returncode == 0, done.stdout + done.stderr
    records = (tmp_path / "setup").read_text()
    assert f"mail.lone.test. IN {record} {own}\n" in records and f"IN {'A' if family == 6 else 'AAAA'} " not in records
    found = json.loads((tmp_path / "found").read_text())["findings"]
    assert [g for g, _ in of(found, "port")] == ["fine"] * 5, found
    assert of(found, "address") == [("fine", "every address of the machine is named")]
    (grade, sentence), = of(found, "outwards")
    assert grade == "wrong" and other in sentence
    assert "1 messages" in (tmp_path / "accounts").read_text()
    assert "b@far.test" in (tmp_path / "queue").read_text()


def test_setup_makes_a_node_that_serves(world):
    home = world.home("two.test")  # for its address and its end
    for path in sorted(home.dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    words = ["setup", "--domain", "two.test", "--account", "carol", "--listen", home.address, "--port-offset", "10000", "--zone", str(world.zone)]
    made = home.tram(*words, input="one-long-secret\n")
    assert "carol@two.test" in made.stdout and "two.test. IN MX 10 mail.two.test." in made.stdout and "it does not run" in made.stdout
    assert "--domain is needed" in home.tram("setup", input="x\n", status=2).stderr
    again = home.tram(*words, input="another\n")  # nothing is made twice, no password is changed
    assert "carol@two.test" in again.stdout
    home.start()
    with home.imap("carol", "one-long-secret") as imap:
        assert imap.select()[0] == "OK"


@pytest.mark.parametrize("words, says", [
    (["--domain", "nodots"], "form name.tld"),
    (["--domain", "one.test", "--hostname", "x y"], "no domain"),
    (["--domain", "one.test", "--hostname", "nodots"], "full host name"),
    (["--domain", "one.test", "--account", "a b"], "not an address"),
    (["--domain", "one.test", "--listen", "999.1.1.1"], "not an IP address"),
    (["--domain", "one.test", "--acme", "ftp://x"], "only https://"),
])
def test_an_answer_that_is_none_leaves_nothing_behind(tmp_path, words, says):
    done = subprocess.run([TRAM, "-C", str(tmp_path / "home"), "setup", *words], input="a-secret\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and says in done.stderr.splitlines()[0], done.stderr
    assert not (tmp_path / "home/tram.conf").exists()


def test_a_domain_is_taken_as_people_write_it(tmp_path):
    words = [TRAM, "-C", str(tmp_path / "home"), "setup", "--domain", "Müller.test", "--account", "jörg", "--port-offset", str(OFFSET), "--resolver", f"{next_address()}:53"]
    done = subprocess.run(words, input="a-secret\n", capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "xn--mller-kva.test. IN MX 10 mail.xn--mller-kva.test." in done.stdout, done.stdout + done.stderr
    listed = subprocess.run([TRAM, "-C", str(tmp_path / "home"), "account", "list", "müller.test"], capture_output=True, text=True, timeout=60)
    assert "jörg@xn--mller-kva.test" in listed.stdout


def test_who_sits_at_the_terminal_is_asked_again(tmp_path):
    main, terminal = pty.openpty()
    words = [TRAM, "-C", str(tmp_path / "home"), "setup", "--port-offset", str(OFFSET), "--resolver", f"{next_address()}:53"]
    command = subprocess.Popen(words, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE)
    shown = b""

    def answer(question, text):
        nonlocal shown
        fresh = b""
        while not fresh.rstrip().endswith(question):
            assert select.select([main], [], [], 60)[0], shown + fresh
            fresh += os.read(main, 4096)
        shown += fresh
        os.write(main, text.encode() + b"\n")

    answer(b"example.org:", "nodots")
    answer(b"example.org:", "")
    answer(b"example.org:", "müller.test")
    assert b"needs the form name.tld" in shown and b"--domain is needed" in shown
    answer(b"[mail.xn--mller-kva.test]:", "two words")
    answer(b"[mail.xn--mller-kva.test]:", "")
    answer(b"[postmaster]:", "a b")
    answer(b"[postmaster]:", "")
    answer(b"/directory]:", "ftp://x")
    answer(b"/directory]:", "None")
    answer(b"[yes]:", "no")
    answer(b"password:", "one-long-secret")
    answer(b":", "one-long-secret")
    out, _ = command.communicate(timeout=100)
    os.close(main), os.close(terminal)
    assert command.returncode == 0 and b"postmaster@xn--mller-kva.test" in out and b"only https://" in shown, (out, shown)


def test_setup_tries_what_it_has_made(world):
    address = next_address()
    home = world.folder / "new.test"
    words = [TRAM, "-C", str(home), "setup", "--domain", "new.test", "--account", "dora", "--listen", address, "--port-offset", str(OFFSET), "--zone", str(world.zone), "--wait", "5", "--try"]
    command = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    command.stdin.write("one-long-secret\n")
    command.stdin.close()
    told = ""
    while "They are looked for" not in told:  # what is to be published is told before it is waited for
        line = command.stdout.readline()
        assert line, told + command.stderr.read()
        told += line
    assert " IN MX 10 mail.new.test." in told and command.poll() is None
    world.write_zone(told[:told.index("Publish")])
    rest = command.stdout.read()
    assert "The DNS shows all of it." in rest, rest + command.stderr.read()
    assert re.search(r"^right +dora@new.test +delivered", rest, re.M) and "answers" in rest and " IN MX " not in rest, rest
    assert command.wait(60) == 1 and "self-signed" in rest, rest  # the certificate is nobody's yet, so the policy counts for nothing
    tried = subprocess.run([TRAM, "-C", str(home), "try", "nobody@new.test"], capture_output=True, text=True, timeout=100)
    assert tried.returncode != 0 and "nobody@new.test" in tried.stderr and "right" not in tried.stdout, tried


def test_a_node_is_tried_by_the_server_that_runs(world):
    home = world.home("four.test", accounts=["alice"])
    world.publish(home)
    home.start()
    told = home.json("try", "alice@four.test", status=1)  # its certificate is nobody's
    assert [(r["address"], r["event"], r["good"]) for r in told["recipients"]] == [("alice@four.test", "delivered", True)] and told["findings"], told
    assert home.process.poll() is None
    home.stop()
    port = socket.create_server((home.address, home.port(143)))  # somebody else's
    taken = home.tram("try", "alice@four.test", status=3)
    assert "143" in taken.stderr, taken
    port.close()


def test_a_server_that_hangs_is_told(tmp_path):
    """It takes connections still, for the system does that."""
    world = World(tmp_path)
    home = world.home("one.test")
    world.publish()
    home.start()
    home.process.send_signal(signal.SIGSTOP)
    for words in (["doctor"], ["queue", "list"]):
        done = home.tram(*words, status=3)
        assert "the server runs and does not answer" in done.stderr and "hangs" in done.stderr
    home.process.send_signal(signal.SIGCONT)
    assert home.tram("queue", "list").returncode == 0
    world.close()


def test_an_address_that_leads_nowhere_is_told(tmp_path):
    """IPv6 that is half there: the name has an address that is none of ours."""
    world = World(tmp_path)
    home = world.home("one.test")
    world.publish(extra="mail.one.test. IN AAAA 2001:db8::17\n")
    home.start()
    told = home.tram("doctor", status=1).stdout
    assert "one.test, address mail.one.test: the DNS also says 2001:db8::17, which is none of ours" in told, told
    assert any(f["finding"] == "dangerous" and "2001:db8::17" in f["sentence"] for f in json.loads(home.tram("dns", "check", "one.test", "--json", ok=False).stdout)["checked"]), home.tram("dns", "check", "one.test", ok=False).stdout
    world.publish()
    assert "none of ours" not in home.tram("doctor", ok=False).stdout
    world.close()


def test_why_no_server_starts_is_told(tmp_path):
    world = World(tmp_path)
    home = world.home("one.test")
    world.publish()
    conf, key = home.dir / "tram.conf", home.dir / "tls" / "key.pem"
    right = conf.read_text()
    settings = lambda: [l for l in home.tram("doctor", status=1).stdout.splitlines() if l.startswith("wrong    settings")]
    assert not settings()
    for line, says in (('tls_authorities = "/nowhere"', "/nowhere"), ('routes = {"* via r.test user=u password-file=/nowhere"}', "/nowhere")):
        conf.write_text(f"{right}{line}\n")
        assert says in settings()[0]
    conf.write_text(right)
    key.chmod(0o644)
    assert "every user of this machine can read the private key" in settings()[0]
    key.chmod(0o600)
    assert not settings()
