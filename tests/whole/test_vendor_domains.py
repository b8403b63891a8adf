"""Domains of customers in the vendors' dialects: claimed, told with their records, proved, used and let go by each."""
import base64

import pytest

import test_vendors as v
import world as w

OTHERS = "_dmarc.{0}. IN TXT \"v=DMARC1; p=none\"\nmx.{0}. IN A 127.0.0.9\n{0}. IN MX 1 mx.{0}.\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = w.World(tmp_path_factory.mktemp("vendor-domains"))
    home = made.home("one.test", accounts=["alice", "eve"])
    made.publish()
    home.start()
    home.key, home.eve = (home.tram("key", "add", f"{name}@one.test", "--name", "k", "--scope", "mail.send,senders").stdout.splitlines()[0] for name in ("alice", "eve"))
    home.records = {}
    yield home
    made.close()


def publish(home, domain, *lines):
    """These records of the domain, beside those of others."""
    home.records[domain] = OTHERS.format(domain) + "".join(line + "\n" for line in lines)
    home.world.publish(extra="".join(home.records.values()))


def line(record):
    data = f'"{record["data"]}"' if record["type"] == "txt" and len(record["data"]) < 256 else record["data"]
    if record["type"] == "txt" and len(record["data"]) > 255:
        data = " ".join(f'"{record["data"][i:i + 200]}"' for i in range(0, len(record["data"]), 200))
    return f'{record["host"]}. IN {record["type"].upper()} {data}{"." if record["type"] == "cname" else ""}'


def proved(look):
    """What the look tells, once it is so: a look is good for ten seconds."""
    return w.until(look, 60, "the proof")


def sends_as(home, sender):
    body = v.call(**{"from": {"email": sender}, "mail_settings": {"sandbox_mode": {"enable": True}}})
    return v.ask(home, "POST", "/v3/mail/send", body, {"Authorization": f"Bearer {home.key}"})[0]


# ---- SendGrid ----

def refused(answer, field, words):
    status, _, body = answer
    assert status == 400 and body["errors"][0]["field"] == field and words in body["errors"][0]["message"], answer


def test_sendgrid_authenticates_a_domain(home):
    where = "/v3/whitelabel/domains"
    status, _, made = v.sendgrid(home, where, {"domain": "sg.test", "subdomain": "em", "default": True, "automatic_security": True})
    assert status == 201 and not made["valid"] and made["domain"] == "sg.test" and made["username"] == "alice@one.test" and not made["default"]
    dns, one = made["dns"], f"{where}/{made['id']}"
    assert dns["mail_cname"] == {"valid": False, "type": "cname", "host": "em.sg.test", "data": "mail.one.test"}
    assert dns["dkim1"] == dns["dkim2"] and dns["dkim1"]["type"] == "txt" and dns["dkim1"]["data"].startswith("v=DKIM1;")
    assert sends_as(home, "shop@sg.test") == 403
    status, _, seen = v.sendgrid(home, f"{one}/validate")
    results = seen["validation_results"]
    assert not seen["valid"] and "em.sg.test" in results["mail_cname"]["reason"] and results["dkim1"]["reason"], seen
    publish(home, "sg.test", line(dns["dkim1"]), line(dns["mail_cname"]))

    def look():
        answer = v.sendgrid(home, f"{one}/validate")[2]
        return answer if answer["valid"] else None
    assert all(r == {"valid": True, "reason": None} for r in proved(look)["validation_results"].values())
    assert v.sendgrid(home, one, method="GET")[2]["dns"]["mail_cname"]["valid"] and sends_as(home, "shop@sg.test") == 200
    assert [d["id"] for d in v.sendgrid(home, f"{where}?domain=SG.te&limit=5", method="GET")[2]] == [made["id"]]
    assert v.sendgrid(home, f"{where}?offset=1", method="GET")[2] == [] == v.sendgrid(home, f"{where}?domain=other", method="GET")[2]
    assert v.sendgrid(home, one, {"default": False}, "PATCH")[2]["id"] == made["id"]
    links(home, made)
    assert v.sendgrid(home, one, method="DELETE")[0] == 204
    assert v.sendgrid(home, one, method="GET")[0] == 404 == v.sendgrid(home, one, method="DELETE")[0]
    assert sends_as(home, "shop@sg.test") == 403


