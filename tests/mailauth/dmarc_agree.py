#!/usr/bin/python3
"""Do Tram and Debian's OpenDMARC (libopendmarc) reach the same DMARC verdicts?

    tests/mailauth/dmarc_agree.py [--cases N] [--seed S] [--show] [--only N]

Generates from a seed domains with policy records, what SPF and DKIM proved, and an author domain.
Both discover the policy themselves: Tram from a zone, libopendmarc by asking a DNS server on
loopback that serves the same. Tram finds the organisational domain by the tree walk (RFC 9989
4.10), libopendmarc by a public suffix list (RFC 7489 3.2): the list handed to it names the
suffixes of the generated domains. Compared are the verdict, the policy published for a failure,
and the alignment of SPF and of DKIM. Where they differ, the named mends below must
bring libopendmarc to Tram's result, each of which cites the text; anything else is printed, and the
exit status is 1.

Needs the Debian packages libopendmarc2 and python3-dnspython."""
import argparse
import collections
import copy
import ctypes
import itertools
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset

sys.path.insert(0, str(Path(__file__).resolve().parent))
from dkim_agree import HERE, LIBS, ROOT  # noqa: E402

# ---- a DNS that both see ----


class Dns:
    """TXT records by name, served over UDP on loopback and as a master file."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.txt, self.fails = {}, set()
        threading.Thread(target=self.serve, daemon=True).start()

    def use(self, case):
        self.txt, self.fails = case.txt, case.fails

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(4096)
            message = dns.message.from_wire(question)
            name = message.question[0].name.to_text().rstrip(".").lower()
            reply = dns.message.make_response(message)
            if name in self.fails:
                reply.set_rcode(dns.rcode.SERVFAIL)
            elif name in self.txt:
                for text in self.txt[name]:  # one by one: records of a set are sent in random order
                    reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "TXT", quoted(text)))
            else:
                reply.set_rcode(dns.rcode.NXDOMAIN)
            self.socket.sendto(reply.to_wire(), client)


def quoted(text):
    return " ".join('"' + text[i:i + 255].replace("\\", "\\\\").replace('"', '\\"') + '"' for i in range(0, len(text), 255)) or '""'


# ---- cases ----

POLICIES = ["none", "quarantine", "reject"]


class Case:
    """Domains under a public suffix of the case's own: <org>.s<n>.test"""

    def __init__(self, seed, n):
        r = self.r = random.Random(f"dmarc/{seed}/{n}")
        self.n, self.txt, self.fails, self.missing = n, {}, set(), set()
        self.suffix = f"s{n}.test"
        self.org = f"org.{self.suffix}"
        below = [self.org, f"a.{self.org}", f"b.a.{self.org}", f"mail.{self.org}", f"c.b.a.{self.org}",
                 f"9.8.7.6.5.4.3.{self.org}"]
        self.author = r.choice(below[:1] * 4 + below[1:2] * 3 + below)
        self.publish(below)
        others = below * 3 + [f"other.{self.suffix}", f"x.other.{self.suffix}", self.suffix, f"xorg.{self.suffix}",
                              f"org.s{n}.test.example", "elsewhere.example"]
        self.spf = (r.choice(["pass"] * 5 + ["fail", "none", "none", "temperror"]), self.spelled(r.choice(others)))
        self.dkim = [(r.choice(["pass"] * 5 + ["fail", "fail", "temperror"]), self.spelled(r.choice(others)))
                     for _ in range(r.choice([0, 0, 1, 1, 2, 3]))]
        if r.random() < 0.3:
            self.missing.add(self.author)
        if r.random() < 0.15:
            self.author = self.spelled(self.author, 1)

    def spelled(self, domain, chance=0.1):
        """Domains are compared without regard to case."""
        return self.r.choice([domain.upper(), domain.title()]) if self.r.random() < chance else domain

    def publish(self, below):
        r = self.r
        if r.random() < 0.9:
            self.put(self.org)
        for domain in below[1:]:
            if r.random() < 0.12:
                self.put(domain)
        if r.random() < 0.03:
            self.put(self.suffix)
        if r.random() < 0.02:
            self.fails.add("_dmarc." + r.choice([self.org, self.author]))

    def put(self, domain):
        r, how = self.r, self.r.random()
        records = [record(r)]
        if how < 0.04:
            records.append(record(r))
        elif how < 0.08:
            records.insert(r.choice([0, 1]), r.choice(["v=spf1 -all", "hello", "google-site-verification=abc"]))
        self.txt["_dmarc." + domain] = records

    def zone(self):
        lines = [f";! servfail {name}" for name in sorted(self.fails)]
        lines += [f"{name}. TXT {quoted(text)}" for name, texts in self.txt.items() for text in texts]
        names = {d.lower() for d in [self.author, *(d for _, d in [self.spf, *self.dkim])]} - self.missing
        return "\n".join(lines + [f"{d}. A 192.0.2.1" for d in sorted(names)]) + "\n"

    def line(self):
        return "check %s\t%s\t%s\n" % (self.author, ":".join(self.spf), ",".join(map(":".join, self.dkim)))

    # what the reasons ask about

    def record_at(self, domain):
        """The only one, else None."""
        texts = [t for t in self.txt.get("_dmarc." + domain.lower(), []) if is_dmarc(t)]
        return texts[0] if len(texts) == 1 else None

    def walk(self, domain):
        """The organisational domain by RFC 9989 4.10.2, written down once more."""
        domain = domain.lower()
        labels, found = domain.split("."), domain
        names = [labels] + [labels[i:] for i in range(max(1, len(labels) - 7), len(labels))]
        for i, name in enumerate(names):
            text = self.record_at(".".join(name))
            if text is None:
                continue
            psd = tag(text, "psd")
            if psd == "n" or psd == "y" and i == 0:
                return ".".join(name)
            if psd == "y":
                return ".".join(labels[-len(name) - 1:])
            found = ".".join(name)
        return found


