"""A small internet in network namespaces: a bridge, fresh Debian 12 machines made by debootstrap, one machine with BIND (the
root, the zones, the reverse names) and pebble, and a client. Nothing of it reaches the network of this machine, but for
packages, which come from Debian's mirror while the first root is made."""
import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "world"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
NET, CORE, CLIENT = "44.77.0.", "44.77.0.1", "44.77.0.99"  # addresses of the world, as the world would route them


def run(*words, check=True, **options):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **options)
    assert not check or done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.2)
    return value


def missing():
    """Why no such internet can be made here, or None."""
    if os.getuid():
        return "only root makes namespaces"
    for program in ("debootstrap", "ip", "named", "pebble", "mount"):
        if not shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin"):
            return f"{program} is not here"
    return None


def package():
    """The package to be tried: TRAM_DEB, or what `make deb` made, or makes now."""
    found = [Path(os.environ["TRAM_DEB"])] if "TRAM_DEB" in os.environ else sorted((ROOT / "build/deb").glob("tram_*.deb"))
    if not found:
        run("make", "-C", ROOT, "deb", env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
        found = sorted((ROOT / "build/deb").glob("tram_*.deb"))
    return found[-1]


def debian():
    """A fresh Debian 12, kept for the next time: nothing but what debootstrap calls minimal."""
    root = CACHE / "debian12"
    if not root.exists():
        part = CACHE / "debian12.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        run("debootstrap", "--variant=minbase", "bookworm", part, MIRROR)
        (part / "etc/apt/sources.list").write_text(f"deb {MIRROR} bookworm main\ndeb {MIRROR} bookworm-updates main\n")
        part.rename(root)
    return root


class Internet:
    def __init__(self, folder):
        self.folder, self.names, self.mounts, self.processes = folder, [], [], []
        self.prefix = f"tram{os.getpid() % 100000}"
        self.core = self.space("core")
        for words in (("link", "add", "br0", "type", "bridge"), ("addr", "add", f"{CORE}/24", "dev", "br0"), ("link", "set", "br0", "up")):
            run("ip", "-n", self.core, *words)
        self.client = self.attached("client", CLIENT)

    def space(self, name):
        full = f"{self.prefix}-{name}"
        run("ip", "netns", "add", full)
        self.names.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        etc = Path("/etc/netns") / full
        etc.mkdir(parents=True)
        (etc / "resolv.conf").write_text(f"nameserver {CORE}\n")
        return full

    def attached(self, name, address):
        full, n = self.space(name), len(self.names)
        run("ip", "-n", self.core, "link", "add", f"v{n}", "type", "veth", "peer", "name", "eth0", "netns", full)
        run("ip", "-n", self.core, "link", "set", f"v{n}", "master", "br0", "up")
        run("ip", "-n", full, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", full, "link", "set", "eth0", "up")
        run("ip", "-n", full, "route", "add", "default", "via", CORE)
        return full

    def start(self, name, space, *words, **options):
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen(["ip", "netns", "exec", space, *map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        self.processes.append(process)
        return process

    def dns(self, domains):
        """BIND is the root of this internet, too; the zones of the domains may be changed with a key. The root and these
        are signed: whoever has `anchor` can prove what stands in them."""
        here = self.folder / "named"
        here.mkdir()
        key = run("tsig-keygen", "-a", "hmac-sha256", "tram").stdout
        (self.folder / "key").write_text(key)
        head = "$TTL 60\n@ SOA ns.test. x.test. 1 60 60 60 1\n@ NS ns.test.\n"
        root = head + f"ns.test. A {CORE}\nacme.test. A {CORE}\n"
        for d in domains:
            root += f"{d}. NS ns.test.\n"
        reverse = ".".join(reversed(NET.strip(".").split("."))) + ".in-addr.arpa"
        zones = {".": root + f"{reverse}. NS ns.test.\n", **{d: head for d in domains}}
        zones[reverse] = head + "".join(
            f"{i + 11} PTR mail.{d}.\n" for i, d in enumerate(domains))
        text = key + f'options {{ directory "{here}"; listen-on {{ {CORE}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; pid-file none; session-keyfile none; notify no; }};\ncontrols {{ }};\n'
        for i, (zone, lines) in enumerate(zones.items()):
            (here / f"{i}.zone").write_text(lines)
            signed = "dnssec-policy default; " if zone in (".", *domains) else ""
            text += f'zone "{zone}" {{ type primary; file "{here}/{i}.zone"; {signed}update-policy {{ grant tram zonesub ANY; }}; }};\n'
        (here / "conf").write_text(text)
        self.start("named", self.core, "named", "-g", "-c", here / "conf")
        self.answers(CORE, 53)
        self.anchor = self.folder / "anchor"
        self.anchor.write_text(self.keys(here, "."))
        script = f"server {CORE}\nzone .\n"
        for d in domains:  # the delegations prove the zones
            self.keys(here, d + ".")
            for ds in run("dnssec-dsfromkey", "-2", *here.glob(f"K{d}.+*.key")).stdout.splitlines():
                script += "update add " + ds.replace(" IN DS ", " 60 IN DS ") + "\n"
        run("ip", "netns", "exec", self.core, "nsupdate", "-v", "-k", self.folder / "key", input=script + "send\n")

    def keys(self, here, zone):
        """DNSKEY records of a zone's keys, once it is signed with them."""
        until(lambda: list(here.glob(f"K{zone}+*.key")), 20, f"the keys of {zone}")
        script = f"""
import socket, struct
name = b"".join(bytes([len(l)]) + l.encode() for l in "{zone}".strip(".").split(".") if l) + b"\\0"
q = struct.pack(">6H", 7, 0, 1, 0, 0, 1) + name + struct.pack(">2H", 48, 1) + b"\\0" + struct.pack(">2HIH", 41, 1232, 0x8000, 0)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
s.sendto(q, ("{CORE}", 53)); a = s.recv(4096)
assert struct.unpack(">H", a[6:8])[0] >= 2, "no signature yet"
"""
        until(lambda: run("ip", "netns", "exec", self.core, "python3", "-c", script, check=False).returncode == 0, 30, f"signatures of {zone}")
        return "".join(line + "\n" for f in here.glob(f"K{zone}+*.key") for line in f.read_text().splitlines() if not line.startswith(";"))

    def authority(self):
        """Pebble; the certificate that its own HTTPS has, and its root, are what machines are to trust."""
        here = self.folder / "pebble"
        here.mkdir()
        (here / "names").write_text("subjectAltName=DNS:acme.test")
        ssl = lambda *w: run("openssl", *w, cwd=here)
        ssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=trial", "-days", "30")
        ssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=acme.test")
        ssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "30", "-extfile", "names")
        (here / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"{CORE}:14000", "managementListenAddress": f"{CORE}:15000", "certificate": str(here / "cert.pem"), "privateKey": str(here / "key.pem"),
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        self.start("pebble", self.core, "pebble", "-config", here / "config.json", "-dnsserver", f"{CORE}:53", "-strict",
                   env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"})
        self.answers(CORE, 14000)
        root = run("ip", "netns", "exec", self.core, "curl", "-sf", "--cacert", here / "ca.pem", "--resolve", f"acme.test:15000:{CORE}", "https://acme.test:15000/roots/0").stdout
        self.trusted = self.folder / "trusted.pem"
        self.trusted.write_text((here / "ca.pem").read_text() + root)

    def answers(self, address, port):
        probe = f"import socket; socket.create_connection(('{address}', {port}), 1)"
        until(lambda: run("ip", "netns", "exec", self.core, "python3", "-c", probe, check=False).returncode == 0, 20, f"{address}:{port}")

    def ask(self, script, *words):
        """Python as the client, whose names and authorities are those of this internet."""
        return run("ip", "netns", "exec", self.client, "python3", "-c", script, *words,
                   env={**os.environ, "SSL_CERT_FILE": str(self.trusted)}, timeout=120).stdout

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
        for mount in reversed(self.mounts):
            run("umount", mount, check=False)
        for name in self.names:
            run("ip", "netns", "del", name, check=False)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
        if not any(os.path.ismount(m) for m in self.mounts):
            shutil.rmtree(self.folder, ignore_errors=True)


class Disk:
    """A fresh Debian, or what another disk holds: what is written here stays here."""

    def __init__(self, internet, name, *below):
        here = internet.folder / name
        self.root, self.upper = here / "root", here / "upper"
        for part in ("upper", "work", "root"):
            (here / part).mkdir(parents=True)
        lower = ":".join(str(d) for d in (*below, debian()))
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={here}/upper,workdir={here}/work", self.root)
        internet.mounts.append(self.root)
        run("mount", "-t", "proc", "proc", self.root / "proc")
        internet.mounts.append(self.root / "proc")

    def install(self, deb):
        """With the network of the real machine, for what the package depends on."""
        (self.root / "etc/dpkg/dpkg.cfg.d/quick").write_text("force-unsafe-io\n")
        shutil.copy(deb, self.root / "tmp/tram.deb")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        env = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        env |= {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
        run("chroot", self.root, "apt-get", "-q", "update", env=env)
        run("chroot", self.root, "apt-get", "-q", "-y", "--no-install-recommends", "install", "/tmp/tram.deb", env=env)
        (self.root / "etc/resolv.conf").write_text(f"nameserver {CORE}\n")


class Machine:
    """A computer with a disk and an address of its own."""

    def __init__(self, internet, n, domain, *below):
        self.internet, self.domain, self.address, self.name = internet, domain, f"{NET}{n + 11}", f"m{n}"
        self.root = Disk(internet, self.name, *below).root
        self.space = internet.attached(self.name, self.address)

    def trust(self, pem):
        for i, one in enumerate(pem.read_text().split("-----END CERTIFICATE-----")[:-1]):
            (self.root / f"usr/local/share/ca-certificates/w{i}.crt").write_text(one.lstrip() + "-----END CERTIFICATE-----\n")
        run("chroot", self.root, "update-ca-certificates")

    def words(self, *words):
        return ["ip", "netns", "exec", self.space, "chroot", str(self.root), *map(str, words)]

    def run(self, *words, check=True, input=None):
        return run(*self.words(*words), check=check, input=input, timeout=120)

    def tram(self, *words, **options):
        return self.run("tram", *words, **options)

    def json(self, *words, **options):
        return json.loads(self.run("tram", *words, "--json", **options).stdout)

    def serve(self):
        self.server = self.internet.start(self.name, self.space, "chroot", self.root, "tram", "serve")
        log = self.internet.folder / f"{self.name}.log"
        until(lambda: "ready" in log.read_text() or self.server.poll() is not None, 30, "the server")
        assert self.server.poll() is None, log.read_text()
