"""The running server is shut in, told to systemd, and started with sockets that were opened for it."""
import base64
import imaplib
import os
import poplib
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from world import OFFSET, TRAM, World, until


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"))
    yield w
    w.close()


@pytest.fixture(scope="module")
def home(world):
    home = world.home("one.test", accounts=["alice"])
    world.publish()
    home.start()
    return home


def status(home):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{home.process.pid}/status").read_text().splitlines())


def filters(text):
    return int(re.search(r"^Seccomp_filters:\t(\d+)$", text, re.M).group(1))


OURS = filters(Path("/proc/self/status").read_text())  # what this test itself is shut in by


def test_no_rights_are_left(home):
    state = status(home)
    assert state["Seccomp"] == "2" and state["NoNewPrivs"] == "1"
    assert {state[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    for task in Path(f"/proc/{home.process.pid}/task").iterdir():
        text = (task / "status").read_text()
        assert filters(text) == OURS + 1 and f"CapEff:\t{'0' * 16}" in text


def test_no_secret_comes_into_logs_traces_or_core_files(world):
    """Right and wrong passwords over each protocol, a key of the API, and the private keys of the home: nothing of them is told."""
    home = world.home("secrets.test", config='log_level = "debug"')
    password, wrong = "planted-Qx7-right", "planted-Zk4-wrong"
    home.tram("account", "add", "alice@secrets.test", input=password + "\n")
    world.publish()
    home.start()
    key = home.tram("key", "add", "alice@secrets.test", "--name", "t", "--scope", "mail.send").stdout.split("\n")[0]
    home.imap("alice", password).logout()
    home.pop("alice", password).quit()
    home.submission("alice", password).quit()
    for attempt in (home.imap, home.pop, home.submission):
        with pytest.raises((imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException)):
            attempt("alice", wrong)
    for secret in (key, wrong):
        subprocess.run(["curl", "-sk", "-H", f"Authorization: Bearer {secret}", "--data", "{}", f"https://{home.address}:{home.port(443)}/v1/send"], check=True, capture_output=True)
    shown = [home.log.read_text(), home.tram("audit").stdout, home.tram("key", "list").stdout, home.tram("block", "list").stdout,
             home.tram("account", "list", "secrets.test", "--json").stdout, home.tram("trace", "alice@secrets.test", ok=False).stderr]
    plain = [password, wrong, key.split(".", 1)[1], *(re.sub(r"-----.*?-----|\s", "", (home.dir / "tls/key.pem").read_text()),)]
    plain += [base64.b64encode(f"\0alice@secrets.test\0{p}".encode()).decode() for p in (password, wrong)]
    for text in shown:
        for secret in plain:
            assert secret not in text and secret[-24:] not in text
    assert "login" in shown[0] or "wrong" in shown[0], "the attempts themselves are told"
    limits = Path(f"/proc/{home.process.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
    home.stop()


# Each needs a module that libc loads when it is first asked for.
CHARSETS = ["big5", "gb18030", "iso-2022-jp", "euc-kr", "koi8-r", "windows-1258", "cp949", "tis-620"]


def test_charsets_are_there_within_the_fence(home):
    home.tram("send", "-f", "alice@one.test", "alice@one.test", input="Subject: warm\n\nx\n")
    with imaplib.IMAP4(home.address, OFFSET + 143) as imap:
        imap.starttls(__import__("world").insecure_tls())
        imap.login("alice@one.test", "secret")
        for i, charset in enumerate(CHARSETS):
            word = {"big5": "測試", "gb18030": "测试", "iso-2022-jp": "試験", "euc-kr": "시험", "cp949": "시험",
                    "koi8-r": "опыт", "windows-1258": "thu", "tis-620": "ทดลอง"}[charset]
            letter = EmailMessage()
            letter["Subject"] = f"{i}"
            letter.set_content(f"x {word} y", charset="utf-8")
            raw = (f"Subject: {i}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n"
                   "Content-Transfer-Encoding: 8bit\r\n\r\n").encode() + f"x {word} y\r\n".encode(charset.replace("windows-", "cp"))
            assert imap.append("INBOX", None, None, raw)[0] == "OK"
        imap.select("INBOX")
        for i, charset in enumerate(CHARSETS):
            word = {"big5": "測試", "gb18030": "测试", "iso-2022-jp": "試験", "euc-kr": "시험", "cp949": "시험",
                    "koi8-r": "опыт", "windows-1258": "thu", "tis-620": "ทดลอง"}[charset]
            imap.literal = word.encode()
            found = imap.search("UTF-8", "SUBJECT", str(i), "BODY")[1][0]
            assert found, charset


def test_a_backup_goes_where_the_server_cannot_write(home, tmp_path):
    home.tram("send", "-f", "alice@one.test", "alice@one.test", input="Subject: kept\n\nx\n")
    elsewhere = [tmp_path]
    if os.access("/dev/shm", os.W_OK):  # another file system
        elsewhere.append(Path(tempfile.mkdtemp(dir="/dev/shm")))
    for place in elsewhere:
        copy = place / "copy"
        home.tram("backup", str(copy))
        assert (copy / "store" / "index" / "CURRENT").exists() and list((copy / "store" / "bodies").iterdir())
        assert not (home.dir / "store" / "backup").exists()
        done = subprocess.run([TRAM, "-C", str(copy), "verify"], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stdout
        home.tram("backup", str(copy), status=1)
        (place / "link").symlink_to(home.dir / "tls")
        for within in (home.dir / "store" / "copy", home.dir / "store" / "bodies" / "copy", place / "link" / "copy", f"{home.dir}/tls/../store/copy//"):
            assert "within what is copied" in home.tram("backup", str(within), ok=False).stderr and not Path(within).exists()
        (place / "link").unlink()
        shutil.rmtree(copy)
    elsewhere[1:] and shutil.rmtree(elsewhere[1])


def test_a_key_that_others_can_read_is_refused(world):
    home = world.home("two.test")
    key = home.dir / "tls" / "key.pem"
    key.chmod(0o644)
    done = home.tram("serve", status=3)
    assert "chmod 600" in done.stderr
    key.chmod(0o600)


def test_the_password_of_a_route_may_lie_elsewhere(world, tmp_path):
    elsewhere = Path(tempfile.mkdtemp(dir=tmp_path))  # above it lies nothing that the fence lets through
    (elsewhere / "password").write_text("secret\n")
    home = world.home("five.test", config='routes = {"far.test via relay.far.test:587 user=one '
                                          f'password-file={elsewhere}/password"}}')
    home.start()
    home.stop()


def test_without_the_fence(world):
    home = world.home("three.test", config="fence = false")
    home.start()
    assert int(status(home)["Seccomp_filters"]) == OURS
    home.stop()


def test_a_service_manager_with_an_abstract_name_opens_the_fence_to_such_names(world, monkeypatch):
    home = world.home("six.test")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(f"\0tram-notify-{os.getpid()}")
    told.settimeout(60)
    monkeypatch.setenv("NOTIFY_SOCKET", f"@tram-notify-{os.getpid()}")
    home.start()
    try:
        assert b"READY=1" in told.recv(4096)
        home.logged("sockets with abstract names are outside the fence: NOTIFY_SOCKET is one")
    finally:
        home.stop()
        told.close()


def test_systemd_hands_sockets_over_and_is_told(world, tmp_path):
    home = world.home("four.test")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    told.settimeout(60)
    smtp = socket.create_server((home.address, OFFSET + 25))
    unused = socket.create_server((home.address, 0))
    port = unused.getsockname()[1]
    waiting = socket.create_connection((home.address, OFFSET + 25))  # before the server is there

    environment = dict(os.environ, LISTEN_FDS="2", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000")
    script = "import fcntl,os,sys; a, b = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]); os.dup2(a, 3); os.dup2(b, 4); " \
             "os.environ['LISTEN_PID']=str(os.getpid()); os.execv(sys.argv[3], sys.argv[3:])"
    log = open(tmp_path / "log", "wb")
    environment["JOURNAL_STREAM"] = f"{os.fstat(log.fileno()).st_dev}:{os.fstat(log.fileno()).st_ino}"
    process = subprocess.Popen(["/usr/bin/python3", "-c", script, str(smtp.fileno()), str(unused.fileno()), TRAM, "-C", str(home.dir), "serve"],
                               env=environment, pass_fds=[smtp.fileno(), unused.fileno()], stdout=subprocess.DEVNULL, stderr=log)
    try:
        states = []

        def hear(word):
            until(lambda: states.append(told.recv(4096).decode()) or any(word in s for s in states), what=word)

        hear("READY=1")
        hear("WATCHDOG=1")
        assert waiting.recv(1000).startswith(b"220 ")
        states.clear()
        process.send_signal(1)  # SIGHUP
        hear("RELOADING=1")
        assert re.search(r"MONOTONIC_USEC=\d+", "".join(states))
        hear("READY=1")
        process.terminate()
        hear("STOPPING=1")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines and all(re.match(r"<[3467]>\w+", line) for line in lines), lines
    assert any(f"{home.address}:{port}" in line and "nothing of this node listens there" in line for line in lines), lines