def record(r):
    tags = []
    if r.random() < 0.35:
        tags.append("sp=" + r.choice(POLICIES))
    for name, values in (("adkim", "rs"), ("aspf", "rs")):
        if r.random() < 0.4:
            tags.append(f"{name}={r.choice(values)}")
    for text, chance in (("pct=%d" % r.choice([0, 5, 50, 100]), 0.2), ("rua=mailto:dmarc@example.com", 0.4), ("ri=3600", 0.1),
                         ("rua=mailto:a@example.com!10m,mailto:b@example.net", 0.1), ("ruf=mailto:f@example.com", 0.2),
                         ("fo=" + r.choice(["0", "1", "d", "s", "1:d:s"]), 0.2), ("rf=afrf", 0.1), ("x-new=some thing", 0.1),
                         ("np=" + r.choice(POLICIES), 0.12), ("t=" + r.choice("yn"), 0.08), ("psd=" + r.choice("yn"), 0.05)):
        if r.random() < chance:
            tags.append(text)
    r.shuffle(tags)
    p = "p=" + r.choice(POLICIES)
    odd = r.random()
    if odd < 0.02:
        p = r.choice(["p=rej", "p=", "p=block", "p=none reject"])
    elif odd < 0.04:
        tags.append(r.choice(["sp=block", "adkim=x", "aspf=strict", "pct=500", "pct=x", "ri=soon", "fo=7", "fo=0:1", "rf=xml", "rua=", "junk", "=x"]))
    elif odd < 0.06:
        tags.append(r.choice(["p=none", "sp=none", "adkim=s", "aspf=s", "p=reject"]))
    at = 0 if r.random() < 0.8 else r.randint(0, len(tags))
    if r.random() > 0.02:
        tags.insert(at, p)
    version = r.choice(["v=DMARC1"] * 60 + ["v=DMARC2", "v=dmarc1", "V=DMARC1", " v=DMARC1", "v = DMARC1", "v=DMARC1 ", "v=DMARC10"])
    if r.random() < 0.03:
        return (";".join(tags + [version]))
    glue = r.choice(["; ", "; ", ";", " ; ", ";  ", ";\t"])
    text = glue.join([version] + tags) + r.choice(["", "", ";", "; "])
    if r.random() < 0.05:
        text = re.sub(r"(\b(?:p|sp|adkim|aspf))=(\w+)", lambda m: m.group(1) + r.choice([" = ", "= ", "="]) + r.choice([m.group(2).upper(), m.group(2)]), text)
    return text


