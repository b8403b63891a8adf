"""The other implementations, each with verify(message) -> one verdict a signature, and signers."""
import ctypes
import logging
import subprocess
import types
from pathlib import Path

import dkim

import dkim_keys as K

NOW = 1700000000  # for all that can be told the time: a seed gives the same letters each day
dkim.time = types.SimpleNamespace(time=lambda: NOW)
HERE = Path(__file__).resolve().parent
RECORDS = {
    "k._domainkey.example.com": "v=DKIM1; k=rsa; p=" + K.RSA_2048_P,
    "old._domainkey.example.com": "v=DKIM1; k=rsa; p=" + K.RSA_1024_P,
    "e._domainkey.example.com": "v=DKIM1; k=ed25519; p=" + K.ED25519_P,
    "k._domainkey.example.org": "v=DKIM1; k=rsa; p=" + K.RSA_2048_P,
    "e._domainkey.example.org": "v=DKIM1; k=ed25519; p=" + K.ED25519_P,
    "t._domainkey.example.com": "v=DKIM1; t=y; k=rsa; p=" + K.RSA_2048_P,
    "strict._domainkey.example.com": "v=DKIM1; t=s; k=rsa; p=" + K.RSA_2048_P,
    "gone._domainkey.example.com": "v=DKIM1; k=rsa; p=",
    "web._domainkey.example.com": "v=DKIM1; s=web; k=rsa; p=" + K.RSA_2048_P,
    "sha1._domainkey.example.com": "v=DKIM1; h=sha1; k=rsa; p=" + K.RSA_2048_P,
    "bare._domainkey.example.com": "p=" + K.RSA_2048_P,
    "bad._domainkey.example.com": "v=DKIM1; k=rsa; q",
    "v2._domainkey.example.com": "v=DKIM2; k=rsa; p=" + K.RSA_2048_P,
    "blank._domainkey.example.com": " v = DKIM1 ; k = rsa ; p = " + K.RSA_2048_P[:80] + " " + K.RSA_2048_P[80:] + " ;",
}


class Pipe:
    """A child that answers commands: a line, bytes; back come a length and bytes."""

    def __init__(self, argv):
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command, payload=b""):
        if isinstance(payload, str):
            payload = payload.encode()
        self.child.stdin.write(f"{command} {len(payload)}\n".encode() + payload)
        self.child.stdin.flush()
        size = self.child.stdout.readline()
        if not size:
            raise RuntimeError(f"{self.child.args[0]} died at: {command}")
        return self.child.stdout.read(int(size))

    def close(self):
        self.child.stdin.close()
        return self.child.wait()


class Tram(Pipe):
    name = "tram"

    def __init__(self, program):
        super().__init__([program])
        zone = ""
        for name, text in RECORDS.items():
            strings = " ".join(f'"{text[i:i + 255]}"' for i in range(0, len(text), 255))
            zone += f"{name}. IN TXT {strings}\n"
        self.ask("zone", zone)
        for pem in (K.RSA_2048, K.RSA_1024, K.ED25519):
            self.ask("key", pem)

    def verify(self, message, lax=True):
        """[(word, reason)], top to bottom"""
        out = []
        for line in self.ask(f"verify {int(lax)}", message).decode().splitlines():
            word, _domain, _selector, reason = (line.split(" ", 3) + ["", "", ""])[:4]
            out.append((word, reason))
        return out


class MailDkim(Pipe):
    name = "Mail::DKIM"

    def __init__(self):
        super().__init__(["/usr/bin/perl", str(HERE / "verifiers.pl")])
        self.ask("zone", "".join(f"{n}\t{t}\n" for n, t in RECORDS.items()))

    def verify(self, message):
        lines = self.ask("verify", message).decode(errors="replace").splitlines()
        return [(line.split("\t")[0] == "pass", line.split("\t")[-1]) for line in lines]


class Dkimpy:
    name = "python3-dkim"

    def __init__(self):
        self.log = logging.getLogger("dkim")
        self.log.addHandler(logging.NullHandler())
        self.log.propagate = False

    @staticmethod
    def txt(name, timeout=5):
        text = RECORDS.get(name.decode().rstrip(".").lower())
        return text.encode() if text else None

    def verify(self, message, count):
        out = []
        for i in range(count):
            try:
                d = dkim.DKIM(message, logger=self.log, minkey=1024)
                out.append((bool(d.verify(idx=i, dnsfunc=self.txt)), ""))
            except Exception as e:  # it raises what its parsers raise
                out.append((False, f"{type(e).__name__}: {e}"))
        return out

    def verify_arc(self, message):
        try:
            cv, _sets, reason = dkim.ARC(message, logger=self.log, minkey=1024).verify(dnsfunc=self.txt)
            return (cv or b"fail").decode(), reason
        except Exception as e:
            return "fail", f"{type(e).__name__}: {e}"


