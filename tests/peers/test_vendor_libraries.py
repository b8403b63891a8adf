"""The vendors' own libraries, unchanged, against a home: only the base address and the key differ."""
import base64
import email
import email.message
import email.policy
import http.server
import json
import subprocess
import threading
from pathlib import Path

import pytest

import node
import world as w

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("vendors"))
    home = made.home("one.test", accounts=["alice", "bob", "carol"], config="webhook_private = true")
    made.publish()
    home.start()
    yield home
    made.close()


@pytest.fixture(scope="module")
def said(home):
    """What each call was answered, by its name."""
    scopes = "mail.send,templates,suppression,keys,webhooks,messages.read,stats.read"
    key = home.tram("key", "add", "alice@one.test", "--name", "vendors", "--scope", scopes).stdout.splitlines()[0]
    base = f"https://{home.address}:{home.port(443)}"
    done = subprocess.run(["node", str(HERE / "vendors.js"), base, key], env=node.environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["name"]: line["answer"] for line in lines}


def came(home, user, subject):
    def find():
        for raw in home.messages(user):
            m = email.message_from_bytes(raw if isinstance(raw, bytes) else raw.encode(), policy=email.policy.default)
            if m["Subject"] == subject:
                return m
        return None
    return w.until(find, what=f"a letter about {subject!r} for {user}")


def text_of(m, kind="plain"):
    return m.get_body((kind,)).get_content().strip()


def subjects(home, user):
    return [email.message_from_bytes(raw if isinstance(raw, bytes) else raw.encode(), policy=email.policy.default)["Subject"] for raw in home.messages(user)]


def test_sendgrid_mail(home, said):
    assert said["sg send"]["status"] == 202 and said["sg send"]["id"]
    m = came(home, "bob", "sg mail")
    assert m["To"].addresses[0].display_name == 'Bob, "B"' and m["From"].addresses[0].display_name == "Älice"
    assert said["sg multiple"]["status"] == 202
    for user in ("bob", "carol"):
        assert len(came(home, user, "sg multiple")["To"].addresses) == 1
    assert said["sg attachment"]["status"] == 202
    m = came(home, "bob", "sg attachment")
    assert m["X-Own"] == "1" and m["Reply-To"] == "carol@one.test" and list(m.iter_attachments())[0].get_content() == "file"
    assert said["sg substitutions"]["status"] == 202, said["sg substitutions"]
    assert text_of(came(home, "bob", "sg substitutions")) == "Dear Bob"
    assert said["sg sandbox"]["status"] == 200
    assert said["sg invalid"]["status"] == 400 and said["sg invalid"]["body"]["errors"][0]["message"] == "Does not contain a valid address."


def test_sendgrid_templates(home, said):
    s = said["sg template"]
    assert s["t"]["id"].startswith("d-") and s["t"]["versions"] == [] and s["v"]["active"] == 1, s
    assert s["status"] == 202
    assert text_of(came(home, "bob", "sg template"), "html") == "<p>a;&lt;b&gt;;</p>"
    assert [t["name"] for t in s["list"]["result"]] == ["welcome"] and s["list"]["_metadata"]["count"] == 1
    assert s["broken"]["statusCode"] == 400 and "line 1, column 1" in s["broken"]["body"]["errors"][0]["message"]
    assert s["copy"]["name"] == "copy" and len(s["copy"]["versions"]) == 1
    assert s["active"]["active"] == 1 and sum(v["active"] for v in s["whole"]["versions"]) == 1
    assert s["gone"] == 204


