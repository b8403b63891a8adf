"""Letters that an alias sends on carry an ARC Set that others verify (RFC 8617)."""
import email
import re

import dkim

from world import letter, until


def txt_of(world):
    """A look-up function for dkimpy that knows the TXT records of the world's zone."""
    records = {}
    for line in world.zone.read_text().replace("(", " ").replace(")", " ").splitlines():
        found = re.match(r"(\S+)\.\s.*?\bTXT\s+(.*)", line)
        if found and not line.startswith(";"):
            records[found[1].lower()] = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found[2])).replace("\\;", ";")

    def look_up(name, timeout=5):
        return records.get(name.decode().rstrip(".").lower(), "").encode() or None
    return look_up


def road(world, *, seal="true", keep=()):
    """alice@one.test writes to fan@hub.test, which leads over fan@relay.test to bob@two.test."""
    one = world.home("one.test", accounts=["alice"])
    hub = world.home("hub.test", accounts=["carol"], config=f"arc_seal = {seal}")
    relay = world.home("relay.test", config=f"arc_seal = {seal}")
    two = world.home("two.test", accounts=["bob"], config='trusted_sealers = { "hub.test", "relay.test" }')
    hub.tram("alias", "add", "fan@hub.test", "fan@relay.test", *keep)
    relay.tram("alias", "add", "fan@relay.test", "bob@two.test")
    world.publish()
    for home in world.homes:
        home.start()
    with one.submission() as client:
        client.sendmail("alice@one.test", ["fan@hub.test"], letter("alice@one.test", "fan@hub.test", "on and on", "Hello.\r\n \r\n"))
    return hub, two


def test_each_forwarder_seals_and_others_verify_the_chain(world):
    hub, two = road(world, keep=["carol@hub.test"])
    raw = two.wait_for("bob")[0]
    message = email.message_from_bytes(raw)
    assert [s.split(";")[0] for s in message.get_all("ARC-Seal")] == ["i=2", "i=1"]
    verdict, results, reason = dkim.arc_verify(raw, dnsfunc=txt_of(world))
    assert verdict == b"pass", (reason, results)
    assert dkim.arc_verify(raw.replace(b"Hello.", b"Hallo."), dnsfunc=txt_of(world))[0] == b"fail"
    first = re.sub(r"\s+", " ", message.get_all("ARC-Authentication-Results")[1])
    assert first.startswith("i=1; mail.hub.test;") and "dmarc=pass" in first and "spf=pass" in first
    assert "arc=pass" in re.sub(r"\s+", " ", message["Authentication-Results"])
    fields = [name.lower() for name in message.keys()]
    assert fields.index("arc-seal") < fields.index("dkim-signature")
    until(lambda: "sealed with ARC for hub.test" in hub.tram("trace", "alice@one.test").stdout, what="the seal in the trace")
    assert b"ARC-Seal: i=1;" in hub.wait_for("carol")[0]  # the body is kept once for all


def test_nothing_is_sealed_unless_it_is_asked_for(world):
    _, two = road(world, seal="false")
    assert "ARC-Seal" not in email.message_from_bytes(two.wait_for("bob")[0])
