"""A newer program and the way back: homes of every format are read, what was is kept, and comes back."""
import os
import re
import tarfile
from pathlib import Path

import pytest

from world import OFFSET, ROOT, TRAM, Home, letter, next_address

HOMES = sorted((ROOT / "tests" / "homes").glob("format-*.tar.xz"))
SIGN = "\nTRAM PROGRAM {} FORMAT {} READS {}\n"


def unpack(world, archive):
    """The home in this world, at an address of its own."""
    with tarfile.open(archive) as tar:
        tar.extractall(world.folder, filter="fully_trusted") if hasattr(tarfile, "data_filter") else tar.extractall(world.folder)
    home = Home.__new__(Home)
    home.world, home.domain, home.domains, home.process = world, "one.test", ["one.test"], None
    home.dir, home.log, home.address = world.folder / "home", world.folder / "home.log", next_address()
    conf = home.dir / "tram.conf"
    text = re.sub(r"^listen = .*$", f'listen = {{"{home.address}"}}', conf.read_text(), flags=re.M)
    text = re.sub(r"^port_offset = .*$", f"port_offset = {OFFSET}", text, flags=re.M)
    conf.write_text(re.sub(r"^zone = .*$", f'zone = "{world.zone}"', text, flags=re.M))
    os.chmod(home.dir / "tls" / "key.pem", 0o600)
    world.homes.append(home)
    return home


@pytest.mark.parametrize("archive", HOMES, ids=lambda p: p.name.split(".")[0])
def test_a_home_of_every_format_is_read(world, archive):
    home = unpack(world, archive)
    assert home.json("verify") == {"faults": []}
    assert {a["address"]: a["messages"] for a in home.json("account", "list")["accounts"]} == {
        "alice@one.test": 1, "bob@one.test": 1}
    assert home.json("alias", "list")["aliases"] == [{"address": "info@one.test", "targets": ["bob@one.test"]}]
    domain = home.json("domain", "show", "one.test")
    assert domain["catch_all"] == "bob@one.test" and domain["mta_sts"] == "enforce" and len(domain["dkim_keys"]) == 2
    bob = home.json("account", "show", "bob@one.test")
    assert bob["limits"]["daily"] == {"limit": 77, "own": True, "used": 0} and bob["quota"] == 2 << 30
    assert [p["name"] for p in home.json("account", "app-password", "list", "bob@one.test")["app_passwords"]] == ["phone"]
    assert home.json("suppression", "list", "alice@one.test")["suppressed"][0]["address"] == "gone@two.test"
    assert home.json("block", "list")["blocks"][0]["who"] == "192.0.2.0/24"
    assert home.json("key", "list")["keys"][0]["scopes"] == ["mail.send"]
    queued, = home.json("queue", "list")["letters"]
    assert queued["subject"] == "on its way" and queued["recipients"][0]["attempts"] == 1
    assert "by ESMTPSA" in home.tram("trace", queued["id"]).stdout
    home.start()
    client = home.imap("alice")
    assert client.select("Work/Deep")[0] == "OK"
    (head, text), _ = client.fetch("1", "(FLAGS INTERNALDATE BODY[])")[1][:2]
    assert rb"\Seen" in head and rb"\Flagged" in head and b"$Label1" in head and b"01-Feb-2020 03:04:05 +0530" in head
    assert b"Subject: kept\r\n" in text
    name = re.search(rb"EMAILID \(([^)]+)\)", client.fetch("1", "(EMAILID)")[1][0])[1].decode()
    assert client.search(None, "EMAILID", name)[1] == [b"1"]
    client.copy("1", "Archive")
    client.select("Archive")
    assert client.search(None, "EMAILID", name)[1] == [b"1"]
    client.logout()
    assert b"Subject: by alias" in home.messages("bob")[0]
    assert home.json("verify") == {"faults": []}


@pytest.mark.parametrize("archive", HOMES, ids=lambda p: p.name.split(".")[0])
def test_an_upgrade_of_a_home_of_every_format_is_looked_at_first(world, archive, tmp_path):
    """As docs/operate.md says: the check, which changes nothing, then the new program on a copy."""
    home = unpack(world, archive)
    before = {p: p.read_bytes() for p in home.dir.rglob("*") if p.is_file()}
    told = home.json("upgrade-check", TRAM)
    assert told["reads"] and told["store_format"] == 2 and not told["settings_gone"] and not told["commands_gone"]
    assert before == {p: p.read_bytes() for p in home.dir.rglob("*") if p.is_file()}
    home.tram("backup", str(tmp_path / "copy"))
    copy = Home.__new__(Home)
    copy.dir = tmp_path / "copy"
    assert copy.json("verify") == {"faults": []}


