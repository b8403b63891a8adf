"""What administrators and keys did is noted, and who administers a domain may do that and nothing else."""
import json
import subprocess

import pytest

from test_local_users import as_user, machine  # noqa: F401


def call(home, key, command, _status=200, _rows=False, **args):
    """A command over HTTP: its answer, or its rows."""
    done = subprocess.run(["curl", "-sk", "--max-time", "60", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {key}",
                           "--data-binary", json.dumps(args), f"https://{home.address}:{home.port(443)}/v1/commands/{command}"],
                          capture_output=True, check=True)
    text, _, status = done.stdout.decode().rpartition("\n")
    assert int(status) == _status, text
    lines = [json.loads(line) for line in text.splitlines()]
    return [line["row"] for line in lines[:-1]] if _rows else lines[-1]


def make_key(home, address, scope):
    return home.tram("key", "add", address, "--name", "t", "--scope", scope).stdout.split("\n")[0]


@pytest.fixture
def home(world):
    made = world.home("one.test", accounts=["alice", "bob"])
    for domain in ("two.test", "three.test"):
        made.tram("domain", "add", domain)
    made.tram("domain", "add", "dos.test", "--alias-of", "two.test")
    made.tram("account", "add", "chief@two.test", input="secret")
    world.publish()
    return made.start()


def acts(home, *words):
    return [(a["who"], a["what"], a["outcome"]) for a in home.json("audit", *words)["acts"]]


def test_what_was_done_is_noted_with_who_and_how_it_ended(home):
    boss = make_key(home, "alice@one.test", "admin")
    id_ = boss.split(".")[0]
    home.tram("account", "add", "carl@one.test", input="a-secret-word")
    home.tram("account", "add", "carl@one.test", input="a-secret-word", status=1)
    home.tram("account", "list")
    call(home, boss, "account.passwd", address="carl@one.test", password="another-word")
    call(home, boss, "queue.list")
    home.tram("account", "export", "x", ok=False)  # no such command
    home.tram("alias", "add", "x@nowhere.test", "carl@one.test", ok=False)
    told = acts(home)
    assert told[-5:] == [("operator", "key add", "done"), ("operator", "account add", "done"), ("operator", "account add", "no"),
                         (f"key {id_} of alice@one.test", "account passwd", "done"), ("operator", "alias add", "no")], told
    text = home.tram("audit").stdout
    assert "-word" not in text and boss not in text and boss.split(".")[1] not in text
    assert "from 127." in text and "is here already" not in text and "carl@one.test" in text
    assert acts(home, "--who", id_) == [(f"key {id_} of alice@one.test", "account passwd", "done")]
    assert acts(home, "--since", "1s", "--who", "nobody") == []
    home.stop()
    home.tram("account", "disable", "carl@one.test")  # without a server it is noted too
    assert acts(home)[-1] == ("operator", "account disable", "done")


def test_keys_that_change_what_is_the_accounts_are_noted(home):
    key = make_key(home, "bob@one.test", "keys,suppression,senders")
    for method, path, body in (("POST", "/v3/whitelabel/domains", {"domain": "sg.test"}), ("POST", "/v1/domains/sg.test/verify", {}), ("DELETE", "/v1/domains/sg.test", None)):
        words = ["--data-binary", json.dumps(body)] if body is not None else []
        subprocess.run(["curl", "-sk", "-o", "/dev/null", "-X", method, "-H", f"Authorization: Bearer {key}", *words, f"https://{home.address}:{home.port(443)}{path}"], check=True)
    assert [a[1:] for a in acts(home)[-2:]] == [("POST /v3/whitelabel/domains", "201"), ("DELETE /v1/domains/{domain}", "204")], acts(home)
    done = subprocess.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", "-H", f"Authorization: Bearer {key}",
                           f"https://{home.address}:{home.port(443)}/v1/keys/{key.split('.')[0]}"], capture_output=True, text=True)
    assert done.stdout == "204", done.stdout
    who, what, outcome = acts(home)[-1]
    assert who == f"key {key.split('.')[0]} of bob@one.test" and what == "DELETE /v1/keys/{id}" and outcome == "204"


