"""Logins by tokens that their issuer has signed: the keys are fetched from it, the token tells the rest (RFC 7519, 9068)."""
import base64
import hashlib
import hmac
import json
import subprocess
import time

import pytest

from test_oauth import login, submission, xoauth2
from web import Page, serve
from world import OFFSET, World, next_address, until

ISSUER, PORT = next_address(), 1081


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A key pair of openssl's, with its JSON Web Key."""

    def __init__(self, folder, kid, alg, **more):
        self.file, self.alg, self.kid = folder / f"{kid}.pem", alg, kid
        kind = {"R": ["rsa", "-pkeyopt", f"rsa_keygen_bits:{more.pop('bits', 2048)}"], "P": ["rsa"],
                "E": ["ed25519"] if alg == "EdDSA" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-" + {"256": "256", "384": "384", "512": "521"}[alg[2:]]]}[alg[0]]
        subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", self.file], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.file, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        if alg == "EdDSA":
            public = {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
        elif alg[0] == "E":
            self.n = {"256": 32, "384": 48, "512": 66}[alg[2:]]
            public = {"kty": "EC", "crv": "P-" + str({32: 256, 48: 384, 66: 521}[self.n]), "x": b64(der[-2 * self.n:-self.n]), "y": b64(der[-self.n:])}
        else:
            text = subprocess.run(["openssl", "rsa", "-in", self.file, "-noout", "-modulus"], check=True, capture_output=True).stdout
            public = {"kty": "RSA", "n": b64(bytes.fromhex(text.decode().strip().split("=")[1])), "e": "AQAB"}
        self.jwk = public | {"kid": kid, "use": "sig"} | more

    def sign(self, data):
        if self.alg == "EdDSA":
            words = ["openssl", "pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in"]
            (self.file.parent / "data").write_bytes(data)
            return subprocess.run([*words, self.file.parent / "data"], check=True, capture_output=True).stdout
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if self.alg[0] == "P" else []
        sig = subprocess.run(["openssl", "dgst", f"-sha{self.alg[2:]}", *pss, "-sign", self.file], input=data, check=True, capture_output=True).stdout
        if self.alg[0] != "E":
            return sig
        numbers, at = [], 3 if sig[1] & 0x80 else 2  # DER: two integers
        for _ in range(2):
            numbers.append(int.from_bytes(sig[at + 2:at + 2 + sig[at + 1]], "big").to_bytes(self.n, "big"))
            at += 2 + sig[at + 1]
        return b"".join(numbers)

    def token(self, head=None, **claims):
        now = int(time.time())
        claims = {"iss": "https://issuer.test", "aud": ["other", "mail.one.test"], "exp": now + 300, "scope": "openid mail",
                  "email": "alice@one.test"} | claims
        claims = {k: v for k, v in claims.items() if v is not None}
        head = {"alg": self.alg, "kid": self.kid, "typ": "at+jwt"} | (head or {})
        signed = b64(json.dumps({k: v for k, v in head.items() if v is not None}).encode()) + "." + b64(json.dumps(claims).encode())
        return signed + "." + b64(self.sign(signed.encode()))


class Issuer(Page):
    keys, asked, status = [], 0, 200

    def do_GET(self):
        Issuer.asked += 1
        self.answer(Issuer.status, json.dumps({"keys": [k.jwk for k in Issuer.keys]}).encode())


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    server = serve(ISSUER, PORT + OFFSET, Issuer)
    folder = tmp_path_factory.mktemp("keys")
    world = World(folder)
    home = world.home("one.test", accounts=["alice", "bob"], config=f'''
login_mechanisms = "PLAIN OAUTHBEARER XOAUTH2"
oauth_keys = "http://{ISSUER}:{PORT}/jwks"
oauth_issuer = "https://issuer.test"
oauth_audience = "mail.one.test"
oauth_scope = "mail"
''')
    world.publish()
    home.start()
    yield home, {alg: Key(folder, alg, alg) for alg in ("RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA")}, folder
    world.close()
    server.shutdown()


def attempt(home, token, user="alice@one.test"):
    with submission(home) as client:
        return login(client, "XOAUTH2", xoauth2(token, user))[0]


def test_who_cannot_be_asked_has_nobody_refused(here):
    home, keys, _ = here
    Issuer.status, Issuer.keys = 500, list(keys.values())
    assert attempt(home, keys["RS256"].token()) == 454
    Issuer.status = 200
    until(lambda: attempt(home, keys["RS256"].token(jti="again")) == 235, what="the keys to be asked for again")


def test_every_algorithm(here):
    home, keys, _ = here
    before = Issuer.asked
    for alg, key in keys.items():
        assert attempt(home, key.token()) == 235, alg
    assert attempt(home, keys["ES256"].token(head={"kid": None})) == 235  # names no key: it is looked for
    assert attempt(home, keys["RS256"].token(email="bob@one.test"), "bob@one.test") == 235
    assert attempt(home, keys["RS256"].token(aud="mail.one.test", nbf=int(time.time()) - 1)) == 235
    assert Issuer.asked == before  # they are kept


def test_what_is_not_believed(here):
    home, keys, folder = here
    key, now = keys["RS256"], int(time.time())
    bad = {"over": key.token(exp=now - 1), "no end": key.token(exp=None), "a word for an end": key.token(exp="never"), "early": key.token(nbf=now + 600),
           "of another": key.token(iss="https://issuer.test.evil"), "of nobody": key.token(iss=None), "for another": key.token(aud="calendar"),
           "for others": key.token(aud=["a", "b"]), "for nobody": key.token(aud=None), "narrow": key.token(scope="mailbox"),
           "stranger": key.token(email="eve@elsewhere.test"), "nameless": key.token(email=None), "other": key.token(email="bob@one.test"),
           "critical": key.token(head={"crit": ["x"], "x": 1}), "wrong way": key.token(head={"alg": "PS256"}), "wrong key": key.token(head={"kid": "RS384"}),
           "wrong kind": key.token(head={"kid": "ES256"}), "forged": Key(folder, "forger", "RS256").token(head={"kid": "RS256"})}
    for typ in ("JWT", "application/at+jwt", "AT+JWT", None):
        assert attempt(home, key.token(head={"typ": typ})) == 235, typ
    assert attempt(home, key.token(head={"typ": "JWT"}, typ="Bearer")) == 235
    bad |= {f"head {typ}": key.token(head={"typ": typ}) for typ in ("id+jwt", "logout+jwt", "dpop+jwt", "application/jose", "", 1)}
    bad |= {f"claim {typ}": key.token(head={"typ": "JWT"}, typ=typ) for typ in ("ID", "Refresh", "Logout", "", None or 7)}
    bad |= {claim: key.token(head={"typ": "JWT"}, **{claim: "x"}) for claim in ("nonce", "at_hash", "c_hash", "cnf", "events")}
    good = key.token().split(".")
    bad["changed"] = f"{good[0]}.{b64(json.dumps({'email': 'alice@one.test'}).encode())}.{good[2]}"
    bad["unsigned"] = b64(b'{"alg":"none"}') + "." + good[1] + "."
    bad["cut"] = ".".join(good)[:-4]
    bad["longer"] = ".".join(good) + "AAAA"
    head = b64(json.dumps({"alg": "HS256", "kid": "RS256"}).encode()) + "." + good[1]  # the public key as a secret
    bad["shared"] = head + "." + b64(hmac.digest(key.jwk["n"].encode(), head.encode(), hashlib.sha256))
    bad["deep"] = b64(b"[" * 5000) + "." + good[1] + "." + good[2]
    bad["opaque"] = "2YotnFZFEjr1zCsicMWpAA"
    for what, token in bad.items():
        assert attempt(home, token) == 535, what
    weak = Key(folder, "weak", "RS256", bits=1024)
    Issuer.keys.append(weak)
    assert attempt(home, weak.token()) == 535


def test_new_keys_are_fetched_when_a_token_names_one(here):
    home, keys, folder = here
    home.stop()
    Issuer.keys = [keys["ES256"]]
    home.start()
    assert attempt(home, keys["ES256"].token(jti="1")) == 235
    fresh, before = Key(folder, "fresh", "EdDSA"), Issuer.asked
    Issuer.keys.append(fresh)
    for n in range(3):  # not more than one question in half a minute, whoever makes up names of keys
        assert attempt(home, fresh.token(jti=str(n))) == 535
    assert Issuer.asked == before
    Issuer.status = 500  # what is kept goes on counting
    assert attempt(home, keys["ES256"].token(jti="2")) == 235
    Issuer.status = 200