def subjects(home, user="alice"):
    return sorted(re.search(rb"Subject: (.*)\r\n", m)[1].decode() for m in home.messages(user))


def send(home, subject):
    with home.submission("alice") as smtp:
        smtp.sendmail("alice@one.test", ["alice@one.test"], letter("alice@one.test", "alice@one.test", subject))


def test_before_a_newer_program_opens_the_store_it_is_kept_and_comes_back(world):
    home = world.home("one.test", accounts=["alice"])
    world.publish()
    home.start()
    send(home, "before")
    home.wait_for("alice")
    home.stop()
    assert home.tram("rollback", status=1).stderr.startswith("tram: there is nothing to go back to")
    sign = home.dir / "store" / "written-by"
    sign.write_text(SIGN.format("0.1", 2, 2))
    home.start()
    home.logged("`tram rollback`")
    send(home, "since")
    home.wait_for("alice", 2)
    said = home.tram("rollback", status=3).stderr
    assert "stop the server first" in said, said
    home.kill()
    told = home.tram("rollback").stdout
    assert "as tram 0.1 left it" in told and "store/index.after-" in told, told
    assert "TRAM PROGRAM 0.1" in sign.read_text()
    home.start()
    assert subjects(home) == ["before"]
    kept = home.json("verify", status=1)
    assert "as tram 0.1 left it" in kept["loss"]["what"]
    assert [m["subject"] for m in kept["loss"]["letters"]] == ["since"]
    home.tram("verify", "--close-loss")
    assert home.tram("rollback", "--forget").stdout
    assert home.tram("rollback", "--forget", status=1).stderr


def test_a_store_of_a_newer_format_is_refused_before_anything_is_touched(world):
    home = world.home("one.test")
    sign = home.dir / "store" / "written-by"
    sign.write_text(SIGN.format("7.0", 3, 3))
    was = sorted((p.name, p.stat().st_mtime_ns) for p in (home.dir / "store" / "index").iterdir())
    for words in (("serve",), ("domain", "list")):
        said = home.tram(*words, status=3).stderr
        assert "tram 7.0 wrote this store, in format 3" in said and "`tram rollback`" in said, said
    assert was == sorted((p.name, p.stat().st_mtime_ns) for p in (home.dir / "store" / "index").iterdir())


def newer(tmp_path, version, reads, form):
    """The file of a program that says this of itself."""
    bytes_ = Path(TRAM).read_bytes()
    at = re.search(rb"\nTRAM PROGRAM ([0-9.]+ FORMAT \d+ READS \d+\n)", bytes_)
    fresh = f"{version} FORMAT {form} READS {reads}\n".encode()
    assert len(fresh) == len(at[1])
    path = tmp_path / "new-tram"
    path.write_bytes(bytes_.replace(at[1], fresh))
    return path


def test_a_program_is_looked_at_before_it_is_installed(world, tmp_path):
    home = world.home("one.test")
    same = home.json("upgrade-check", TRAM)
    assert same["reads"] and not same["snapshot"] and same["settings_gone"] == same["commands_gone"] == []
    told = home.tram("upgrade-check", str(newer(tmp_path, "0.3", 2, 3))).stdout
    assert "is tram 0.3. It reads this store" in told and "writes format 3" in told and "14 days" in told, told
    assert home.json("upgrade-check", str(newer(tmp_path, "0.3", 3, 3)), status=1)["reads"] is False
    fewer = tmp_path / "fewer"
    fewer.write_bytes(Path(TRAM).read_bytes().replace(b"greylist\0", b"greylisT\0").replace(b"junk explain\0", b"junk explaiN\0"))
    found = home.json("upgrade-check", str(fewer))
    assert found["commands_gone"] == ["junk explain"] and found["settings_gone"] == []
    with open(home.dir / "tram.conf", "a") as f:
        f.write("greylist = yes\n")
    assert home.json("upgrade-check", str(fewer), status=1)["settings_gone"] == ["greylist"]
    assert "it does not say which stores it reads" in home.tram("upgrade-check", "/bin/true", status=2).stderr
    assert home.tram("upgrade-check", str(tmp_path / "none"), status=1).stderr