def test_sendgrid_around_it(home, said):
    s = said["sg scheduled"]
    assert s["status"] == 202 and s["canceled"]["status"] == "cancel" and s["list"] == [s["canceled"]]
    s = said["sg suppression"]
    assert s["added"] == {"recipient_emails": ["gone@two.test"]} and s["there"] == {"recipient_email": "gone@two.test"}
    assert s["list"][0]["email"] == "gone@two.test" and s["removed"] == 204 and s["after"] == {} and s["bounces"] == []
    s = said["sg groups"]
    assert s["left"] == ["carol@one.test"] and s["status"] == 202 and s["of"]["suppressions"][0]["suppressed"] is True
    assert s["unknown"]["status"] == 400 and s["unknown"]["body"]["errors"][0]["field"] == "asm.group_id"
    came(home, "bob", "sg group")
    assert "sg group" not in subjects(home, "carol")
    s = said["sg keys"]
    assert "mail.send" in s["scopes"]["scopes"] and s["made"]["scopes"] == ["mail.send"] and s["gone"] == 204
    assert s["made"]["api_key_id"] in [k["api_key_id"] for k in s["list"]["result"]]
    assert s["renamed"]["name"] == "third" and s["wider"]["scopes"] == ["mail.send", "templates"], s
    assert ["open", False] in s["tracking"] and s["on"]["status"] == 400 and s["on"]["body"]["errors"][0]["field"] == "enabled"


