"""Letters leave from several addresses: pools, what goes by which, retries, a source that is gone."""
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time

from world import TRAM, letter, next_address, until, within_a_day


class Receiver:
    """Takes letters, or answers each RCPT with `reply`; notes from where each session came and what it called itself."""

    def __init__(self):
        self.seen, self.reply = [], b"250 ok\r\n"
        self.server = socket.create_server((next_address(), 10025))
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def address(self):
        return self.server.getsockname()[0]

    def run(self):
        while True:
            try:
                peer, where = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer, where[0]), daemon=True).start()

    def serve(self, peer, where):
        with peer, peer.makefile("rb") as f:
            peer.sendall(b"220 mx\r\n")
            helo, data = "", False
            while line := f.readline():
                verb = line[:4].upper()
                if data:
                    if line == b".\r\n":
                        data = False
                        self.seen.append((where, helo))
                        peer.sendall(b"250 taken\r\n")
                    continue
                if verb == b"EHLO":
                    helo = line[5:].decode().strip()
                if verb == b"RCPT" and not self.reply.startswith(b"250"):
                    self.seen.append((where, helo))
                    peer.sendall(self.reply)
                elif verb == b"DATA":
                    data = True
                    peer.sendall(b"354 go on\r\n")
                elif verb == b"QUIT":
                    peer.sendall(b"221 bye\r\n")
                    return
                else:
                    peer.sendall(b"250 ok\r\n")


def begin(world, receiver):
    home = world.home("one.test", accounts=["alice", "carol"])
    world.publish(extra=f"two.test. MX 10 mx.two.test.\nmx.two.test. A {receiver.address}\n")
    home.start()
    return home


def send(home, user="alice", to="bob@two.test", **fields):
    with home.submission(user) as client:
        client.sendmail(f"{user}@one.test", [to], letter(f"{user}@one.test", to, **fields))


def test_letters_leave_by_the_pool_that_is_named_for_them(world):
    receiver = Receiver()
    home = begin(world, receiver)
    one, two, three, four = (next_address() for _ in range(4))
    send(home)
    until(lambda: receiver.seen == [(home.address, "mail.one.test")], 60, "a letter from the node's own address")
    home.tram("source", "add", "a", "--ip", one, "--helo", "a.one.test")
    home.tram("source", "add", "b", "--ip", two)
    assert "the source a has this address" in home.tram("source", "add", "c", "--ip", one, ok=False).stderr
    home.tram("source", "add", "bulk", "--ip", three, "--helo", "bulk.one.test", "--pool", "letters")
    home.tram("source", "add", "own", "--ip", four, "--pool", "carols")
    home.tram("source", "use", "letters", "--stream", "bulk")
    home.tram("source", "use", "carols", "--account", "carol@one.test")
    assert "has no sources" in home.tram("source", "use", "nobodys", "--domain", "one.test", ok=False).stderr
    listed = home.json("source", "list")
    assert [s["name"] for s in listed["sources"]] == ["a", "b", "bulk", "own"]
    uses = {p["name"]: p["uses"] for p in listed["pools"]}
    assert uses["carols"] == [{"by": "account", "value": "carol@one.test"}] and uses["main"] == []

    receiver.seen.clear()
    for n in range(8):
        send(home)
        until(lambda: len(receiver.seen) == n + 1, 60, "the next letter")
    assert set(receiver.seen) == {(one, "a.one.test"), (two, "mail.one.test")}, "both of main take their turns"
    receiver.seen.clear()
    send(home, Precedence="bulk")
    until(lambda: receiver.seen == [(three, "bulk.one.test")], 60, "bulk from its own address")
    send(home, user="carol", Precedence="bulk")
    until(lambda: receiver.seen[1:] == [(four, "mail.one.test")], 60, "the account comes before the stream")
    until(lambda: "from the source own" in home.tram("trace", "carol@one.test").stdout, what="the source in the trace")
    home.tram("source", "forget", "--account", "carol@one.test")
    send(home, user="carol", Precedence="bulk")
    until(lambda: receiver.seen[2:] == [(three, "bulk.one.test")], 60, "by the stream's pool again")
    home.stop()
    home.start()  # all of it outlives a restart
    receiver.seen.clear()
    send(home, Precedence="bulk")
    until(lambda: receiver.seen == [(three, "bulk.one.test")], 60, "bulk from its own address after a restart")
    home.stop()
    receiver.server.close()


