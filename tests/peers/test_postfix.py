"""Tram and real Postfix relay to each other: signatures verify on the other side, bodies stay as they are.

From Tram: its letters, signed with RSA and Ed25519, reach a Maildir of Postfix through Tram's queue
and relay; opendkim verifies them as Postfix's milter, then python3-dkim, Mail::DKIM and libopendkim
verify what lies in the Maildir. To Tram: letters signed by opendkim as Postfix's milter and by
python3-dkim, in all four canonicalisations, come through Postfix. Keys are those of the zone file."""
import email
import re
import smtplib
import time

import dkim
import pytest

import dkim_keys as K
import peers
import postfix as P
from world import OFFSET, World, until

TO_POSTFIX, TO_TRAM = "peer.test", "one.test"
PEER_KEYS = {"k": ("v=DKIM1; k=rsa; p=" + K.RSA_2048_P), "e": ("v=DKIM1; k=ed25519; p=" + K.ED25519_P)}
PEER_ZONE = f"""
{TO_POSTFIX}. MX 10 mx.{TO_POSTFIX}.
{TO_POSTFIX}. TXT "v=spf1 ip4:{P.ADDRESS} -all"
_dmarc.{TO_POSTFIX}. TXT "v=DMARC1; p=reject; adkim=s"
mx.{TO_POSTFIX}. A {P.ADDRESS}
1.0.0.127.in-addr.arpa. PTR mx.{TO_POSTFIX}.
"""
LONG = b"x" * 900
BODIES = {
    "plain": b"Hello.\r\n",
    "eight-bit": "Grüße aus Köln, 日本語 и кириллица.\r\n".encode() + bytes(range(0xA0, 0x100)) + b"\r\n",
    "empty": b"",
    "one-empty-line": b"\r\n",
    "blank-end": b"Text.\r\n\r\n\r\n\r\n",
    "blanks": b"  two  spaces \t and tabs\t\r\n \r\n\t\r\nend \r\n",
    "dots": b".\r\n..\r\n...x\r\n.hidden\r\nend.\r\n.\r\n",
    "long-lines": LONG + b"\r\n" + LONG + b" y\r\n",
    "from": b"From here\r\n>From there\r\n",
    "large": b"".join(b"line %06d of a letter that is not small\r\n" % i for i in range(8000)),
    "mime": b"--b\r\nContent-Type: text/plain\r\n\r\npreamble\r\n--b--\r\n",
}
HEADS = {
    "folded": b"Subject: a subject that\r\n is folded\r\n\tin several \r\n   odd ways\r\n"
              b"References: <a@one.test>\r\n <b@one.test>\r\n\t<c@one.test>\r\n",
    "encoded": b"Subject: =?UTF-8?B?R3LDvMOfZQ==?= and =?iso-8859-1?Q?K=F6ln?=\r\n",
    "utf8": "Subject: Grüße, 日本\r\n".encode(),
    "spaced": b"Subject:   blanks   everywhere  \t \r\nX-Odd :with a blank before the colon\r\n",
    "long": b"Subject: s\r\nTo: " + b",\r\n ".join(b"person-%d@peer.test" % i for i in range(60)) + b"\r\n",
}
CASES = {name: (b"Subject: plain\r\n", body) for name, body in BODIES.items()}
CASES.update({"head-" + name: (head, b"Hello.\r\n") for name, head in HEADS.items()})


def letter(name, sender, to):
    head, body = CASES[name]
    if b"\nTo:" not in head:
        head += f"To: <{to}>\r\n".encode()
    head += (f"X-Case: {name}\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{name}.{sender}>\r\n"
             "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n").encode()
    return b"From: Some One <" + sender.encode() + b">\r\n" + head + b"\r\n" + body


def body_of(raw):
    return raw.partition(b"\r\n\r\n")[2]


def options(client, raw):
    """Letters with 8-bit bytes say so. (Those with UTF-8 in the header travel without SMTPUTF8, as they do in the world.)"""
    client.ehlo_or_helo_if_needed()
    return [] if raw.isascii() else ["BODY=8BITMIME"]