def links(home, made):
    """A branded link is the host of links of an authenticated domain."""
    where = "/v3/whitelabel/links"
    status, _, link = v.sendgrid(home, where, {"domain": "sg.test", "subdomain": "go", "default": False})
    assert status == 201 and link["dns"]["domain_cname"] == {"valid": False, "type": "cname", "host": "go.sg.test", "data": "mail.one.test"}
    one = f"{where}/{link['id']}"
    assert link["id"] == made["id"] and v.sendgrid(home, where, method="GET")[2] == [link]
    assert "go.sg.test" in v.sendgrid(home, f"{one}/validate")[2]["validation_results"]["domain_cname"]["reason"]
    publish(home, "sg.test", line(made["dns"]["dkim1"]), line(made["dns"]["mail_cname"]), line(link["dns"]["domain_cname"]))

    def look():  # valid once there is a certificate, too: here is none for it
        answer = v.sendgrid(home, f"{one}/validate")[2]
        return answer if answer["validation_results"]["domain_cname"]["valid"] else None
    assert proved(look)["valid"] is False
    assert v.sendgrid(home, one, method="GET")[2]["dns"]["domain_cname"]["valid"]
    assert v.sendgrid(home, one, method="DELETE")[0] == 204  # it has its first name back
    again = v.sendgrid(home, one, method="GET")[2]
    assert again["dns"]["domain_cname"]["host"] == "links.sg.test" and not again["valid"], again
    assert v.sendgrid(home, one, method="DELETE")[0] == 204 and v.sendgrid(home, f"{where}/0", method="DELETE")[0] == 404
    assert v.sendgrid(home, f"{where}/default", method="GET")[0] == 404
    refused(v.sendgrid(home, where, {"domain": "never.test"}), "domain", "authenticate the domain first")


def test_sendgrid_says_what_it_cannot(home):
    where = "/v3/whitelabel/domains"
    assert v.sendgrid(home, where, {"domain": "twice.test"})[0] == 201
    status, _, answer = v.sendgrid(home, where, {"domain": "TWICE.test."})
    assert status == 400 and "already" in answer["errors"][0]["message"]
    refused(v.sendgrid(home, where, {"domain": "x.test", "automatic_security": False}), "automatic_security", "must be true")
    refused(v.sendgrid(home, where, {"domain": "x.test", "custom_spf": True}), "custom_spf", "SPF")
    refused(v.sendgrid(home, where, {"domain": "x.test", "ips": ["192.0.2.1"]}), "ips", "")
    refused(v.sendgrid(home, where, {"domain": "x.test", "custom_dkim_selector": "abc"}), "custom_dkim_selector", "proof")
    refused(v.sendgrid(home, where, {"domain": "x.test", "username": "eve@one.test"}), "username", "another account")
    refused(v.sendgrid(home, where, {"domain": ""}), "domain", "missing")
    refused(v.sendgrid(home, where + "?limit=x", method="GET"), "limit", "number")
    for wrong in ("two words", "one.test", "com", "a\r\nb.test", "x." * 100 + "test"):
        assert v.sendgrid(home, where, {"domain": wrong})[0] == 400, wrong
    assert v.sendgrid(home, where, {"domain": "y.test", "subdomain": "a.b"})[0] == 400
    assert v.ask(home, "POST", where, {"domain": 5}, {"Authorization": f"Bearer {home.key}"})[0] == 400
    assert v.sendgrid(home, f"{where}/default?domain=twice.test", method="GET")[0] == 404
    for number in ("0", "1", "99999999999999999999", "nobody"):
        assert v.sendgrid(home, f"{where}/{number}", method="GET")[0] == 404, number
    made = v.sendgrid(home, where + "?domain=twice", method="GET")[2][0]
    refused(v.sendgrid(home, f"{where}/{made['id']}", {"default": True}, "PATCH"), "default", "there is none")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/validate")):  # of another account
        assert v.ask(home, method, f"{where}/{made['id']}{path}", None, {"Authorization": f"Bearer {home.eve}"})[0] == 404
    few = home.tram("key", "add", "alice@one.test", "--name", "few", "--scope", "mail.send").stdout.splitlines()[0]
    assert v.ask(home, "GET", where, None, {"Authorization": f"Bearer {few}"})[0] == 403
    assert v.sendgrid(home, f"{where}/{made['id']}", method="DELETE")[0] == 204


# ---- SES ----

IDENTITY = "/v2/email/identities"


