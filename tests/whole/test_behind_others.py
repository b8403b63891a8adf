"""Behind other servers: LMTP on a socket and TCP, the PROXY header and XCLIENT from listed addresses only."""
import smtplib
import socket
import ssl
import struct

import pytest

from world import World, insecure_tls, letter, next_address

PROXY, OTHER, LMTP = next_address(), next_address(), next_address()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("behind"))
    home = world.home("one.test", accounts=["alice", "bob"], config=f'''
lmtp_listen = "{LMTP}:12024"
proxy_from = {{"{PROXY}"}}
xclient_from = {{"{OTHER}/32"}}
''')
    world.publish(extra='two.test. IN TXT "v=spf1 ip4:192.0.2.77 -all"\ntwo.test. IN MX 10 mail.two.test.\n'
                        "mail.two.test. IN A 192.0.2.77\n77.2.0.192.in-addr.arpa. IN PTR mail.two.test.\n"
                        '_dmarc.two.test. IN TXT "v=DMARC1; p=reject"\n')
    home.start()
    yield home
    world.close()


class Talk:
    def __init__(self, home, port, source, first=b""):
        self.s = socket.create_connection((home.address, home.port(port)), 60, (source, 0))
        self.s.sendall(first)
        self.f = self.s.makefile("rb")

    def line(self):
        return self.f.readline().decode().rstrip()

    def say(self, text):
        self.s.sendall(text.encode() + b"\r\n")
        line = self.line()
        lines = [line]
        while line[3:4] == "-":
            line = self.line()
            lines.append(line)
        return "\n".join(lines)


def deliver(talk):
    assert talk.say("EHLO mail.two.test").startswith("250-")
    assert talk.say("MAIL FROM:<x@two.test>").startswith("250")
    assert talk.say("RCPT TO:<alice@one.test>").startswith("250")
    assert talk.say("DATA").startswith("354")
    return talk.say("From: x@two.test\r\nSubject: behind\r\nMessage-ID: <a@two.test>\r\nDate: Sun, 29 Nov 2026 00:00:00 +0000\r\n\r\nx\r\n.")


def v2(address="192.0.2.77", command=0x21, family=0x11, extra=b""):
    body = socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 25) + extra
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", command, family, len(body)) + body


def test_the_client_behind_a_proxy_is_judged(home):
    for first in (b"PROXY TCP4 192.0.2.77 192.0.2.1 4711 25\r\n", v2(), v2(extra=b"\x04\x00\x03abc")):
        talk = Talk(home, 25, PROXY, first)
        assert talk.line().startswith("220 ")
        assert deliver(talk).startswith("250 ")
    talk = Talk(home, 25, PROXY, v2("192.0.2.78"))  # SPF says that this one may not
    assert talk.line().startswith("220 ")
    assert deliver(talk).startswith("550 ")
    assert b"spf=pass" in home.wait_for("alice", 3)[0] and b"[192.0.2.77]" in home.messages()[0]


def test_tls_behind_the_header(home):
    s = socket.create_connection((home.address, home.port(465)), 60, (PROXY, 0))
    s.sendall(b"PROXY TCP4 192.0.2.77 192.0.2.1 4711 465\r\n")
    s = insecure_tls().wrap_socket(s)
    assert s.recv(1000).startswith(b"220 ")
    s = socket.create_connection((home.address, home.port(993)), 60, (PROXY, 0))
    hello = ssl.MemoryBIO()
    tls = insecure_tls().wrap_bio(ssl.MemoryBIO(), hello)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    s.sendall(v2() + hello.read())  # header and ClientHello in one segment
    assert s.recv(5)[:1] == b"\x16"


def test_a_listed_address_must_say_the_header_and_no_other_may(home):
    for first in (b"EHLO mail.two.test\r\n", b"PROXY TCP4 192.0.2.77 192.0.2.1 4711\r\n", v2(family=0x11, command=0x31),
                  b"\x00" * 200, b"PROXY " + b"x" * 300, v2()[:14] + b"\xff\xff" + b"\0" * 16):
        s = socket.create_connection((home.address, home.port(25)), 60, (PROXY, 0))
        s.sendall(first)
        try:
            assert s.recv(1000) == b"", first
        except ConnectionResetError:
            pass
    local = Talk(home, 25, PROXY, v2(command=0x20))  # a check by the proxy itself
    assert local.line().startswith("220 ")
    talk = Talk(home, 25, OTHER, b"PROXY TCP4 192.0.2.77 192.0.2.1 4711 25\r\n")
    assert talk.line().startswith("220 ")
    assert talk.line().startswith("500 ")


