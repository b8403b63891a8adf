"""An instance of Debian's Exim of its own (configuration, spool, mailbox). The packages of Exim and Postfix exclude each
other, so tools/deps unpacks it into build/peers/exim; a user of its name is made up for it alone (libnss-wrapper)."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from postfix import ADDRESS, answers
from world import ROOT, until

BINARY = ROOT / "build" / "peers" / "exim" / "usr" / "sbin" / "exim4"
UID = 64990
CONF = """primary_hostname = mx.{domain}
exim_path = {binary}
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/spool/pid
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
add_environment =
deliver_drop_privilege = true
never_users =
local_interfaces = {address}
daemon_smtp_ports = {port}
disable_ipv6 = true
tls_advertise_hosts =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = true
message_size_limit = 60M
recipients_max = 1000
bounce_return_size_limit = 10K
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = all
acl_smtp_data = all
acl_smtp_data_prdr = all
begin acl
all:
  accept
begin routers
here:
  driver = accept
  domains = {domain}
  transport = box
there:
  driver = manualroute
  domains = *
  route_list = {routes}
  self = send
  transport = out
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {folder}/spool/mail
  create_directory
  message_suffix =
  user = {uid}
  group = {uid}
out:
  driver = smtp
  port = {peer_port}
  hosts_try_fastopen =
  message_linelength_limit = 1000000
begin retry
* * F,1h,2s
"""


class Exim:
    """Receives for `domain` into a Maildir at `port`; `routes`: domain -> address, at `peer_port`."""

    def __init__(self, folder, domain, port, routes, peer_port):
        assert BINARY.exists(), "tools/deps install peers unpacks Exim"
        self.folder, self.port = Path(folder), port
        spool = self.folder / "spool"
        spool.mkdir(parents=True)
        for d in (self.folder.parent, self.folder):
            os.chmod(d, 0o755)
        for name, line in (("passwd", f"Debian-exim:x:{UID}:{UID}::/:/usr/sbin/nologin\n"), ("group", f"Debian-exim:x:{UID}:\n")):
            (self.folder / name).write_text(Path("/etc", name).read_text() + line)
        os.chown(spool, UID, UID)
        conf = self.folder / "exim.conf"
        conf.write_text(CONF.format(domain=domain, binary=BINARY, folder=self.folder, address=ADDRESS, port=port, uid=UID, peer_port=peer_port,
                                    routes=" ; ".join(f"{d} {a}" for d, a in routes.items())))
        env = os.environ | {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
                            "NSS_WRAPPER_GROUP": str(self.folder / "group")}
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen([str(BINARY), "-C", str(conf), "-bdf", "-q2s"], env=env, stdout=out, stderr=out)
        until(lambda: answers(port) or self.process.poll() is not None, what="Exim at its port")
        assert self.process.poll() is None, (self.folder / "out").read_text() + self.log()

    def letters(self):
        """Subject word -> the letter, with the line ends of the wire."""
        new = self.folder / "spool" / "mail" / "new"
        found = [p.read_bytes().replace(b"\n", b"\r\n") for p in new.iterdir()] if new.exists() else []
        return {re.search(rb"^X-Case: (\S+)", raw, re.M).group(1).decode(): raw for raw in found}

    def log(self):
        return (self.folder / "out").read_text(errors="replace") + "".join(p.read_text(errors="replace") for p in sorted((self.folder / "spool").glob("*log")) if p.is_file())

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder / "spool", ignore_errors=True)