def test_what_was_put_off_comes_again_from_the_same_source_until_it_is_gone(world):
    receiver = Receiver()
    home = begin(world, receiver)
    sources = {"a": next_address(), "b": next_address()}
    for name, ip in sources.items():
        home.tram("source", "add", name, "--ip", ip)
    receiver.reply = b"451 4.7.1 Greylisted, please try again in 5 minutes\r\n"
    send(home)
    waits = until(lambda: [r for q in home.json("queue", "list", "--class", "greylist")["letters"] for r in q["recipients"]],
                  60, "a letter that is greylisted")[0]
    name = waits["source"]
    assert "to which it is bound" in waits["leaves_by"] and waits["leaves_by"].startswith(name)
    for n in range(3):
        home.tram("queue", "retry", "--all")
        until(lambda: home.json("queue", "list", "--source", name)["letters"][0]["recipients"][0]["attempts"] >= n + 2, 60, "another attempt, on the record")
    assert len(receiver.seen) >= 4
    assert {where for where, _ in receiver.seen} == {sources[name]}
    home.tram("source", "remove", name)
    waits = home.json("queue", "list")["letters"][0]["recipients"][0]
    assert f"the source {name}, to which it was bound, is gone" in waits["leaves_by"]
    other = next(n for n in sources if n != name)
    assert "no source gone" in home.tram("queue", "reroute", "--all", "--to", "gone", ok=False).stderr
    assert "1 letter planned anew" in home.tram("queue", "reroute", "--all", "--to", other).stdout
    moved = home.json("queue", "list")["letters"][0]
    assert moved["recipients"][0]["leaves_by"].startswith(other) and "to which it is bound" in moved["recipients"][0]["leaves_by"]
    home.tram("queue", "reroute", moved["id"], "--to", "any")
    assert "pool main" in home.json("queue", "list")["letters"][0]["recipients"][0]["leaves_by"]
    home.tram("source", "add", "c", "--ip", next_address())
    home.tram("queue", "reroute", moved["id"], "--to", "c")
    home.tram("source", "remove", "c")
    top = home.json("queue", "top")
    row = top["sites"][0]
    assert (top["letters"], top["estimated"], row["later"], row["waiting"]) == (1, False, 1, 0)
    assert "next is due at" in row["why"] and "a minute" in home.tram("queue", "top", "--once").stdout
    assert home.json("queue", "stats")["letters"] == 1
    receiver.reply = b"250 ok\r\n"
    home.tram("queue", "retry", "--all")
    until(lambda: not home.json("queue", "list")["letters"], 60, "the letter on its way")
    assert receiver.seen[-1][0] != sources[name]
    assert "the source c that it was to leave from is gone: it was planned anew" in home.tram("trace", "bob@two.test").stdout
    home.stop()
    receiver.server.close()


def test_a_source_is_judged_by_what_the_dns_shows_of_it(world):
    receiver = Receiver()
    home = begin(world, receiver)
    ip = next_address()
    reverse = ".".join(reversed(ip.split("."))) + ".in-addr.arpa."
    home.tram("source", "add", "a", "--ip", ip, "--helo", "a.one.test")
    shown = home.json("source", "show", "a", status=1)
    wrong = {c["what"] for c in shown["checks"] if c["state"] == "wrong"}
    assert "spf" in wrong and wrong & {"ptr", "helo"}
    zone = world.zone.read_text()
    world.write_zone(zone.replace("v=spf1 ", f"v=spf1 ip4:{ip} ") + f"a.one.test. A {ip}\n{reverse} PTR a.one.test.\n")
    until(lambda: all(c["state"] == "right" for c in home.json("source", "show", "a", status=None)["checks"]),
          60, "a source that is in order")
    home.stop()
    receiver.server.close()


def test_queue_top_shows_it_again_on_a_terminal(world):
    receiver = Receiver()
    home = begin(world, receiver)
    receiver.reply = b"451 4.7.1 Greylisted, please try again in 5 minutes\r\n"
    terminal, end = pty.openpty()
    top = subprocess.Popen([TRAM, "-C", str(home.dir), "queue", "top", "--every", "1"], stdout=end, stdin=end)
    os.close(end)
    seen, sent, until_when = b"", False, time.monotonic() + 90
    while time.monotonic() < until_when and (seen.count(b"\x1b[2J") < 3 or b"next is due" not in seen):
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536)
        if seen and not sent:
            sent = True
            send(home)
    top.terminate()
    assert top.wait(60) == -signal.SIGTERM, "it can be ended while it waits for the server"
    os.close(terminal)
    assert seen.count(b"\x1b[2J") >= 3 and b"waiting" in seen and b"two.test" in seen and b"next is due" in seen
    home.stop()
    receiver.server.close()


