"""Domains of customers: claimed, proved by records in the DNS, used in letters (signature, return path, links), and
nobody else's meanwhile."""
import json
import re
import smtplib
import subprocess

import pytest

import world as w

RECORDS = "shop.test. IN TXT \"v=spf1 -all\"\n_dmarc.shop.test. IN TXT \"v=DMARC1; p=reject; adkim=s\"\nmx.shop.test. IN A 127.0.0.9\nshop.test. IN MX 1 mx.shop.test.\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("domains"))
    home = made.home("one.test", accounts=["news", "eve"])
    home.peer = made.home("two.test", accounts=["bob"])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
                    "-subj", "/CN=mail.one.test", "-addext", "subjectAltName=DNS:mail.one.test,DNS:links.shop.test",
                    "-keyout", home.dir / "tls/key.pem", "-out", home.dir / "tls/certificate.pem"], check=True, capture_output=True)
    made.publish(extra=RECORDS)
    home.start()
    home.keys = {name: home.tram("key", "add", f"{name}@one.test", "--name", "t", "--scope",
                                 "senders,campaigns,events.read,mail.send").stdout.split("\n")[0] for name in ("news", "eve")}
    yield home
    made.close()


def call(home, method, path, body=None, who="news"):
    done = subprocess.run(["curl", "-sk", "--max-time", "60", "-X", method, "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {home.keys[who]}",
                           *(["--data-binary", "@-"] if body is not None else []), f"https://{home.address}:{home.port(443)}{path}"],
                          input=body, capture_output=True)
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(text) if text.startswith("{") else text


def campaign(home, subject, who="news"):
    head = {"from": {"email": "hello@shop.test"}, "subject": subject, "campaign": "c", "track_opens": True, "track_clicks": True,
            "html": '<p>See <a href="https://shop.test/it">it</a></p>'}
    return call(home, "POST", "/v1/campaigns", "".join(json.dumps(o) + "\n" for o in (head, {"to": "bob@two.test"})).encode(), who)


def verified(home, who="news"):
    """The answer, once it is proved: a look is good for ten seconds."""
    def look():
        status, seen = call(home, "POST", "/v1/domains/shop.test/verify", who=who)
        assert status == 200, seen
        return seen if seen["state"] == "proved" else None
    return w.until(look, 60, what="the proof")


def arrived(home, subject):
    letters = w.until(lambda: [m for m in home.peer.messages("bob") if subject.encode() in m], what="the letter")
    return re.sub(r"\r?\n[ \t]", " ", letters[0].decode()).replace("=\r\n", "").replace("=3D", "=")


def test_a_customers_domain_from_the_claim_to_its_end(home):
    status, made = call(home, "POST", "/v1/domains", b'{"domain": "shop.test"}')
    assert status == 201 and made["state"] == "open" and [r["type"] for r in made["records"]] == ["TXT", "CNAME", "CNAME"], made
    assert call(home, "POST", "/v1/domains", b'{"domain": "shop.test"}')[0] == 409
    assert call(home, "POST", "/v1/domains", b'{"domain": "two words"}')[0] == 400
    assert call(home, "GET", "/v1/domains/shop.test", who="eve")[0] == 404
    eves = call(home, "POST", "/v1/domains", b'{"domain": "SHOP.test."}', who="eve")[1]
    assert campaign(home, "too early")[0] == 403
    assert home.tram("sending-domain", "verify", "news@one.test", "shop.test", status=1).stdout.startswith("shop.test is not proved yet.")

    lines = [r["line"] + "\n" for r in made["records"]]
    home.world.publish(extra=RECORDS + "".join(lines))
    seen = verified(home)
    assert (seen["state"], seen["return_path_used"], seen["links_used"]) == ("proved", True, True), seen
    home.world.publish(extra=RECORDS + "".join(lines) + eves["records"][0]["line"] + "\n")
    home.tram("sending-domain", "verify", "eve@one.test", "shop.test", status=1)  # it is proved by another account
    assert campaign(home, "by eve", who="eve")[0] == 403
    listed = home.tram("sending-domain", "list").stdout
    assert re.search(r"shop.test +proved +news@one.test  own return path  own links", listed), listed
    assert re.search(r"shop.test +open +eve@one.test .*another account", listed), listed

    home.peer.start()  # which so sees the last zone whole: of questions at once one looks at the file
    assert campaign(home, "first")[0] == 202
    text = arrived(home, "Subject: first")
    back = re.search(r"^Return-Path: <(r-[\w-]+@bounce\.shop\.test)>", text, re.M).group(1)
    assert re.search(r"dkim=pass[^;]*header\.d=shop\.test", text) and re.search(r"spf=pass[^;]*bounce\.shop\.test", text), text
    assert "dmarc=pass" in text
    assert re.search(r"List-Unsubscribe: <https://links\.shop\.test:\d+/u/[\w-]+>, <mailto:u-[\w-]+@bounce\.shop\.test\?", text)
    link = re.search(r'href="(https://links\.shop\.test:\d+/e/c/[\w-]+)"', text).group(1)
    assert re.search(r'src="https://links\.shop\.test:\d+/e/o/', text)
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "--cacert", home.dir / "tls/certificate.pem",
                           "--resolve", f"links.shop.test:{home.port(443)}:{home.address}", link], capture_output=True, text=True)
    assert done.stdout == "302 https://shop.test/it", done.stdout + done.stderr

    with home.mx(source="127.0.0.77") as mx:
        mx.ehlo()
        mx.mail("")
        assert mx.rcpt(back)[0] == 250
        assert mx.rcpt("postmaster@bounce.shop.test")[0] == 250
        assert mx.rcpt("anybody@bounce.shop.test")[0] == 550
        assert mx.rcpt("postmaster@other.shop.test")[0] == 550
    with home.submission("news") as client:  # over SMTP too, and only by who has it
        client.sendmail("hello@shop.test", ["bob@two.test"], w.letter("hello@shop.test", "bob@two.test", "by smtp"))
    assert re.search(r"dkim=pass[^;]*header\.d=shop\.test", arrived(home, "Subject: by smtp"))
    with home.submission("eve") as client, pytest.raises(smtplib.SMTPException):
        client.sendmail("hello@shop.test", ["bob@two.test"], w.letter("hello@shop.test", "bob@two.test", "no"))

    home.tram("sending-domain", "set", "news@one.test", "shop.test", "--links", "go")
    shown = home.json("sending-domain", "show", "news@one.test", "shop.test")
    assert not shown["links_used"] and shown["return_path_used"] and shown["records"][2]["name"] == "go.shop.test"
    assert call(home, "DELETE", "/v1/domains/shop.test")[0] == 204
    assert campaign(home, "too late")[0] == 403
    verified(home, who="eve")  # it is free for her
    assert campaign(home, "second", who="eve")[0] == 202
    assert re.search(r"^Return-Path: <r-[\w-]+@bounce\.shop\.test>", arrived(home, "Subject: second"), re.M)
    home.tram("webhook", "add", "eve@one.test", "https://hook.test/eve")
    home.tram("domain", "admin", "add", "one.test", "eve@one.test")
    home.tram("account", "remove", "eve@one.test")  # with all that it has in rows of many
    assert "hook.test" not in home.tram("webhook", "list").stdout and "eve@" not in home.tram("key", "list").stdout
    assert "administered" not in home.tram("domain", "show", "one.test").stdout
    assert "No account" in home.tram("sending-domain", "list").stdout
