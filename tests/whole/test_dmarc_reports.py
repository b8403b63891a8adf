"""DMARC aggregate reports between two homes: what one sees of letters that claim to come from the
other is counted, reported, and read by the other with `tram dmarc report`."""
import email
import gzip
import smtplib
import time
import xml.etree.ElementTree as ET
import zipfile
from email.message import EmailMessage
from io import BytesIO

import pytest

from world import letter, next_address, until, within_a_day

NS = "{urn:ietf:params:xml:ns:dmarc-2.0}"


def forge(home, source, count=1):
    """Letters of alice@one.test that one.test never saw."""
    for _ in range(count):
        with home.mx(source=source) as client:
            with pytest.raises(smtplib.SMTPDataError) as refusal:
                client.sendmail("alice@one.test", ["bob@two.test"], letter("alice@one.test", "bob@two.test", "forged"))
        assert refusal.value.smtp_code == 550


def send_good(one, two, count):
    with one.submission() as client:
        for n in range(count):
            client.sendmail("alice@one.test", ["bob@two.test"], letter("alice@one.test", "bob@two.test", f"good {n}"))
    two.wait_for("bob", count)


def report_letters(home, user, count=1):
    def found():
        messages = [email.message_from_bytes(m) for m in home.messages(user)]
        messages = [m for m in messages if (m["Subject"] or "").startswith("Report Domain:")]
        return len(messages) >= count and messages
    return until(found, what=f"report number {count} for {user}")


def by_source(report):
    return {line["source"]: line for line in report["sources"]}


def test_what_the_other_side_saw_comes_back(pair):
    within_a_day()
    one, two = pair
    forger = next_address()
    send_good(one, two, 3)
    forge(two, forger, 2)
    sent = two.json("dmarc", "send-reports")
    assert sent["letters"] == 1 and sent["domains"] == 1 and sent["later"] == 0

    message = report_letters(one, "alice")[0]
    assert message["To"] == "dmarc-reports@one.test" and message["From"] == "postmaster@two.test"
    results = " ".join(message["Authentication-Results"].split())
    for word in ("spf=pass", "dkim=pass", "dmarc=pass"):
        assert word in results
    part = message.get_payload()[1]
    assert part.get_content_type() == "application/gzip" and part.get_filename().startswith("mail.two.test!one.test!")
    feedback = ET.fromstring(gzip.decompress(part.get_payload(decode=True)))
    counts = {r.findtext(f"{NS}row/{NS}source_ip"): int(r.findtext(f"{NS}row/{NS}count")) for r in feedback.findall(f"{NS}record")}
    assert counts == {one.address: 3, forger: 2}
    assert feedback.findtext(f"{NS}policy_published/{NS}domain") == "one.test"

    report = until(lambda: (lambda r: r["reports"] and r)(one.json("dmarc", "report", "one.test")), what="a report that is kept")
    lines = by_source(report)
    assert set(lines) == {one.address, forger}
    good, bad = lines[one.address], lines[forger]
    assert (good["count"], good["dkim"], good["spf"], good["header_from"]) == (3, "pass", "pass", "one.test")
    assert (bad["count"], bad["dkim"], bad["spf"], bad["disposition"]) == (2, "fail", "fail", "reject")
    assert good["reporters"] == bad["reporters"] == ["two.test"]
    assert (report["passing"], report["failing"], report["unproved_reports"]) == (3, 2, 0)
    told = one.tram("dmarc", "report", "one.test", "--days", "2").stdout
    assert forger in told and "3 letters pass, 2 fail" in told

    # Said once: nothing is left to report, and the report itself makes no report.
    assert two.json("dmarc", "send-reports")["letters"] == 0
    assert one.json("dmarc", "send-reports")["letters"] == 0
    assert len(report_letters(one, "alice")) == 1
    forge(two, forger)
    assert two.json("dmarc", "send-reports")["letters"] == 1
    until(lambda: one.json("dmarc", "report", "one.test")["reports"] == 2, what="the second report")
    assert by_source(one.json("dmarc", "report", "one.test"))[forger]["count"] == 3


def test_rows_stay_over_a_restart_and_the_command_works_without_a_server(pair):
    within_a_day()
    one, two = pair
    send_good(one, two, 2)
    two.tram("stats")
    two.stop()
    two.start()
    forge(two, next_address())
    two.stop()
    assert two.json("dmarc", "send-reports")["letters"] == 1
    two.start()
    report_letters(one, "alice")
    report = until(lambda: (lambda r: r["reports"] and r)(one.json("dmarc", "report", "one.test")), what="a report that is kept")
    assert (report["passing"], report["failing"]) == (2, 1)


