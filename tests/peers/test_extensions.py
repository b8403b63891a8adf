"""Extensions of SMTP between Tram and a real Postfix: a binary letter is converted for it and signed after that, each of
40 recipients gets the reports that it was to get, an address in UTF-8 arrives."""
import email
import random
import re
import smtplib

import pytest

import postfix as P
from world import OFFSET, World, until

TO_POSTFIX, TO_TRAM = "peer.test", "one.test"
ZONE = f'{TO_POSTFIX}. MX 10 mx.{TO_POSTFIX}.\n{TO_POSTFIX}. TXT "v=spf1 ip4:{P.ADDRESS} -all"\nmx.{TO_POSTFIX}. A {P.ADDRESS}\n'

BINARY = bytes(range(256)) * 8 + b"\n.\r\r\n"
NOTIFY = ["NEVER", "SUCCESS", "FAILURE", "SUCCESS,DELAY", "SUCCESS,FAILURE,DELAY"]


class Pair:
    def __init__(self, folder):
        self.world = World(folder)
        self.tram = self.world.home(TO_TRAM, accounts=["alice"])
        self.world.publish(extra=ZONE)
        routes = {TO_TRAM: (self.tram.address, self.tram.port(25))}
        self.postfix = P.Postfix(folder / "postfix", TO_POSTFIX, 25 + OFFSET, routes, {}, None)
        self.tram.start()


@pytest.fixture(scope="module")
def pair(folder):
    made = Pair(folder)
    yield made
    made.postfix.close()
    made.world.close()


def said(answer, code):
    assert answer[0] == code, answer


def submit(pair, mail, recipients, raw):
    """recipients: what follows TO:, each."""
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> {mail}"), 250)
        for to in recipients:
            said(client.docmd("RCPT", f"TO:{to}"), 250)
        client.send(b"BDAT %d LAST\r\n" % len(raw) + raw)
        said(client.getreply(), 250)


def head(case, extra=""):
    return f"From: alice@{TO_TRAM}\r\nTo: box@{TO_POSTFIX}\r\nX-Case: {case}\r\nSubject: {case}\r\nMIME-Version: 1.0\r\n{extra}\r\n".encode()


def arrived(pair, case):
    return until(lambda: pair.postfix.letters().get(case), 30, f"{case}: {pair.postfix.log()[-2000:]}")


def test_a_binary_letter_is_converted_and_signed_after_that(pair):
    raw = head("binary", "Content-Type: application/x-any\r\nContent-Transfer-Encoding: binary\r\n") + BINARY
    submit(pair, "BODY=BINARYMIME", [f"<box@{TO_POSTFIX}>"], raw)
    raw = arrived(pair, "binary")
    got = email.message_from_bytes(raw)
    assert got["Content-Transfer-Encoding"] == "base64" and got.get_payload(decode=True) == BINARY
    verdicts = pair.tram.tram("check", "dkim", input=raw).stdout.splitlines()
    assert len(verdicts) == 2 and all(v.startswith("pass") for v in verdicts), verdicts


def test_thirty_megabytes_both_ways(pair):
    large = b"".join(b"%08d " % i + random.Random(i).randbytes(30).hex().encode() + b"\r\n" for i in range(420_000))
    submit(pair, f"SIZE={len(large)}", [f"<box@{TO_POSTFIX}>"], head("large-out") + large)
    with smtplib.SMTP(P.ADDRESS, pair.postfix.port, timeout=60) as client:
        client.sendmail(f"carol@{TO_POSTFIX}", [f"alice@{TO_TRAM}"], head("large-in").replace(b"alice@" + TO_TRAM.encode(), b"carol@" + TO_POSTFIX.encode()) + large)
    assert arrived(pair, "large-out").endswith(b"\r\n\r\n" + large)
    assert until(lambda: [m for m in pair.tram.messages() if b"X-Case: large-in" in m], 60, pair.postfix.log()[-2000:])[0].endswith(b"\r\n\r\n" + large)


