"""An instance of Debian's OpenSMTPD of its own. Its package and Postfix's exclude each other, and its paths are built in:
tools/deps unpacks it into build/peers/opensmtpd, and it runs in a root of its own (chroot, as root) made of that and the
libraries that it names."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from postfix import ADDRESS, answers
from world import ROOT, until

UNPACKED = ROOT / "build" / "peers" / "opensmtpd"
USERS = {"opensmtpd": 64991, "opensmtpq": 64992, "box": 64993}
CONF = """smtp max-message-size 60M
queue ttl 1h
table boxes {{ "@" = box }}
listen on {address} port {port} hostname mx.{domain}
action "box" maildir "/mail" virtual <boxes>
{actions}
match from any for domain "{domain}" action "box"
{matches}
"""


def library_files(program):
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


class OpenSmtpd:
    """Receives for `domain` into a Maildir at `port`; `routes`: domain -> address, at `peer_port`."""

    def __init__(self, folder, domain, port, routes, peer_port):
        assert (UNPACKED / "usr/sbin/smtpd").exists(), "tools/deps install peers unpacks OpenSMTPD"
        self.root, self.port = Path(folder), port
        shutil.copytree(UNPACKED, self.root, symlinks=True)
        programs = [self.root / "usr/sbin/smtpd", self.root / "usr/libexec/opensmtpd/mail.maildir", Path("/bin/sh")]
        for source in {f for p in programs for f in library_files(p)} | {"/bin/sh"}:
            to = self.root / source[1:]
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(source), to)
        for d in ("var/lib/opensmtpd/empty", "var/spool/smtpd", "run", "tmp", "dev", "etc", "mail"):
            (self.root / d).mkdir(parents=True, exist_ok=True)
        os.chmod(self.root / "var/spool/smtpd", 0o711)
        (self.root / "var/run").symlink_to("/run")
        for name, minor in (("null", 3), ("urandom", 9)):
            os.mknod(self.root / "dev" / name, 0o20666, os.makedev(1, minor))
            os.chmod(self.root / "dev" / name, 0o666)
        etc = self.root / "etc"
        (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\n" + "".join(f"{n}:x:{u}:{u}::/:/bin/sh\n" for n, u in USERS.items()))
        (etc / "group").write_text("root:x:0:\n" + "".join(f"{n}:x:{u}:\n" for n, u in USERS.items()))
        (etc / "resolv.conf").write_text("")
        os.chown(self.root / "mail", USERS["box"], USERS["box"])
        os.chmod(self.root.parent, 0o755)
        actions = "".join(f'action "{d}" relay host smtp://{a}:{peer_port}\n' for d, a in routes.items())
        matches = "".join(f'match from any for domain "{d}" action "{d}"\n' for d in routes)
        (etc / "smtpd.conf").write_text(CONF.format(domain=domain, address=ADDRESS, port=port, actions=actions, matches=matches))
        (etc / "mailname").write_text(f"mx.{domain}\n")
        with open(self.root / "out", "wb") as out:
            self.process = subprocess.Popen(["chroot", str(self.root), "/usr/sbin/smtpd", "-d"], stdout=out, stderr=out)
        until(lambda: answers(port) or self.process.poll() is not None, what="OpenSMTPD at its port")
        assert self.process.poll() is None, self.log()

    def letters(self):
        """Subject word -> the letter, with the line ends of the wire."""
        new = self.root / "mail" / "new"
        found = [p.read_bytes().replace(b"\n", b"\r\n") for p in new.iterdir()] if new.exists() else []
        return {re.search(rb"^X-Case: (\S+)", raw, re.M).group(1).decode(): raw for raw in found}

    def log(self):
        return (self.root / "out").read_text(errors="replace")

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.root, ignore_errors=True)
