#!/usr/bin/python3
"""Tram's DKIM against python3-dkim, Mail::DKIM and libopendkim, over letters made from a seed.

    dkim_agree.py [--cases N] [--seed S] [--driver PROGRAM] [--verbose]

Each case is a letter, signed by one or more of the four, and often changed afterwards. All verify
it; where somebody differs from Tram, the case must fall under one of the named reasons below,
each of which cites the RFC. Anything else is printed, and the exit status is 1.
Without --driver the driver is built from this tree (build/agree)."""
import argparse
import base64
import collections
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import dkim  # noqa: E402
import dkim_keys as K  # noqa: E402
import peers  # noqa: E402

LIBS = ["mailauth", "dns", "crypto", "mail", "rt", "base"]


def build_driver():
    out = ROOT / "build" / "agree"
    libs = [f"build/agree/lib/lib{f}.a" for f in LIBS]
    subprocess.run(["make", "-s", "B=build/agree", *libs], cwd=ROOT, check=True)
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-Isrc", "-o", str(out / "driver"), str(HERE / "driver.c"),
                    "-Wl,--start-group", *libs, "-Wl,--end-group",
                    "-lssl", "-lcrypto", "-lpthread", "-lunbound", "-lidn2", "-lunistring"], cwd=ROOT, check=True)
    return str(out / "driver")


# ---- letters ----

WORDS = "the quick brown fox jumps over a lazy dog and déjà vu = ; : , \" ' < > ( ) [ ] \\ / | ~ . -- === >>> From".split()


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def chance(self, p):
        return self.r.random() < p

    def text(self, words):
        out = ""
        for _ in range(words):
            out += self.r.choice(WORDS) + self.r.choice([" "] * 8 + ["  ", "\t", " \t ", ""])
        return out

    def value(self):
        """A field body with odd blanks and folds."""
        v = self.r.choice(["", " ", " ", " ", "  ", "\t"]) + self.text(self.r.randint(0, 12))
        if self.chance(0.3):
            v += self.r.choice([" ", "\t", "  \t"])
        if self.chance(0.3):
            words = v.split(" ")
            at = self.r.randint(0, len(words))
            v = " ".join(words[:at]) + self.r.choice(["\r\n ", "\r\n\t", "\r\n  ", " \r\n "]) + " ".join(words[at:]) + "x"
        return v.encode()

    def name(self, name):
        how = self.r.random()
        if how < 0.1:
            name = name.upper()
        elif how < 0.2:
            name = name.lower()
        return name.encode()

    def fields(self):
        out = [(b"From", b" Joe <joe@example.com>")]
        for n in ("To", "Subject", "Date", "Message-ID", "Cc", "Reply-To", "MIME-Version", "Content-Type", "References"):
            if self.chance(0.6):
                out.append((self.name(n), self.value()))
        for _ in range(self.r.randint(0, 3)):
            out.append((self.name("Received"), self.value()))
        for _ in range(self.r.randint(0, 2)):
            out.append((self.name(self.r.choice(["X-Test", "X-Mailer", "List-Id", "Comments", "Keywords"])), self.value()))
        self.r.shuffle(out)
        return out

    def line(self):
        how = self.r.random()
        if how < 0.2:
            return b""
        if how < 0.3:
            return self.r.choice([b" ", b"\t", b"  \t ", b".", b"..", b"-- "])
        line = self.text(self.r.randint(1, 10)).encode()
        return line.strip() if self.chance(0.5) else line

    def body(self):
        how = self.r.random()
        if how < 0.05:
            return b""
        if how < 0.1:
            return b"\r\n" * self.r.randint(1, 4)
        lines = [self.line() for _ in range(self.r.randint(1, 12))]
        body = b"\r\n".join(lines)
        if self.chance(0.9):
            body += b"\r\n"
        if self.chance(0.3):
            body += b"\r\n" * self.r.randint(1, 3)
        if how > 0.97:
            body += b"0123456789" * 3000 + b"\r\n"
        return body

    def letter(self):
        return b"".join(n + b":" + v + b"\r\n" for n, v in self.fields()) + b"\r\n" + self.body()


# ---- signing ----

