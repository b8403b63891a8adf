#!/usr/bin/python3
"""Do Tram and Debian's python3-spf reach the same SPF results?

Generates zones and checks from a seed, asks both, prints each disagreement and
what the RFC says to it (the table EXPLAINED below). Exits with 1 when a
disagreement has no explanation.

    tests/mailauth/spf_agree.py [--seed N] [--cases N] [--build DIR] [--show]

Needs the Debian packages python3-spf and python3-dnspython (or python3-dns).
"""
import argparse
import itertools
import os
import random
import re
import subprocess
import sys
from collections import Counter

import spf

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# ---- a DNS that both sides see ----


class Zone:
    def __init__(self):
        self.records = {}  # (name, type) -> [value]
        self.fails = set()

    def add(self, name, kind, value):
        values = self.records.setdefault((name.lower(), kind), [])
        if value not in values:  # an RRset holds each record once
            values.append(value)

    def text(self):
        lines = [";! servfail %s" % n for n in sorted(self.fails)]
        for (name, kind), values in self.records.items():
            for v in values:
                if kind == "TXT":
                    v = " ".join('"%s"' % quote(v[i:i + 255]) for i in range(0, len(v), 255)) or '""'
                elif kind == "MX":
                    v = "%d %s." % v
                elif kind in ("PTR", "CNAME"):
                    v += "."
                lines.append("%s. %s %s" % (name, kind, v))
        return "\n".join(lines) + "\n"

    def lookup(self, name, qtype, strict=True, timeout=20, level=0):
        """What spf.DNSLookup gives: [((name, type), value)]."""
        name = name.rstrip(".").lower()
        if name in self.fails:
            raise spf.TempError("DNS servfail " + name)
        out, at = [], name
        for v in self.records.get((name, "CNAME"), []):
            if "cname" in Mended.mends:
                at = v
                if v in self.fails:
                    raise spf.TempError("DNS servfail " + v)
            else:
                out.append(((name, "CNAME"), v))
        for v in self.records.get((at, qtype), []):
            out.append(((name, qtype), [v.encode("latin-1")] if qtype == "TXT" else v))
        return out


def quote(s):
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "\\%03d" % ord(c) for c in s)


# ---- generating ----

DOMAINS = ["a.test.example", "b.test.example", "c.test.example", "d.d.test.example", "e.test.example", "f.test.example"]
HOSTS = ["h1.test.example", "h2.test.example", "h3.test.example", "v1.test.example", "v2.test.example", "t1.test.example",
         "al.test.example", "h1.other.example"]
V4 = ["192.0.2.1", "192.0.2.2", "192.0.2.77", "198.51.100.9", "203.0.113.200"]
V6 = ["2001:db8::1", "2001:db8::2", "2001:db8:1::77"]
LOCALS = ["user", "strong-bad", "a+b=c", "x.y_z", "postmaster", "A&B", '"q q"']
LETTERS = "slodipvhSLODIPVH"


def macro(rnd):
    m = "%{" + rnd.choice(LETTERS + "ddii")
    if rnd.random() < 0.5:
        m += rnd.choice(["", "1", "2", "3", "9", "127"])
        m += rnd.choice(["", "r", "R"])
        m += rnd.choice(["", "", "-", "+", ".", "-+", "_=", ",/"])
    return m + "}"


def domain_spec(rnd, targets, wild=True):
    kind = rnd.random() * (1 if wild else 0.96)
    if kind < 0.72:
        return rnd.choice(targets)
    if kind < 0.9:
        return ".".join([macro(rnd) for _ in range(rnd.randint(1, 2))] + [rnd.choice(targets + ["_spf.test.example", "%{d}"])])
    if kind < 0.94:
        return rnd.choice(targets) + "."
    if kind < 0.97:
        return macro(rnd)
    return rnd.choice(["com", "a..test.example", "x." + "l" * 64 + ".example", "%", "%{z}", "%{d0}", "foo.123", "foo.-x", "%%.example",
                       "a%_b.example", "test.example%{d}", "%{c}.example", "192.0.2.1", ".example", "x" * 40 + "." + "%{d}", ""])


