"""Two accounts share a mailbox, seen through Python's imaplib, which knows ACL by itself."""
import imaplib

from world import insecure_tls, letter, until

LETTER = b"From: a@one.test\r\nSubject: shared\r\n\r\nto both\r\n"


def login(home, name):
    client = imaplib.IMAP4(home.address, home.port(143), timeout=60)
    client.starttls(ssl_context=insecure_tls())
    client.login(f"{name}@one.test", "secret")
    return client


def test_imaplib_shares_a_mailbox(world):
    one = world.home("one.test", accounts=["alice", "bob"])
    one.start()
    alice, bob = login(one, "alice"), login(one, "bob")
    assert alice.create("Team")[0] == "OK"
    assert alice.append("Team", None, None, LETTER)[0] == "OK"
    shared = "#user/alice@one.test/Team"
    assert bob.select(shared)[0] == "NO"
    assert alice.setacl("Team", "bob@one.test", "lrswi")[0] == "OK"
    assert b"bob@one.test lrswi" in alice.getacl("Team")[1][0]
    assert bob.myrights(shared)[1] == [shared.encode() + b" lrswi"]
    assert any(shared.encode() in line for line in bob.list('""', "#user/*")[1])
    assert bob.select(shared)[1] == [b"1"]
    assert bob.copy("1", "INBOX")[0] == "OK"
    assert bob.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK"
    alice.select("Team", readonly=True)
    assert b"Flagged" in alice.fetch("1", "(FLAGS)")[1][0]
    assert bob.store("1", "+FLAGS", r"(\Deleted)")[0] == "NO"
    assert alice.deleteacl("Team", "bob@one.test")[0] == "OK"
    again = login(one, "bob")
    assert again.select(shared)[0] == "NO"
    assert again.select("INBOX")[1] == [b"1"]
    assert again.fetch("1", "(BODY[])")[1][0][1] == LETTER
    for client in (alice, again):
        client.logout()


def test_a_public_mailbox_gets_mail_by_address(world):
    one = world.home("one.test", accounts=["alice", "public"], config='public_account = "public@one.test"')
    world.publish()
    one.start()
    public, alice = login(one, "public"), login(one, "alice")
    assert public.create("news")[0] == "OK"
    assert public.setacl("news", "anyone", "p")[0] == "OK"
    assert public.setacl("news", "authenticated", "lrs")[0] == "OK"
    one.tram("alias", "add", "news@one.test", "public+news@one.test")
    assert b'("#public/" "/")' in alice.namespace()[1][0]
    assert alice.select("#public/news")[1] == [b"0"]
    with one.submission("alice") as client:
        client.sendmail("alice@one.test", ["news@one.test"], letter("alice@one.test", "news@one.test", "x", "y\r\n"))
    until(lambda: alice.noop()[0] == "OK" and alice.select("#public/news")[1] == [b"1"], what="the letter")
    public.logout()
    alice.logout()