def test_only_where_it_is_wanted(world):
    one = world.home("one.test", accounts=["alice"])
    two = world.home("two.test", accounts=["bob"])
    three = world.home("three.test", accounts=["carol"])
    # one.test would have its reports sent to three.test, which has not agreed.
    def publish(extra=""):
        world.publish(extra=extra)
        text = world.zone.read_text().replace("rua=mailto:dmarc-reports@one.test", "rua=mailto:carol@three.test")
        assert "carol@three.test" in text
        world.write_zone(text)
    publish()
    for home in (one, two, three):
        home.start()
    forge(two, next_address())
    sent = two.json("dmarc", "send-reports")
    assert sent["letters"] == 0 and sent["later"] == 0
    two.logged("not agreed")
    publish('one.test._report._dmarc.three.test. TXT "v=DMARC1;"\n')
    until(lambda: two.tram("check", "spf", "--ip", one.address, "--helo", "h", "--mail-from", "a@one.test", ok=False).returncode == 0)
    forge(two, next_address())
    assert two.json("dmarc", "send-reports")["letters"] == 1
    report_letters(three, "carol")


def test_reports_can_be_switched_off(world):
    one = world.home("one.test", accounts=["alice"])
    two = world.home("two.test", accounts=["bob"], config="dmarc_reports = false")
    world.publish()
    one.start()
    two.start()
    forge(two, next_address())
    assert two.json("dmarc", "send-reports")["letters"] == 0


REPORT = """<?xml version="1.0"?><feedback><report_metadata><org_name>Elsewhere</org_name><email>x@elsewhere.test</email>
<report_id>{id}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range></report_metadata>
<policy_published><domain>one.test</domain><p>reject</p></policy_published>
<record><row><source_ip>198.51.100.7</source_ip><count>7</count><policy_evaluated><disposition>none</disposition>
<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>one.test</header_from></identifiers>
<auth_results><spf><domain>one.test</domain><result>fail</result></spf></auth_results></record></feedback>"""


def report_message(sender, data, subtype="zip", name="r.zip"):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, "dmarc-reports@one.test", "Report Domain: one.test"
    m.set_content("a report")
    m.add_attachment(data, maintype="application", subtype=subtype, filename=name)
    return m.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def zipped(text, name="r.xml"):
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, text)
    return out.getvalue()


def test_reports_of_others_good_forged_and_hostile(pair):
    one, two = pair
    now = int(time.time())
    good = REPORT.format(id="77", begin=now - 86400, end=now - 1)
    def submit(message):
        with two.submission("bob") as client:
            client.sendmail("bob@two.test", ["dmarc-reports@one.test"], message)
    submit(report_message("bob@two.test", zipped(good)))
    report = until(lambda: (lambda r: r["reports"] and r)(one.json("dmarc", "report", "one.test")), what="the report in a zip")
    line = report["sources"][0]
    assert (line["source"], line["count"], line["dkim"], line["spf"], line["reporters"]) == ("198.51.100.7", 7, "pass", "fail", ["two.test"])

    # The same again counts once; bombs and nonsense change nothing and harm nobody.
    submit(report_message("bob@two.test", zipped(good)))
    submit(report_message("bob@two.test", gzip.compress(b"<feedback>" + b" " * (64 << 20)), "gzip", "bomb.xml.gz"))
    submit(report_message("bob@two.test", b"\x1f\x8b garbage", "gzip", "x.xml.gz"))
    submit(report_message("bob@two.test", zipped('<!DOCTYPE a [<!ENTITY b "c">]><feedback>&b;</feedback>')))
    # Nobody proves to have sent this one: kept apart.
    with one.mx(source=next_address()) as client:
        client.sendmail("", ["dmarc-reports@one.test"], report_message("x@elsewhere.test", zipped(REPORT.format(id="78", begin=now - 5, end=now))))
    one.wait_for("alice", 6)
    until(lambda: one.json("dmarc", "report", "one.test")["unproved_reports"] == 1, what="the report that nobody proves")
    until(lambda: one.log.read_text().count("its DMARC report is not kept") == 3, what="three lines of the log")
    report = one.json("dmarc", "report", "one.test")
    assert (report["reports"], report["unproved_reports"], report["passing"]) == (1, 1, 7)


def test_the_address_can_be_somebody_elses(world):
    one = world.home("one.test", accounts=["alice", "bob"])
    two = world.home("two.test", accounts=["bob"])
    one.tram("alias", "add", "dmarc-reports@one.test", "bob@one.test")
    world.publish()
    assert "rua=mailto:dmarc-reports@one.test" in world.zone.read_text()
    one.start()
    two.start()
    forge(two, next_address())
    assert two.json("dmarc", "send-reports")["letters"] == 1
    report_letters(one, "bob")
    until(lambda: one.json("dmarc", "report", "one.test")["failing"] == 1, what="the report that is kept")
    assert one.messages("alice") == []


def test_wrong_use(one):
    one.tram("dmarc", "report", status=2)
    one.tram("dmarc", "report", "one.test", "--days", "0", status=2)
    assert "elsewhere.test" in one.tram("dmarc", "report", "elsewhere.test", status=1).stderr
    assert "No report" in one.tram("dmarc", "report", "one.test").stdout