def mechanism(rnd, wild):
    q = rnd.choice(["", "", "", "+", "-", "~", "?"])
    kind = rnd.choice(["ip4", "ip4", "ip6", "a", "a", "mx", "include", "include", "exists", "ptr"])
    cidr = rnd.choice(["", "", "", "/24", "/30", "/32", "/0", "//64", "/24//64", "//128"] + wild * ["/33", "//129", "/08", "/"]) \
        if rnd.random() < 0.4 else ""
    if kind == "ip4":
        return q + "ip4:" + rnd.choice(V4) + rnd.choice(["", "", "/24", "/32", "/0", "/8"] + wild * ["/33"])
    if kind == "ip6":
        return q + "ip6:" + rnd.choice(V6 + ["::1", "::ffff:192.0.2.1"]) + rnd.choice(["", "", "/64", "/128", "/0", "/129"])
    if kind in ("a", "mx"):
        arg = ":" + domain_spec(rnd, HOSTS if kind == "a" else DOMAINS, wild) if rnd.random() < 0.7 else ""
        return q + kind + arg + cidr
    if kind == "ptr":
        return q + "ptr" + (":" + domain_spec(rnd, DOMAINS + ["test.example"], wild) if rnd.random() < 0.5 else "")
    if kind == "exists":
        return q + "exists:" + domain_spec(rnd, HOSTS, wild)
    return q + "include:" + domain_spec(rnd, DOMAINS, wild)


def nonsense(rnd):
    return rnd.choice(["foo", "all:x", "a:", "mx:", "ip4:", "ip4:1.2.3", "ip4:1.2.3.04", "ip6:1.2.3.4", "include", "exists", "include:",
                       "-all.", "a/", "redirect:x.example", "-redirect=a.test.example", "=x", "1a=b", "moo=%", "moo=%{q}", "ptr/24",
                       "ip4:192.0.2.1/24/24", "exists:h1.test.example/24", "all/8", "a;b", "ipv4:192.0.2.1", "A\tmx", "caf\u00e9=x",
                       "a:caf\u00e9.example", "ip6:[2001:db8::1]", "+", "a,", "exp=", "redirect="])


def record(rnd, wild):
    terms = [mechanism(rnd, wild) for _ in range(rnd.choice([0, 1, 1, 2, 2, 3, 4, 6]))]
    if rnd.random() < 0.04:
        terms += ["a:h1.test.example"] * rnd.randint(8, 12)
    if wild and rnd.random() < 0.06:
        terms.insert(rnd.randint(0, len(terms)), nonsense(rnd))
    if rnd.random() < 0.15:
        terms.insert(rnd.randint(0, len(terms)), "redirect=" + domain_spec(rnd, DOMAINS, wild))
    if rnd.random() < 0.2:
        terms.insert(rnd.randint(0, len(terms)), "exp=" + rnd.choice(["ex1.test.example", "ex2.test.example", "ex3.test.example", "v1.test.example",
                                                                     "%{l}.test.example"]))
    if rnd.random() < 0.05:
        terms += rnd.choice([["moo=x"], ["moo=x", "moo=y"], ["op=auth"], ["default=fail"], ["moo=%{d}.x"]])
    if rnd.random() < 0.7:
        terms.append(rnd.choice(["-all", "~all", "?all", "+all", "-ALL"]))
    version = rnd.choice(["v=spf1"] * 60 + ["V=SPF1", "v=spf10", "v=spf1\t"])
    return version + "".join(" " * rnd.choice([1, 1, 1, 2]) + t for t in terms) + rnd.choice(["", "", "", " "])