def test_ses_identities(home):
    status, _, made = v.ses(home, "POST", IDENTITY, {"EmailIdentity": "ses.test", "Tags": []})
    assert status == 200 and made["IdentityType"] == "DOMAIN" and not made["VerifiedForSendingStatus"]
    assert made["DkimAttributes"]["Status"] == "PENDING" and len(made["DkimAttributes"]["Tokens"]) == 1
    seen = v.ses(home, "GET", f"{IDENTITY}/ses.test")[2]
    assert seen["VerificationStatus"] == "PENDING" and seen["MailFromAttributes"]["MailFromDomain"] == "bounce.ses.test"
    assert v.ses(home, "PUT", f"{IDENTITY}/ses.test/mail-from", {"MailFromDomain": "back.ses.test", "BehaviorOnMxFailure": "USE_DEFAULT_VALUE"})[0] == 200
    seen = v.ses(home, "GET", f"{IDENTITY}/ses.test")[2]
    records = [t["Value"] for t in seen["Tags"]]
    assert len(records) == 3 and records[0].startswith(made["DkimAttributes"]["Tokens"][0] + "._domainkey.ses.test. IN TXT")
    assert records[1] == "back.ses.test. IN CNAME mail.one.test."
    publish(home, "ses.test", *records)

    def look():
        answer = v.ses(home, "GET", f"{IDENTITY}/ses.test")[2]
        return answer if answer["VerifiedForSendingStatus"] else None
    seen = proved(look)
    assert (seen["VerificationStatus"], seen["DkimAttributes"]["Status"], seen["MailFromAttributes"]["MailFromDomainStatus"]) == ("SUCCESS",) * 3
    assert v.ses(home, "PUT", f"{IDENTITY}/ses.test/dkim", {"SigningEnabled": True})[0] == 200
    assert sends_as(home, "shop@ses.test") == 200
    assert v.ses(home, "DELETE", f"{IDENTITY}/ses.test")[0] == 200
    assert v.ses(home, "GET", f"{IDENTITY}/ses.test")[0] == 404 == v.ses(home, "DELETE", f"{IDENTITY}/ses.test")[0]


def test_ses_lists_identities_in_pages(home):
    names = [f"p{i}.test" for i in range(5)]
    for name in names:
        assert v.ses(home, "POST", IDENTITY, {"EmailIdentity": name})[0] == 200
    listed, token = [], ""
    while token is not None:
        answer = v.ses(home, "GET", IDENTITY + "?" + (f"NextToken={token}&" if token else "") + "PageSize=2")[2]
        assert len(answer["EmailIdentities"]) <= 2
        listed += [i["IdentityName"] for i in answer["EmailIdentities"]]
        token = answer.get("NextToken")
    assert listed == ["alice@one.test"] + names
    for name in names:
        assert v.ses(home, "DELETE", f"{IDENTITY}/{name}")[0] == 200


def test_ses_says_what_it_cannot(home):
    def error(method, path, body=None):
        status, headers, answer = v.ses(home, method, path, body)
        return status, headers["x-amzn-ErrorType"], answer["message"]
    assert v.ses(home, "POST", IDENTITY, {"EmailIdentity": "alice+x@one.test"})[2]["VerifiedForSendingStatus"]
    assert v.ses(home, "GET", f"{IDENTITY}/alice%40one.test")[2]["VerificationStatus"] == "SUCCESS"
    assert error("POST", IDENTITY, {"EmailIdentity": "bob@two.test"})[:2] == (400, "BadRequestException")
    assert error("GET", f"{IDENTITY}/bob%40two.test")[:2] == (404, "NotFoundException")
    assert error("DELETE", f"{IDENTITY}/alice%40one.test")[0] == 400
    assert v.ses(home, "POST", IDENTITY, {"EmailIdentity": "no.test"})[0] == 200
    assert error("POST", IDENTITY, {"EmailIdentity": "no.test"})[:2] == (409, "AlreadyExistsException")
    assert error("POST", IDENTITY, {"EmailIdentity": "one.test"})[:2] == (400, "BadRequestException")
    assert error("POST", IDENTITY, {})[2] == "EmailIdentity is missing"
    assert "key of one's own" in error("POST", IDENTITY, {"EmailIdentity": "z.test", "DkimSigningAttributes": {"DomainSigningSelector": "s", "DomainSigningPrivateKey": "aGk="}})[2]
    one = f"{IDENTITY}/no.test"
    assert "every message is signed" in error("PUT", one + "/dkim", {"SigningEnabled": False})[2]
    for host in ("back.other.test", "no.test", "a.b.no.test", ""):
        assert error("PUT", one + "/mail-from", {"MailFromDomain": host})[:2] == (400, "BadRequestException"), host
    assert "USE_DEFAULT_VALUE" in error("PUT", one + "/mail-from", {"MailFromDomain": "b.no.test", "BehaviorOnMxFailure": "REJECT_MESSAGE"})[2]
    assert v.ses(home, "GET", one, key=home.eve)[0] == 404
    assert error("PUT", f"{IDENTITY}/never.test/dkim", {"SigningEnabled": True})[:2] == (404, "NotFoundException")
    assert v.ses(home, "DELETE", one)[0] == 200


# ---- Mailjet ----