def test_who_administers_a_domain_may_do_that_and_nothing_else(home):
    key = make_key(home, "chief@two.test", "domains")
    assert "do not administer" in call(home, key, "account.add", address="x@two.test", password="secretsecret")["error"]
    home.tram("domain", "admin", "add", "two.test", "chief@two.test")
    assert home.json("domain", "show", "two.test")["administrators"] == ["chief@two.test"]
    ok = [("account.add", {"address": "x@two.test", "password": "secretsecret"}), ("account.add", {"address": "X@Zwei@two.test", "password": "secretsecret"}),
          ("account.list", {"domain": "TWO.test."}), ("account.rename", {"address": "x@two.test", "to": "y@two.test"}),
          ("alias.add", {"address": "info@two.test", "targets": ["y@two.test"]}), ("alias.list", {"domain": "two.test"}),
          ("account.disable", {"address": "y@two.test"}), ("account.remove", {"address": "y@two.test"})]
    for command, args in ok:
        answer = call(home, key, command, _status=400 if "Zwei" in str(args) else 200, **args)
        assert ("error" in answer) == ("Zwei" in str(args)), (command, answer)
    no = [("account.add", {"address": "x@one.test", "password": "secretsecret"}), ("account.passwd", {"address": "alice@one.test", "password": "secretsecret"}),
          ("account.passwd", {"address": "\"x@two.test\"@one.test", "password": "secretsecret"}), ("account.list", {"domain": "one.test"}), ("account.list", {}),
          ("alias.add", {"address": "info@three.test", "targets": ["chief@two.test"]}), ("alias.list", {}), ("account.show", {"address": "alice@one.test"}),
          ("account.remove", {"address": "bob@one.test"})]
    for command, args in no:
        answer = call(home, key, command, **args)
        assert answer["status"] == 1 and "domain" in answer["error"], (command, args, answer)
    for command in ("domain.add", "account.set", "queue.list", "campaign.cancel", "audit", "stats", "account.grant", "domain.admin.add"):
        call(home, key, command, _status=404)
    assert "stays in its domain" in call(home, key, "account.rename", _status=400, address="chief@two.test", to="chief@one.test")["error"]
    assert {a["address"] for a in home.json("account", "list")["accounts"]} == {"alice@one.test", "bob@one.test", "chief@two.test"}
    # whoever may do more, in another domain or on the node, is not theirs: rights and keys go with the account
    home.tram("account", "add", "carol@two.test", input="secretsecret")
    home.tram("domain", "admin", "add", "one.test", "carol@two.test")
    for command, args in (("account.rename", {"to": "dave@two.test"}), ("account.remove", {}), ("account.disable", {}), ("account.passwd", {"password": "x" * 12})):
        assert "more than you" in call(home, key, command, address="carol@two.test", **args)["error"], command
    home.tram("domain", "admin", "remove", "one.test", "carol@two.test")
    make_key(home, "carol@two.test", "admin")
    assert "more than you" in call(home, key, "account.remove", address="carol@two.test")["error"]
    home.tram("account", "remove", "carol@two.test")
    home.tram("domain", "admin", "remove", "two.test", "chief@two.test")  # it ends at once
    assert "do not administer" in call(home, key, "account.list", domain="two.test")["error"]
    home.tram("domain", "admin", "remove", "two.test", "chief@two.test", status=1)


def test_a_block_by_the_operator_outlives_another_name_of_the_account(home):
    key = make_key(home, "chief@two.test", "domains")
    home.tram("domain", "admin", "add", "two.test", "chief@two.test")
    home.tram("account", "add", "loud@two.test", input="secretsecret")
    home.tram("block", "add", "loud@two.test")
    assert call(home, key, "account.rename", address="loud@two.test", to="chief@two.test")["status"] == 1
    assert [b["who"] for b in home.json("block", "list")["blocks"]] == ["loud@two.test"]
    for before, after in (("loud", "quiet"), ("loud", "quiet"), ("quiet", "loud")):  # once more is no fault
        assert call(home, key, "account.rename", address=f"{before}@two.test", to=f"{after}@two.test")["status"] == 0
        assert [b["who"] for b in home.json("block", "list")["blocks"]] == [f"{after}@two.test"]
    home.tram("block", "remove", "loud@two.test")
    home.tram("account", "remove", "loud@two.test")
    home.tram("domain", "admin", "remove", "two.test", "chief@two.test")


