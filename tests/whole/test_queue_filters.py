"""What letters an operator means: domains and addresses as people write them, and nothing that could mean every letter by mistake."""
import pytest

from world import World, letter, next_address, until

NOBODY = next_address()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("filters"))
    home = world.home("one.test", accounts=["alice"])
    world.publish(extra=f"xn--mller-kva.test. 300 IN MX 10 mail.void.test.\nvoid.test. 300 IN MX 10 mail.void.test.\nmail.void.test. 300 IN A {NOBODY}\n")
    home.start()
    with home.submission() as client:
        for to in ("Bob@void.test", "x@xn--mller-kva.test", '"a b"@void.test'):
            client.sendmail("alice@one.test", [to], letter("alice@one.test", to))
    until(lambda: all(r["attempts"] for x in home.json("queue", "list")["letters"] for r in x["recipients"]))
    yield home
    world.close()


@pytest.mark.parametrize("words, found", [
    (["--domain", "müller.test"], 1), (["--domain", "MÜLLER.test."], 1), (["--domain", "VOID.test"], 2), (["x@Müller.test"], 1), (["bob@VOID.test"], 1),
    (['"a b"@void.test'], 1), (["--sender", "ALICE@one.test"], 3), (["--sender", "<>"], 0), (["--host", "mail.void.test."], 3), (["--host", "void.test"], 3),
    (["--campaign", "spring"], 0), (["--older", "1d"], 0), (["alice@one.test"], 3)])
def test_letters_are_found_as_people_name_them(home, words, found):
    assert len(home.json("queue", "list", *words)["letters"]) == found
    if not found:
        assert home.tram("queue", "list", *words).stdout.strip() == "No letter in the queue fits that."


@pytest.mark.parametrize("option", ["address", "domain", "sender", "class", "host", "source", "campaign", "older"])
def test_an_empty_value_does_not_mean_every_letter(home, option):
    said = home.tram("queue", "drop", f"--{option}", "", status=2).stderr
    assert f"--{option} is empty" in said
    assert len(home.json("queue", "list")["letters"]) == 3


def test_what_cannot_be_is_said(home):
    assert "is no class of replies: there are" in home.tram("queue", "list", "--class", "nonsense", status=2).stderr
    assert "is no address" in home.tram("queue", "list", "a b@void.test", status=2).stderr