def is_dmarc(text):
    return re.match(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)", text) is not None


def specs(text):
    return [(n.strip().lower(), v.strip()) for n, eq, v in (s.partition("=") for s in text.split(";")) if eq]


def tag(text, name):
    values = [v for n, v in specs(text) if n == name]
    return values[0].lower() if values else None


# ---- OpenDMARC ----


class Address(ctypes.Structure):
    _fields_ = [("family", ctypes.c_short), ("port", ctypes.c_uint16), ("address", ctypes.c_uint8 * 4), ("zero", ctypes.c_uint8 * 8)]


class Settings(ctypes.Structure):
    _fields_ = [("tld_type", ctypes.c_int), ("tld_file", ctypes.c_char * 4096), ("servers", ctypes.c_int), ("server", Address * 3)]


class OpenDmarc:
    MOZILLA = 1
    OKAY, NO_RECORD, NXDOMAIN, TEMPORARY = 0, 9, 10, 11
    VERDICTS = {14: "absent", 15: "pass", 16: "reject", 17: "quarantine", 18: "none"}
    SPF = {"none": 0, "pass": 1, "fail": 2, "temperror": 3}
    ALIGNED = 4

    def __init__(self, folder, suffixes):
        self.world, path = Dns(), Path(folder) / "suffixes.dat"
        path.write_text("\n".join(suffixes) + "\n")
        L = self.lib = ctypes.CDLL("libopendmarc.so.2")
        p, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        L.opendmarc_policy_connect_init.restype = p
        L.opendmarc_policy_connect_init.argtypes = [text, number]
        L.opendmarc_policy_store_from_domain.argtypes = L.opendmarc_policy_query_dmarc.argtypes = [p, text]
        L.opendmarc_policy_store_spf.argtypes = [p, text, number, number, text]
        L.opendmarc_policy_store_dkim.argtypes = [p, text, text, number, text]
        L.opendmarc_policy_fetch_alignment.argtypes = [p, ctypes.POINTER(number), ctypes.POINTER(number)]
        L.opendmarc_policy_connect_shutdown.argtypes = L.opendmarc_get_policy_to_enforce.argtypes = [p]
        self.settings = Settings(tld_type=self.MOZILLA, tld_file=str(path).encode(), servers=1)
        self.settings.server[0] = Address(socket.AF_INET, socket.htons(self.world.port), (ctypes.c_uint8 * 4)(127, 0, 0, 1))
        if L.opendmarc_policy_library_init(ctypes.byref(self.settings)) != self.OKAY:
            sys.exit("libopendmarc does not start")

    def check(self, case):
        """(verdict, policy, spf aligned, dkim aligned, detail)"""
        L = self.lib
        self.world.use(case)
        c = L.opendmarc_policy_connect_init(b"192.0.2.1", 4)
        try:
            L.opendmarc_policy_store_from_domain(c, case.author.encode())
            word, domain = case.spf
            L.opendmarc_policy_store_spf(c, domain.encode(), self.SPF[word], 1, None)
            for word, domain in case.dkim:
                L.opendmarc_policy_store_dkim(c, domain.encode(), b"s", self.SPF[word], None)
            status = L.opendmarc_policy_query_dmarc(c, case.author.encode())
            if status in (self.NO_RECORD, self.NXDOMAIN):
                return "none", "-", False, False, f"status {status}"
            if status == self.TEMPORARY:
                return "temperror", "-", False, False, "the DNS failed"
            if status != self.OKAY:
                return "permerror", "-", False, False, f"status {status}"
            verdict = self.VERDICTS[L.opendmarc_get_policy_to_enforce(c)]
            dkim, spf = ctypes.c_int(), ctypes.c_int()
            L.opendmarc_policy_fetch_alignment(c, ctypes.byref(dkim), ctypes.byref(spf))
            aligned = spf.value == self.ALIGNED, dkim.value == self.ALIGNED
            if verdict == "pass":
                return "pass", "-", *aligned, ""
            return "fail", verdict, *aligned, ""
        finally:
            L.opendmarc_policy_connect_shutdown(c)