class Signers:
    def __init__(self, tram, perl, opendkim, folder):
        self.tram, self.perl, self.opendkim = tram, perl, opendkim
        self.keyfile = Path(folder) / "k.pem"
        self.keyfile.write_text(K.RSA_2048)

    def by_tram(self, m, letter):
        key, selector = m.r.choice([(0, "k"), (0, "k"), (1, "old"), (2, "e"), (2, "e"), (0, "t")])
        canon = [m.r.choice(["simple", "relaxed"]) for _ in range(2)]
        who = m.r.choice(["-", "-", "joe@example.com", "@news.example.com", "a=b|c@example.com"])
        return self.tram.ask(f"sign {key} example.com {selector} {canon[0]} {canon[1]} {who}", letter)

    def by_dkimpy(self, m, letter):
        canon = tuple(m.r.choice([b"simple", b"relaxed"]) for _ in range(2))
        ed = m.chance(0.3)
        names = [n for n, _ in dkim.rfc822_parse(letter)[0]]
        unwanted = [b"received", b"comments", b"keywords", b"return-path", b"dkim-signature"]
        include = [n for n in names if m.chance(0.7) and n.lower() not in unwanted] + [b"from"]
        if m.chance(0.3):
            include += [b"from", b"subject", b"x-not-there"]
        return dkim.sign(letter, b"e" if ed else b"k", b"example.com",
                         (K.ED25519_SEED if ed else K.RSA_2048).encode(), canonicalize=canon,
                         signature_algorithm=b"ed25519-sha256" if ed else b"rsa-sha256",
                         include_headers=include, length=m.chance(0.15))

    def by_opendkim(self, m, letter):
        hc, bc = (m.r.choice(["simple", "relaxed"]) for _ in range(2))
        pem, selector, alg = m.r.choice([(K.RSA_2048, "k", 1), (K.RSA_1024, "old", 1), (K.ED25519, "e", 2)])
        return self.opendkim.sign(letter, pem, "example.com", selector, hc, bc, alg)

    def by_perl(self, m, letter):
        method = m.r.choice(["simple", "relaxed"]) + "/" + m.r.choice(["simple", "relaxed"])
        return self.perl.ask(f"sign {self.keyfile} example.com k {method}", letter)

    def by_tags(self, m, letter):
        """Tag lists that no signer writes: order, folding, odd but legal values, and illegal ones."""
        key, alg, selector = m.r.choice([(0, "rsa-sha256", "k"), (2, "ed25519-sha256", "e"), (0, "rsa-sha256", s := "bare"),
                                         (0, "rsa-sha256", m.r.choice(["gone", "web", "sha1", "bad", "v2", "blank", "none", "strict", "t"]))])
        names = [n.decode().lower() for n, _ in dkim.rfc822_parse(letter)[0] if m.chance(0.6)]
        sep = m.r.choice([":", " : ", ":\r\n ", " :"])
        m.r.shuffle(names)
        tags = ["v=1", f"a={alg}", f"d={m.r.choice(['example.com'] * 6 + ['EXAMPLE.com'])}", f"s={selector}",
                "bh=@", "h=" + sep.join(["from"] + names)]
        if m.chance(0.7):
            tags.append("c=" + m.r.choice(["simple", "relaxed", "relaxed/relaxed", "simple/relaxed", "relaxed/simple"]))
        for odd in ("t=1700000000", "q=dns/txt", "i=@example.com", "i=x@sub.example.com", "zz=some text", "z=From:a|Subject:b=20c",
                    "x=1900000000"):
            if m.chance(0.15) and not any(t.split("=")[0] == odd.split("=")[0] for t in tags):
                tags.append(odd)
        if m.chance(0.12):
            tags.append(f"l={m.r.choice([0, 1, 10, 50, 100000])}")
        if m.chance(0.12):
            m.r.choice([tags.append, lambda t: tags.insert(0, t)])(m.r.choice(
                ["v=1", "zz", "=x", "i=joe@example.org", "i=joe@xexample.com", "t=abc", "x=1", "l=x", "q=http/1", "t=1900000000"]))
        if m.chance(0.05):
            tags.pop(m.r.randrange(len(tags)))
        if m.chance(0.4):
            tags.append(m.r.choice(["b=@", "b=@", "b=@\r\n ", " b=@"]))
        if m.chance(0.5):
            m.r.shuffle(tags)
        glue = m.r.choice(["; ", ";", ";\r\n\t", " ; ", ";\r\n  "])
        text = glue.join(tags).encode()
        return self.tram.ask(f"tags {key} {len(text)}", text + letter)

    def sign(self, m, letter):
        how = m.r.choice([self.by_tram, self.by_tram, self.by_dkimpy, self.by_opendkim, self.by_perl, self.by_tags, self.by_tags])
        field = how(m, letter)
        return (how.__name__[3:], field) if field else (None, b"")


