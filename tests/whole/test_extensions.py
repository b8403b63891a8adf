"""README's table of SMTP extensions says what the program offers, on each port and at each moment, and names
tests that there are."""
import re
import smtplib

from world import ROOT, insecure_tls

README = (ROOT / "README.md").read_text().split("\n## SMTP extensions\n")[1].split("\n## ")[0]
WHEN_CONFIGURED = {"NO-SOLICITING"}


def rows():
    lines = [line for line in README.splitlines() if line.startswith("| ") and not line.startswith("| extension")]
    return [[cell.strip() for cell in line.strip("| ").split(" |")] for line in lines]


def answers(host):
    """EHLO's keywords on both ports, in clear and within TLS."""
    out = []
    for port in 25, 587:
        with smtplib.SMTP(host.address, host.port(port), timeout=60) as client:
            out.append(client.ehlo("client.test")[1].decode())
            client.starttls(context=insecure_tls())
            out.append(client.ehlo("client.test")[1].decode())
    return out


def without_dates(text):
    """The latest time until which a letter is held is another each second."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "a date", text)


def told(block):
    return without_dates("\n".join(line[4:] for line in block))


def test_the_table_of_extensions(world):
    one = world.home("one.test", accounts=["alice"])
    one.start()
    clear25, _, _, tls587 = all_four = answers(one)
    offered = {line.split()[0] for answer in all_four for line in answer.splitlines()[1:]}
    assert offered == {row[0] for row in rows()} - WHEN_CONFIGURED
    blocks = re.findall(r"(?:^    .+\n)+", README, re.M)
    assert [told(block[4:] for block in text.splitlines()) for text in blocks] == [without_dates(clear25), without_dates(tls587)]


def test_each_extension_names_its_tests():
    sources = "".join(p.read_text() for p in (ROOT / "src").glob("*/*_*.c"))
    tests = set(re.findall(r"^(?:TEST|SIM)\w*\((\w+)", sources, re.M))
    for row in rows():
        named = re.findall(r"`(\w+)`", row[4])
        assert named and set(named) <= tests, row[0]


def test_the_page_of_hygiene_names_its_tests():
    page = (ROOT / "docs/hygiene.md").read_text()
    sources = "".join(p.read_text() for p in (ROOT / "src").glob("*/*_*.c"))
    whole = "".join(p.read_text() for p in (ROOT / "tests/whole").glob("test_*.py"))
    tests = set(re.findall(r"^(?:TEST|SIM)\w*\((\w+)", sources, re.M)) | set(re.findall(r"^def (test_\w+)", whole, re.M))
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith("| what"):
            named = re.findall(r"`(\w+)`", line.strip("| ").split(" |")[-1])
            assert named and set(named) <= tests, line
    attacks = page.split("\n## Attacks")[1]
    assert set(re.findall(r"`(\w+)`", attacks)) <= tests
