"""How much an account may send: limits by default and by `account set`, over SMTP and `tram send`, told to the
owner and to postmaster, counted over a kill -9."""
import smtplib

import pytest

from world import letter


def send(client, to, sender="bob@one.test"):
    client.sendmail(sender, to, letter(sender, "x", "hello", "x\r\n"))


@pytest.fixture
def home(world):
    home = world.home("one.test", accounts=["alice", "bob"])
    world.publish()
    home.start()
    return home


def test_a_limit_that_is_set_binds_says_until_when_and_survives_a_crash(home):
    shown = home.json("account", "set", "bob@one.test", "--daily", "3", "--first-time", "2", "--quota", "20k")
    assert shown["limits"]["daily"] == {"limit": 3, "own": True, "used": 0} and shown["quota"] == 20480
    assert shown["limits"]["hourly"] == {"limit": 500, "own": False, "used": 0}
    with home.submission("bob") as client:
        send(client, ["alice@one.test", "far@away.test"])
        with pytest.raises(smtplib.SMTPRecipientsRefused) as no:
            send(client, ["new@away.test"])
        code, text = no.value.recipients["new@away.test"]
        assert code == 450 and text.startswith(b"4.7.1 The limit is reached: 2 new recipients a day; more can be sent from 20")
        send(client, ["far@away.test"])
    home.kill()
    home.start()
    with home.submission("bob") as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as no:
            send(client, ["alice@one.test"])
        assert no.value.smtp_code == 450 and b"3 recipients a day" in no.value.smtp_error
    told = home.wait_for("alice", 2)  # bob's letter, and the notice to alice, who is postmaster
    assert any(b"A sending limit is reached: bob@one.test" in m for m in told)
    assert sum(b"A sending limit is reached: bob@one.test" in m for m in home.wait_for("bob", 1)) == 1  # once, the owner too
    assert home.json("account", "show", "bob@one.test")["limits"]["daily"]["used"] == 3
    home.tram("account", "set", "bob@one.test", "--daily", "unlimited", "--first-time", "default")
    with home.submission("bob") as client:
        for i in range(5):
            send(client, [f"new{i}@away.test"])
    home.tram("account", "set", "bob@one.test", "--daily", "0")
    with home.submission("bob") as client, pytest.raises(smtplib.SMTPSenderRefused) as no:
        send(client, ["alice@one.test"])
    assert no.value.smtp_code == 550 and no.value.smtp_error.startswith(b"5.7.1 ")


def test_words_of_account_set(home):
    for bad in (["--daily", "many"], ["--daily", "-1"], ["--quota", "0"], [], ["--hourly", "5000000000"]):
        home.tram("account", "set", "bob@one.test", *bad, status=2)
    home.tram("account", "set", "carol@one.test", "--daily", "1", status=1)
    home.tram("account", "set", "bob@one.test", "--hourly", "7", "--recipients", "2", "--letters-daily", "9")
    text = home.tram("account", "show", "bob@one.test").stdout
    assert "recipients an hour     7, 0 used  (its own)" in text and "quota" not in text
    text = home.tram("account", "set", "bob@one.test", "--hourly", "default").stdout
    assert "recipients an hour     500, 0 used\n" in text


def test_a_flood_of_letters_is_put_off_for_its_recipient_only(home):
    from world import next_address
    client = home.mx(source=next_address())
    client.ehlo()
    with pytest.raises(smtplib.SMTPRecipientsRefused) as no:
        for i in range(600):  # meanwhile one more may come every two seconds
            client.sendmail("x@away.test", ["alice@one.test"], "From: x@away.test\r\nSubject: x\r\n\r\nx\r\n")
    code, text = no.value.recipients["alice@one.test"]
    assert i >= 500 and code == 450 and text.startswith(b"4.2.1 alice@one.test gets more letters")
    client.sendmail("x@away.test", ["bob@one.test"], "From: x@away.test\r\nSubject: x\r\n\r\nx\r\n")


def test_letters_held_for_later_are_so_many(home):
    assert home.json("account", "set", "bob@one.test", "--held", "2")["limits"]["held"] == {"limit": 2, "own": True, "used": 0}
    with home.submission("bob") as client:
        def held(seconds):
            return client.sendmail("bob@one.test", ["alice@one.test"], letter("bob@one.test", "x", "later", "x\r\n"),
                                   mail_options=[f"HOLDFOR={seconds}"])
        held(3600)
        held(7200)
        with pytest.raises(smtplib.SMTPSenderRefused) as no:
            held(60)
        assert no.value.smtp_code == 552
        assert no.value.smtp_error.startswith(b"5.7.16 The limit is reached: 2 letters held for later; more can be sent from 20")
        send(client, ["alice@one.test"])
    home.kill()
    home.start()
    used = home.json("account", "show", "bob@one.test")["limits"]
    assert used["held"]["used"] == 2 and used["held-mib"] == {"limit": 500, "own": False, "used": 1}
    home.tram("account", "set", "bob@one.test", "--held", "unlimited")
    with home.submission("bob") as client:
        held(60)
