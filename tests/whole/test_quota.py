"""A mailbox that gets full: told at RCPT on every way in, its owner warned once at each mark, over a crash as well."""
import smtplib

import pytest

from world import letter, until

TEXT = letter("alice@one.test", "bob@one.test", "hello", "x\r\n")


def fill(client, n):
    for _ in range(n):
        assert client.append("Archive", None, None, b"Subject: x\r\n\r\ny\r\n")[0] == "OK"


def notices(home):
    return [m for m in home.messages("bob") if b"auto-generated" in m]


def subjects(home):
    return [line for m in notices(home) for line in m.split(b"\r\n") if line.startswith(b"Subject: ")]


def empty(client, box):
    client.select(box)
    client.store("1:*", "+FLAGS", r"(\Deleted)")
    client.expunge()


def refusal(home, to):
    with home.submission("alice") as client, pytest.raises(smtplib.SMTPRecipientsRefused) as no:
        client.sendmail("alice@one.test", [to], TEXT)
    return no.value.recipients[to]


@pytest.mark.parametrize("policy, code, words", [("defer", 452, b"4.2.2 "), ("refuse", 552, b"5.2.2 ")])
def test_a_mailbox_gets_full(world, policy, code, words):
    home = world.home("one.test", accounts=["alice", "bob"], config=f'over_quota = "{policy}"')
    world.publish()
    home.start()
    home.tram("account", "set", "bob@one.test", "--messages", "20")
    home.tram("alias", "add", "both@one.test", "alice@one.test", "bob@one.test")
    bob = home.imap("bob")
    fill(bob, 17)
    assert notices(home) == []
    fill(bob, 1)
    # the notice itself passes the second mark, and that of the second one takes the last place
    until(lambda: subjects(home) == [b"Subject: Your mailbox is 90 % full", b"Subject: Your mailbox is 95 % full"], what="both warnings")
    assert refusal(home, "bob@one.test") == (code, words + b"The mailbox bob@one.test is full; its owner has to make room")
    done = home.tram("send", "-f", "alice@one.test", "bob@one.test", input=TEXT, ok=False)
    assert done.returncode != 0 and "is full" in done.stderr, (done.returncode, done.stderr)
    with smtplib.LMTP(str(home.dir / "lmtp")) as client:
        client.ehlo("relay.one.test")
        client.mail("carol@far.test")
        got, text = client.rcpt("bob@one.test")
        assert (got, text[:6]) == (code, words)
        assert client.rcpt("alice@one.test")[0] == 250
    assert bob.append("Archive", None, None, b"a: b\r\n\r\n")[0] == "NO"
    # an address with several targets is taken; what the full one does not take waits, or comes back
    with home.submission("alice") as client:
        client.sendmail("alice@one.test", ["both@one.test"], TEXT)
    got = home.wait_for("alice", 1 if policy == "defer" else 2)
    assert policy == "defer" or any(b"5.2.2" in m for m in got)
    # once room is made the marks count anew
    empty(bob, "Archive")
    empty(bob, "INBOX")
    home.kill()
    home.start()
    bob = home.imap("bob")
    fill(bob, 18)
    until(lambda: len(notices(home)) >= 1, what="a warning after there was room")


def test_a_tree_of_mailboxes_gets_full(world):
    home = world.home("one.test", accounts=["alice", "bob"])
    world.publish()
    home.start()
    home.tram("quota", "set", "bob@one.test", "Archive", "--messages", "10", "--storage", "1M")
    bob = home.imap("bob")
    fill(bob, 9)
    until(lambda: subjects(home) == [b'Subject: The mailboxes "Archive" are 90 % full'], what="the warning")
    fill(bob, 1)
    full = b'Subject: The mailboxes "Archive" are 100 % full'
    until(lambda: subjects(home)[1:] == [full], what="the second warning")
    assert bob.append("Archive", None, None, b"a: b\r\n\r\n")[0] == "NO"
    row, = home.json("quota", "list", "bob@one.test")["quotas"]
    assert (row["name"], row["messages"], row["messages_limit"], row["mailboxes_limit"], row["by"]) == ("Archive", 10, 10, None, "operator")
    home.tram("quota", "set", "bob@one.test", "INBOX", "--messages", "1")
    assert refusal(home, "bob@one.test")[0] == 452
    assert "of 1 message  1 mailbox  (the operator's)\n" in home.tram("quota", "list", "bob@one.test").stdout
    home.tram("account", "rename", "bob@one.test", "rob@one.test")  # found by a walk, once
    home.tram("quota", "set", "rob@one.test", "INBOX", "--messages", "20")
    home.tram("quota", "set", "rob@one.test", "Archive", "--messages", "11")
    rob = home.imap("rob")
    fill(rob, 1)
    until(lambda: b"".join(home.messages("rob")).count(full) == 2, what="the warning under another name")
    home.tram("quota", "remove", "rob@one.test", "Archive")
    fill(rob, 1)
    home.stop()
    home.tram("verify")
    home.start()
