"""Knot DNS with zones that it signs by itself; the root's is one of them, so a test has the whole DNS and its trust anchor."""
import contextlib
import re
import shutil
import socket
import subprocess

from world import until

ADDRESS = "127.0.0.1"
ROOT = ". 60 SOA ns. x. 1 60 60 60 60\n. 60 NS ns.\nns. 60 A 192.0.2.53\n"


def free_port():
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((ADDRESS, 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]


class Knot:
    """zones: {name: (lines of its zone file, signed)}; the root's besides, of `root` and what every root needs."""

    def __init__(self, folder, root, zones):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        written = {".": (ROOT + root, True), **zones}
        conf = (f'server:\n    listen: {ADDRESS}@{self.port}\n    rundir: "{folder}"\n    user: root:root\nlog:\n  - target: stderr\n    any: info\n'
                f'database:\n    storage: "{folder}"\npolicy:\n  - id: own\n    algorithm: ecdsap256sha256\n    single-type-signing: on\nzone:\n')
        for name, (text, signed) in written.items():
            file = folder / f"{name.strip('.') or 'root'}.zone"
            file.write_text(text)
            conf += f'  - domain: "{name}"\n    file: "{file}"\n    zonefile-sync: -1\n    journal-content: none\n'
            if signed:
                conf += "    dnssec-signing: on\n    dnssec-policy: own\n"
        self.conf = folder / "knot.conf"
        self.conf.write_text(conf)
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen([shutil.which("knotd", path="/usr/sbin:/usr/bin"), "-c", str(self.conf)], stdout=self.log, stderr=self.log)
        until(self.is_signed, 30, f"Knot with signed zones: {folder}/log")

    def keymgr(self, *words):
        return subprocess.run([shutil.which("keymgr", path="/usr/sbin:/usr/bin"), "-c", str(self.conf), *words], capture_output=True, text=True)

    def is_signed(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return self.anchor() and "loaded" in (self.folder / "log").read_text()

    def anchor(self):
        """The DS of the root that Knot made."""
        found = re.search(r"^\. DS .*$", self.keymgr(".", "ds").stdout, re.M)
        return found.group(0).replace(". DS", ". IN DS") + "\n" if found else ""

    def close(self):
        self.process.terminate()
        self.process.wait(20)