class Pair:
    """Tram at one.test, Postfix at peer.test."""

    def __init__(self, folder):
        self.world = World(folder)
        self.tram = self.world.home(TO_TRAM, accounts=["alice"], config='queue_retry_first = "1s"\nqueue_retry_most = "2s"')
        self.tram.tram("domain", "set", TO_TRAM, "--catch-all", f"alice@{TO_TRAM}")
        zone = PEER_ZONE + "".join(f'{s}._domainkey.{TO_POSTFIX}. TXT "{t[:255]}" "{t[255:]}"\n' for s, t in PEER_KEYS.items())
        self.world.publish(extra=zone)
        self.keys = keys_of(self.world.zone.read_text())
        self.closing = [self.world]
        try:
            self.start(folder)
        except BaseException:
            self.close()
            raise

    def start(self, folder):
        milters, self.ports = {}, {}
        for i, canon in enumerate(P.CANONS):
            daemon = P.OpenDkim(folder / "opendkim", f"m{i}", TO_POSTFIX, "k", K.RSA_2048, canon, self.keys)
            self.closing.append(daemon)
            self.ports[canon] = P.free_port()
            milters[canon] = (self.ports[canon], daemon.port)
        self.ports["bare"] = P.free_port()
        milters["bare"] = (self.ports["bare"], None)
        routes = {TO_TRAM: (self.tram.address, self.tram.port(25))}
        self.postfix = P.Postfix(folder / "postfix", TO_POSTFIX, 25 + OFFSET, routes, milters, milters[P.CANONS[0]][1])
        self.closing.append(self.postfix)
        self.tram.start()

    def through_postfix(self, canon, raw, to):
        with smtplib.SMTP(P.ADDRESS, self.ports[canon], timeout=30) as client:
            client.sendmail(f"carol@{TO_POSTFIX}", [to], raw, mail_options=options(client, raw))

    def close(self):
        for thing in reversed(self.closing):
            thing.close()


def keys_of(zone):
    """name -> the text of every key record in the zone file."""
    out = {}
    for line in zone.splitlines():
        found = re.match(r"(\S+\._domainkey\.\S+?)\.\s.*?\bTXT\s+(.*)$", line)
        if found:
            out[found.group(1)] = "".join(re.findall(r'"([^"]*)"', found.group(2)))
    assert any(TO_TRAM in name for name in out), zone
    return out


@pytest.fixture(scope="module")
def pair(folder):
    made = Pair(folder)
    yield made
    made.close()


# ---- from Tram ----

@pytest.fixture(scope="module")
def received(pair):
    """Every letter of Tram's, as Postfix put it into the Maildir."""
    with pair.tram.submission() as client:
        for name in CASES:
            raw = letter(name, f"alice@{TO_TRAM}", f"box@{TO_POSTFIX}")
            client.sendmail(f"alice@{TO_TRAM}", [f"box@{TO_POSTFIX}"], raw, mail_options=options(client, raw))

    def all_there():
        return len(pair.postfix.letters()) == len(CASES)
    try:
        until(all_there, 60)
    except AssertionError:
        missing = set(CASES) - set(pair.postfix.letters())
        raise AssertionError(f"missing: {missing}\n{pair.tram.tram('queue', 'list').stdout}\n{pair.postfix.log()[-3000:]}") from None
    return pair.postfix.letters()


@pytest.fixture(scope="module")
def verifiers(pair):
    peers.RECORDS.update(pair.keys)
    dkim.time, peers.NOW = time, int(time.time()) + 60  # the agreement scripts stop the clock
    made = peers.MailDkim()
    yield {"dkimpy": peers.Dkimpy(), "perl": made, "opendkim": peers.OpenDkim()}
    made.close()


def signatures(raw):
    return [f for f in peers.cut(raw)[0] if f.lower().startswith(b"dkim-signature:")]


@pytest.mark.parametrize("name", CASES)
def test_letters_of_tram_verify_behind_postfix(received, verifiers, name):
    raw = received[name]
    fields = signatures(raw)
    algorithms = [re.search(rb"\ba=([^;\s]+)", f).group(1) for f in fields]
    assert sorted(algorithms) == [b"ed25519-sha256", b"rsa-sha256"]
    assert all(ok for ok, _ in verifiers["dkimpy"].verify(raw, 2)), verifiers["dkimpy"].verify(raw, 2)
    assert [ok for ok, _ in verifiers["opendkim"].verify(raw)] == [True, True], verifiers["opendkim"].verify(raw)
    by_perl = dict(zip(algorithms, verifiers["perl"].verify(raw)))  # it has no Ed25519 here
    assert by_perl[b"rsa-sha256"][0], by_perl


