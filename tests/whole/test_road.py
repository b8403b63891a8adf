"""The whole road of a letter, between two servers, with Python's smtplib, imaplib and poplib."""
import email
import re
import smtplib

import pytest

from world import ROOT, letter, next_address, until


def test_a_letter_crosses_and_passes_every_check(pair):
    one, two = pair
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@two.test"], letter("Alice <alice@one.test>", "bob@two.test", "to the other side"))
    raw = two.wait_for("bob")[0]
    message = email.message_from_bytes(raw)
    results = re.sub(r"\s+", " ", message["Authentication-Results"])
    for word in ("spf=pass", "dkim=pass", "dmarc=pass"):
        assert word in results
    assert raw.startswith(b"Return-Path: <alice@one.test>\r\n")
    assert len(message.get_all("DKIM-Signature")) == 2
    assert len(message.get_all("Received")) == 2
    assert message["Message-ID"] and message["Date"]
    pop = two.pop("bob")
    count, _ = pop.stat()
    assert count == 1
    lines = pop.retr(1)[1]
    assert b"\r\n".join(lines) + b"\r\n" == raw
    pop.quit()
    until(lambda: "empty" in one.tram("queue", "list").stdout, what="an empty queue")
    told = one.tram("trace", "alice@one.test").stdout
    example = (ROOT / "README.md").read_text().split("What `tram trace` says")[1].split("\n\n")[1]
    assert shape_of(told) == shape_of(example)


def shape_of(trace):
    """Its sentences without what differs from letter to letter."""
    for what, word in ((r"\d{4}-\d\d-\d\d [\d:.]+Z", "TIME"), (r"\b[0-9a-z]{16}\b", "ID"), (r"\[127[\d.]+\](:\d+)?", "ADDRESS"), (r"\d+ bytes", "BYTES")):
        trace = re.sub(what, word, trace)
    return [line.strip() for line in trace.strip().splitlines()]


def test_a_forger_is_refused_with_a_sentence(pair):
    one, two = pair
    with two.mx(source=next_address()) as client:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            client.sendmail("alice@one.test", ["bob@two.test"], letter("alice@one.test", "bob@two.test"))
    assert refusal.value.smtp_code == 550
    text = refusal.value.smtp_error.decode()
    assert text.startswith("5.7.") and "one.test" in text and len(text) > 40
    assert two.messages("bob") == []


def test_nobody_is_refused_at_rcpt_and_bounces_with_the_reply(pair):
    one, two = pair
    with two.mx() as client:
        client.ehlo()
        client.mail("someone@elsewhere.test")
        code, text = client.rcpt("nobody@two.test")
    assert code == 550 and text.startswith(b"5.1.1 ")
    with one.submission() as client:
        client.sendmail("alice@one.test", ["nobody@two.test"], letter("alice@one.test", "nobody@two.test", "are you there?"))
    bounce = email.message_from_bytes(one.wait_for("alice")[0])
    assert bounce.get_content_type() == "multipart/report"
    assert bounce["Return-Path"] == "<>"
    human, status, original = bounce.get_payload()
    assert "5.1.1" in human.get_payload(decode=True).decode()
    assert "nobody@two.test" in human.get_payload(decode=True).decode()
    assert status.get_content_type() == "message/delivery-status"
    per_recipient = status.get_payload()[1]
    assert per_recipient["Action"] == "failed" and per_recipient["Status"] == "5.1.1"
    assert per_recipient["Diagnostic-Code"].startswith("smtp; 550")
    assert "are you there?" in original.as_string()


def test_a_letter_waits_for_a_server_that_is_down_and_says_why(pair):
    one, two = pair
    two.stop()
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@two.test"], letter("alice@one.test", "bob@two.test", "later"))
    waiting = until(lambda: [q for q in one.json("queue", "list")["letters"] if q["recipients"][0].get("attempts")],
                    what="a first attempt")[0]
    shown = one.tram("queue", "show", waiting["id"]).stdout
    assert "refused" in shown and "next attempt" in shown and "until" in shown
    two.start()
    message = email.message_from_bytes(two.wait_for("bob")[0])
    assert message["Subject"] == "later"
    until(lambda: one.json("queue", "list")["letters"] == [], what="an empty queue")
    assert one.tram("queue", "show", waiting["id"], status=1).stderr


def test_letters_stay_over_a_restart(pair):
    one, two = pair
    two.stop()
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@two.test"], letter("alice@one.test", "bob@two.test"))
    one.stop()
    two.start()
    one.start()
    two.wait_for("bob")


def test_no_relay_and_no_foreign_sender(pair):
    one, two = pair
    with two.mx() as client:
        client.ehlo()
        client.mail("someone@elsewhere.test")
        code, text = client.rcpt("alice@one.test")
        assert code == 550 and text.startswith(b"5.7.1 ")
    with one.submission() as client:
        code, text = client.mail("bob@two.test")
        assert code // 100 == 5 and text.startswith(b"5.7.1 ")
        client.rset()
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            client.sendmail("alice@one.test", ["bob@two.test"], letter("bob@two.test", "bob@two.test"))
        assert refusal.value.smtp_error.startswith(b"5.7.1 ")


def test_several_recipients_here_and_there(pair):
    one, two = pair
    one.account("carol")
    two.account("dave")
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@two.test", "dave@two.test", "carol@one.test", "alice+tag@one.test"],
                        letter("alice@one.test", "everybody@one.test", "to all"))
    for home, user in ((two, "bob"), (two, "dave"), (one, "carol"), (one, "alice")):
        assert len(home.wait_for(user)) == 1


