"""`tram doctor`: what is wrong with a node, the worst first; and its exit status."""
import pytest

from world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    yield w
    w.close()


def findings(home, *words, status):
    return home.json("doctor", *words, status=status)["findings"]


def test_the_doctor_names_what_is_wrong_and_what_to_do(world):
    home = world.home("one.test", accounts=["alice"])
    stopped = findings(home, status=1)
    assert {"what": "server", "grade": "wrong", "sentence": "it does not run", "remedy": "systemctl start tram, or tram serve"} in stopped
    assert any(f["what"] == "DNS" and f["grade"] == "wrong" and f.get("remedy", "").startswith("publish: ") for f in stopped)
    order = [f["grade"] for f in stopped]
    assert order == sorted(order, key=["wrong", "warning", "fine"].index)
    home.start()
    world.publish(extra=f"peer.test. IN A {home.address}\n")
    well = findings(home, status=1)
    ports = [f for f in well if f["what"] == "port"]
    assert len(ports) == 5 and all(f["grade"] == "fine" for f in ports)
    # its own certificate is all that is left: nobody believes it, nor the policy that is served with it
    left = [f for f in well if f["grade"] == "wrong"]
    assert all(f["what"] == "certificate" or "_mta-sts" in f["sentence"] + f["remedy"] for f in left), left
    assert [f for f in findings(home, "--outwards", "peer.test", status=1) if f["what"] == "outwards"][0]["grade"] == "fine"
    listed = ".".join(reversed(home.address.split("."))) + ".zen.spamhaus.org. IN A 127.0.0.4\n"
    world.publish(extra=listed)
    assert [f for f in findings(home, status=1) if f["what"] == "block list"][0]["grade"] == "wrong"
    assert "wrong    block list" in home.tram("doctor", status=1).stdout


def test_setup_makes_a_node_that_serves(world):
    home = world.home("two.test")  # for its address and its end
    for path in sorted(home.dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    words = ["setup", "--domain", "two.test", "--account", "carol", "--listen", home.address, "--port-offset", "10000", "--zone", str(world.zone)]
    made = home.tram(*words, input="one-long-secret\n")
    assert "carol@two.test" in made.stdout and "two.test. IN MX 10 mail.two.test." in made.stdout and "it does not run" in made.stdout
    assert "--domain is needed" in home.tram("setup", input="x\n", status=2).stderr
    again = home.tram(*words, input="another\n")  # nothing is made twice, no password is changed
    assert "carol@two.test" in again.stdout
    home.start()
    with home.imap("carol", "one-long-secret") as imap:
        assert imap.select()[0] == "OK"
