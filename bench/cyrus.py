"""Debian's Cyrus for bench/imap.py. Its packages conflict with Dovecot's, so they are not installed: apt-get fetches
them into build/cyrus, dpkg unpacks them there, and the server runs from that folder with a configuration of its own."""
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["cyrus-imapd", "cyrus-common", "sasl2-bin", "libical3"]
USER = "mail"  # Cyrus does not run as root
ADDRESS = "127.0.0.42"


class Unavailable(Exception):
    pass


def run(*words, **how):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **how)
    if done.returncode:
        raise Unavailable(f"{words[0]}: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def unpack():
    """The folder with what the packages hold; fetched once."""
    to = ROOT / "build" / "cyrus"
    if (to / "root").exists():
        return to / "root"
    shutil.rmtree(to, ignore_errors=True)
    (to / "new").mkdir(parents=True)
    try:
        run("apt-get", "-o", "APT::Sandbox::User=root", "download", *PACKAGES, cwd=to)
        for package in to.glob("*.deb"):
            run("dpkg", "-x", package, to / "new")
    except FileNotFoundError as e:
        raise Unavailable(str(e)) from e
    (to / "new").rename(to / "root")
    return to / "root"


class Cyrus:
    """An instance of its own, without a statistics or duplicate delivery database; APPEND is durable."""
    name = "Cyrus"

    def __init__(self, folder):
        self.root = unpack()
        with socket.create_server((ADDRESS, 0)) as free:
            self.port = free.getsockname()[1]
        self.bin = self.root / "usr/lib/cyrus/bin"
        self.folder = Path(folder) / "cyrus"
        self.env = dict(os.environ, LD_LIBRARY_PATH=str(next(self.root.glob("usr/lib/*/libcyrus.so.0")).parent))
        os.chmod(folder, 0o755)
        for name in ("conf", "spool", "run"):
            (self.folder / name).mkdir(parents=True)
        missing = [line.split()[0] for line in run("ldd", self.bin / "imapd", env=self.env).splitlines() if "not found" in line]
        if missing:
            raise Unavailable(f"libraries are missing: {' '.join(missing)}")
        self.configure()
        run(self.root / "usr/sbin/saslpasswd2", "-p", "-c", "-f", self.folder / "sasldb", "-u", "mail.bench.test", "bob",
            input="secret\n", env=self.env)
        self.own()

    def configure(self):
        at = self.folder
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            at / "key.pem", "-out", at / "cert.pem", "-days", "9", "-subj", "/CN=mail.bench.test")
        (at / "imapd.conf").write_text(f"""configdirectory: {at}/conf
partition-default: {at}/spool
defaultpartition: default
cyrus_user: {USER}
cyrus_group: {USER}
servername: mail.bench.test
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {at}/sasldb
sasl_mech_list: PLAIN
autocreate_quota: 0
unixhierarchysep: yes
tls_server_cert: {at}/cert.pem
tls_server_key: {at}/key.pem
lmtpsocket: {at}/run/lmtp
idlesocket: {at}/run/idle
notifysocket: {at}/run/notify
""")
        (at / "cyrus.conf").write_text(f"""START {{
  recover cmd="{self.bin}/ctl_cyrusdb -C {at}/imapd.conf -r"
}}
SERVICES {{
  imaps cmd="{self.bin}/imapd -C {at}/imapd.conf -s" listen="{ADDRESS}:{self.port}"
}}
EVENTS {{
  checkpoint cmd="{self.bin}/ctl_cyrusdb -C {at}/imapd.conf -c" period=30
}}
""")

    def own(self):
        for path in [self.folder, *self.folder.rglob("*")]:
            shutil.chown(path, USER, USER)

    def start(self):
        # its master ends the whole group of processes that it is in
        self.process = subprocess.Popen([self.bin / "master", "-C", self.folder / "imapd.conf", "-M", self.folder / "cyrus.conf",
                                         "-p", self.folder / "run/pid", "-D"], env=self.env, start_new_session=True,
                                        stderr=open(self.folder / "log", "ab"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def spool(self):
        """Where the letters of the only mailbox are."""
        return next(self.folder.glob("spool/**/cyrus.index")).parent

    def reconstruct(self):
        """Takes the files NUMBER. that were put into the spool."""
        self.own()
        run(self.bin / "reconstruct", "-C", self.folder / "imapd.conf", "user/bob", env=self.env)