def test_xclient_from_listed_addresses_only(home):
    talk = Talk(home, 25, OTHER)
    assert talk.line().startswith("220 ")
    assert "XCLIENT NAME ADDR PORT PROTO HELO" in talk.say("EHLO proxy.test")
    for bad in ("ADDR=192.0.2.300", "ADDR=2001:db8::1", "LOGIN=alice@one.test", "ADDR", "HELO=a+zz", "PORT=70000", ""):
        assert talk.say("XCLIENT " + bad).startswith("501 "), bad
    assert talk.say("XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.77 PORT=4711 PROTO=ESMTP HELO=mail.two.test").startswith("220 ")
    assert deliver(talk).startswith("250 ")
    talk = Talk(home, 25, OTHER)
    talk.line()
    talk.say("EHLO proxy.test")
    assert talk.say("XCLIENT ADDR=IPV6:2001:db8::9 HELO=x.test").startswith("220 ")
    assert deliver(talk).startswith("550 ")  # SPF
    talk = Talk(home, 25, next_address())
    talk.line()
    assert "XCLIENT" not in talk.say("EHLO mail.two.test")
    assert talk.say("XCLIENT ADDR=192.0.2.77").startswith("550 5.7.0 ")


def test_lmtp_by_a_client_that_nobody_here_wrote(home):
    for where, port in ((str(home.dir / "lmtp"), 0), (LMTP, 12024)):
        client = smtplib.LMTP(where, port) if port else smtplib.LMTP(where)
        client.ehlo()
        assert not client.has_extn("auth") and not client.has_extn("prdr") and client.has_extn("pipelining")
        refused = client.sendmail("far@away.test", ["alice@one.test", "nobody@one.test", "x@away.test"],
                                  letter("far@away.test", "alice@one.test", "by LMTP", "hello\r\n"))
        assert {a: r[0] for a, r in refused.items()} == {"nobody@one.test": 550, "x@away.test": 550}
        client.quit()
    got = [m for m in home.messages() if b"by LMTP" in m]
    assert len(got) == 2 and b"with LMTP" in got[0] and b"Return-Path: <far@away.test>" in got[0]
    assert b"Authentication-Results" not in got[0]


def test_lmtp_answers_each_recipient_and_speaks_no_smtp(home):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(home.dir / "lmtp"))
    f = s.makefile("rwb", buffering=0)
    read = lambda: f.readline().decode().rstrip()
    say = lambda text: (f.write(text.encode() + b"\r\n"), read())[1]
    assert read().startswith("220 ") 
    assert say("EHLO x").startswith("500 5.5.1 This is LMTP") and say("HELO x").startswith("500 ")
    assert say("MAIL FROM:<>").startswith("503 5.5.1 Say LHLO")
    line = say("LHLO front.test")
    while line[3:4] == "-":
        line = read()
    assert say("MAIL FROM:<a@away.test>").startswith("250")
    assert say("RCPT TO:<alice@one.test>").startswith("250") and say("RCPT TO:<bob@one.test>").startswith("250")
    assert say("DATA").startswith("354")
    first = say("Subject: two\r\n\r\nx\r\n.")
    assert first.startswith("250 2.1.5 <alice@one.test>") and read().startswith("250 2.1.5 <bob@one.test>")
    assert say("MAIL FROM:<a@away.test>").startswith("250")
    assert say("RCPT TO:<nobody@one.test>").startswith("550")
    assert say("DATA").startswith("503")  # RFC 2033 section 4.2
    talk = Talk(home, 25, next_address())
    talk.line()
    assert talk.say("LHLO x.test").startswith("500 5.5.1 This is not LMTP")