def receiver(home):
    """A server that takes what is posted: its calls, its URL's port, itself. (The ports of a trial network are moved, those of URLs too.)"""
    calls = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = {name.lower(): value for name, value in self.headers.items()}
            calls.append({"bytes": body, "type": fields["content-type"], "signature": fields.get("x-twilio-email-event-webhook-signature"),
                          "timestamp": fields.get("x-twilio-email-event-webhook-timestamp")})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((home.address, 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1] - home.port(0)
    if port < 1:
        pytest.skip("no port below the offset")
    return calls, port, server


def node_says(script, *words, text=""):
    done = subprocess.run(["node", str(HERE / script), *words], input=text, env=node.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_sendgrid_events_are_verified(home, said):
    calls, port, server = receiver(home)
    key = home.tram("key", "add", "alice@one.test", "--name", "hooks", "--scope", "mail.send,webhooks").stdout.splitlines()[0]
    base, url = f"https://{home.address}:{home.port(443)}", f"http://mail.one.test:{port}/"

    made = {line["name"]: line["answer"] for line in node_says("vendors.js", base, key, "hooks", url)}
    assert made["made"]["statusCode"] == 201 and made["signed"]["public_key"] and made["tried"] == 204 and made["sent"] == 202, made
    w.until(lambda: any('"delivered"' in c["bytes"].decode() and "sg_message_id" in c["bytes"].decode() and "bob@one.test" in c["bytes"].decode() for c in calls), what="the events")
    assert not calls[0]["signature"] and all(c["signature"] for c in calls[1:])  # the first try was before `signed`
    said = node_says("eventwebhook.js", text="".join(json.dumps({"body": c["bytes"].decode(), "signature": c["signature"], "timestamp": c["timestamp"], "key": made["signed"]["public_key"]}) + "\n" for c in calls[1:]))
    assert all(s["raw"] and s["rebuilt"] and not s["other"] for s in said), said
    assert len(said[0]["events"]) == 12 and "delivered" in said[-1]["events"]
    event = [e for c in calls[2:] for e in json.loads(c["bytes"])][0]
    assert event["email"] == "bob@one.test" and (event["7"], event["k"]) == ("é \u2028 \U0001f600 \" \\ \x01", "v")
    server.shutdown()


def test_sendgrid_reads_mail_that_comes_in(home):
    calls, port, server = receiver(home)
    url = f"http://mail.one.test:{port}/in"
    home.tram("domain", "add", "in.test")
    key = home.tram("inbound", "add", "alice@one.test", "in.test", url, "--spam-check").stdout.split("\n")[0]
    raw_key = home.tram("inbound", "add", "alice@one.test", "raw@in.test", url, "--raw").stdout.split("\n")[0]
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"], m["To"], m["Subject"] = "Bób <bob@two.test>", "any@in.test", "grüße — an alle"
    m.set_content("Hello é\n", charset="iso-8859-1", cte="quoted-printable")
    m.add_alternative("<p>Hello</p>", subtype="html")
    m.add_attachment(bytes(range(256)), maintype="image", subtype="png", filename='ä "1".png')
    with home.mx() as mx:
        mx.sendmail("bob@two.test", ["any@in.test", "raw@in.test"], m.as_bytes())
    w.until(lambda: len(calls) == 2, what="both calls")
    calls.sort(key=lambda c: b'name="email"' in c["bytes"])
    said = node_says("inbound.js", text="".join(json.dumps({"key": k, "type": c["type"], "body": base64.b64encode(c["bytes"]).decode(), "signature": c["signature"],
                                                            "timestamp": c["timestamp"]}) + "\n" for k, c in zip((key, raw_key), calls)))
    parsed, raw = said
    assert parsed["signed"] and raw["signed"]
    v = parsed["values"]
    assert v["subject"] == "grüße — an alle" and v["from"] == "Bób <bob@two.test>" and v["text"].strip() == "Hello é" and v["html"].strip() == "<p>Hello</p>", v
    assert json.loads(v["envelope"]) == {"to": ["any@in.test"], "from": "bob@two.test"} and json.loads(v["charsets"])["text"] == "UTF-8" and v["attachments"] == "1"
    file = parsed["attachments"][0]
    assert base64.b64decode(file["content"]) == bytes(range(256)) and file["type"] == "image/png" and file["filename"].startswith("ä "), file
    whole = email.message_from_string(raw["values"]["email"], policy=email.policy.default)
    assert whole["Subject"] == "grüße — an alle" and text_of(whole) == "Hello é" and "text" not in raw["values"]
    server.shutdown()


def test_mailjet(home, said):
    s = said["mj send"]
    assert [m["Status"] for m in s["Messages"]] == ["success"] * 2 and s["Messages"][1]["CustomID"] == "c", s
    assert text_of(came(home, "bob", "mj mail")) == "Hi"
    assert came(home, "bob", "mj variables").get_body(("related",)) is not None
    s = said["mj followed"]
    assert s["seen"]["Status"] == "sent" and s["seen"]["ID"] == s["sent"]["MessageID"] and s["history"][-1] == "sent", s
    listed = [(m["ID"], m["CustomID"], m["Subject"], m["ContactAlt"], m["Status"]) for m in s["list"]["Data"]]
    assert listed == [(s["sent"]["MessageID"], "followed", "mj followed", "bob@one.test", "sent")] and [m["ID"] for m in s["infos"]["Data"]] == [s["sent"]["MessageID"]], s
    assert (s["info"]["ID"], s["info"]["SentCount"]) == (s["sent"]["MessageID"], 1) and s["counts"]["Count"] == 1, s
    assert s["counts"]["Data"][0]["MessageSentCount"] >= 1 and s["hourly"]["status"] == 400 and "kept by day" in s["hourly"]["message"], s
    s = said["mj events"]
    assert (s["made"]["EventType"], s["made"]["Status"], s["changed"]["Url"], s["list"]["Count"], s["gone"]) == ("sent", "alive", "https://hook.two.test/other", 1, 204), s
    assert said["mj sandbox"]["Messages"][0]["Status"] == "success"
    assert "mj sandbox" not in subjects(home, "bob")
    assert said["mj invalid"]["body"]["Messages"][0]["Errors"][0]["ErrorRelatedTo"] == ["To[0].Email"]


def test_ses(home, said):
    assert said["ses simple"]["MessageId"], said["ses simple"]
    m = came(home, "bob", "ses simple é")
    assert list(m.iter_attachments())[0].get_filename() == "a.txt"
    s = said["ses templates"]
    assert s["twice"] == "AlreadyExistsException" and s["sent"]["MessageId"], s
    assert [r["Status"] for r in s["bulk"]["BulkEmailEntryResults"]] == ["SUCCESS"] * 2
    assert text_of(came(home, "bob", "ses template")) == "Dear template"
    came(home, "carol", "ses bulk carol")
    assert "ses seen" in s["rendered"]["RenderedTemplate"] and s["list"]["TemplatesMetadata"][0]["TemplateName"] == "greet"
    assert s["got"]["TemplateContent"]["Subject"] == "changed" and s["gone"] == "NotFoundException"
    s = said["ses suppression"]
    assert s["got"]["SuppressedDestination"]["Reason"] == "COMPLAINT" and s["gone"] == "NotFoundException"
    assert [d["EmailAddress"] for d in s["list"]["SuppressedDestinationSummaries"]] == ["gone+x@two.test"]
    assert said["ses account"]["SendingEnabled"] is True
    assert said["ses invalid"]["error"] == "BadRequestException" and "nobody" in said["ses invalid"]["message"]


def test_nodemailer_over_ses(home, said):
    assert said["nodemailer"]["id"], said["nodemailer"]
    m = came(home, "bob", "nodemailer")
    assert list(m.iter_attachments())[0].get_content() == "file" and "Bcc" not in m
    came(home, "carol", "nodemailer")


def in_zone(record):
    """A record of SendGrid's form as lines of a master file."""
    data = record["data"] + "."
    if record["type"] == "txt":
        data = " ".join(f'"{record["data"][i:i + 200]}"' for i in range(0, len(record["data"]), 200))
    return f"{record['host']}. IN {record['type'].upper()} {data}\n"


def test_domains_of_customers(home):
    key = home.tram("key", "add", "alice@one.test", "--name", "domains", "--scope", "senders").stdout.splitlines()[0]
    base = f"https://{home.address}:{home.port(443)}"
    said = {line["name"]: line["answer"] for line in node_says("vendors.js", base, key, "claims")}
    sg, mj, ses = said["sg"], said["mj"], said["ses"]
    dns = sg["made"]["dns"]
    assert dns["mail_cname"]["host"] == "em.sg.test" and sg["link"]["dns"]["domain_cname"]["host"] == "go.sg.test" and not sg["early"]["valid"], sg
    assert sg["twice"]["status"] == 400 and "already" in sg["twice"]["body"]["errors"][0]["message"] and [d["id"] for d in sg["list"]] == [sg["made"]["id"]]
    assert mj["made"]["Status"] == "Inactive" and mj["other"]["status"] == 400 and "*@two.test" in mj["other"]["message"], mj
    assert "alice@one.test" in [s["Email"] for s in mj["senders"]] and mj["dns"]["DKIMStatus"] == "Not checked"
    assert ses["made"]["DkimAttributes"]["Status"] == "PENDING" and ses["twice"] == "AlreadyExistsException" and ses["off"] == "BadRequestException", ses
    assert ses["got"]["MailFromAttributes"]["MailFromDomain"] == "back.ses.test" and "ses.test" in [i["IdentityName"] for i in ses["list"]["EmailIdentities"]]
    lines = in_zone(dns["dkim1"]) + in_zone(dns["mail_cname"])
    lines += in_zone({"host": mj["dns"]["DKIMRecordName"].rstrip("."), "type": "txt", "data": mj["dns"]["DKIMRecordValue"]}) + mj["dns"]["SPFRecordValue"] + "\n"
    lines += "".join(t["Value"] + "\n" for t in ses["got"]["Tags"])
    home.world.publish(extra=lines)
    said = {line["name"]: line["answer"] for line in node_says("vendors.js", base, key, "proofs")}
    sg, mj, ses = said["sg"], said["mj"], said["ses"]
    assert sg["seen"]["valid"] and sg["gone"] == 404, sg
    assert "seen" in mj, mj
    assert (mj["seen"]["DKIMStatus"], mj["seen"]["SPFStatus"], mj["sender"]["Status"], mj["gone"]) == ("OK", "OK", "Active", 404), mj
    assert ses["seen"]["VerificationStatus"] == "SUCCESS" and ses["seen"]["MailFromAttributes"]["MailFromDomainStatus"] == "SUCCESS" and ses["gone"] == "NotFoundException", ses
