"""Who forges a sender makes nobody write to the one whose name it took: letters that are taken and then fail, as behind an alias that
leads to a server which refuses them, are told of to who surely wrote, a few times an hour to who may have, and never to others."""
import pytest

from world import World, letter, until


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("backscatter"))
    node = world.home("one.test", accounts=["alice"])
    far = world.home("far.test")
    victim = world.home("victim.test", accounts=["vic"])
    mx = "".join(f"{d}. 300 IN MX 10 mail.victim.test.\n" for d in ("soft.test", "plain.test"))
    world.publish(extra=mx + 'soft.test. 300 IN TXT "v=spf1 ~all"\n')
    for home in (node, far, victim):
        home.start()
    for domain in ("soft.test", "plain.test"):
        victim.tram("domain", "add", domain)
        victim.tram("alias", "add", f"vic@{domain}", "vic@victim.test")
    node.tram("alias", "add", "away@one.test", "nobody@far.test")
    yield node, victim
    world.close()


def forge(node, sender, n, options=()):
    for i in range(n):
        with node.mx() as client:
            client.ehlo()
            assert client.mail(sender)[0] == 250
            assert client.rcpt("away@one.test", options)[0] == 250
            assert client.data(letter(sender, "away@one.test", subject=f"{sender} {i}"))[0] == 250


def ended(node):
    until(lambda: node.json("queue", "stats")["letters"] == 0)
    return node.json("queue", "stats")


def test_a_forged_sender_is_not_written_to(three):
    node, victim = three
    forge(node, "vic@soft.test", 12)
    forge(node, "vic@soft.test", 3, ["NOTIFY=SUCCESS,FAILURE,DELAY"])
    stats = ended(node)
    assert (stats["reports"], stats["reports_withheld"]) == (0, 15)
    assert victim.messages("vic") == []
    found = node.json("trace", "vic@soft.test")
    assert "the sender is not told: somebody else wrote this in its name, the checks say, or it is junk" in str(found)


def test_one_that_nothing_proves_is_written_to_ten_times_an_hour(three):
    node, victim = three
    forge(node, "vic@plain.test", 14)
    stats = ended(node)
    assert (stats["reports"], stats["reports_withheld"]) == (10, 19)
    victim.wait_for("vic", 10)
    node.logged("10 reports went to vic@plain.test within this hour")


def test_who_surely_wrote_is_told(three):
    node, victim = three
    before = len(victim.messages("vic"))
    with victim.submission("vic") as client:
        for i in range(3):
            client.sendmail("vic@victim.test", ["away@one.test"], letter("vic@victim.test", "away@one.test", subject=f"true {i}"))
    until(lambda: len(victim.messages("vic")) == before + 3)
    assert ended(node)["reports"] == 13