@pytest.mark.parametrize("name", CASES)
def test_opendkim_as_the_milter_of_postfix_verifies_them(received, name):
    ours = [v for v in email.message_from_bytes(received[name]).get_all("Authentication-Results", []) if "opendkim.test" in v]
    assert len(ours) == 1 and ours[0].count("dkim=pass") == 2 and ours[0].count("dkim=") == 2, ours


@pytest.mark.parametrize("name", CASES)
def test_bodies_from_tram_are_the_same_bytes(received, name):
    assert body_of(received[name]) == CASES[name][1]


# ---- to Tram ----

SIGNERS = ["opendkim", "dkimpy-rsa", "dkimpy-ed25519"]


def signed_by_dkimpy(raw, how, canon):
    head, body = canon.split("/")
    ed = how == "dkimpy-ed25519"
    names = [b"from", b"to", b"subject", b"date", b"message-id", b"x-case", b"x-odd"]
    return dkim.sign(raw, b"e" if ed else b"k", TO_POSTFIX.encode(), (K.ED25519_SEED if ed else K.RSA_2048).encode(),
                     canonicalize=(head.encode(), body.encode()), signature_algorithm=b"ed25519-sha256" if ed else b"rsa-sha256",
                     include_headers=names) + raw


# Postfix strips nothing, but opendkim and python3-dkim do not sign a field with a blank before its colon as RFC 6376
# 3.4.2 says (docs/agreement.md), so that letter goes one way only.
TO_TRAM_CASES = [name for name in CASES if name != "head-spaced"]


def address(signer, canon):
    return f"{signer}.{canon.replace('/', '.')}@{TO_TRAM}"


@pytest.fixture(scope="module")
def delivered(pair):
    sent = 0
    for signer in SIGNERS:
        for canon in P.CANONS:
            for name in TO_TRAM_CASES:
                raw = letter(name, f"carol@{TO_POSTFIX}", address(signer, canon))
                raw = raw.replace(b"X-Case: ", b"X-Way: " + address(signer, canon).encode() + b"\r\nX-Case: ")
                if signer == "opendkim":
                    pair.through_postfix(canon, raw, address(signer, canon))
                else:
                    pair.through_postfix("bare", signed_by_dkimpy(raw, signer, canon), address(signer, canon))
                sent += 1
    found = {}

    def all_there():
        for m in pair.tram.messages("alice"):
            read = email.message_from_bytes(m)
            found[(read["X-Way"], read["X-Case"])] = m
        return len(found) >= sent
    try:
        until(all_there, 120)
    except AssertionError:
        raise AssertionError(f"{len(found)} of {sent}\n{pair.postfix.log()[-3000:]}") from None
    return found


@pytest.mark.parametrize("canon", P.CANONS)
@pytest.mark.parametrize("signer", SIGNERS)
def test_letters_through_postfix_pass_at_tram(delivered, signer, canon):
    for name in TO_TRAM_CASES:
        raw = delivered[(address(signer, canon), name)]
        fields = signatures(raw)
        assert len(fields) == 1, name
        written = re.search(rb"\bc=([a-z/]+)", fields[0])
        assert written and written.group(1).decode() in (canon, canon.removesuffix("/simple")), (name, written)
        results = re.sub(r"\s+", " ", email.message_from_bytes(raw)["Authentication-Results"])
        assert TO_TRAM in results.partition(";")[0], results
        assert "dkim=pass" in results and f"header.d={TO_POSTFIX}" in results, (name, results)
        assert "dmarc=pass" in results and "spf=pass" in results, (name, results)
        assert body_of(raw) == CASES[name][1], name


def test_a_body_changed_behind_the_signature_does_not_pass(pair, delivered):
    raw = letter("plain", f"carol@{TO_POSTFIX}", f"changed@{TO_TRAM}").replace(b"X-Case: plain", b"X-Case: changed")
    signed = signed_by_dkimpy(raw, "dkimpy-rsa", "relaxed/relaxed").replace(b"Hello.", b"Hallo.")
    pair.through_postfix("bare", signed, f"changed@{TO_TRAM}")

    def there():
        return [m for m in pair.tram.messages("alice") if b"X-Case: changed" in m]
    results = re.sub(r"\s+", " ", email.message_from_bytes(until(there, 60)[0])["Authentication-Results"])
    assert "dkim=fail" in results and "dkim=pass" not in results and "dmarc=pass" in results  # SPF vouches for it
