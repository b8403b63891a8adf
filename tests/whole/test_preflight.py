"""Before a letter leaves: what a strict receiver would refuse is refused, held or told of here."""
import re
import smtplib

import pytest

from world import letter, until


def pair_with(world, policy, mend=""):
    """one.test with that policy, its zone changed by `mend` (a function of the zone's text), and two.test."""
    one = world.home("one.test", accounts=["alice", "carol"], config=f'preflight = "{policy}"')
    two = world.home("two.test", accounts=["bob"])
    world.publish()
    if mend:
        world.write_zone(mend(world.zone.read_text()))
    one.start()
    two.start()
    return one, two


def without_spf(zone):
    """one.test sends from elsewhere, says its SPF record."""
    changed = re.sub(r'(?m)^(one\.test\.\s.*)"v=spf1 [^"]*"', r'\1"v=spf1 ip4:192.0.2.77 -all"', zone)
    assert changed != zone
    return changed


def without_keys(zone):
    lines, dropped, deep = [], 0, 0
    for line in zone.splitlines():
        begins = "_domainkey.one.test." in line and not line.startswith(";")
        if begins or deep:
            dropped += 1
            deep += line.count("(") - line.count(")")
            continue
        lines.append(line)
    assert dropped >= 2
    return "\n".join(lines) + "\n"


def send(home, to="bob@two.test", subject="out"):
    with home.submission() as client:
        client.sendmail("alice@one.test", [to], letter("alice@one.test", to, subject))


def test_what_is_in_order_passes_the_strictest_policy(world):
    one, two = pair_with(world, "refuse")
    send(one)
    two.wait_for("bob")
    assert "preflight" not in one.tram("trace", "alice@one.test").stdout


@pytest.mark.parametrize("mend, says, line", [
    (without_spf, "forbids", "v=spf1 ip4:"),
    (without_keys, "is not published", "_domainkey.one.test."),
])
def test_the_submitter_is_told_and_the_operator_gets_the_line(world, mend, says, line):
    one, two = pair_with(world, "refuse", mend)
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send(one)
    assert refusal.value.smtp_code == 550
    text = refusal.value.smtp_error.decode()
    assert text.startswith("5.7.1 ") and says in text and "one.test" in text
    told = one.tram("trace", "alice@one.test").stdout
    assert "preflight" in told and "publish: " in told and line in told and "refused" in told
    one.logged(line)
    by_hand = one.tram("send", "-f", "alice@one.test", "bob@two.test", input="Subject: x\n\nx\n", ok=False)
    assert by_hand.returncode != 0 and says in by_hand.stderr
    send(one, "carol@one.test", "inside")  # what stays here needs nobody's consent
    one.wait_for("carol")
    until(lambda: one.json("queue", "list")["letters"] == [], what="an empty queue")
    assert two.messages("bob") == []


def test_held_letters_wait_for_the_operator(world):
    one, two = pair_with(world, "hold", without_keys)
    send(one)
    one.tram("send", "-f", "alice@one.test", "bob@two.test", input="Subject: y\n\ny\n")
    waiting = until(lambda: one.json("queue", "list")["letters"], what="a letter in the queue")
    assert len(waiting) == 2
    for held in waiting:
        shown = one.tram("queue", "show", held["id"]).stdout
        assert "held" in shown and "is not published" in shown
        assert "held" in one.tram("trace", held["id"]).stdout
    assert two.messages("bob") == []
    world.publish()
    for held in waiting:
        one.tram("queue", "release", held["id"])
    two.wait_for("bob", 2)


def test_a_warning_keeps_nothing_back(world):
    one, two = pair_with(world, "warn", without_keys)
    for number in range(3):
        send(one, subject=str(number))
    two.wait_for("bob", 3)
    until(lambda: "publish: " in (told := one.tram("trace", "alice@one.test").stdout) and "preflight" in told, what="the warning in the trace")
    one.logged("letters like")
    assert one.log.read_text().count("letters like") == 1  # a warning once for all that are alike


def test_off_says_nothing(world):
    one, two = pair_with(world, "off", without_keys)
    send(one)
    two.wait_for("bob")
    assert "preflight" not in one.tram("trace", "alice@one.test").stdout


def test_a_dns_in_trouble_refuses_nothing(world):
    def broken(zone):
        return without_keys(without_spf(zone)) + ";! servfail one.test\n" + "".join(
            f";! servfail {name}\n" for name in re.findall(r"(?m)^(\S+\._domainkey\.one\.test)\.", zone))
    one, _ = pair_with(world, "refuse", broken)
    send(one)
