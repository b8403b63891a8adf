"""Tram and a real Exim relay to each other: the same letters as with Postfix, whose bodies stay as they are; 30 MB; a
binary letter, converted for a server without BINARYMIME; an address in UTF-8; 40 recipients, each with its NOTIFY."""
import email
import random
import re
import smtplib
from types import SimpleNamespace

import pytest

import exim as E
from test_extensions import BINARY, NOTIFY, said
from test_postfix import CASES, body_of, letter, options
from world import OFFSET, World, until

TO_EXIM, TO_TRAM = "peer.test", "one.test"
ZONE = (f'{TO_EXIM}. MX 10 mx.{TO_EXIM}.\n{TO_EXIM}. TXT "v=spf1 ip4:{E.ADDRESS} -all"\nmx.{TO_EXIM}. A {E.ADDRESS}\n'
        f"1.0.0.127.in-addr.arpa. PTR mx.{TO_EXIM}.\n")
LARGE = b"".join(b"%08d " % i + random.Random(i).randbytes(30).hex().encode() + b"\r\n" for i in range(420_000))  # 30 MB


@pytest.fixture(scope="module")
def pair(folder):
    p = SimpleNamespace(world=World(folder))
    p.tram = p.world.home(TO_TRAM, accounts=["alice"], config='queue_retry_first = "1s"\nqueue_retry_most = "2s"')
    p.world.publish(extra=ZONE)
    p.peer = E.Exim(folder / "exim", TO_EXIM, 25 + OFFSET, {TO_TRAM: p.tram.address}, p.tram.port(25))
    p.tram.start()
    yield p
    p.peer.close()
    p.world.close()


def arrived(pair, case, seconds=60):
    try:
        return until(lambda: pair.peer.letters().get(case), seconds, case)
    except AssertionError:
        raise AssertionError(f"{case}\n{pair.tram.tram('queue', 'list').stdout}\n{pair.peer.log()[-3000:]}") from None


def received(pair, case, seconds=60):
    """What alice has got of this case."""
    def look():
        return next((m for m in pair.tram.messages() if re.search(rb"^X-Case: " + case.encode() + rb"\r$", m, re.M)), None)
    try:
        return until(look, seconds, case)
    except AssertionError:
        raise AssertionError(f"{case}\n{pair.peer.log()[-3000:]}\n{pair.tram.log.read_text()[-2000:]}") from None


def from_tram(pair, raw):
    with pair.tram.submission() as client:
        client.sendmail(f"alice@{TO_TRAM}", [f"box@{TO_EXIM}"], raw, mail_options=options(client, raw))


def from_exim(pair, raw):
    with smtplib.SMTP(E.ADDRESS, pair.peer.port, timeout=60) as client:
        client.sendmail(f"carol@{TO_EXIM}", [f"alice@{TO_TRAM}"], raw, mail_options=options(client, raw))


def test_letters_from_tram_are_the_same_bytes(pair):
    for name in CASES:
        from_tram(pair, letter(name, f"alice@{TO_TRAM}", f"box@{TO_EXIM}"))
    for name in CASES:
        assert body_of(arrived(pair, name)) == CASES[name][1], name


def test_letters_from_exim_are_the_same_bytes(pair):
    for name in CASES:
        from_exim(pair, letter(name, f"carol@{TO_EXIM}", f"alice@{TO_TRAM}"))
    for name in CASES:
        assert body_of(received(pair, name)) == CASES[name][1], name


def head(case, sender, to, extra=""):
    return f"From: {sender}\r\nTo: {to}\r\nX-Case: {case}\r\nSubject: {case}\r\nMessage-ID: <{case}.{sender}>\r\nMIME-Version: 1.0\r\n{extra}\r\n".encode()


def test_thirty_megabytes_both_ways(pair):
    from_tram(pair, head("large-out", f"alice@{TO_TRAM}", f"box@{TO_EXIM}") + LARGE)
    from_exim(pair, head("large-in", f"carol@{TO_EXIM}", f"alice@{TO_TRAM}") + LARGE)
    assert len(LARGE) > 29_000_000
    assert body_of(arrived(pair, "large-out")) == LARGE
    assert body_of(received(pair, "large-in")) == LARGE


def test_a_binary_letter_is_converted_and_signed_after_that(pair):
    raw = head("binary", f"alice@{TO_TRAM}", f"box@{TO_EXIM}", "Content-Type: application/x-any\r\nContent-Transfer-Encoding: binary\r\n") + BINARY
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> BODY=BINARYMIME"), 250)
        said(client.docmd("RCPT", f"TO:<box@{TO_EXIM}>"), 250)
        client.send(b"BDAT %d LAST\r\n" % len(raw) + raw)
        said(client.getreply(), 250)
    raw = arrived(pair, "binary")
    got = email.message_from_bytes(raw)
    assert got["Content-Transfer-Encoding"] == "base64" and got.get_payload(decode=True) == BINARY
    verdicts = pair.tram.tram("check", "dkim", input=raw).stdout.splitlines()
    assert len(verdicts) == 2 and all(v.startswith("pass") for v in verdicts), verdicts


def test_an_address_in_utf8_arrives_both_ways(pair):
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> SMTPUTF8 BODY=8BITMIME"), 250)
        client.send(f"RCPT TO:<jörg@{TO_EXIM}>\r\n".encode())
        said(client.getreply(), 250)
        said(client.data(head("utf8", f"alice@{TO_TRAM}", f"jörg@{TO_EXIM}") + "Grüße\r\n".encode()), 250)
    got = arrived(pair, "utf8")
    assert got.endswith("Grüße\r\n".encode()) and f"jörg@{TO_EXIM}".encode() in got
    pair.tram.account("jörg")
    with smtplib.SMTP(E.ADDRESS, pair.peer.port, timeout=60) as client:
        client.ehlo()
        client.send(f"MAIL FROM:<örjan@{TO_EXIM}> SMTPUTF8 BODY=8BITMIME\r\n".encode())
        said(client.getreply(), 250)
        client.send(f"RCPT TO:<alice@{TO_TRAM}>\r\n".encode())
        said(client.getreply(), 250)
        said(client.data(head("utf8-in", f"örjan@{TO_EXIM}", f"alice@{TO_TRAM}") + "Grüße\r\n".encode()), 250)
    got = received(pair, "utf8-in")
    assert got.endswith("Grüße\r\n".encode()) and f"Return-Path: <örjan@{TO_EXIM}>".encode() in got


def test_forty_recipients_each_with_its_notify(pair):
    wishes = {f"n{i}@{TO_EXIM}": NOTIFY[i % len(NOTIFY)] for i in range(40)}
    raw = head("forty", f"alice@{TO_TRAM}", f"box@{TO_EXIM}") + b"Hello.\r\n"
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> RET=HDRS ENVID=forty+2B1"), 250)
        for address, notify in wishes.items():
            said(client.docmd("RCPT", f"TO:<{address}> NOTIFY={notify} ORCPT=rfc822;first+2B{address}"), 250)
        said(client.data(raw), 250)
    wanted = {a for a, notify in wishes.items() if "SUCCESS" in notify}

    def told():
        found = b"".join(m for m in pair.tram.messages() if b"Original-Envelope-I" in m).decode(errors="replace")
        return set(re.findall(r"^Final-Recipient: *rfc822; *(\S+)\r$", found, re.M | re.I))
    try:
        until(lambda: told() >= wanted, 60, "the reports")
    except AssertionError:
        raise AssertionError(f"{sorted(wanted - told())}\n{pair.peer.log()[-3000:]}\n{pair.tram.tram('queue', 'list').stdout}") from None
    assert told() == wanted