def test_a_new_source_warms_up_and_others_take_over(world):
    within_a_day()
    receiver = Receiver()
    home = begin(world, receiver)
    new, old = next_address(), next_address()
    home.tram("source", "add", "new", "--ip", new)
    home.tram("source", "add", "old", "--ip", old, "--pool", "olds")
    assert "no sources" in home.tram("source", "pool", "main", "--overflow", "nobodys", ok=False).stderr
    home.tram("source", "pool", "main", "--overflow", "olds")
    assert home.json("source", "list")["pools"][0]["overflow"] == "olds"
    home.tram("source", "warm", "new", "--first", "2", "--growth", "100")
    for n in range(4):
        send(home)
        until(lambda: len(receiver.seen) == n + 1, 60, "the next letter")
    assert sorted(where for where, _ in receiver.seen) == sorted([new, new, old, old])
    home.tram("source", "pool", "main", "--overflow", "")
    send(home)
    waits = until(lambda: [r for q in home.json("queue", "list")["letters"] for r in q["recipients"] if "warming up" in r["why"]],
                  60, "a letter that waits for the next day")[0]
    assert "2 of its 2 deliveries of today" in waits["why"]
    shown = home.json("source", "show", "new", status=1)["warm_up"]["groups"][0]
    assert (shown["group"], shown["allowance"], shown["used"], shown["next"]) == ("others", 2, 2, 4)
    assert "2 of 2 of today are used" in home.tram("source", "show", "new", status=1).stdout
    shown = home.json("shaping", "show", "two.test", "--from", "new")
    assert (shown["address"], shown["allowance_today"], shown["used_today"]) == (new, 2, 2) and shown["ceiling"] > 0
    assert "allowance_today" not in home.json("shaping", "show", "two.test", "--from", "old")
    assert home.json("shaping", "show", "two.test")["ceiling"] == shown["ceiling"]
    assert f"from new ({new}, pool main), and of today's 2 while it warms up 2 are used" in home.tram("shaping", "show", "two.test", "--from", "new").stdout
    assert "`tram source list`" in home.tram("shaping", "show", "two.test", "--from", "nobody", status=1).stderr
    home.stop()
    home.start()
    assert home.json("source", "show", "new", status=1)["warm_up"]["groups"][0]["used"] == 2
    home.tram("source", "warm", "new", "--done")
    until(lambda: len(receiver.seen) == 5 and receiver.seen[-1][0] == new, 60, "what waited")
    home.stop()
    receiver.server.close()


def test_a_proxy_that_ends_every_connection_is_its_sources_trouble(world):
    """It says nothing itself (PROXY protocol), so it is known by five sites in a row from which no word comes."""
    proxy = socket.create_server((next_address(), 10080))

    def end_all():
        while True:
            try:
                proxy.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=end_all, daemon=True).start()
    address, receiver = proxy.getsockname()[0], Receiver()
    home = world.home("one.test", accounts=["alice"], config='queue_retry_first = "1h"')
    names = [f"site{n}.test" for n in range(6)]
    world.publish(extra="".join(f"{n}. MX 10 mx.{n}.\nmx.{n}. A {next_address()}\n" for n in names[:5]) + f"{names[5]}. MX 10 mx.{names[5]}.\nmx.{names[5]}. A {receiver.address}\n")
    home.start()
    home.tram("source", "add", "far", "--ip", home.address, "--via", f"proxy://{address}:10080")

    def of(name):
        return [r for q in home.json("queue", "list", f"bob@{name}")["letters"] for r in q["recipients"]][0]

    for n, name in enumerate(names):
        with home.submission("alice") as client:
            client.sendmail("alice@one.test", [f"bob@{name}"], letter("alice@one.test", f"bob@{name}"))
        until(lambda: of(name)["attempts"] == 1 or "its proxy" in of(name)["why"], 60, f"an attempt of {name}")
        assert of(name)["attempts"] == (n < 4), "the fifth shows that it is the proxy"
    assert "while waiting for the greeting" in of(names[0])["reply"]
    assert f"the source far: its proxy {address}:10080 ends every connection before a word comes from a receiver" in of(names[5])["why"]
    assert "ends every connection" in home.json("source", "list")["sources"][0]["trouble"]
    proxy.close()
    home.tram("source", "remove", "far")
    until(lambda: len(receiver.seen) == 1, 60, "the letter that waited")
