"""Records put into BIND's zones by signed updates (RFC 2136, 8945)."""
import re

import pytest

from bind import asked, named, update
from world import World, next_address


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from named(tmp_path_factory.mktemp("named"))


@pytest.fixture(scope="module")
def home(tmp_path_factory, server):
    world = World(tmp_path_factory.mktemp("world"))
    home = world.home("one.test", accounts=["alice"], config=f'dns_update = "{server["at"]}"\ndns_update_key = "{server["folder"]}/key"')
    yield home
    world.close()


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


def test_an_alias_is_changed_in_its_own_zone(home, server):
    """Its target lies in another zone of the same server, which is no concern of ours."""
    update(server, "update delete _dmarc.one.test TXT", "update add _dmarc.one.test 60 CNAME policy.other.test.")
    done = home.tram("dns", "publish", "one.test", status=1)
    assert re.search(r"^add +_dmarc\.one\.test\. IN TXT", done.stdout, re.M), done.stdout + done.stderr
    assert 'p=none' in asked(server, "policy.other.test", "TXT")
    update(server, "update delete _dmarc.one.test CNAME")
    assert " changes are made" in home.tram("dns", "publish", "one.test").stdout


def test_what_was_just_changed_is_seen(home, server):
    """The server remembers the answer of before for an hour; who examines the records is not told that."""
    conf = home.dir / "tram.conf"
    text = conf.read_text()
    conf.write_text(re.sub(r"^zone = .*$", f'resolver = "{server["at"]}"', text, flags=re.M))
    home.start()

    def tlsa():
        checked = home.json("dns", "check", "one.test", status=1)["checked"]
        return {c["finding"] for c in checked if c["what"] == "TLSA"}

    try:
        assert tlsa() == {"right"}
        line = [r for r in home.json("dns", "records", "one.test")["records"] if r["type"] == "TLSA"]
        update(server, f"update delete {line[0]['name']} TLSA")
        assert tlsa() != {"right"}
        assert " changes are made" in home.tram("dns", "publish", "one.test").stdout
        assert tlsa() == {"right"}
    finally:
        home.stop()
        conf.write_text(text)


@pytest.mark.parametrize("line, says", [
    ("dns_update_key = \"{folder}/other\"", "the secret of the key is another there"),
    ("dns_update = \"{gone}\"", "the DNS server at"),
])
def test_what_a_server_refuses_is_told(home, server, line, says):
    conf = home.dir / "tram.conf"
    text = conf.read_text()
    name = line.split()[0]
    gone = f"{next_address()}:{server['port']}"
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