def zone(rnd):
    z = Zone()
    wild = rnd.random() < 0.5  # half of the zones hold no syntax errors on purpose
    for d in DOMAINS:
        for _ in range(rnd.choice([1] * 30 + [0, 2])):
            z.add(d, "TXT", record(rnd, wild))
        if rnd.random() < 0.3:
            z.add(d, "TXT", "unrelated")
        if rnd.random() < 0.5:
            z.add(d, "A", rnd.choice(V4))
        for i in range(rnd.choice([0, 1, 1, 2, 3, 11] if rnd.random() < 0.2 else [0, 1, 1, 2])):
            z.add(d, "MX", (10 * i, rnd.choice(HOSTS) if i < 4 else "m%d.test.example" % i))
    for h in HOSTS[:3] + ["h1.other.example"]:
        for _ in range(rnd.randint(1, 2)):
            z.add(h, "A", rnd.choice(V4))
        if rnd.random() < 0.6:
            z.add(h, "AAAA", rnd.choice(V6))
    z.add("al.test.example", "CNAME", rnd.choice(["h1.test.example", "v1.test.example", "h2.test.example"]))
    if rnd.random() < 0.5:
        z.fails.add("t1.test.example")
    if rnd.random() < 0.06:
        z.fails.add(rnd.choice(DOMAINS))
    for ip in V4 + V6:
        name = spf.reverse_dots(expand_ip(ip)) + (".ip6.arpa" if ":" in ip else ".in-addr.arpa")
        if rnd.random() < 0.05:
            z.fails.add(name)
        for _ in range(rnd.choice([0, 1, 1, 2])):
            z.add(name, "PTR", rnd.choice(HOSTS[:4] + DOMAINS))
    z.add("ex1.test.example", "TXT", rnd.choice(["see %{d} %{i} %{S} %{c} %{r}", "plain", "100%", "%{l1r-}", "caf\u00e9", "%{t0}"]))
    for t in ["one", "two"][:rnd.randint(1, 2)]:
        z.add("ex2.test.example", "TXT", t)
    return z


def expand_ip(ip):
    if ":" not in ip:
        return ip
    import ipaddress
    return ".".join(ipaddress.ip_address(ip).exploded.replace(":", ""))


def queries(rnd, n):
    for _ in range(n):
        ip = rnd.choice(V4 + V6)
        helo = rnd.choice(DOMAINS + ["mail.test.example", "[192.0.2.1]", "localhost"])
        domain = rnd.choice(DOMAINS * 8 + ["absent.example", "com", "a..b.example", "[192.0.2.1]", "A.Test.Example"])
        sender = rnd.choice([rnd.choice(LOCALS) + "@" + domain] * 9 + [""])
        yield ip, helo, sender


# ---- asking ----


def ask_pyspf(z, ip, helo, sender, kind=spf.query):
    spf.DNSLookup = z.lookup
    q = kind(ip, sender, helo, receiver="unknown", strict=True)
    q.prob = None
    q.set_default_explanation("DEFAULT")
    try:
        result, _, text = q.check()
    except Exception as e:  # python3-spf is not always careful
        return "crash", "", "%s: %s" % (type(e).__name__, e)
    return result, "" if text == "DEFAULT" or result != "fail" else text, q.prob or ""


class Tram:
    def __init__(self, build):
        libs = ["mailauth", "dns", "crypto", "mail", "rt", "base"]
        paths = ["%s/lib/lib%s.a" % (build, x) for x in libs]
        subprocess.run(["make", "-s", "B=" + build] + paths, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        program = os.path.join(ROOT, build, "spf_batch")
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-g", "-Isrc", os.path.join(HERE, "spf_batch.c"), "-o", program,
                        "-Wl,--start-group"] + paths + ["-Wl,--end-group", "-lssl", "-lcrypto", "-lpthread", "-lunbound", "-lidn2",
                                                        "-lunistring", "-lexpat", "-lz"], cwd=ROOT, check=True)
        self.program = program

    def ask(self, groups):
        """groups: [(zone, [query])] -> [[fields]]"""
        feed = []
        for z, qs in groups:
            text = z.text().encode("utf-8")
            feed.append(b"zone %d\n" % len(text) + text)
            feed += [("check %s\t%s\t%s\n" % q).encode("utf-8") for q in qs]
        out = subprocess.run([self.program], input=b"".join(feed), stdout=subprocess.PIPE, check=True).stdout
        return [line.split("\t") for line in out.decode("utf-8", "replace").split("\n")[:-1]]


