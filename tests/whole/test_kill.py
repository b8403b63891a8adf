"""kill -9 under load, on good disks and on bad ones: what was answered with 250 is in every mailbox exactly once,
and where the disk lied it is said which file is damaged.

KILLS=200 makes it the long campaign (`make kill`); the ordinary tests run a few."""
import collections
import contextlib
import os
import shlex
import random
import re
import resource
import smtplib
import subprocess
import threading
import time
from pathlib import Path

from world import letter, until

RUNS = int(os.environ.get("KILLS", "12"))
USERS = ["alice", "bob", "carol"]


SMALL = [1, 14, 280]
LARGE = [1, 14, 280, 4000]  # lines of 72 bytes: the last has a pack of its own, which has to be opened


def sender(home, number, stop, said, lock, lines):
    """Sends until stopped; keeps its own book of what was answered with 250."""
    chance = random.Random(number * 7919 + os.getpid())
    n = 0
    while not stop.is_set():
        try:
            client = smtplib.SMTP(home.address, home.port(25), local_hostname="load.test", timeout=5)
            for _ in range(20):
                n += 1
                key = f"k{number}-{n}-{chance.getrandbits(48):x}"
                to = chance.sample(USERS, chance.choice([1, 1, 2, 3]))
                body = ("x" * 70 + "\r\n") * chance.choice(lines)
                refused = client.sendmail("load@elsewhere.test", [f"{u}@one.test" for u in to], letter("load@elsewhere.test", "all@one.test", key, body))
                with lock:
                    said[key] = [u for u in to if f"{u}@one.test" not in refused]
                if stop.is_set():
                    break
            client.close()
        except (OSError, smtplib.SMTPException):
            time.sleep(0.01)


def found_keys(home, user):
    client = home.imap(user)
    client.select("INBOX", readonly=True)
    status, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    client.logout()
    return collections.Counter(m.group(1).decode() for part in data if isinstance(part, tuple)
                               for m in [re.search(rb"Subject: (\S+)", part[1])] if m)


def everything_is_there(home, said):
    """Each letter of the book for each of its recipients, once; how many that are."""
    until(lambda: home.json("queue", "list")["letters"] == [], 60, "an empty queue")
    expected = {user: {key for key, to in said.items() if user in to} for user in USERS}
    for user in USERS:
        found = found_keys(home, user)
        lost = expected[user] - set(found)
        twice = [key for key, count in found.items() if count > 1]
        assert not lost, (user, len(lost), sorted(lost)[:5])
        assert not twice, (user, twice[:5])
    return sum(map(len, expected.values()))


def test_kill_9_loses_and_doubles_nothing(world):
    home = world.home("one.test", accounts=USERS)
    world.publish(extra="elsewhere.test. IN TXT \"v=spf1 +all\"\nelsewhere.test. IN MX 0 .\n")
    said, lock = {}, threading.Lock()
    chance = random.Random(os.environ.get("SEED", "1"))
    for run in range(RUNS):
        home.start()
        stop = threading.Event()
        threads = [threading.Thread(target=sender, args=(home, run * 10 + i, stop, said, lock, SMALL)) for i in range(6)]
        for t in threads:
            t.start()
        time.sleep(chance.uniform(0.05, 0.6))
        until(lambda: len(said) >= run + 2, what="letters that are taken, two more than rounds")
        home.kill()
        stop.set()
        for t in threads:
            t.join()
    home.start()
    deliveries = everything_is_there(home, said)
    assert "whole" in home.tram("verify").stdout
    print(f"{RUNS} kills, {len(said)} letters answered with 250, {deliveries} deliveries: none lost, none twice")
    assert len(said) > RUNS


# ---- the same on disks that fail and lie ----

FAULTS = ["EIO", "BODYEIO", "flip a log", "FULL", "no descriptor", "flip a pack", "ENOSPC", "EMFILE", "REOPEN"]


def shim(world):
    """The library by which a server meets faults on order (fault_shim.c)."""
    library = world.folder / "fault.so"
    source = Path(__file__).with_name("fault_shim.c")
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)


def rounds_of_faults():
    return int(os.environ.get("KILLS", 2 * len(FAULTS)))


