"""Large and many: memory that does not grow with the letter, idle sessions that cost little."""
import resource
import socket
import ssl
import time

from world import insecure_tls, letter, until


def test_a_100_mb_letter_streams(world):
    home = world.home("one.test", accounts=["alice", "bob"], config='size_max = "200M"')
    world.publish()
    home.start()
    with home.submission() as client:
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test", "warm", "x" * 70 + "\r\n"))
    home.wait_for("bob")
    before = home.resident_kb()
    peak = before
    s = socket.create_connection((home.address, home.port(587)), timeout=60)
    f = s.makefile("rb")
    say = lambda text: (s.sendall(text.encode() + b"\r\n"), f.readline())[1]
    f.readline()
    import base64
    s.sendall(b"EHLO x.test\r\n")
    while f.readline()[3:4] == b"-":
        pass
    assert say("STARTTLS").startswith(b"220")
    s = insecure_tls().wrap_socket(s)
    f = s.makefile("rb")
    s.sendall(b"EHLO x.test\r\n")
    while f.readline()[3:4] == b"-":
        pass
    plain = base64.b64encode(b"\0alice@one.test\0secret").decode()
    assert say("AUTH PLAIN " + plain).startswith(b"235")
    assert say("MAIL FROM:<alice@one.test>").startswith(b"250")
    assert say("RCPT TO:<bob@one.test>").startswith(b"250")
    assert say("DATA").startswith(b"354")
    s.sendall(letter("alice@one.test", "bob@one.test", "big", "").encode())
    chunk = (b"0123456789" * 7 + b"\r\n") * 1000
    for i in range(100 * 1024 * 1024 // len(chunk)):
        s.sendall(chunk)
        if i % 50 == 0:
            peak = max(peak, home.resident_kb())
    assert say(".").startswith(b"250")
    peak = max(peak, home.resident_kb())
    print(f"resident before {before} kB, at most {peak} kB")
    assert peak - before < 8 * 1024
    client = home.imap("bob")
    client.select("INBOX")
    status, data = client.fetch("2", "(RFC822.SIZE)")
    assert int(data[0].split()[-1].rstrip(b")")) > 100 * 1024 * 1024 - len(chunk)
    status, data = client.fetch("2", "(BODY.PEEK[TEXT]<90000000.100>)")
    assert len(data[0][1]) == 100
    client.logout()


def test_2000_idle_imap_sessions_over_tls(one):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    context = insecure_tls()
    sessions = []
    def login(first):
        s = context.wrap_socket(socket.create_connection((one.address, one.port(993)), timeout=60))
        f = s.makefile("rb", buffering=0)
        f.readline()
        for line in (b"a login bob@one.test secret", b"b select INBOX"):
            s.sendall(line + b"\r\n")
            answer = b"*"
            while answer and not answer.startswith(line[:2]):
                answer = f.readline()
            assert answer.startswith(line[:2] + b"OK"), (len(sessions), answer)
        s.sendall(b"c idle\r\n")
        assert f.readline().startswith(b"+")
        return s, f
    sessions.append(login(True))
    time.sleep(0.2)
    before = one.resident_kb()
    while len(sessions) < 2001:
        sessions.append(login(False))
    after = until(lambda: one.resident_kb(), what="memory")
    per_session = (after - before) * 1024 / 2000
    print(f"2000 idle IMAP sessions over TLS: {per_session / 1024:.1f} KiB each ({before} kB before, {after} kB after)")
    assert per_session < 80 * 1024
    with one.submission() as client:
        client.sendmail("alice@one.test", ["bob@one.test"], letter("alice@one.test", "bob@one.test", "news"))
    for s, f in sessions[:: 200]:
        s.settimeout(60)
        line = f.readline()
        assert line.startswith(b"* 1 EXISTS"), line
    for s, f in sessions:
        s.close()
