"""README's tables of IMAP and POP3 capabilities say what the program offers, before and after the login, and name tests
that there are."""
import imaplib
import poplib
import re

import pytest

from world import ROOT, insecure_tls


def rows(of):
    readme = (ROOT / "README.md").read_text().split(f"\n## {of} capabilities\n")[1].split("\n## ")[0]
    lines = [line for line in readme.splitlines() if line.startswith("| ") and not line.startswith("| capab")]
    return [[cell.strip() for cell in line.strip("| ").split(" |")] for line in lines]


def named(of):
    return {re.sub(r" \(.*", "", name) for row in rows(of) for name in row[0].split(", ")}


def as_named(capability):
    """AUTH=PLAIN and APPENDLIMIT=52428800 (and other limits) are told in the table without what follows."""
    return re.sub(r"^(AUTH|APPENDLIMIT|MESSAGELIMIT|SAVELIMIT)=.*", r"\1=", capability)


def test_the_table_of_capabilities(world):
    """As the table has it; and the one that a setting switches on is off by default."""
    assert offered(world.home("one.test", accounts=["alice"])) == named("IMAP") - {"ANNOTATE-EXPERIMENT-1"}
    annotating = offered(world.home("two.test", accounts=["alice"], config="annotate = true"))
    assert annotating == (named("IMAP") | {"RIGHTS=kxten"}) - {"RIGHTS=kxte"}


def offered(one):
    one.start()
    offered = set()
    with imaplib.IMAP4(one.address, one.port(143), timeout=60) as client:
        offered |= set(client.capability()[1][0].decode().split())
        client.starttls(ssl_context=insecure_tls())
        offered |= set(client.capability()[1][0].decode().split())
        client.login(f"alice@{one.domain}", "secret")
        offered |= set(client.capability()[1][0].decode().split())
    return {as_named(c) for c in offered}


def test_the_table_of_pop3(world):
    one = world.home("one.test", accounts=["alice"], config="pop3_login_delay = 1")
    one.start()
    offered = set()
    client = poplib.POP3(one.address, one.port(110), timeout=60)
    offered |= set(client.capa())
    client.stls(context=insecure_tls())
    offered |= set(client.capa())
    client.user("alice@one.test")
    client.pass_("secret")
    offered |= set(client.capa())
    client.quit()
    assert offered == named("POP3")


@pytest.mark.parametrize("of", ["IMAP", "POP3"])
def test_each_capability_names_its_tests(of):
    sources = "".join(p.read_text() for p in (ROOT / "src").glob("*/*_*.c"))
    tests = set(re.findall(r"^(?:TEST|SIM)\w*\((\w+)", sources, re.M))
    for row in rows(of):
        found = re.findall(r"`(\w+)`", row[2])
        assert found and set(found) <= tests, row[0]