# ---- changes on the road ----

def split(letter):
    head, _sep, body = letter.partition(b"\r\n\r\n")
    return peers.cut(letter)[0], body


def join(fields, body):
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def change(m, letter):
    """(what, letter)"""
    fields, body = split(letter)
    i = m.r.randrange(len(fields))
    what = m.r.choice(CHANGES)
    if what == "case" and b":" in fields[i]:
        name, rest = fields[i].split(b":", 1)
        fields[i] = name.swapcase() + b":" + rest
    elif what == "blank" and b" " in fields[i]:
        at = m.r.choice([x.start() for x in re.finditer(b" ", fields[i])])
        fields[i] = fields[i][:at] + m.r.choice([b"  ", b"\t", b"\r\n ", b" \r\n\t"]) + fields[i][at + 1:]
    elif what == "end blank":
        fields[i] += m.r.choice([b" ", b"\t ", b"\r\n "])
        if fields[i].endswith(b"\r\n "):
            fields[i] += b"."
    elif what == "colon" and b":" in fields[i]:
        name, rest = fields[i].split(b":", 1)
        fields[i] = name + m.r.choice([b" :", b":  ", b"\t: "]) + rest.lstrip(b" ")
    elif what == "add":
        name = m.r.choice([b"X-New", b"Received", b"Subject", b"To", b"From", b"X-Test", b"DKIM-Filter"])
        fields.insert(m.r.choice([0, len(fields)]), name + b": added")
    elif what == "remove":
        fields.pop(i)
    elif what == "order":
        k = m.r.randrange(len(fields))
        fields[i], fields[k] = fields[k], fields[i]
    elif what == "letter":
        at = m.r.randrange(len(fields[i]))
        c = fields[i][at:at + 1]
        if c.isalnum() and c != b"=":
            fields[i] = fields[i][:at] + bytes([c[0] ^ 1]) + fields[i][at + 1:]
    elif what == "twice":
        fields.insert(0, fields[0])
    elif what == "body blank" and b" " in body:
        at = m.r.choice([x.start() for x in re.finditer(b" ", body)])
        body = body[:at] + m.r.choice([b"  ", b"\t", b""]) + body[at + 1:]
    elif what == "body line blank" and b"\r\n" in body:
        at = m.r.choice([x.start() for x in re.finditer(b"\r\n", body)])
        body = body[:at] + m.r.choice([b" ", b"\t", b" \t"]) + body[at:]
    elif what == "body end":
        body = m.r.choice([body.rstrip(b"\r\n"), body + b"\r\n", body + b"\r\n\r\n", body + b" \r\n", body + b"-- footer\r\n"])
    elif what == "body letter" and body:
        at = m.r.randrange(len(body))
        if body[at:at + 1].isalnum():
            body = body[:at] + b"Z" + body[at + 1:]
    else:
        return "none", letter
    return what, join(fields, body) if fields else letter


CHANGES = ["case", "blank", "end blank", "colon", "add", "remove", "order", "letter", "twice", "body blank",
           "body line blank", "body end", "body letter"]


# ---- why somebody may differ ----

def sig_fields(letter):
    return [f for f in peers.cut(letter)[0] if f.split(b":")[0].strip().lower() == b"dkim-signature"]


def tags_of(field):
    """Loosely; the last of a name wins."""
    value = re.sub(rb"\r\n(?=[ \t])", b"", field.split(b":", 1)[1])
    out = {}
    for spec in value.split(b";"):
        name, eq, v = spec.partition(b"=")
        if eq:
            out[name.strip().decode(errors="replace")] = v.strip().decode(errors="replace")
    return out


def raw_specs(field):
    return [s for s in field.split(b":", 1)[1].split(b";")]


REASONS = collections.OrderedDict()


def reason(who, name):
    def add(test):
        REASONS[name] = (who, test)
        return test
    return add