@contextlib.contextmanager
def no_descriptors(home):
    """The running server cannot open anything more: what it has open it keeps."""
    soft, hard = resource.prlimit(home.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(home.process.pid, resource.RLIMIT_NOFILE, (8, hard))
    yield
    resource.prlimit(home.process.pid, resource.RLIMIT_NOFILE, (soft, hard))


def sent_until_killed(home, run, said, lock, meanwhile, lines=SMALL):
    stop = threading.Event()
    threads = [threading.Thread(target=sender, args=(home, run * 10 + i, stop, said, lock, lines)) for i in range(4)]
    for t in threads:
        t.start()
    meanwhile()
    home.kill()
    stop.set()
    for t in threads:
        t.join()


def without_descriptors(home, run, said, lock, chance):
    """None is left while large letters come, each of which opens a pack. In every second round there are some again
    before the end."""
    before = home.log.stat().st_size

    def meanwhile():
        time.sleep(chance.uniform(0.2, 0.4))
        with no_descriptors(home):
            time.sleep(chance.uniform(0.3, 0.8))
            if chance.randrange(2):
                return home.process.kill()
        time.sleep(chance.uniform(0.1, 0.5))
    sent_until_killed(home, run, said, lock, meanwhile, LARGE)
    met = re.findall(r"cannot open store/bodies\S*: Too many open files", home.log.read_bytes()[before:].decode(errors="replace"))
    return "met by a pack" if met else "never met"


def left_of(order):
    """What the order still says; nothing once its last fault was met: the server takes the file away at that moment."""
    try:
        return order.read_text()
    except FileNotFoundError:
        return ""


def with_faults_on_order(home, order, fault, run, said, lock, chance):
    """The kill comes some time after the server met the fault; how often that is, says the order (fault_shim.c)."""
    text = f"{fault} {chance.randrange(1, 4)}\n"
    order.with_suffix(".new").write_text(text)
    order.with_suffix(".new").replace(order)

    def meanwhile():
        until(lambda: not order.exists() or left_of(order) not in (text, ""), 60, f"{fault} at the server")
        time.sleep(chance.uniform(0, 0.7))
    sent_until_killed(home, run, said, lock, meanwhile, LARGE if fault == "EMFILE" else SMALL)
    left = left_of(order)
    order.unlink(missing_ok=True)
    return "met" if not left else "met in part"


def flip(path, at, bit):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << bit]))


def flip_in_log(home, chance):
    """In the first half of what the newest log holds, so that whole groups stand behind it. A start that goes by it
    has no use for it; one that is refused names the file and a way on, and with the bit as it was all is there."""
    log = max((home.dir / "store" / "index").glob("*.log"), key=lambda path: path.name)
    used = len(log.read_bytes().rstrip(b"\0"))
    if used < 20000:
        return "too little to damage"
    at, bit = chance.randrange(used // 2), chance.randrange(8)
    flip(log, at, bit)
    refused = home.tram("verify", ok=False)
    if refused.returncode == 3:
        assert log.name in refused.stderr and "--accept-loss" in refused.stderr, refused.stderr
        flip(log, at, bit)
        return "refused"
    assert refused.returncode == 0, (refused.stdout, refused.stderr)
    return "not needed any more"


def flip_in_pack(home, chance):
    """What cannot be read is named; what was not hit is whole."""
    pack = chance.choice(sorted((home.dir / "store" / "bodies").glob("*.pack")))
    used = len(pack.read_bytes().rstrip(b"\0"))
    at, bit = chance.randrange(used), chance.randrange(8)
    flip(pack, at, bit)
    said = home.tram("verify", ok=False)
    assert said.returncode in (0, 1), (said.returncode, said.stdout, said.stderr)
    if said.returncode:
        assert pack.name in said.stdout or pack.stem.split("-")[1].lstrip("0") in said.stdout, (pack.name, said.stdout)
    if pack.exists():
        flip(pack, at, bit)
    return "named" if said.returncode else "nothing that is needed"


def test_kill_9_on_disks_that_fail_and_lie(world, monkeypatch):
    library = shim(world)
    home = world.home("one.test", accounts=USERS)
    order = home.dir / "fault"
    world.publish(extra="elsewhere.test. IN TXT \"v=spf1 +all\"\nelsewhere.test. IN MX 0 .\n")
    monkeypatch.setenv("TRAM_FAULT", str(order))
    said, lock, told = {}, threading.Lock(), collections.Counter()
    chance = random.Random(os.environ.get("SEED", "1"))
    for run in range(rounds_of_faults()):
        fault = FAULTS[run % len(FAULTS)]
        monkeypatch.setenv("LD_PRELOAD", library)
        home.start()
        monkeypatch.delenv("LD_PRELOAD")

        if fault == "no descriptor":
            told[f"{fault}: {without_descriptors(home, run, said, lock, chance)}"] += 1
            continue
        if fault.startswith("flip"):
            sent_until_killed(home, run, said, lock, lambda: time.sleep(chance.uniform(0.3, 1.0)))
            told[fault + ": " + (flip_in_log if "log" in fault else flip_in_pack)(home, chance)] += 1
        else:
            told[fault + ": " + with_faults_on_order(home, order, fault, run, said, lock, chance)] += 1
    home.start()
    everything_is_there(home, said)
    assert "whole" in home.tram("verify").stdout
    print(f"{sum(told.values())} kills on bad disks, {len(said)} letters answered with 250: none lost, none twice; " +
          ", ".join(f"{n} x {what}" for what, n in sorted(told.items())))
    assert len(said) > rounds_of_faults()
    assert not any("never" in what for what in told), told
