"""From which addresses letters leave, and which of the world's lead back to the machine: in a network of its own."""
import subprocess

import pytest
from world import TRAM

ROOT = """
ip link set lo up && ip addr add 198.51.100.7/32 dev lo && ip addr add 2001:db8::5/128 dev lo nodad || exit 77
"$0" -C . serve > ../log 2>&1 &
for i in $(seq 600); do grep -q ready ../log && break; sleep 0.1; done
for domain in "$@"; do printf 'Subject: x\\n\\nx\\n' | "$0" -C . send -f a@lone.test b@$domain || exit 1; done
for i in $(seq 300); do [ $(grep -c 'event=bounced\\|event=deferred' ../log) -ge $# ] && break; sleep 0.1; done
kill $! && wait $!
"""


def told(tmp_path, config, hosts):
    """What became of a letter to each of these domains, of which each has one host with this address."""
    home, zone = tmp_path / "home", tmp_path / "zone"
    zone.write_text("".join(f"{d}. MX 10 mx.{d}.\nmx.{d}. {'AAAA' if ':' in ip else 'A'} {ip}\n" for d, ip in hosts.items()))
    subprocess.run([TRAM, "-C", home, "init", "--domain", "lone.test", "--port-offset", "10000", "--zone", zone], check=True, capture_output=True)
    with open(home / "tram.conf", "a") as f:
        f.write(config + "\n")
    done = subprocess.run(["unshare", "-rn", "sh", "-c", ROOT, TRAM, *hosts], cwd=home, capture_output=True, text=True, timeout=180)
    if done.returncode == 77:
        pytest.skip("no network namespace can be made here")
    log = (tmp_path / "log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    lines = [line for line in log.splitlines() if "event=bounced" in line or "event=deferred" in line]
    return {d: next(line for line in lines if f"to=b@{d} " in line) for d in hosts}


def test_mail_that_would_come_back_is_not_sent(tmp_path):
    """With the addresses that are listened on by default, all of the machine's."""
    hosts = {"near.test": "127.0.0.1", "far.test": "127.9.9.9", "zero.test": "0.0.0.0", "six.test": "::1", "eth.test": "198.51.100.7", "eth6.test": "2001:db8::5"}
    for domain, line in told(tmp_path, "", hosts).items():
        assert "event=bounced" in line and f"mail for {domain} comes back to this server" in line, line


@pytest.mark.parametrize("listen", ['"198.51.100.7", "2001:db8::5"', '"2001:db8::5", "198.51.100.7"', '"2001:db8::5", "0.0.0.0"'])
def test_hosts_of_either_family_are_reached(tmp_path, listen):
    """Nothing is there, but it was tried: no letter goes back because of the order of the addresses in the setting."""
    hosts = {"four.test": "127.0.0.9", "six.test": "::1"}
    for domain, line in told(tmp_path, f"listen = {{{listen}}}", hosts).items():
        if domain == "four.test" and "0.0.0.0" in listen:
            assert "comes back to this server" in line, line
        else:
            assert "event=deferred" in line and "Connection refused" in line, line
