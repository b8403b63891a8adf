#!/usr/bin/python3
"""Tram's ARC against python3-dkim and Mail::DKIM, over chains made from a seed.

    arc_agree.py [--cases N] [--seed S] [--driver PROGRAM]

Each case is a letter that goes over one to four hops; each hop seals with one of the three and may
change the letter before; often it is changed once more at the end. All verify the chain; where
somebody differs from Tram, one of the named reasons must hold."""
import argparse
import collections
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import dkim  # noqa: E402
import dkim_agree as A  # noqa: E402
import dkim_keys as K  # noqa: E402
import peers  # noqa: E402


def tram_verdict(tram, letter):
    status, highest, oldest, reason = tram.ask("arc", letter).decode().split(" ", 3)
    return status, int(highest), int(oldest), reason.strip()


def perl_verdict(perl, letter):
    word, _, detail = perl.ask("arc", letter).decode(errors="replace").partition("\t")
    return {"pass": "pass", "none": "none"}.get(word, "fail"), f"{word} {detail}"


class Hops:
    def __init__(self, tram, perl, folder):
        self.tram, self.perl = tram, perl
        self.keyfile = Path(folder) / "k.pem"
        self.keyfile.write_text(K.RSA_2048)

    def by_tram(self, m, letter, cv):
        key, selector = m.r.choice([(0, "k"), (0, "k"), (0, "k"), (2, "e")])
        domain = m.r.choice(["example.com", "example.org"])
        return self.tram.ask(f"seal {key} {domain} {selector}", letter)

    def by_dkimpy(self, m, letter, cv):
        results = b"Authentication-Results: example.com; arc=%s; spf=pass smtp.mailfrom=a@b.test\r\n" % cv.encode()
        try:
            include = [n for n, _ in dkim.rfc822_parse(letter)[0] if n.lower() in (b"to", b"subject", b"date")] + [b"from"]
            return b"".join(dkim.arc_sign(results + letter, b"k", b"example.com", K.RSA_2048.encode(), b"example.com",
                                          include_headers=include))
        except Exception:  # it raises what its parsers raise, over odd letters
            return b""

    def by_perl(self, m, letter, cv):
        results = f"Authentication-Results: example.org; arc={cv}; dkim=none\r\n".encode()
        return self.perl.ask(f"seal {self.keyfile} example.org k {cv}", results + letter)

    def hop(self, m, letter):
        cv = tram_verdict(self.tram, letter)[0]
        how = m.r.choice([self.by_tram, self.by_tram, self.by_dkimpy, self.by_perl])
        fields = how(m, letter, cv)
        if fields and not fields.endswith(b"\r\n"):
            fields += b"\r\n"
        return (how.__name__[3:] if fields else "nobody"), fields + letter


def change_arc(m, letter):
    """A change to an ARC field, or one of the changes of letters."""
    fields, body = A.split(letter)
    arc = [i for i, f in enumerate(fields) if f.lower().startswith(b"arc-")]
    what = m.r.choice(["instance", "cv", "drop", "twice", "letter", "order", "refold", "other", "other", "other"])
    if not arc or what == "other":
        return A.change(m, letter)
    i = m.r.choice(arc)
    if what == "instance":
        fields[i] = re.sub(rb"i=\d+", b"i=%d" % m.r.choice([0, 1, 2, 3, 9, 51]), fields[i], count=1)
    elif what == "cv":
        fields[i] = re.sub(rb"cv=\w+", b"cv=" + m.r.choice([b"none", b"pass", b"fail", b"maybe"]), fields[i])
    elif what == "drop":
        fields.pop(i)
    elif what == "twice":
        fields.insert(0, fields[i])
    elif what == "letter":
        at = m.r.randrange(20, len(fields[i]))
        if fields[i][at:at + 1].isalnum():
            fields[i] = fields[i][:at] + bytes([fields[i][at] ^ 1]) + fields[i][at + 1:]
    elif what == "order":
        fields.append(fields.pop(i))
    elif what == "refold":
        fields[i] = re.sub(rb"\r\n[ \t]+", lambda x: m.r.choice([b" ", b"\r\n\t", b"\r\n     "]), fields[i])
    return "arc " + what, A.join(fields, body)