# ---- Tram ----

FLAGS = ["-lssl", "-lcrypto", "-lpthread", "-lunbound", "-lidn2", "-lunistring", "-lexpat", "-lz"]


def build_batch():
    out = ROOT / "build" / "agree"
    libs = [f"build/agree/lib/lib{f}.a" for f in LIBS]
    subprocess.run(["make", "-s", "B=build/agree", *libs], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-Isrc", "-o", str(out / "dmarc_batch"), str(HERE / "dmarc_batch.c"),
                    "-Wl,--start-group", *libs, "-Wl,--end-group", *FLAGS], cwd=ROOT, check=True)
    return str(out / "dmarc_batch")


def ask_tram(program, cases):
    feed = []
    for c in cases:
        zone = c.zone().encode()
        feed.append(b"zone %d\n" % len(zone) + zone + c.line().encode())
    out = subprocess.run([program], input=b"".join(feed), stdout=subprocess.PIPE, check=True).stdout.decode()
    return [line.split("\t") for line in out.splitlines()]


def outcome(fields):
    """Tram's line in the same terms as OpenDmarc.check()."""
    code, policy, which, at, org, spf, dkim, why = fields
    if code in ("pass", "fail"):
        return code, policy if code == "fail" else "-", spf == "1", dkim == "1", why
    return code, "-", False, False, why


# ---- why the two may differ ----
#
# Each entry mends one thing of what libopendmarc is told (as the sentence says). A disagreement is
# explained by the entries with which it comes to Tram's result; the fewest are looked for.

MENDS = {
    "others": "other TXT records beside it are discarded (RFC 9989 4.10, RFC 7489 6.6.3); it gives up at the first",
    "several": "several DMARC records at a name are none (RFC 9989 4.10, RFC 7489 6.6.3); it takes the first",
    "version": "v= comes first, exact in case, and blanks may stand around \"=\" (RFC 9989 4.8); it asks only that "
               "\"v=DMARC\" be in the text, and takes any case",
    "values": "a wrong value takes the default, a repeated tag counts once, a record with rua but without usable p is p=none "
              "(RFC 9989 4.7, 4.8, 4.10.1); it ends with an error, takes the last, or takes the start of a word for it",
    "np": "np= is for domains that do not exist (RFC 9989 4.7); RFC 7489 has no such tag",
    "psd": "psd=y marks a public suffix, whose record applies to what has none (RFC 9989 4.7, 4.10.2); RFC 7489 has no such tag",
    "case": "domain names are compared without regard to case (RFC 4343); it misses its list's suffixes in upper case",
    "strict": "under adkim=s or aspf=s the two names must be the same (RFC 9989 4.4, RFC 7489 3.1); version 1.4.2 applies relaxed "
              "alignment there too",
    "above": "a public suffix is in no organisation below it (RFC 9989 4.10.2, RFC 7489 3.2); it takes every name above the author's "
             "as aligned",
    "list": "the tree walk finds another organisational domain than the list: where records stand decides (RFC 9989 4.10)",
    "signatures": "one aligned signature is enough (RFC 9989 4.4.1, RFC 7489 3.1.1); it keeps one signature of several, not always "
                  "the aligned one",
    "later": "what would align but could not be checked now is no failure yet (RFC 9989 4.10.1, 5.4, RFC 7489 6.6.2); it is one there",
    "asked": "the tree walk asks above the author domain as well, and an error there leaves alignment unknown (RFC 9989 4.10.1)",
}


STRANGER = "stranger.example"