def test_who_is_shut_out_stays_out_behind_a_proxy_and_by_xclient(home):
    home.tram("block", "add", "192.0.2.99")
    s = socket.create_connection((home.address, home.port(25)), 60, (PROXY, 0))
    s.sendall(v2("192.0.2.99"))
    assert s.recv(1000).startswith(b"421 4.7.0 your address is shut out")
    talk = Talk(home, 25, OTHER)
    talk.line()
    talk.say("EHLO proxy.test")
    assert talk.say("XCLIENT ADDR=192.0.2.99 PORT=1").startswith("421 4.7.0 your address is shut out")
    assert talk.line() == ""
    home.tram("block", "remove", "192.0.2.99")
    talk = Talk(home, 25, PROXY, v2("192.0.2.99"))
    assert talk.line().startswith("220 ")


def test_nothing_may_stand_behind_xclient_and_none_follows_a_login(home):
    """What was said before it is forgotten: envelope, EHLO; within TLS it counts as well, after a login it does not."""
    talk = Talk(home, 25, OTHER)
    talk.line()
    talk.say("EHLO proxy.test")
    assert talk.say("MAIL FROM:<x@two.test>").startswith("250")
    assert talk.say("XCLIENT ADDR=192.0.2.77").startswith("503 5.5.1 A letter is under way")
    assert talk.say("RSET").startswith("250")
    assert talk.say("XCLIENT ADDR=192.0.2.77").startswith("220 ")
    assert talk.say("MAIL FROM:<x@two.test>").startswith("503 5.5.1 Say EHLO first")
    assert talk.say("XCLIENT ADDR=[TEMPUNAVAIL] NAME=[UNAVAILABLE]").startswith("220 ")  # nothing is known: as it was
    assert talk.say("XCLIENT ADDR=192.0.2.78 ADDR=192.0.2.77").startswith("501 ")
    with smtplib.SMTP(home.address, home.port(587), source_address=(OTHER, 0)) as client:
        client.ehlo()
        client.starttls(context=insecure_tls())
        client.ehlo()
        assert client.docmd("XCLIENT", "ADDR=192.0.2.77 PORT=4711")[0] == 220
        client.ehlo()
        client.login("alice@one.test", "secret")
        assert client.docmd("XCLIENT", "ADDR=192.0.2.78")[0] == 503
        assert client.mail("alice@one.test")[0] == 250
    home.logged("192.0.2.77")


def test_forms_of_the_proxy_header(home):
    def greeting(first):
        s = socket.create_connection((home.address, home.port(25)), 60, (PROXY, 0))
        s.sendall(first)
        try:
            return s.recv(1000)[:4]
        except ConnectionResetError:
            return b""
    body6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 1, 25)
    head = b"\r\n\r\n\x00\r\nQUIT\n"
    good = [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 whatever\r\n", b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n",
            b"PROXY TCP6 " + b"ffff:f...f:ffff ".replace(b"f...f", b"ffff:ffff:ffff:ffff:ffff:ffff") * 2 + b"65535 65535\r\n",
            head + struct.pack("!BBH", 0x21, 0x21, len(body6)) + body6, head + struct.pack("!BBH", 0x21, 0x00, 0),
            head + struct.pack("!BBH", 0x21, 0x12, 12) + b"\0" * 12]  # over UDP: nothing that a client of ours would be
    bad = [b"PROXY TCP4 192.0.2.77 192.0.2.1 65536 25\r\n", b"PROXY TCP4 192.0.2.77 192.0.2.1 04711 25\r\n",
           b"PROXY TCP4 2001:db8::1 192.0.2.1 1 25\r\n", b"PROXY TCP4 192.0.2.77 192.0.2.1 1 25 x\r\n", b"PROXY TCP4 192.0.2.77  192.0.2.1 1 25\r\n",
           b"proxy TCP4 192.0.2.77 192.0.2.1 1 25\r\n", b"PROXY TCP4 192.0.2.77 192.0.2.1 1 25\n", b"PROXY " + b"x" * 102 + b"\r\n",
           head + struct.pack("!BBH", 0x21, 0x11, 11) + b"\0" * 11, head + struct.pack("!BBH", 0x11, 0x11, 12) + b"\0" * 12,
           head + struct.pack("!BBH", 0x22, 0x11, 12) + b"\0" * 12]
    for first in good:
        assert greeting(first) == b"220 ", first
    for first in bad:
        assert greeting(first) == b"", first