# ---- what the RFC says where the two differ ----
#
# Each entry mends one thing in python3-spf (as the sentence says). A disagreement is
# explained by the entries with which python3-spf comes to Tram's result.

EXPLAINED = {
    "modifiers": "RFC 7208 section 6: unrecognised modifiers MUST be ignored \"no matter where, or how often\"; python3-spf "
                 "makes a repeated one a permerror",
    "trivial": "section 4.6.2: mechanisms are considered from left to right; an include of the domain itself is no syntax error, "
               "and matters only when it is reached; python3-spf makes it one before evaluation",
    "ptr": "section 5.5: a DNS error of the PTR question makes ptr fail to match, one of an address question skips that name "
           "(7.2: %{p} becomes \"unknown\"); python3-spf gives temperror. The names are the client's, so their void look-ups are "
           "not held against the publisher (4.6.4 limits terms that look up void; python3-spf counts each name)",
    "mx": "section 5.4: the mechanism matches as soon as an address matches; python3-spf looks all hosts up first, and errors or "
          "void look-ups of later hosts then decide",
    "cname": "section 4.6.4: a term that looks up nothing is one void look-up; python3-spf counts one for an alias and one for its "
             "target",
    "reverse": "section 12: literals of the grammar are case-insensitive, so \"R\" reverses too; python3-spf passes over it",
    "zero": "section 7.3: \"If a DIGIT is specified, the value MUST be nonzero\"; python3-spf takes %{d0}",
    "p-limit": "section 4.6.4: the question for %{p} \"is included in the overall limit of 10\"; python3-spf does not count it",
    "redirect": "section 4.6.4: terms count when they are evaluated; python3-spf counts redirect= when the record is read",
}


class Name(str):
    """A domain that is not found to be the one at hand."""

    def __eq__(self, other):
        return False

    __hash__ = str.__hash__


class Mended(spf.query):
    mends = ()

    def expand_domain(self, arg):
        name = spf.query.expand_domain(self, arg)
        return Name(name) if "trivial" in self.mends else str(name) + ""

    def check_lookups(self):
        if "redirect" in self.mends and sys._getframe(1).f_locals.get("mod") == "redirect" and not self.redirecting:
            return  # reading the record; it counts in dns_spf
        spf.query.check_lookups(self)

    redirecting = False

    def dns_spf(self, domain):
        caller = sys._getframe(1)
        if "redirect" in self.mends and caller.f_code.co_name == "check0" and domain is caller.f_locals.get("redirect"):
            self.redirecting = True
            self.check_lookups()
            self.redirecting = False
        return spf.query.dns_spf(self, domain)

    def dns_ptr(self, i):
        if "ptr" not in self.mends:
            return spf.query.dns_ptr(self, i)
        try:
            return spf.query.dns_ptr(self, i)
        except spf.TempError:
            return []

    def validated_ptrs(self):
        if "ptr" not in self.mends:
            return spf.query.validated_ptrs(self)
        names = []
        for p in self.dns_ptr(self.i)[:spf.MAX_PTR]:
            voids, self.void_lookups = self.void_lookups, -100
            try:
                if self.cidrmatch(self.dns_a(p, self.A), self.cidrmax):
                    names.append(p)
            except spf.TempError:
                pass
            self.void_lookups = voids
        return names

    def dns_mx(self, domainname):
        if "mx" not in self.mends:
            return spf.query.dns_mx(self, domainname)
        hosts = self.dns(domainname, "MX")
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError("More than %d MX records returned" % spf.MAX_MX)
        return (a for h in hosts for a in self.dns_a(h[1], self.A))

    def cidrmatch(self, ipaddrs, n):
        if isinstance(ipaddrs, list):
            return spf.query.cidrmatch(self, ipaddrs, n)
        return any(spf.query.cidrmatch(self, [ip], n) for ip in ipaddrs)

    def getp(self):
        if "p-limit" in self.mends and not self.p:
            self.check_lookups()
        voids = self.void_lookups
        if "ptr" in self.mends:  # the term that holds the macro counts, by its own look-up
            self.void_lookups = -100
        result = spf.query.getp(self)
        self.void_lookups = voids if "ptr" in self.mends else self.void_lookups
        return result

    def dns_txt(self, domainname, rr="TXT", ignore_void=False):
        return [mend_text(t, self.mends) for t in spf.query.dns_txt(self, domainname, rr, ignore_void)]