def mailjet(home, method, path, body=None, key=None):
    pair = (key or home.key).replace(".", ":", 1)
    status, _, answer = v.ask(home, method, "/v3/REST/" + path, body, {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
    if status < 300 and answer is not None:
        assert answer["Count"] == len(answer["Data"]) <= answer["Total"]
    return status, answer


def test_mailjet_senders(home):
    status, answer = mailjet(home, "POST", "sender", {"Email": "*@mj.test", "Name": "Shop"})
    made = answer["Data"][0]
    assert status == 201 and made["Status"] == "Inactive" and made["Email"] == "*@mj.test" and made["DNSID"] == made["ID"]
    dns = mailjet(home, "GET", f"dns/{made['DNSID']}")[1]["Data"][0]
    assert dns["Domain"] == "mj.test" and dns["DKIMRecordName"].endswith("._domainkey.mj.test.") and dns["DKIMRecordValue"].startswith("v=DKIM1;")
    assert dns["DKIMStatus"] == "Not checked" and dns["SPFRecordValue"] == "bounce.mj.test. IN CNAME mail.one.test."
    assert mailjet(home, "GET", "dns/mj.test")[1]["Data"] == [dns]
    checked = mailjet(home, "POST", f"dns/{made['DNSID']}/check")[1]["Data"][0]
    assert (checked["DKIMStatus"], checked["SPFStatus"]) == ("Error", "Error") and checked["DKIMErrors"] and checked["SPFErrors"]
    publish(home, "mj.test", line({"host": dns["DKIMRecordName"].rstrip("."), "type": "txt", "data": dns["DKIMRecordValue"]}), dns["SPFRecordValue"])

    def look():
        answer = mailjet(home, "POST", f"dns/{made['DNSID']}/check")[1]["Data"][0]
        return answer if answer["DKIMStatus"] == "OK" else None
    seen = proved(look)
    assert seen["SPFStatus"] == "OK" and seen["DKIMErrors"] == [] == seen["SPFErrors"] and seen["DKIMRecordCurrentValue"] == dns["DKIMRecordValue"]
    assert mailjet(home, "GET", f"sender/{made['ID']}")[1]["Data"][0]["Status"] == "Active"
    assert mailjet(home, "POST", f"sender/{made['ID']}/validate")[1]["Data"][0]["GlobalError"] == ""
    assert sends_as(home, "shop@mj.test") == 200
    assert [s["Email"] for s in mailjet(home, "GET", "sender")[1]["Data"]] == ["alice@one.test", "*@mj.test"]
    page = mailjet(home, "GET", "sender?Limit=1&Offset=1")[1]
    assert [s["Email"] for s in page["Data"]] == ["*@mj.test"] and page["Total"] == 2
    assert [s["Email"] for s in mailjet(home, "GET", "sender?Email=*@mj.test&Status=Active")[1]["Data"]] == ["*@mj.test"]
    assert mailjet(home, "GET", "sender?Status=Inactive&countOnly=1")[1] == {"Count": 0, "Data": [], "Total": 0}
    assert mailjet(home, "DELETE", "sender/*@mj.test")[0] == 204
    assert mailjet(home, "GET", f"sender/{made['ID']}")[0] == 404 == mailjet(home, "GET", f"dns/{made['ID']}")[0]


def test_mailjet_says_what_it_cannot(home):
    def error(*args):
        status, answer = mailjet(home, *args)
        assert answer["ErrorMessage"] and answer["StatusCode"] == status
        return status, answer["ErrorMessage"]
    own = mailjet(home, "GET", "sender")[1]["Data"][0]
    assert own["Status"] == "Active" and mailjet(home, "GET", f"sender/{own['ID']}")[1]["Data"] == [own] == mailjet(home, "GET", "sender/alice%40one.test")[1]["Data"]
    assert error("DELETE", f"sender/{own['ID']}")[0] == 400
    assert "*@two.test" in error("POST", "sender", {"Email": "bob@two.test"})[1]
    assert error("POST", "sender", {})[1] == "Email is missing"
    assert error("POST", "sender", {"Email": "*@one.test"})[0] == 400
    assert mailjet(home, "POST", "sender", {"Email": "*@no.test"})[0] == 201
    assert error("POST", "sender", {"Email": "*@no.test"})[0] == 400
    assert error("GET", "sender?Limit=5000")[0] == 400 and error("GET", "dns?Offset=-1")[0] == 400
    assert error("GET", "dns/12345") == (404, "Object not found")
    assert mailjet(home, "GET", "dns/no.test", None, home.eve)[0] == 404
    assert mailjet(home, "DELETE", "sender/no.test")[0] == 204
