"""An instance of Debian's Postfix of its own (configuration, queue, mailbox), with opendkim as its milters."""
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from world import until

ADDRESS = "127.0.0.1"  # Postfix wants an address that an interface has
CANONS = [f"{head}/{body}" for head in ("simple", "relaxed") for body in ("simple", "relaxed")]


def free_port():
    with socket.socket() as s:
        s.bind((ADDRESS, 0))
        return s.getsockname()[1]


def answers(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((ADDRESS, port)) == 0


class OpenDkim:
    """opendkim(8) as a milter: signs for one domain in one way, and verifies what others signed."""

    def __init__(self, folder, name, domain, selector, pem, canon, keys):
        folder.mkdir(parents=True, exist_ok=True)
        key, public, conf = (folder / f"{name}.{kind}" for kind in ("pem", "keys", "conf"))
        key.write_text(pem)
        key.chmod(0o600)
        public.write_text("".join(f"{where} {text}\n" for where, text in keys.items()))
        self.port = free_port()
        conf.write_text(f"Mode sv\nDomain {domain}\nSelector {selector}\nKeyFile {key}\nCanonicalization {canon}\n"
                        f"InternalHosts {ADDRESS}\nTestPublicKeys {public}\nAuthservID opendkim.test\nRequireSafeKeys no\n"
                        f"Socket inet:{self.port}@{ADDRESS}\nSyslog no\nBackground no\nAlwaysAddARHeader yes\nUserID root\n")
        self.process = subprocess.Popen(["/usr/sbin/opendkim", "-f", "-x", str(conf)], stdout=subprocess.DEVNULL,
                                        stderr=open(folder / f"{name}.log", "wb"))
        until(lambda: answers(self.port), what=f"opendkim {name}")

    def close(self):
        self.process.terminate()
        self.process.wait(20)


class Postfix:
    """Receives for `domain` into a Maildir at `port`; `routes` says where the letters for other domains go.

    milters: {name: (port, milter port)}: further ports, each with a milter. own_milter: that of `port`, or None."""

    def __init__(self, folder, domain, port, routes, milters, own_milter):
        self.folder, self.port = Path(folder), port
        etc, queue, data, self.mail = (self.folder / d for d in ("etc", "queue", "data", "mail"))
        for d in (etc, queue, data, self.mail):
            d.mkdir(parents=True)
        for d in (Path(folder).parent, self.folder):
            os.chmod(d, 0o755)
        shutil.chown(data, "postfix")
        uid = subprocess.run(["id", "-u", "nobody"], capture_output=True, text=True).stdout.strip()
        shutil.chown(self.mail, "nobody")
        (etc / "transport").write_text("".join(f"/@{re.escape(d)}$/ smtp:[{a}]:{p}\n" for d, (a, p) in routes.items()))
        (etc / "main.cf").write_text(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = mx.{domain}
mydestination =
inet_interfaces = {ADDRESS}
inet_protocols = ipv4
mynetworks = {ADDRESS}/32
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
transport_maps = regexp:{etc}/transport
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {self.mail}
virtual_mailbox_maps = static:box/
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 60000000
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
smtpd_milters = {f"inet:{ADDRESS}:{own_milter}" if own_milter else ""}
milter_default_action = tempfail
maillog_file = {self.folder}/log
maillog_file_prefixes = {self.folder}
smtpd_peername_lookup = no
smtp_host_lookup = native
disable_dns_lookups = yes
alias_maps =
local_recipient_maps =
""")
        master = Path("/etc/postfix/master.cf")
        if not master.exists():
            master = Path("/usr/share/postfix/master.cf.dist")
        listeners = f"{port} inet n - n - - smtpd\n"
        for p, milter in milters.values():
            setting = f"inet:{ADDRESS}:{milter}" if milter else ""
            listeners += f"{p} inet n - n - - smtpd\n  -o smtpd_milters={setting}\n"
        text = re.sub(r"^smtp\s+inet.*$", lambda _: listeners, master.read_text(), flags=re.M)
        text = re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y(\s)", r"\1n\2", text, flags=re.M)
        text = re.sub(r"^#?postlog\s.*$", "", text, flags=re.M) + "\npostlog unix-dgram n - n - 1 postlogd\n"
        (etc / "master.cf").write_text(text)
        self.command = ["/usr/sbin/postfix", "-c", str(etc)]
        done = subprocess.run([*self.command, "start"], capture_output=True, text=True)
        assert done.returncode == 0, ("postfix does not start", done.stdout, done.stderr)
        until(lambda: answers(port), what="Postfix at its port")

    def letters(self):
        """Subject word -> the letter, with the line ends of the wire."""
        new = self.mail / "box" / "new"
        found = [p.read_bytes().replace(b"\n", b"\r\n") for p in new.iterdir()] if new.exists() else []
        return {re.search(rb"^X-Case: (\S+)", raw, re.M).group(1).decode(): raw for raw in found}

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self):
        subprocess.run([*self.command, "stop"], capture_output=True)