def test_aliases_catch_all_and_postmaster(pair):
    one, two = pair
    two.tram("alias", "add", "team@two.test", "bob@two.test", "alice@one.test")
    two.tram("domain", "set", "two.test", "--catch-all", "bob@two.test")
    with one.submission() as client:
        for name in ("team", "postmaster", "no-such-name", "abuse"):
            client.sendmail("alice@one.test", [f"{name}@two.test"], letter("alice@one.test", f"{name}@two.test", name))
    two.wait_for("bob", 4)
    one.wait_for("alice")


def test_sendmail_habits(pair):
    one, two = pair
    quiet = one.tram("send", "-i", "-f", "alice@one.test", "bob@two.test", input="Subject: by hand\n\nHello.\n")
    assert quiet.stdout == quiet.stderr == ""
    message = email.message_from_bytes(two.wait_for("bob")[0])
    assert message["Subject"] == "by hand" and message["From"] == "alice@one.test"
    assert "dkim=pass" in message["Authentication-Results"]
    one.tram("send", "-t", "-f", "alice@one.test", input="From: alice@one.test\nTo: Bob <bob@two.test>\nBcc: alice@one.test\nSubject: t\n\nHi.\n")
    second = email.message_from_bytes(two.wait_for("bob", 2)[1])
    assert second["Bcc"] is None and second["To"] == "Bob <bob@two.test>"
    one.wait_for("alice")


def test_what_cron_and_mail_programs_hand_over(pair):
    one, _ = pair
    one.tram("alias", "add", "root@one.test", "alice@one.test")

    def sent(text, *args, status=0):
        before = len(one.messages("alice"))
        told = one.tram("send", *args, input=text, status=status)
        return email.message_from_bytes(one.wait_for("alice", before + 1)[before]), told

    # cron of Debian: /usr/sbin/sendmail -i -FCronDaemon -B8BITMIME -oem root
    message, _ = sent("From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> true\n\nout\n",
                      "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root")
    assert message["From"] == "root@one.test (Cron Daemon)" and message["To"] == "root@one.test"
    # text without a header section, and a name for From
    message, _ = sent("Disk nearly full!\nhost: db\n", "-F", "Disk Watch", "-f", "root", "-N", "never", "-R", "hdrs", "root")
    assert message.get_payload() == "Disk nearly full!\r\nhost: db\r\n" and message["From"] == "Disk Watch <root@one.test>"
    # an mbox line in front, options joined and apart, two fields where one may stand, a From that is none
    message, _ = sent("From root@host Sun Nov 29 12:00:00 2026\nFrom: no body at all\nSubject: a\nSubject: b\nTo: root\n\nx\n",
                      "-ti", "-bm", "-m", "-oi", "-h", "3", "-L", "tag")
    assert message["From"].endswith("@one.test")  # the user's who runs this
    assert message.get_all("Subject") == ["a"] and message["X-Duplicate-Subject"] == "b"
    assert message["X-Original-From"] == "no body at all"
    # one bad address holds nobody back, and is named
    message, told = sent("Subject: c\n\nx\n", "nobody-here", "alice", status=1)
    assert message["Subject"] == "c" and "nobody-here@one.test" in told.stdout
    assert one.tram("send", "nobody-here", input="x\n", ok=False).returncode == 1
    assert one.tram("send", "-bs", input="x\n", ok=False).returncode == 2


def test_text_of_strangers_does_not_steer_the_terminal(pair):
    one, _ = pair
    one.tram("send", "-f", "alice@one.test", "x@nowhere-at-all.two.test", "y@[127.9.9.9]",
             input="Subject: \x1b]0;owned\x07 \u009b31m\n\nx\n")
    letters = until(lambda: one.json("queue", "list")["letters"], what="a letter in the queue")
    assert "]0;owned  \\x9b31m" in one.tram("queue", "show", letters[0]["id"]).stdout
    for told in (one.tram("queue", "list").stdout, one.tram("queue", "show", letters[0]["id"]).stdout,
                 one.tram("trace", letters[0]["id"]).stdout):
        assert not any(c in told for c in "\x1b\x07\x9b")


def test_quarantined_mail_goes_to_junk(pair):
    one, two = pair
    two.world.publish(extra='q.test. IN TXT "v=spf1 -all"\n_dmarc.q.test. IN TXT "v=DMARC1; p=quarantine"\n')
    until(lambda: "fail" in two.tram("check", "spf", "--ip", "192.0.2.1", "--helo", "x.test", "--mail-from", "a@q.test", status=1).stdout,
          what="the new zone")
    with two.mx(source=next_address()) as client:
        client.sendmail("ceo@q.test", ["bob@two.test"], letter("ceo@q.test", "bob@two.test", "doubtful"))
    message = email.message_from_bytes(two.wait_for("bob", folder="Junk")[0])
    assert message["Subject"] == "doubtful" and "dmarc=fail" in message["Authentication-Results"]
    assert two.messages("bob") == []
    until(lambda: "as junk" in two.tram("trace", "ceo@q.test").stdout, what="the folder in the trace")


def test_an_alias_sends_on_with_a_return_path_that_leads_back(pair):
    one, two = pair
    two.tram("alias", "add", "away@two.test", "alice@one.test")
    with two.mx() as client:
        client.sendmail("someone@elsewhere.test", ["away@two.test"], letter("someone@elsewhere.test", "away@two.test", "sent on"))
    path = email.message_from_bytes(one.wait_for("alice")[0])["Return-Path"].strip("<>")
    assert re.fullmatch(r"SRS0=[a-z2-7]{6}=[a-z2-7]{2}=elsewhere\.test=someone@two\.test", path)
    with two.mx() as client:
        client.ehlo()
        client.mail("")
        assert client.rcpt(path)[0] == 250, "what comes back goes to the sender"
        assert client.rcpt(path.replace("someone", "somebody"))[0] == 550
        assert client.rcpt("someone@elsewhere.test")[0] == 550