@reason("Mail::DKIM", "it has no Ed25519 here (RFC 8463)")
def _(c):
    return c.tags.get("a") == "ed25519-sha256"


@reason("python3-dkim", "an added From is always hashed, though h= does not list it (RFC 6376 3.7; our policy refuses it too)")
def _(c):
    return c.ours and c.count("from") > c.listed("from")


@reason("python3-dkim", "q= with more than one method is refused (3.5)")
def _(c):
    return c.ours and ":" in c.tags.get("q", "")


@reason("python3-dkim opendkim Mail::DKIM", "a body without final CRLF gets one, and its last line loses its blanks "
        "(3.4.3, 3.4.4; RFC 4871 had it otherwise; not possible in SMTP)")
def _(c):
    return c.open_end or not c.letter.endswith(b"\r\n")


@reason("python3-dkim opendkim Mail::DKIM", "blanks before a field's colon (3.4.2: delete them; RFC 5322 4.5) are refused or kept")
def _(c):
    return c.ours and c.blank_colon


@reason("Mail::DKIM", "l=0 is taken as no l= (3.5: default is the entire body)")
def _(c):
    return c.ours and c.tags.get("l") == "0"


@reason("python3-dkim", "blanks between b= and its \";\" are hashed (3.7: deleted with the value)")
def _(c):
    return c.ours and re.search(rb"[;:\s]b=[^;]*\s;", c.field)


@reason("Mail::DKIM", "an empty body under l= is not cut (3.4.3: it is a CRLF; 3.7: then cut)")
def _(c):
    return c.ours and "l" in c.tags and not peers.cut(c.letter)[1].strip(b"\r\n")


@reason("Mail::DKIM", "t= in the future is not looked at (3.5: MAY ignore the signature)")
def _(c):
    return "in the future" in c.why


@reason("Mail::DKIM", "a signature with a broken tag list is left out of the list, so verdicts cannot be told apart")
def _(c):
    return c.detail.startswith("gave")


@reason("opendkim", "it refuses a letter whose From is no address")
def _(c):
    return c.detail.startswith("gave None") and (c.count("from") != 1 or b"From: Joe <joe@example.com>" not in c.letter)


@reason("python3-dkim opendkim Mail::DKIM", "h=DKIM-Signature may pick the very field (3.5, 3.7: it MUST NOT be its own)")
def _(c):
    return c.ours and c.listed("dkim-signature") and c.count("dkim-signature") > 1


@reason("Mail::DKIM opendkim python3-dkim", "a required tag may be missing (3.5, 6.1.1: PERMFAIL)")
def _(c):
    return not c.ours and "is missing" in c.why


@reason("python3-dkim opendkim Mail::DKIM", "what is no tag-spec is passed over, not refused (3.2, 6.1.1)")
def _(c):
    return not c.ours and ("no \"=\"" in c.why or "tag name" in c.why)


@reason("python3-dkim opendkim Mail::DKIM", "a tag that occurs twice does not invalidate the list (3.2)")
def _(c):
    return not c.ours and "occurs twice" in c.why


@reason("python3-dkim opendkim Mail::DKIM", "a value of wrong form is passed over (6.1.1: meticulously validate)")
def _(c):
    return not c.ours and re.search(r"^[a-z]+= (is no|names no)|not later|h= is no list|c=.* is not known", c.why)


@reason("opendkim Mail::DKIM python3-dkim", "l= larger than the body is taken as the whole body (3.5: MUST NOT be larger)")
def _(c):
    return not c.ours and "shorter than the signed" in c.why


@reason("python3-dkim Mail::DKIM opendkim", "the key record is read leniently (3.6.1: v= first and DKIM1, s=, h=, syntax)")
def _(c):
    return not c.ours and re.search(r"the key (is not meant|does not allow)|holds no key|DKIM1", c.why)


@reason("python3-dkim opendkim Mail::DKIM", "t=s of the key is not applied (3.6.1)")
def _(c):
    return not c.ours and "t=s" in c.why


# ---- the comparison ----