class Seen:
    """A case as libopendmarc is told of it."""

    def __init__(self, case, mends=()):
        self.case, self.author, self.spf, self.dkim = case, case.author, case.spf, case.dkim
        self.txt, self.fails, self.mends = dict(case.txt), case.fails, mends
        for m in ("others", "several", "version", "values", "np", "psd", "case", "above", "strict", "list"):
            if m in mends:
                getattr(self, "mend_" + m)()

    def each(self, change):
        self.txt = {name: texts for name, texts in ((n, change(t)) for n, t in self.txt.items()) if texts}

    def mend_others(self):
        self.each(lambda texts: [t for t in texts if "DMARC" in t.upper()])

    def mend_several(self):
        self.each(lambda texts: texts if sum(map(is_dmarc, texts)) < 2 else [])

    def mend_version(self):
        self.each(lambda texts: ["v=DMARC1;" + t.partition(";")[2] for t in texts if is_dmarc(t)])

    def mend_values(self):
        self.each(lambda texts: [plain(t) for t in texts])

    def mend_np(self):
        if self.author.lower() in self.case.missing:
            self.each(lambda texts: [f"{t}; sp={tag(t, 'np')}" if tag(t, "np") in POLICIES else t for t in texts])

    def mend_psd(self):
        """The record of the suffix serves the organisational domain that has none."""
        org = self.case.walk(self.author)
        above = org.partition(".")[2]
        text, at = self.case.record_at(above) or "", "_dmarc." + org
        if tag(text, "psd") == "y" and at not in self.txt:
            t = self.txt.get("_dmarc." + above, [text])[0]
            self.txt[at] = [f"{t}; p={tag(t, 'sp') or tag(t, 'p')}"]

    def mend_case(self):
        self.author, self.spf = self.author.lower(), (self.spf[0], self.spf[1].lower())
        self.dkim = [(word, domain.lower()) for word, domain in self.dkim]

    def swap(self, spf, dkim):
        """An identifier for which the test holds is one of a stranger."""
        word, domain = self.spf
        self.spf = word, STRANGER if spf(domain.lower()) else domain
        self.dkim = [(word, STRANGER if dkim(domain.lower()) else domain) for word, domain in self.dkim]

    def mend_above(self):
        def above(domain):
            return domain == self.case.suffix and self.case.walk(domain) != self.case.walk(self.author)
        self.swap(above, above)

    def mend_strict(self):
        author = self.author.lower()
        found = [t for d in (author, self.case.walk(author)) for t in self.txt.get("_dmarc." + d, [])]
        text = found[0] if found else ""
        self.swap(lambda d: tag(text, "aspf") == "s" and d != author, lambda d: tag(text, "adkim") == "s" and d != author)

    def mend_list(self):
        """Each organisational domain of the tree walk becomes a name right below a suffix."""
        orgs = {}

        def renamed(domain):
            org = self.case.walk(domain)
            new = orgs.setdefault(org, f"organisation{len(orgs)}.test")
            return domain[:len(domain) - len(org)] + new
        author, org = self.author.lower(), self.case.walk(self.author)
        self.author = renamed(self.author)
        at = {"_dmarc." + self.author.lower(): "_dmarc." + author, "_dmarc." + orgs[org]: "_dmarc." + org}
        self.fails = {new for new, old in at.items() if old in self.fails}
        self.txt = {new: self.txt[old] for new, old in at.items() if old in self.txt}
        self.spf = self.spf[0], renamed(self.spf[1])
        self.dkim = [(word, renamed(domain)) for word, domain in self.dkim]

    def alone(self, spf, dkim):
        one = copy.copy(self)
        one.spf, one.dkim = spf, dkim
        return one


def plain(text):
    """The same record with the defaults in place of what is wrong."""
    out, seen = ["v=DMARC1"], {}
    for name, value in specs(text):
        seen.setdefault(name, value.lower())
    bad = seen.get("p") not in POLICIES or any(seen[n] not in POLICIES for n in ("sp", "np") if n in seen)
    if bad and "@" in seen.get("rua", ""):
        seen = {**seen, "p": "none", "sp": "none", "np": "none"}
    elif bad:
        return "v=DMARC1"
    for name in ("p", "sp", "np"):
        if name in seen:
            out.append(f"{name}={seen[name]}")
    for name in ("adkim", "aspf"):
        if seen.get(name) in ("r", "s"):
            out.append(f"{name}={seen[name]}")
    if seen.get("psd") in ("y", "n"):
        out.append("psd=" + seen["psd"])
    return "; ".join(out)


