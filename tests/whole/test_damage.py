"""Damaged disks: one flipped bit in the log of the index, and files that are gone, are told in words, and
nothing that can still be had is lost."""
import re

import pytest

from world import letter

LETTERS = 100


def acknowledged(home, letters):
    """Sends that many letters to alice, all answered with 250, and kills the server."""
    home.start()
    client = home.submission("bob")
    for i in range(letters):
        assert client.sendmail("bob@one.test", ["alice@one.test"], letter("bob@one.test", "alice@one.test", f"letter-{i:03}")) == {}
    client.close()
    home.kill()


def newest_log(home):
    return max((home.dir / "store" / "index").glob("*.log"), key=lambda path: path.name)


def flip(path, part):
    data = bytearray(path.read_bytes())
    data[int(len(data) * part)] ^= 0x10
    path.write_bytes(data)


def packs(home):
    return sorted(path.name for path in (home.dir / "store" / "bodies").glob("*.pack"))


def subjects(home):
    return [re.search(rb"Subject: (\S+)", text).group(1).decode() for text in home.messages("alice")]


@pytest.fixture
def home(world):
    home = world.home("one.test", accounts=["alice", "bob"])
    world.publish()
    return home


def test_a_flipped_bit_in_the_log_is_refused_and_then_accepted(home):
    acknowledged(home, LETTERS)
    before = packs(home)
    log = newest_log(home)
    flip(log, 0.3)
    for command in (["serve"], ["verify"], ["account", "list"]):
        refused = home.tram(*command, status=3).stderr
        assert "the log of the index is damaged" in refused and log.name in refused
        assert re.search(r"at byte \d+ \(\d+ whole groups with \d+ rows stand behind it\)", refused)
        assert "--accept-loss" in refused

    said = home.tram("verify", "--accept-loss", status=1).stdout
    assert log.name in said and "--close-loss" in said and "Every record and every body is whole" in said

    home.start()
    there = subjects(home)
    assert there == [f"letter-{i:03}" for i in range(len(there))]
    assert LETTERS * 0.2 < len(there) < LETTERS * 0.4
    assert set(before) <= set(packs(home))

    loss = home.json("verify", status=1)["loss"]
    lost = {f"letter-{i:03}" for i in range(len(there), LETTERS)}
    assert lost <= {one["subject"] for one in loss["letters"]}
    assert not set(there) & {one["subject"] for one in loss["letters"]}
    assert loss["unreferenced"] >= len(lost)
    assert "no loss to accept" in home.tram("verify", "--accept-loss", status=1).stderr

    assert "swept again" in home.tram("verify", "--close-loss").stdout
    assert "loss" not in home.json("verify")
    home.tram("verify", "--close-loss", status=1)
    home.kill()
    home.start()
    assert subjects(home) == there
    assert "no loss to accept" in home.tram("verify", "--accept-loss", status=1).stderr


def test_a_torn_tail_is_no_damage(home):
    acknowledged(home, 20)
    log = newest_log(home)
    data = log.read_bytes().rstrip(b"\0")
    log.write_bytes(data[:-7] + bytes(4096))
    home.start()
    assert subjects(home)[:19] == [f"letter-{i:03}" for i in range(19)]
    assert "loss" not in home.json("verify")


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*"])
def test_other_files_of_the_index_are_missed_in_words(home, name):
    index = home.dir / "store" / "index"
    [path] = index.glob(name)
    kept = path.read_bytes()
    path.unlink()
    refused = home.tram("serve", status=3).stderr
    assert "CURRENT" in refused and "backup" in refused
    path.write_bytes(kept)
    home.start()


def test_an_index_that_is_gone_is_not_made_anew(home):
    (home.dir / "store" / "index").rename(home.dir / "elsewhere")
    assert "store/index is missing" in home.tram("serve", status=3).stderr
    (home.dir / "elsewhere").rename(home.dir / "store" / "index")
    home.start()


def test_damaged_packs_hide_no_other_letters_and_stop_no_start(home):
    acknowledged(home, 10)
    home.start()
    home.stop()
    [pack] = [path for path in (home.dir / "store" / "bodies").glob("mail-*.pack")
              if b"Subject: letter-004" in path.read_bytes()]
    data = bytearray(pack.read_bytes())
    data[data.index(b"Subject: letter-004") + 12] ^= 1
    pack.write_bytes(data)
    home.start()
    faults = home.json("verify", status=1)["faults"]
    assert len(faults) == 1 and "message 5" in faults[0]
    client = home.imap()
    client.select("INBOX", readonly=True)
    found = [b"Subject: letter-" in (client.fetch(str(i), "(BODY.PEEK[])")[1][0] or [b"", b""])[1] for i in range(1, 11) if i != 5]
    assert all(found)
    home.kill()
    data = bytearray(pack.read_bytes())
    data[20] ^= 1
    data[2048 + 20] ^= 1
    pack.write_bytes(data)
    home.start()
    assert home.json("verify", status=1)["faults"] == faults  # letters are found without it
