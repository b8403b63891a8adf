"""README's table of IMAP capabilities says what the program offers, before and after the login, and names tests
that there are."""
import imaplib
import re

from world import ROOT, insecure_tls

README = (ROOT / "README.md").read_text().split("\n## IMAP capabilities\n")[1].split("\n## ")[0]


def rows():
    lines = [line for line in README.splitlines() if line.startswith("| ") and not line.startswith("| capab")]
    return [[cell.strip() for cell in line.strip("| ").split(" |")] for line in lines]


def named():
    return {name for row in rows() for name in row[0].split(", ")}


def as_named(capability):
    """AUTH=PLAIN and APPENDLIMIT=52428800 (and other limits) are told in the table without what follows."""
    return re.sub(r"^(AUTH|APPENDLIMIT|MESSAGELIMIT|SAVELIMIT)=.*", r"\1=", capability)


def test_the_table_of_capabilities(world):
    one = world.home("one.test", accounts=["alice"])
    one.start()
    offered = set()
    with imaplib.IMAP4(one.address, one.port(143), timeout=20) as client:
        offered |= set(client.capability()[1][0].decode().split())
        client.starttls(ssl_context=insecure_tls())
        offered |= set(client.capability()[1][0].decode().split())
        client.login("alice@one.test", "secret")
        offered |= set(client.capability()[1][0].decode().split())
    assert {as_named(c) for c in offered} == named()


def test_each_capability_names_its_tests():
    sources = "".join(p.read_text() for p in (ROOT / "src").glob("*/*_*.c"))
    tests = set(re.findall(r"^(?:TEST|SIM)\w*\((\w+)", sources, re.M))
    for row in rows():
        found = re.findall(r"`(\w+)`", row[2])
        assert found and set(found) <= tests, row[0]
