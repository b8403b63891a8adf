"""Records put into BIND's zones by signed updates (RFC 2136, 8945), and proofs for pebble by the same way."""
import re
import shutil
import socket
import subprocess

import pytest

from world import OFFSET, World, next_address, until

PORT = 10053


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """BIND, primary of one.test, where only the holder of the key may change anything."""
    folder, address = tmp_path_factory.mktemp("named"), "127.0.0.1"  # it listens at addresses of interfaces only
    key = subprocess.run(["tsig-keygen", "-a", "hmac-sha256", "tram"], check=True, capture_output=True, text=True).stdout
    other = subprocess.run(["tsig-keygen", "-a", "hmac-sha256", "tram"], check=True, capture_output=True, text=True).stdout
    (folder / "key").write_text(key)
    (folder / "key").chmod(0o600)
    (folder / "other").write_text(other)
    (folder / "one.zone").write_text('$TTL 60\n@ SOA ns.one.test. x.one.test. 1 60 60 60 60\n@ NS ns\nns A 192.0.2.53\n'
                                     '@ TXT "site-verification=7"\n@ TXT "v=spf1 -all"\n@ MX 5 old.one.test.\nold A 192.0.2.9\n')
    (folder / "named.conf").write_text(f'''{key}
options {{ directory "{folder}"; listen-on port {PORT} {{ {address}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; pid-file none; session-keyfile none; notify no; managed-keys-directory "{folder}"; }};
controls {{ }};
zone "one.test" {{ type primary; file "{folder}/one.zone"; update-policy {{ grant tram zonesub ANY; }}; }};
''')
    log = open(folder / "log", "wb")
    process = subprocess.Popen([shutil.which("named", path="/usr/sbin:/sbin:/usr/bin"), "-g", "-c", str(folder / "named.conf")], stdout=log, stderr=log)

    def answers():
        try:
            socket.create_connection((address, PORT), 1).close()
            return True
        except OSError:
            return process.poll() is not None

    until(answers, what="named")
    assert process.poll() is None, (folder / "log").read_text()
    yield {"address": address, "folder": folder, "at": f"{address}:{PORT}"}
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def home(tmp_path_factory, server):
    world = World(tmp_path_factory.mktemp("world"))
    home = world.home("one.test", accounts=["alice"], config=f'dns_update = "{server["at"]}"\ndns_update_key = "{server["folder"]}/key"')
    yield home
    world.close()


def asked(server, name, kind):
    """What BIND has, asked by a client that we did not write."""
    script = ("use Net::DNS; my $r = Net::DNS::Resolver->new(nameservers => [$ARGV[0]], port => $ARGV[1], recurse => 0, usevc => 1);"
              "my $p = $r->send($ARGV[2], $ARGV[3]); print map { $_->plain . \"\\n\" } $p->answer if $p;")
    return subprocess.run(["perl", "-e", script, server["address"], str(PORT), name, kind], capture_output=True, text=True, check=True).stdout


def test_the_difference_is_shown_and_nothing_changed(home, server):
    shown = home.tram("dns", "publish", "one.test", "--dry-run", status=1).stdout
    assert re.search(r"^add +one\.test\. IN MX 10 mail\.one\.test\.$", shown, re.M), shown
    assert re.search(r"^remove +one\.test\. IN MX ", shown, re.M)
    assert re.search(r"^elsewhere +\S+\.in-addr\.arpa\. IN PTR", shown, re.M)
    assert "nothing was changed" in shown
    assert "old.one.test" in asked(server, "one.test", "MX")


def test_records_are_published_and_others_stay(home, server):
    home.start()  # the server itself asks and changes, shut in as it is
    before = home.json("dns", "records", "one.test")["records"]
    shown = home.tram("dns", "publish", "one.test").stdout
    assert re.search(r"^All \d+ changes are made\.$", shown, re.M), shown
    mx, txt = asked(server, "one.test", "MX"), asked(server, "one.test", "TXT")
    assert "mail.one.test" in mx and "old.one.test" not in mx
    assert "site-verification=7" in txt and "v=spf1 mx -all" in txt and '"v=spf1 -all"' not in txt
    for r in before:
        if r["type"] != "PTR":
            assert asked(server, r["name"], r["type"]), r
    assert "Nothing is to be changed." in home.tram("dns", "publish", "one.test", "--dry-run").stdout
    home.tram("dkim", "rotate", "one.test")
    assert " changes are made" in home.tram("dns", "publish", "one.test").stdout
    home.stop()


@pytest.mark.parametrize("line, says", [
    ("dns_update_key = \"{folder}/other\"", "the secret of the key is another there"),
    ("dns_update = \"{gone}\"", "the DNS server at"),
])
def test_what_a_server_refuses_is_told(home, server, line, says):
    conf = home.dir / "tram.conf"
    text = conf.read_text()
    name = line.split()[0]
    gone = f"{next_address()}:{PORT}"
    conf.write_text(re.sub(rf"^{name} = .*$", lambda _: line.format(folder=server["folder"], gone=gone), text, flags=re.M))
    try:
        done = home.tram("dns", "publish", "one.test", ok=False)
        assert done.returncode in (1, 3) and says in done.stderr, done.stderr
    finally:
        conf.write_text(text)


def test_without_a_server_the_settings_are_named(tmp_path):
    home = World(tmp_path).home("two.test")
    done = home.tram("dns", "publish", "two.test", ok=False)
    assert done.returncode in (1, 3) and "dns_update" in done.stderr