REASONS = [
    ("python3-dkim Mail::DKIM", "blanks before a field's colon are refused or kept (RFC 6376 3.4.2)",
     lambda c: any(f.split(b":")[0].endswith((b" ", b"\t")) for f in peers.cut(c.letter)[0])),
    ("python3-dkim Mail::DKIM", "a body without final CRLF (RFC 6376 3.4.3, 3.4.4)", lambda c: c.open_end),
    ("Mail::DKIM", "it has no Ed25519 here (RFC 8463)", lambda c: b"ed25519" in c.letter),
    ("python3-dkim", "ARC with Ed25519 is refused (RFC 8617 4.1.3: a= of RFC 6376, as extended by RFC 8463)",
     lambda c: b"ed25519" in c.letter),
    ("Mail::DKIM python3-dkim", "a second From, Subject, ... beside the signed one is our policy (RFC 6376 6.1.1, 8.15)",
     lambda c: "is not covered" in c.why),
    ("Mail::DKIM python3-dkim", "an instance of 0 or above 50, or none, in a field that is then left out (4.2.1)",
     lambda c: "malformed" in c.why),
    ("Mail::DKIM python3-dkim", "sets that are not complete, or doubled, are passed over (5.2 step 3 A, B)",
     lambda c: "not one of each" in c.why),
    ("Mail::DKIM python3-dkim", "cv= of an older seal is not judged (5.2 step 3 C)", lambda c: "says cv=" in c.why),
    ("python3-dkim", "fields are taken in the header's order, not by instance (5.1.1)",
     lambda c: c.ours == "pass" and any(s.endswith("order") for s in c.story)),
    ("Mail::DKIM", "older message signatures must pass as well (5.2 step 5: they need not)", lambda c: c.ours == "pass" and c.oldest > 0),
]


class Case:
    pass


def run_case(n, m, hops, everyone, report):
    tram, perl, py = everyone
    letter, story = m.letter(), []
    open_end = not letter.endswith(b"\r\n")
    for _ in range(m.r.randint(1, 4)):
        if m.chance(0.2):
            what, letter = A.change(m, letter)
            story.append(what)
        who, letter = hops.hop(m, letter)
        story.append(who)
    for _ in range(m.r.choice([0, 1, 1, 2])):
        what, letter = change_arc(m, letter)
        story.append(what)
    c = Case()
    c.n, c.story, c.letter, c.open_end = n, story, letter, open_end or not letter.endswith(b"\r\n")
    c.ours, c.highest, c.oldest, c.why = tram_verdict(tram, letter)
    report["words"][f"{c.ours} ({c.highest} sets)"] += 1
    for who, (word, detail) in (("python3-dkim", py.verify_arc(letter)), ("Mail::DKIM", perl_verdict(perl, letter))):
        if word == c.ours:
            report["agreed"][who] += 1
            continue
        for whom, name, test in REASONS:
            if who in whom and test(c):
                report["explained"][f"{who}: {name}"] += 1
                break
        else:
            report["unexplained"].append((who, word, detail, c))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cases", type=int, default=1000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int)
    p.add_argument("--driver")
    o = p.parse_args()
    tram = peers.Tram(o.driver or A.build_driver())
    everyone = (tram, peers.MailDkim(), peers.Dkimpy())
    report = {"words": collections.Counter(), "agreed": collections.Counter(), "explained": collections.Counter(),
              "unexplained": []}
    with tempfile.TemporaryDirectory() as folder:
        hops = Hops(tram, everyone[1], folder)
        for n in [o.only] if o.only is not None else range(o.cases):
            run_case(n, A.Maker(f"arc/{o.seed}/{n}"), hops, everyone, report)
    print("verdicts of Tram:", dict(sorted(report["words"].items())))
    for k, n in sorted(report["agreed"].items()):
        print(f"{n:6} agreements with {k}")
    for k, n in sorted(report["explained"].items()):
        print(f"{n:6} {k}")
    for who, word, detail, c in report["unexplained"][:30]:
        print(f"UNEXPLAINED case {c.n} {c.story}: Tram says {c.ours} ({c.why}), {who} says {word} ({detail[:300]})")
        if o.only is not None:
            print(c.letter.decode(errors="replace"))
    print(f"{len(report['unexplained'])} unexplained")
    ok = tram.close() == 0
    everyone[1].close()
    return 0 if ok and not report["unexplained"] else 1


if __name__ == "__main__":
    sys.exit(main())
