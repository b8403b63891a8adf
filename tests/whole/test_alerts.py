"""What somebody has to hear of comes by letter, once (the webhook: src/core/alert_sim.c)."""
from world import until


def test_a_disk_without_room_is_told_once(world):
    home = world.home("one.test", accounts=["alice"], config='alert_disk = "1024T"')
    world.publish()
    home.start()
    found = {a["about"]: a for a in home.json("alerts", "--look", status=1)["alerts"]}
    assert found["disk"]["mailed"] and not found["disk"]["posted"]
    letter, = home.wait_for("alice")  # the first account gets what postmaster gets
    assert b"free where the home lies" in letter and b"Auto-Submitted: auto-generated" in letter
    home.tram("alerts", "--look", status=1)
    until(lambda: home.json("queue", "stats")["letters"] == 0)
    assert len([m for m in home.messages("alice") if b"free where" in m]) == 1
    assert "disk: " in home.tram("alerts", status=1).stdout
    home.stop()
    conf = home.dir / "tram.conf"
    conf.write_text(conf.read_text().replace('alert_disk = "1024T"', "alert_disk = 0"))
    home.start()
    assert "disk" not in home.tram("alerts", "--look", ok=False).stdout
