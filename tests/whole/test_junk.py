"""What people move into Junk teaches, and decides where the next letter goes."""
import random
import re

from world import World, letter, until

KINDS = {"junk": "cheap pills winner lottery casino bonus refund urgent".split(),
         "good": "meeting minutes garden recipe invoice holiday bicycle choir".split()}


def text(kind, n):
    r = random.Random(f"{kind}{n}")
    words = [r.choice(KINDS[kind]) for _ in range(30)] + [f"common{r.randrange(50)}" for _ in range(30)]
    r.shuffle(words)
    return " ".join(words) + "\r\n"


def moved(home, names, source, to):
    client = home.imap("alice")
    client.select(source)
    for name in names:
        status, data = client.uid("search", None, "SUBJECT", f'"{name}"')
        for uid in data[0].split():
            assert client.uid("move", uid, to)[0] == "OK"
    client.logout()


def explain(home, message):
    where = re.search(r"\bid\s+(\w{16})\b", message.decode())[1]
    return home.tram("junk", "explain", where).stdout


def test_letters_go_where_people_put_their_like(tmp_path):
    world = World(tmp_path)
    home = world.home("one.test", accounts=["alice", "bob"])
    world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
    home.start()
    try:
        with home.mx() as client:
            for n in range(8):
                for kind in KINDS:
                    client.sendmail(f"{kind}{n}@client.test", ["alice@one.test"],
                                    letter(f"{kind}{n}@client.test", "alice@one.test", f"{kind}-{n}-", text(kind, n)))
        home.wait_for("alice", 16)
        moved(home, [f"junk-{n}-" for n in range(8)] + [f"good-{n}-" for n in range(8)], "INBOX", "Junk")
        moved(home, [f"good-{n}-" for n in range(8)], "Junk", "Archive")
        with home.mx() as client:
            for kind in KINDS:
                client.sendmail("new@client.test", ["alice@one.test"],
                                letter("new@client.test", "alice@one.test", f"fresh {kind}", text(kind, 99)))
        good = home.wait_for("alice", 1)[-1]
        assert b"fresh good" in good and re.search(rb"\r\nX-Junk: \d of 100", good), good
        junk = until(lambda: [m for m in home.messages("alice", "Junk") if b"fresh junk" in m], what="the junk")[0]
        assert re.search(rb"\r\nX-Junk: (9\d|100) of 100; ", junk), junk
        assert "those of junk: it goes into Junk" in explain(home, junk)
        assert "not those of junk" in explain(home, good)
    finally:
        world.close()


def test_letters_that_are_answered_are_good_ones(tmp_path):
    """Who never finds a good letter in Junk teaches all the same what a good one is."""
    world = World(tmp_path)
    home = world.home("one.test", accounts=["alice"])
    world.publish(extra='client.test. 300 TXT "v=spf1 +all"\n')
    home.start()
    try:
        with home.mx() as client:
            for n in range(8):
                for kind in KINDS:
                    client.sendmail(f"{kind}{n}@client.test", ["alice@one.test"],
                                    letter(f"{kind}{n}@client.test", "alice@one.test", f"{kind}-{n}-", text(kind, n)))
        home.wait_for("alice", 16)
        moved(home, [f"junk-{n}-" for n in range(8)], "INBOX", "Junk")
        client = home.imap("alice")
        client.select("INBOX")
        assert client.store("1:*", "+FLAGS.SILENT", "(\\Answered \\Seen)")[0] == "OK"
        client.logout()
        with home.mx() as client:
            for kind in KINDS:
                client.sendmail("new@client.test", ["alice@one.test"],
                                letter("new@client.test", "alice@one.test", f"fresh {kind}", text(kind, 99)))
        until(lambda: [m for m in home.messages("alice", "Junk") if b"fresh junk" in m], what="the junk")
        assert b"fresh good" in home.messages("alice")[-1]
    finally:
        world.close()