def ask_mended(peer, case, mends):
    seen = Seen(case, mends)
    if "asked" in mends and any("_dmarc." + d in case.fails for d in parents(case.author)):
        return ("temperror", "-", False, False, "")
    answer = ask_each(peer, seen) if "signatures" in mends else peer.check(seen)
    if "later" in mends and answer[0] == "fail":
        hopeful = seen.alone(("pass" if seen.spf[0] == "temperror" else seen.spf[0], seen.spf[1]),
                             [("pass" if w == "temperror" else w, d) for w, d in seen.dkim])
        if (ask_each(peer, hopeful) if "signatures" in mends else peer.check(hopeful))[0] == "pass":
            return ("temperror", "-", False, False, "")
    return answer


def ask_each(peer, seen):
    """Once for each signature."""
    answers = [peer.check(seen.alone(seen.spf, [one])) for one in seen.dkim] or [peer.check(seen)]
    aligned = any(a[2] for a in answers), any(a[3] for a in answers)
    if any(a[0] == "pass" for a in answers):
        return ("pass", "-", *aligned, "")
    return answers[0]


def parents(domain):
    labels = domain.lower().split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


def explain(peer, case):
    """One mend, or two, or else all but those that can be done without."""
    def enough(mends):
        return ask_mended(peer, case, mends)[:4] == case.ours[:4]

    for few in [*itertools.combinations(MENDS, 1), *itertools.combinations(MENDS, 2)]:
        if enough(few):
            return few
    for mends in (tuple(MENDS), tuple(m for m in MENDS if m != "asked")):
        if enough(mends):
            for m in mends:
                fewer = tuple(x for x in mends if x != m)
                mends = fewer if enough(fewer) else mends
            return mends
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cases", type=int, default=2000)
    p.add_argument("--seed", type=int, default=9989)
    p.add_argument("--only", type=int)
    p.add_argument("--show", action="store_true", help="print the explained ones too")
    o = p.parse_args()
    cases = [Case(o.seed, n) for n in ([o.only] if o.only is not None else range(o.cases))]
    answers = ask_tram(build_batch(), cases)
    if len(answers) != len(cases):
        sys.exit(f"{len(answers)} answers for {len(cases)} cases")
    with tempfile.TemporaryDirectory() as folder:
        return compare(cases, answers, OpenDmarc(folder, ["test", "example", *(c.suffix for c in cases)]), o.show)


def compare(cases, answers, peer, show):
    verdicts, explained, agreed, unexplained = collections.Counter(), collections.Counter(), 0, 0
    for case, fields in zip(cases, answers):
        case.ours, case.theirs = outcome(fields), peer.check(Seen(case))
        verdicts[case.ours[0] + ("" if case.ours[0] != "fail" else " " + case.ours[1])] += 1
        if case.ours[:4] == case.theirs[:4]:
            agreed += 1
            continue
        why = explain(peer, case)
        explained["+".join(why or ())] += why is not None
        unexplained += why is None
        if why is None or show:
            print(f"{'UNEXPLAINED ' if why is None else ''}case {case.n}: {case.line()[6:-1]}\n  Tram {case.ours}\n  opendmarc {case.theirs}")
            print("  " + (f"because of {why}" if why else case.zone().replace("\n", "\n  ")))
    print("verdicts of Tram:", dict(verdicts.most_common()))
    print(f"{agreed} agree, {sum(explained.values())} differ with an explanation, {unexplained} without")
    for why, n in explained.most_common():
        if n:
            print(f"{n:6}  {why}")
    for name, sentence in MENDS.items():
        if any(name in why.split("+") for why, n in explained.items() if n):
            print(f"{name}: {sentence}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