def test_forty_recipients_each_with_its_notify(pair):
    wishes = {f"n{i}@{TO_POSTFIX}": NOTIFY[i % len(NOTIFY)] for i in range(40)}
    to = [f"<{address}> NOTIFY={notify} ORCPT=rfc822;first+2B{address}" for address, notify in wishes.items()]
    submit(pair, "RET=HDRS ENVID=forty+2B1", to, head("forty") + b"Hello.\r\n")
    wanted = {f"first+{a}" for a, notify in wishes.items() if "SUCCESS" in notify}

    def told():
        reports = [m for m in pair.tram.messages() if b"Original-Envelope-Id: forty+1" in m or b"forty+2B1" in m]
        found = b"".join(reports).decode(errors="replace")
        return set(re.findall(r"^Original-Recipient: *rfc822; *(\S+)\r$", found, re.M | re.I))
    until(lambda: told() >= wanted, 60, "the reports")
    assert told() == wanted


def test_an_address_in_utf8_arrives(pair):
    raw = head("utf8") + "Grüße\r\n".encode()
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> SMTPUTF8 BODY=8BITMIME"), 250)
        client.send(f"RCPT TO:<jörg@{TO_POSTFIX}>\r\n".encode())
        said(client.getreply(), 250)
        client.send(b"BDAT %d LAST\r\n" % len(raw) + raw)
        said(client.getreply(), 250)
    got = arrived(pair, "utf8")
    assert got.endswith("Grüße\r\n".encode()) and f"jörg@{TO_POSTFIX}".encode() in got


def from_postfix(pair, mail, recipients, raw):
    with smtplib.SMTP(P.ADDRESS, pair.postfix.port, timeout=60) as client:
        client.ehlo()
        for line in (f"MAIL FROM:{mail}", *(f"RCPT TO:{to}" for to in recipients)):
            client.send(f"{line}\r\n".encode())
            said(client.getreply(), 250)
        said(client.data(raw), 250)


def test_forty_recipients_from_postfix_each_with_its_notify(pair):
    """Postfix hands the wishes on; Tram, where the letters end, answers those who wanted to hear of that."""
    wishes = {f"n{i}@{TO_TRAM}": NOTIFY[i % len(NOTIFY)] for i in range(40)}
    for address in wishes:
        pair.tram.account(address.partition("@")[0])
    raw = head("forty-in").replace(b"alice@" + TO_TRAM.encode(), b"carol@" + TO_POSTFIX.encode()) + b"Hello.\r\n"
    from_postfix(pair, f"<carol@{TO_POSTFIX}> RET=HDRS ENVID=forty+2B2",
                 [f"<{address}> NOTIFY={notify} ORCPT=rfc822;first+2B{address}" for address, notify in wishes.items()], raw)
    wanted = {f"first+{a}" for a, notify in wishes.items() if "SUCCESS" in notify}

    def told():
        reports = [p.read_text(errors="replace") for p in (pair.postfix.mail / "box" / "new").iterdir()]
        found = "\n".join(text for text in reports if "Original-Envelope-Id: forty+2" in text or "forty+2B2" in text)
        return set(re.findall(r"^Original-Recipient: *rfc822; *(\S+)$", found, re.M | re.I))
    until(lambda: told() >= wanted, 60, "the reports")
    assert told() == wanted
    assert len([m for m in pair.tram.messages("n7") if b"X-Case: forty-in" in m]) == 1


def test_an_address_in_utf8_comes_from_postfix(pair):
    raw = head("utf8-in").replace(b"alice@" + TO_TRAM.encode(), "örjan@".encode() + TO_POSTFIX.encode()) + "Grüße\r\n".encode()
    from_postfix(pair, f"<örjan@{TO_POSTFIX}> SMTPUTF8 BODY=8BITMIME", [f"<alice@{TO_TRAM}>"], raw)
    got = until(lambda: [m for m in pair.tram.messages() if b"X-Case: utf8-in" in m], 30, pair.postfix.log()[-2000:])[0]
    assert got.endswith("Grüße\r\n".encode()) and f"Return-Path: <örjan@{TO_POSTFIX}>".encode() in got