class OpenDkim:
    """libopendkim, called through its C interface; keys by its look-up callback."""
    name = "opendkim"
    PASSED, BH_MATCH, CONTINUE, NOTFOUND = 0x04, 0, 0, 3
    SETOPT, FIXEDTIME = 1, 8

    def __init__(self):
        L = self.lib = ctypes.CDLL("libopendkim.so.11")
        p, u8 = ctypes.c_void_p, ctypes.c_char_p
        for f in ("dkim_init", "dkim_verify", "dkim_sign"):
            getattr(L, f).restype = p
        for f in ("dkim_sig_getselector", "dkim_sig_getdomain", "dkim_sig_geterrorstr"):
            getattr(L, f).restype = u8
        L.dkim_sig_geterrorstr.argtypes = [ctypes.c_int]
        for f in ("dkim_sig_getselector", "dkim_sig_getdomain", "dkim_sig_geterror", "dkim_sig_getbh", "dkim_eoh", "dkim_free"):
            getattr(L, f).argtypes = [p]
        L.dkim_sig_getflags.argtypes = [p]
        L.dkim_header.argtypes = L.dkim_body.argtypes = [p, u8, ctypes.c_size_t]
        L.dkim_eom.argtypes = [p, p]
        L.dkim_sig_process.argtypes = [p, p]
        L.dkim_verify.argtypes = [p, u8, p, p]
        L.dkim_getsiglist.argtypes = [p, ctypes.POINTER(ctypes.POINTER(p)), ctypes.POINTER(ctypes.c_int)]
        L.dkim_sign.argtypes = [p, u8, p, u8, u8, u8, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ssize_t, p]
        L.dkim_getsighdr_d.argtypes = [p, ctypes.c_size_t, ctypes.POINTER(u8), ctypes.POINTER(ctypes.c_size_t)]
        self.handle = p(L.dkim_init(None, None))
        now = ctypes.c_uint64(NOW)
        L.dkim_options.argtypes = [p, ctypes.c_int, ctypes.c_int, p, ctypes.c_size_t]
        assert L.dkim_options(self.handle, self.SETOPT, self.FIXEDTIME, ctypes.byref(now), 8) == 0
        self.callback = ctypes.CFUNCTYPE(ctypes.c_int, p, p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)(self.key)
        L.dkim_set_key_lookup.argtypes = [p, p]
        L.dkim_set_key_lookup(self.handle, ctypes.cast(self.callback, p))

    def key(self, _dkim, sig, buf, size):
        name = self.lib.dkim_sig_getselector(sig) + b"._domainkey." + self.lib.dkim_sig_getdomain(sig)
        text = RECORDS.get(name.decode(errors="replace").lower())
        if text is None or len(text) + 1 > size:
            return self.NOTFOUND
        ctypes.memmove(buf, text.encode() + b"\0", len(text) + 1)
        return self.CONTINUE

    def feed(self, d, fields, body):
        """None when the message is refused; else for each signature whether it was taken."""
        taken = []
        for f in fields:
            refused = self.lib.dkim_header(d, f, len(f)) != 0
            if f.split(b":")[0].strip().lower() == b"dkim-signature":
                taken.append(not refused)
            elif refused:
                return None
        if self.lib.dkim_eoh(d) not in (0, 2):
            return None
        if body:
            self.lib.dkim_body(d, body, len(body))
        return taken

    def verify(self, message):
        fields, body = cut(message)
        stat = ctypes.c_int()
        d = ctypes.c_void_p(self.lib.dkim_verify(self.handle, b"x", None, ctypes.byref(stat)))
        out = []
        try:
            taken = self.feed(d, fields, body)
            if taken is None:
                return None
            self.lib.dkim_eom(d, None)
            sigs, n = ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_int()
            if self.lib.dkim_getsiglist(d, ctypes.byref(sigs), ctypes.byref(n)) != 0:
                n.value = 0
            for i in range(n.value):
                s = ctypes.c_void_p(sigs[i])
                self.lib.dkim_sig_process(d, s)
                error = self.lib.dkim_sig_geterror(s)
                good = self.lib.dkim_sig_getflags(s) & self.PASSED and self.lib.dkim_sig_getbh(s) == self.BH_MATCH
                out.append((bool(good) and error in (0, -1), (self.lib.dkim_sig_geterrorstr(error) or b"").decode()))
        finally:
            self.lib.dkim_free(d)
        good = iter(out)
        return [next(good, (False, "no verdict")) if t else (False, "syntax of the field") for t in taken]

    def sign(self, message, pem, domain, selector, hc, bc, alg, length=-1):
        fields, body = cut(message)
        stat = ctypes.c_int()
        canon = {"simple": 0, "relaxed": 1}
        d = ctypes.c_void_p(self.lib.dkim_sign(self.handle, b"x", None, pem.encode(), selector.encode(), domain.encode(),
                                               canon[hc], canon[bc], alg, length, ctypes.byref(stat)))
        if not d:
            return None
        try:
            if self.feed(d, fields, body) is None or self.lib.dkim_eom(d, None) != 0:
                return None
            text, size = ctypes.c_char_p(), ctypes.c_size_t()
            if self.lib.dkim_getsighdr_d(d, 16, ctypes.byref(text), ctypes.byref(size)) != 0:
                return None
            return b"DKIM-Signature: " + text.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        finally:
            self.lib.dkim_free(d)


def cut(message):
    """Header fields without their final CRLF, and the body."""
    head, _sep, body = message.partition(b"\r\n\r\n")
    fields = []
    for line in head.split(b"\r\n"):
        if line[:1] in b" \t" and fields and line:
            fields[-1] += b"\r\n" + line
        elif line:
            fields.append(line)
    return fields, body