def mend_text(text, mends):
    """The record as python3-spf must see it to come to what the RFC says."""
    if "zero" in mends:
        text = re.sub(rb"%\{([a-zA-Z])0+([rR.+,/_=-]*\})", rb"%(\1", text)  # what it does take for an error
    if not text.lower().startswith(b"v=spf1"):
        return text
    if "reverse" in mends:
        text = re.sub(rb"(%\{[a-zA-Z][0-9]*)R", rb"\1r", text)
    terms, seen = [], set()
    for t in text.split(b" "):
        name = re.match(rb"^([a-zA-Z][a-zA-Z0-9_.-]*)=", t)
        if "modifiers" in mends and name and name.group(1).lower() not in (b"redirect", b"exp", b"v"):
            if name.group(1) in seen:
                continue
            seen.add(name.group(1))
        terms.append(t)
    return b" ".join(terms)


ALL = ("modifiers", "trivial", "ptr", "mx", "cname", "p-limit", "reverse", "zero", "redirect")


def tries():
    """One mend alone, then two, ..., so that the shortest explanation is found."""
    for n in range(1, len(ALL) + 1):
        yield from itertools.combinations(ALL, n)


def explain(case, mine):
    z, q = case
    for mends in tries():
        Mended.mends = mends
        theirs = ask_pyspf(z, *q, kind=Mended)
        Mended.mends = ()
        if same(mine, theirs):
            return "+".join(mends)
    return None


def same(mine, theirs):
    """Explanations count; the case of hex digits in IPv6 addresses is nobody's business (section 7.3)."""
    return mine[0] == theirs[0] and (mine[0] != "fail" or mine[4].lower() == theirs[1].lower())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=7208)
    p.add_argument("--cases", type=int, default=5000)
    p.add_argument("--build", default="build")
    p.add_argument("--show", action="store_true", help="print the explained ones too")
    args = p.parse_args()
    rnd = random.Random(args.seed)
    groups, cases = [], []
    while len(cases) < args.cases:
        z = zone(rnd)
        qs = list(queries(rnd, 10))
        groups.append((z, qs))
        cases += [(z, q) for q in qs]
    tram = Tram(args.build)
    answers = tram.ask(groups)
    if len(answers) != len(cases):
        sys.exit("%d answers for %d checks" % (len(answers), len(cases)))
    agreed, reasons, results, unexplained = 0, Counter(), Counter(), 0
    for (z, q), mine in zip(cases, answers):
        theirs = ask_pyspf(z, *q)
        results[mine[0]] += 1
        if same(mine, theirs):
            agreed += 1
            continue
        why = explain((z, q), mine)
        reasons[why] += 1
        if why is None:
            unexplained += 1
        if why is None or args.show:
            print("%s: Tram %s (%s | %s), python3-spf %s (%s | %s)" % (q, mine[0], mine[4], mine[5], theirs[0], theirs[1], theirs[2]))
            if why is None:
                print(z.text())
    print("%d checks: %s" % (len(cases), ", ".join("%d %s" % (n, r) for r, n in results.most_common())))
    print("%d agree, %d differ with an explanation, %d without" % (agreed, len(cases) - agreed - unexplained, unexplained))
    for why, n in reasons.most_common():
        print("%6d  %s" % (n, why))
    for name, sentence in EXPLAINED.items():
        if any(why and name in why.split("+") for why in reasons):
            print("%s: %s" % (name, sentence))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
