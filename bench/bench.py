#!/usr/bin/env python3
"""make bench: Tram beside Debian's Postfix on this machine, in this run, with the same work.

Receives letters of 10 KB durably over 50 sessions, sent by Postfix's smtp-source, and measures
the rate and the CPU time of the whole server (every process of it) per letter. Both servers
deliver to a mailbox on the same file system; both say 250 only after the letter is on disk."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "whole"))
from world import World, until  # noqa: E402

LETTERS = int(os.environ.get("LETTERS", "20000"))
SESSIONS = int(os.environ.get("SESSIONS", "50"))
SIZE = int(os.environ.get("SIZE", "10240"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pids):
    """User and system seconds of the processes and of the children they have waited for."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / TICK


def family(root):
    """The process and all that descend from it."""
    parents = {}
    for p in Path("/proc").iterdir():
        if p.name.isdigit():
            try:
                parents[int(p.name)] = int((p / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def written_bytes(pids):
    total = 0
    for pid in pids:
        try:
            total += int(re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.M).group(1))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return total


class Tram:
    name = "Tram"

    def __init__(self, folder):
        self.world = World(folder)
        self.home = self.world.home("bench.test", address="127.0.0.40", accounts=["bob"])
        self.world.publish(extra='source.test. IN TXT "v=spf1 +all"\nsource.test. IN A 127.0.0.1\n')
        self.home.start()
        self.to, self.port, self.root = "bob@bench.test", self.home.port(25), self.home.process.pid
        self.version = "this build"

    def stored(self):
        return self.home.json("account", "list")["accounts"][0]["messages"]

    def settings(self):
        return "checks on (iprev, SPF, DKIM, DMARC), defaults"

    def close(self):
        self.world.close()


class Postfix:
    """An instance of its own: own configuration, queue and mailbox; delivers by local(8)'s virtual to Maildir."""
    name = "Postfix"

    def __init__(self, folder):
        self.folder = Path(folder) / "postfix"
        etc, queue, data, mail = (self.folder / d for d in ("etc", "queue", "data", "mail"))
        for d in (etc, queue, data, mail):
            d.mkdir(parents=True)
        os.chmod(folder, 0o755)
        os.chmod(self.folder, 0o755)
        shutil.chown(data, "postfix")
        uid = subprocess.run(["id", "-u", "nobody"], capture_output=True, text=True).stdout.strip()
        shutil.chown(mail, "nobody")
        (etc / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = mail.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = bench.test
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:bob/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
smtpd_client_connection_count_limit = 0
default_process_limit = 200
maillog_file = {self.folder}/log
maillog_file_prefixes = {self.folder}
smtpd_peername_lookup = no
alias_maps =
local_recipient_maps =
""")
        master = Path("/etc/postfix/master.cf")
        if not master.exists():
            master = Path("/usr/share/postfix/master.cf.dist")
        text = re.sub(r"^smtp\s+inet.*$", "11025 inet n - n - 200 smtpd", master.read_text(), flags=re.M)
        text = re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y(\s)", r"\1n\2", text, flags=re.M)
        text = re.sub(r"^#?postlog\s.*$", "", text, flags=re.M) + "\npostlog unix-dgram n - n - 1 postlogd\n"
        (etc / "master.cf").write_text(text)
        self.command = ["/usr/sbin/postfix", "-c", str(etc)]
        done = subprocess.run([*self.command, "start"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"postfix does not start (postfix check tells why on a terminal): {done.stdout}{done.stderr}")
        self.mail, self.to, self.port = mail, "bob@bench.test", 11025
        self.root = int((queue / "pid" / "master.pid").read_text())
        self.version = subprocess.run(["/usr/sbin/postconf", "-d", "-h", "mail_version"], capture_output=True, text=True).stdout.strip()

    def stored(self):
        try:
            return len(os.listdir(self.mail / "bob" / "new"))
        except FileNotFoundError:
            return 0

    def settings(self):
        return "no sender checks, virtual(8) to Maildir, 200 processes"

    def close(self):
        subprocess.run([*self.command, "stop"], capture_output=True)


def wait_stored(server, count):
    until(lambda: server.stored() >= count, 300, f"letter {count} in the mailbox of {server.name}")


def measure(server, address, done):
    """One round: rate as smtp-source sees it, CPU until everything is in the mailbox."""
    before, io_before = cpu_of(family(server.root)), written_bytes(family(server.root))
    start = time.monotonic()
    subprocess.run(["/usr/sbin/smtp-source", "-d", "-s", str(SESSIONS), "-m", str(LETTERS), "-l", str(SIZE), "-f", "a@source.test",
                    "-t", server.to, "-M", "source.test", f"inet:{address}:{server.port}"], check=True)
    seconds = time.monotonic() - start
    wait_stored(server, done + LETTERS)
    until_stored = time.monotonic() - start
    pids = family(server.root)
    return {"rate": LETTERS / seconds, "stored": LETTERS / until_stored, "cpu_us": (cpu_of(pids) - before) / LETTERS * 1e6,
            "written": (written_bytes(pids) - io_before) / LETTERS}


def main():
    folder = tempfile.mkdtemp(prefix="tram-bench-", dir=os.environ.get("BENCH_DIR"))
    results = {}
    print(f"{LETTERS} letters of {SIZE} bytes over {SESSIONS} sessions, {ROUNDS} rounds each, "
          f"{os.cpu_count()} cores, kernel {os.uname().release}\n")
    try:
        for make, address in ((Tram, "127.0.0.40"), (Postfix, "127.0.0.1")):
            server = make(folder)
            print(f"{server.name} {server.version}: {server.settings()}")
            rounds = []
            try:
                measured = 0
                for _ in range(ROUNDS):
                    r = measure(server, address, measured)
                    measured += LETTERS
                    rounds.append(r)
                    print(f"  {r['rate']:8.0f} accepted/s  {r['stored']:8.0f} stored/s  {r['cpu_us']:7.0f} us CPU/letter  {r['written']:7.0f} bytes written/letter")
            finally:
                server.close()
            results[server.name] = {k: median(r[k] for r in rounds) for k in rounds[0]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tram, peer = results["Tram"], results["Postfix"]
    print(f"\nmedians                     Tram   Postfix   ratio")
    for key, label in (("rate", "accepted per second"), ("stored", "stored per second"), ("cpu_us", "CPU us per letter"), ("written", "bytes written per letter")):
        ratio = tram[key] / peer[key] if key in ("rate", "stored") else peer[key] / max(tram[key], 1)
        print(f"{label:24} {tram[key]:8.0f}  {peer[key]:8.0f}  {ratio:6.1f}")
    out = os.environ.get("BENCH_JSON")
    if out:
        Path(out).write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
