"""BIND, primary of one.test, where only the holder of a key may change anything, at a free port."""
import contextlib
import shutil
import socket
import subprocess
import threading

from world import until

ADDRESS = "127.0.0.1"  # it listens at addresses of interfaces only
ZONE = ('$TTL 60\n@ SOA ns.one.test. x.one.test. 1 60 60 60 60\n@ NS ns\nns A 192.0.2.53\n'
        '@ TXT "site-verification=7"\n@ TXT "v=spf1 -all"\n@ MX 5 old.one.test.\nold A 192.0.2.9\n')


def free_port():
    """Nobody has it now, for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((ADDRESS, 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]


def tsig_key():
    return subprocess.run(["tsig-keygen", "-a", "hmac-sha256", "tram"], check=True, capture_output=True, text=True).stdout


def named(folder, zone=ZONE):
    """A fixture's body."""
    port, key = free_port(), tsig_key()
    (folder / "key").write_text(key)
    (folder / "key").chmod(0o600)
    (folder / "other").write_text(tsig_key())
    (folder / "one.zone").write_text(zone)
    (folder / "other.zone").write_text('$TTL 60\n@ SOA ns.one.test. x.one.test. 1 60 60 60 60\n@ NS ns.one.test.\npolicy TXT "v=DMARC1; p=none"\n')
    (folder / "named.conf").write_text(f'''{key}
options {{ directory "{folder}"; listen-on port {port} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; pid-file none; session-keyfile none; notify no; managed-keys-directory "{folder}"; }};
controls {{ }};
zone "one.test" {{ type primary; file "{folder}/one.zone"; update-policy {{ grant tram zonesub ANY; }}; }};
zone "other.test" {{ type primary; file "{folder}/other.zone"; update-policy {{ grant tram zonesub ANY; }}; }};
''')
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([shutil.which("named", path="/usr/sbin:/sbin:/usr/bin"), "-g", "-c", str(folder / "named.conf")], stdout=log, stderr=log)

    def answers():
        try:
            socket.create_connection((ADDRESS, port), 1).close()
            return True
        except OSError:
            return process.poll() is not None

    until(answers, what="named")
    assert process.poll() is None, (folder / "log").read_text()
    try:
        yield {"address": ADDRESS, "port": port, "folder": folder, "at": f"{ADDRESS}:{port}"}
    finally:
        process.kill()
        process.wait()


class Between:
    """In front of BIND over TCP: passes messages on, and while `refuses` is set it refuses questions for TXT records itself."""

    def __init__(self, server):
        self.server, self.refuses, self.refused = server, False, 0
        self.listener = socket.create_server((ADDRESS, 0))
        self.at = f"{ADDRESS}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.session, args=(self.listener.accept()[0],), daemon=True).start()

    def session(self, client):
        with client, socket.create_connection((ADDRESS, self.server["port"])) as bind, contextlib.suppress(EOFError, OSError):
            while True:
                message = take_message(client)
                is_question = message[2] >> 3 & 15 == 0
                if self.refuses and is_question and message[12:].split(b"\0", 1)[1][:2] == b"\0\x10":
                    self.refused += 1
                    end = 12 + message[12:].index(b"\0") + 5
                    answer = message[:2] + b"\x84\x05" + message[4:6] + bytes(6) + message[12:end]
                else:
                    bind.sendall(len(message).to_bytes(2, "big") + message)
                    answer = take_message(bind)
                client.sendall(len(answer).to_bytes(2, "big") + answer)


def take_message(connection):
    def take(n):
        got = b""
        while len(got) < n:
            piece = connection.recv(n - len(got))
            if not piece:
                raise EOFError
            got += piece
        return got
    return take(int.from_bytes(take(2), "big"))


def asked(server, name, kind):
    """What BIND has, asked by a client that we did not write."""
    script = ("use Net::DNS; my $r = Net::DNS::Resolver->new(nameservers => [$ARGV[0]], port => $ARGV[1], recurse => 0, usevc => 1);"
              "my $p = $r->send($ARGV[2], $ARGV[3]); print map { $_->plain . \"\\n\" } $p->answer if $p;")
    return subprocess.run(["perl", "-e", script, server["address"], str(server["port"]), name, kind], capture_output=True, text=True, check=True).stdout


def update(server, *lines):
    """By nsupdate, which we did not write."""
    script = "\n".join([f"server {server['address']} {server['port']}", "zone one.test", *lines, "send", ""])
    subprocess.run(["nsupdate", "-v", "-k", str(server["folder"] / "key")], input=script, text=True, check=True, capture_output=True)
