#!/usr/bin/env python3
"""make demo: the road of a letter between two servers on loopback, each step explained from the trace.

Submit, sign, find the other server, be checked, be stored, be read by IMAP and by POP3; then a
forger is refused, and a wrong address bounces."""
import email
import shutil
import smtplib
import sys
import tempfile
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "whole"))
from world import World, letter, until  # noqa: E402


def title(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def say(text):
    print(textwrap.fill(textwrap.dedent(text).strip(), 100))


def show(text, most=40):
    lines = text.rstrip().splitlines()
    for line in lines[:most]:
        print("    " + line)
    if len(lines) > most:
        print(f"    ... {len(lines) - most} more lines")


def tell(home, what):
    show(home.tram("trace", what, "--limit", "1").stdout)


def story(world):
    started = time.monotonic()
    title("Two servers")
    one = world.home("one.test", address="127.0.0.2", accounts=["alice"], config='queue_retry_first = "1s"\nqueue_retry_most = "2s"')
    two = world.home("two.test", address="127.0.0.3", accounts=["bob"])
    world.publish()
    one.start()
    two.start()
    say("mail.one.test is 127.0.0.2 and knows alice, mail.two.test is 127.0.0.3 and knows bob. What each of them "
        "wants to be published in the DNS (`tram dns records`) stands in one zone file that both read:")
    show(one.tram("dns", "records", "one.test").stdout, 16)

    title("1. Alice submits a letter to her server: port 587, STARTTLS, login")
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@two.test"], letter("Alice <alice@one.test>", "Bob <bob@two.test>", "Dinner?", "Tonight at eight?\r\n"))
    raw = two.wait_for("bob")[0]
    until(lambda: one.json("queue", "list")["letters"] == [], what="an empty queue")
    say("Her server checked that she may use this sender, signed the letter, stored it durably, and only then said 250. "
        "It looked up the MX of two.test, connected, switched to TLS and handed the letter over. Its trace says:")
    tell(one, "bob@two.test")

    title("2. Bob's server checks who sent it, before it says 250")
    tell(two, "bob@two.test")
    say("The verdict stands in the letter as well:")
    message = email.message_from_bytes(raw)
    show("Authentication-Results: " + message["Authentication-Results"])

    title("3. Bob reads it by IMAP; it stays on the server")
    client = two.imap("bob")
    client.select("INBOX")
    status, data = client.fetch("1", "(FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)] BODY[TEXT])")
    show("\n".join(part[1].decode().strip() for part in data if isinstance(part, tuple)))
    client.logout()

    title("4. He downloads the same letter by POP3")
    client = two.pop("bob")
    print(f"    {client.getwelcome().decode()}\n    STAT: {client.stat()[0]} message, UIDL: {client.uidl()[1][0].decode()}")
    same = b"\r\n".join(client.retr(1)[1]) + b"\r\n" == raw
    print(f"    RETR gives the same {len(raw)} bytes: {same}")
    client.quit()
    assert same

    title("5. A forger, from another address, writes as alice@one.test")
    with two.mx(source="127.0.0.66") as client:
        try:
            client.sendmail("alice@one.test", ["bob@two.test"], letter("Alice <alice@one.test>", "bob@two.test", "Send money"))
            raise SystemExit("the forged letter was accepted: this must not be")
        except smtplib.SMTPDataError as refusal:
            show(f"{refusal.smtp_code} {refusal.smtp_error.decode()}")
    say("one.test publishes who may send for it (SPF), a key for signatures (DKIM), and that everything else is to be "
        "refused (DMARC p=reject). The trace keeps the evidence:")
    tell(two, "bob@two.test")

    title("6. Alice mistypes the address: the letter comes back, with the reason")
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bib@two.test"], letter("Alice <alice@one.test>", "bib@two.test", "Dinner?", "Eight?\r\n"))
    bounce = email.message_from_bytes(one.wait_for("alice")[0])
    show(bounce.get_payload(0).get_payload(decode=True).decode(errors="replace"), 24)
    tell(one, "bib@two.test")
    title(f"That was the road of a letter, in {time.monotonic() - started:.1f} seconds.")


def main():
    folder = Path(tempfile.mkdtemp(prefix="tram-demo-"))
    world = World(folder)
    try:
        story(world)
    finally:
        world.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
