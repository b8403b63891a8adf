"""Tram and a real OpenSMTPD relay to each other: the same letters as with Exim. It knows no SMTPUTF8, so a letter that
needs it comes back with the reason."""
import os
import re
from types import SimpleNamespace

import pytest

import opensmtpd as O
from test_exim import (TO_TRAM, ZONE, TO_EXIM as TO_PEER, head, test_a_binary_letter_is_converted_and_signed_after_that,
                       test_letters_from_exim_are_the_same_bytes,
                       test_letters_from_tram_are_the_same_bytes, test_thirty_megabytes_both_ways)
from test_extensions import NOTIFY, said
from world import OFFSET, World, until

assert all((test_a_binary_letter_is_converted_and_signed_after_that, test_letters_from_exim_are_the_same_bytes, test_letters_from_tram_are_the_same_bytes, test_thirty_megabytes_both_ways))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="OpenSMTPD runs in a root of its own, which only root can make")


@pytest.fixture(scope="module")
def pair(folder):
    p = SimpleNamespace(world=World(folder))
    p.tram = p.world.home(TO_TRAM, accounts=["alice"], config='queue_retry_first = "1s"\nqueue_retry_most = "2s"')
    p.world.publish(extra=ZONE)
    p.peer = O.OpenSmtpd(folder / "opensmtpd", TO_PEER, 25 + OFFSET, {TO_TRAM: p.tram.address}, p.tram.port(25))
    p.tram.start()
    yield p
    p.peer.close()
    p.world.close()


def test_an_address_in_utf8_comes_back_with_the_reason(pair):
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> SMTPUTF8 BODY=8BITMIME"), 250)
        client.send(f"RCPT TO:<jörg@{TO_PEER}>\r\n".encode())
        said(client.getreply(), 250)
        said(client.data(head("utf8", f"alice@{TO_TRAM}", f"jörg@{TO_PEER}") + "Grüße\r\n".encode()), 250)

    def back():
        return [m for m in pair.tram.messages() if b"Status: 5.6.7" in m and b"internationalised letters (SMTPUTF8), and this is one" in m]
    assert until(back, 30, "the report")


def test_forty_recipients_each_with_its_notify(pair):
    """OpenSMTPD 6.8.0 adds up what the RCPTs of a letter ask for, and refuses (553) all that follow one with NEVER: so none has it
    here, and each gets a report at least where it was asked for."""
    notify = [n for n in NOTIFY if n != "NEVER"]
    wishes = {f"n{i}@{TO_PEER}": notify[i % len(notify)] for i in range(40)}
    with pair.tram.submission() as client:
        client.ehlo()
        said(client.docmd("MAIL", f"FROM:<alice@{TO_TRAM}> RET=HDRS ENVID=forty+2B1"), 250)
        for address, wish in wishes.items():
            said(client.docmd("RCPT", f"TO:<{address}> NOTIFY={wish} ORCPT=rfc822;first+2B{address}"), 250)
        said(client.data(head("forty", f"alice@{TO_TRAM}", f"box@{TO_PEER}") + b"Hello.\r\n"), 250)

    def told():
        return set(re.findall(r"(n\d+@peer\.test)", b"".join(m for m in pair.tram.messages() if b"DELIVERED" in m.upper()).decode(errors="replace")))

    def delivered():
        return set(re.findall(r"rcpt=<(n\d+@peer\.test)> .*stat=Delivered", pair.peer.log()))
    try:
        until(lambda: delivered() == set(wishes), 60, "the letters")
        until(lambda: told() >= {a for a, wish in wishes.items() if "SUCCESS" in wish}, 60, "the reports")
    except AssertionError:
        raise AssertionError(f"{len(delivered())} {sorted(told())}\n{pair.peer.log()[-3000:]}\n{pair.tram.messages()[-1:]}") from None