def test_who_administers_a_domain_has_the_keys_and_webhooks_of_its_accounts(home):
    key = make_key(home, "chief@two.test", "domains")
    home.tram("domain", "admin", "add", "two.test", "chief@two.test")
    home.tram("account", "add", "shop@two.test", input="secretsecret")
    others = make_key(home, "bob@one.test", "mail.send").split(".")[0]
    made = call(home, key, "key.add", address="shop@two.test", name="app", scope="mail.send,webhooks")["reply"]
    listed = call(home, key, "key.list", address="shop@two.test", _rows=True)
    assert [k["id"] for k in listed] == [made["id"]] and listed[0]["scopes"] == ["mail.send", "webhooks"], listed
    for scope in ("admin", "mail.send,metrics"):
        assert "only who runs the node" in call(home, key, "key.add", address="shop@two.test", name="x", scope=scope)["error"]
    # bob may administer another domain one day, and whoever has a key of his administers that, too
    refused = call(home, key, "key.add", address="shop@two.test", name="x", scope="mail.send,domains")
    assert refused["status"] == 1 and "scope domains for somebody else" in refused["error"], refused
    assert call(home, key, "key.add", address="chief@two.test", name="own", scope="domains")["status"] == 0
    assert call(home, key, "webhook.add", account="shop@two.test", url="https://hook.two.test/a")["status"] == 0
    assert [h["url"] for h in call(home, key, "webhook.list", address="shop@two.test", _rows=True)] == ["https://hook.two.test/a"]
    no = [("key.add", {"address": "bob@one.test", "name": "x", "scope": "mail.send"}), ("key.list", {"address": "bob@one.test"}), ("key.list", {}), ("key.remove", {"id": others}),
          ("key.remove", {"id": others, "address": "bob@one.test"}), ("webhook.add", {"account": "bob@one.test", "url": "https://hook.two.test/b"}), ("webhook.list", {}),
          ("webhook.list", {"address": "bob@one.test"}), ("webhook.remove", {"account": "bob@one.test", "name": "default"}), ("webhook.resume", {"account": "bob@one.test", "name": "default"})]
    for command, args in no:
        answer = call(home, key, command, **args)
        assert answer["status"] == 1 and "domain" in answer["error"], (command, args, answer)
    assert "has no key" in call(home, key, "key.remove", id=others, address="shop@two.test")["error"]
    assert others in home.tram("key", "list").stdout
    assert call(home, key, "key.remove", id=made["id"], address="shop@two.test")["status"] == 0
    assert call(home, key, "webhook.remove", account="shop@two.test", name="default")["status"] == 0
    assert made["id"] not in home.tram("key", "list").stdout
    for name in ("two.test", "any@two.test"):
        assert call(home, key, "inbound.add", account="shop@two.test", name=name, url="https://hook.two.test/in")["status"] == 0
    home.tram("inbound", "add", "bob@one.test", "one.test", "https://hook.one.test/in")
    home.tram("inbound", "add", "shop@two.test", "shop@one.test", "https://hook.two.test/in")  # of a domain that is not theirs
    assert "shop@one.test" in [h["name"] for h in home.json("inbound", "list", "shop@two.test")["inbound"]]
    assert "shop@one.test" not in [h["name"] for h in call(home, key, "inbound.list", address="shop@two.test", _rows=True)]
    assert [h["name"] for h in call(home, key, "inbound.list", address="two.test", _rows=True)] == [h["name"] for h in call(home, key, "inbound.list", address="shop@two.test", _rows=True)] != []
    no = [("inbound.add", {"account": "bob@one.test", "name": "x@two.test", "url": "https://x.test/"}), ("inbound.add", {"account": "shop@two.test", "name": "x@one.test", "url": "https://x.test/"}),
          ("inbound.list", {}), ("inbound.list", {"address": "one.test"}), ("inbound.list", {"address": "bob@one.test"}), ("inbound.remove", {"name": "one.test"})]
    for command, args in no:
        answer = call(home, key, command, **args)
        assert answer["status"] == 1 and "domain" in answer["error"], (command, args, answer)
    for name in ("two.test", "any@two.test"):
        assert call(home, key, "inbound.remove", name=name)["status"] == 0
    home.tram("inbound", "remove", "one.test")
    home.tram("inbound", "remove", "shop@one.test")
    home.tram("account", "remove", "shop@two.test")
    home.tram("domain", "admin", "remove", "two.test", "chief@two.test")


def test_a_user_of_the_machine_may_administer_a_domain(machine):  # noqa: F811
    home, nobody = machine, 65534
    home.account("nobody")
    home.start()
    add = ("account", "add", "new@one.test")
    status, _, said = as_user(home, nobody, "tram", *add, input=b"secretsecret\n")
    assert status == 1 and "do not administer" in said, said
    home.tram("domain", "admin", "add", "one.test", "nobody@one.test")
    assert as_user(home, nobody, "tram", *add, input=b"secretsecret\n")[0] == 0
    status, out, said = as_user(home, nobody, "tram", "account", "list", "one.test")
    assert status == 0 and "new@one.test" in out, said
    for words in (("queue", "stats"), ("account", "list"), ("domain", "list"), ("audit",)):
        assert as_user(home, nobody, "tram", *words)[0] != 0, words
    home.tram("account", "disable", "nobody@one.test")
    assert as_user(home, nobody, "tram", "account", "list", "one.test")[0] == 1
    assert acts(home, "--who", "user nobody")[0] == ("user nobody", "account add", "no")