class Case:
    def __init__(self, number, story, letter, i, field, ours):
        self.number, self.story, self.letter, self.i, self.field = number, story, letter, i, field
        self.tags = tags_of(field)
        self.ours, self.why = ours[0] == "pass", ours[1]
        self.word = ours[0]
        self.open_end = "open end" in story # signed without final CRLF, then perhaps given one
        self.blank_colon = any(f.split(b":")[0].endswith((b" ", b"\t")) for f in peers.cut(letter)[0])
        self.names = [f.split(b":")[0].strip().lower().decode(errors="replace") for f in peers.cut(letter)[0]]

    def count(self, name):
        return self.names.count(name)

    def listed(self, name):
        return [x.strip().lower() for x in self.tags.get("h", "").split(":")].count(name)


class Report:
    def __init__(self, verbose):
        self.explained, self.unexplained = collections.Counter(), []
        self.agreed, self.words, self.verbose = collections.Counter(), collections.Counter(), verbose
        self.story = collections.Counter()

    def compare(self, case, who, theirs, detail):
        if theirs == case.ours:
            self.agreed[who] += 1
            return
        case.detail = detail
        for name, (whom, test) in REASONS.items():
            if who in whom and test(case):
                self.explained[(who, name)] += 1
                return
        self.unexplained.append((who, theirs, detail, case))

    def show(self):
        print("verdicts of Tram:", dict(self.words))
        print("signed by and changed:", dict(self.story.most_common(60)) if self.verbose else sum(self.story.values()))
        for who, n in sorted(self.agreed.items()):
            print(f"{n:6} agreements with {who}")
        for (who, name), n in sorted(self.explained.items()):
            print(f"{n:6} {who}: {name}")
        for who, theirs, detail, c in self.unexplained[:10 if self.verbose else 40]:
            print(f"\nUNEXPLAINED case {c.number} {c.story} signature {c.i}: Tram says {c.word} ({c.why}), {who} says "
                  f"{'pass' if theirs else 'no pass'} ({detail})\n  {c.field.decode(errors='replace')}")
            if self.verbose:
                print(c.letter[:3000].decode(errors="replace"))
        print(f"{len(self.unexplained)} unexplained")


def run_case(n, m, signers, everyone, report):
    tram, perl, py, od = everyone
    letter, story = m.letter(), []
    open_end = not letter.endswith(b"\r\n")
    for _ in range(1 if m.chance(0.8) else m.r.randint(2, 4)):
        who, field = signers.sign(m, letter)
        letter = field + letter
        story.append(who)
    for _ in range(m.r.choice([0, 0, 1, 1, 1, 2])):
        what, letter = change(m, letter)
        story.append(what)
    report.story[story[0]] += 1
    if open_end:
        story.append("open end")
    fields = sig_fields(letter)[:8]
    ours, strict = tram.verify(letter)[:8], tram.verify(letter, lax=False)[:8]
    if len(ours) != len(fields):
        report.unexplained.append(("count", False, f"{len(ours)} not {len(fields)}", Case(n, story, letter, 0, b"x:", ("", ""))))
        return
    for (a, _), (b, why) in zip(strict, ours):
        if a == "pass" and b != "pass":
            report.unexplained.append(("tram", True, "policy made a pass", Case(n, story, letter, 0, b"x:", (b, why))))
    theirs = {"python3-dkim": py.verify(letter, len(fields)), "Mail::DKIM": perl.verify(letter), "opendkim": od.verify(letter)}
    for i, field in enumerate(fields):
        case = Case(n, story, letter, i, field, ours[i])
        report.words[strict[i][0]] += 1
        for who, verdicts in theirs.items():
            if verdicts is None or len(verdicts) != len(fields):
                verdict = (False, f"gave {None if verdicts is None else len(verdicts)} verdicts for {len(fields)} signatures")
            else:
                verdict = verdicts[i]
            report.compare(case, who, verdict[0], verdict[1])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cases", type=int, default=3000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int)
    p.add_argument("--driver")
    p.add_argument("--verbose", action="store_true")
    o = p.parse_args()
    tram = peers.Tram(o.driver or build_driver())
    everyone = (tram, peers.MailDkim(), peers.Dkimpy(), peers.OpenDkim())
    report = Report(o.verbose)
    with tempfile.TemporaryDirectory() as folder:
        signers = Signers(tram, everyone[1], everyone[3], folder)
        for n in [o.only] if o.only is not None else range(o.cases):
            run_case(n, Maker(f"{o.seed}/{n}"), signers, everyone, report)
    report.show()
    ok = tram.close() == 0
    everyone[1].close()
    return 0 if ok and not report.unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
