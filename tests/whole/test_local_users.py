"""Every user of the machine sends as themselves and sees their own letters: sendmail, cron, mailq."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from world import TRAM, World, next_address


@pytest.fixture
def machine(tmp_path):
    """A home that other users of the machine can come to, and the program under its other names."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as other users")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o711)
        made = World(Path(folder))
        home = made.home("one.test", accounts=["alice"])
        made.publish(extra=f"away.test. IN MX 10 mx.away.test.\nmx.away.test. IN A {next_address()}\n")
        for name in ("tram", "sendmail", "mailq", "newaliases"):
            shutil.copy(TRAM, home.dir.parent / name)
            os.chmod(home.dir.parent / name, 0o755)
        yield home
        made.close()


def as_user(home, user, program, *words, input=b""):
    env = {"TRAM_HOME": str(home.dir), "LOGNAME": "root", "PATH": "/usr/bin"}
    done = subprocess.run([str(home.dir.parent / program), *words], input=input, capture_output=True, timeout=60, env=env,
                          user=user, group=user, extra_groups=[], cwd="/")
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_every_user_of_the_machine_sends_as_themselves(machine):
    home, nobody = machine, 65534
    status, _, said = as_user(home, nobody, "sendmail", "alice", input=b"Subject: x\n\nhi\n")
    assert status == 3 and "does not run" in said
    home.start()
    assert as_user(home, nobody, "sendmail", "alice", input=b"From: root (Cron Daemon)\nSubject: cron\n\nhi\n")[0] == 1
    assert as_user(home, nobody, "sendmail", "-i", "alice", input=b"From: nobody (Cron Daemon)\nSubject: cron\n\nhi\n") == (0, "", "")
    letters = home.wait_for("alice")
    assert b"From: nobody@one.test (Cron Daemon)" in letters[0] or b"nobody@one.test" in letters[0]
    # the same over SMTP on standard input, with more than one letter
    def over_smtp(sender):
        text = f"EHLO x\r\n" + f"MAIL FROM:<{sender}>\r\nRCPT TO:<alice@one.test>\r\nDATA\r\nSubject: bs\r\n\r\nhi\r\n.\r\n" * 2
        status, said, errors = as_user(home, nobody, "sendmail", "-bs", input=text.encode())
        assert (status, errors) == (0, "")
        return [line[:3] for line in said.splitlines() if line[3] == " "][2:]
    assert over_smtp("nobody@one.test") == ["250", "250", "354", "250"] * 2
    assert over_smtp("alice@one.test") == ["250", "250", "354", "554"] * 2
    # whether letters go, not where an alias leads
    home.tram("alias", "add", "secret@one.test", "hidden@away.test", "alice@one.test")
    assert as_user(home, nobody, "sendmail", "-bv", "secret@one.test") == (0, "secret@one.test... deliverable\n", "")
    assert "hidden" not in as_user(home, nobody, "tram", "--json", "send", "-b", "v", "secret@one.test")[1]
    # nobody sends as somebody else, in the envelope or in the letter, whatever the environment says
    for words, head in ((("-f", "alice@one.test", "alice"), b""), (("alice",), b"From: alice@one.test\n"),
                        (("alice",), b"From: nobody@one.test\nSender: root@one.test\n"),
                        (("alice",), b"Resent-From: alice@one.test\nFrom: nobody@one.test\n"),
                        (("alice",), b"From: nobody@two.test\n")):
        status, _, said = as_user(home, nobody, "sendmail", *words, input=head + b"Subject: forged\n\nhi\n")
        assert status == 1 and "nobody" in said, (words, head, said)
    assert as_user(home, nobody, "sendmail", "-f", "<>", "alice", input=b"Subject: vacation\n\nhi\n")[0] == 0
    # an account of that name may what it may
    home.account("nobody")
    home.tram("alias", "add", "web@one.test", "nobody@one.test")
    assert as_user(home, nobody, "sendmail", "alice", input=b"From: web@one.test\nSubject: alias\n\nhi\n")[0] == 0
    home.tram("account", "disable", "nobody@one.test")
    status, _, said = as_user(home, nobody, "sendmail", "alice", input=b"Subject: disabled\n\nhi\n")
    assert status == 1 and "is disabled" in said
    # root, who runs the node, writes as anybody
    assert as_user(home, 0, "sendmail", "alice", input=b"From: alice@one.test\nSubject: root\n\nhi\n")[0] == 0


def test_a_value_of_an_option_of_sendmail_is_no_option(machine):
    """What would send says that nobody serves; what would not, has ended well and a letter would be gone."""
    def said(*words):
        return as_user(machine, 65534, "sendmail", *words, input=b"Subject: x\n\nhi\n")
    for words in (("-F", "-I", "alice"), ("-F", "-bi", "alice"), ("-oi", "-F", "-bp", "alice"), ("-F", "-q", "alice"), ("-iF", "-I", "alice"), ("-N", "never", "-X", "-I", "alice"),
                  ("-t", "--", "-I"), ("--", "-bi"), ("alice", "-I"), ("-iV", "-bs", "alice"), ("-F", "-bs", "alice"), ("-f", "nobody@one.test", "-F-bi", "alice")):
        status, told, why = said(*words)
        assert status == 3 and "does not run" in why and not told, (words, status, told, why)
    for words in (("-bi",), ("-I",), ("-b", "i"), ("-oA/etc/aliases", "-bi"), ("-F", "-x", "-ibi")):
        assert said(*words) == (0, "", ""), words
    for words in (("-bs",), ("-f", "nobody@one.test", "-bs"), ("-ibs",)):
        assert said(*words)[1].startswith("220 "), words


def test_every_user_sees_their_own_letters_and_does_nothing_else(machine):
    home, nobody = machine, 65534
    home.start()
    for user in (0, nobody):
        assert as_user(home, user, "sendmail", "x@away.test", input=b"Subject: x\n\nhi\n")[0] == 0
    mine = as_user(home, nobody, "mailq")[1]
    assert mine.count("x@away.test") == 1 and "nobody@one.test" in mine and "root@one.test" not in mine
    assert as_user(home, nobody, "sendmail", "-bp")[1].split()[0] == mine.split()[0]  # the ages may differ
    # at the host's own name they are the same user
    assert as_user(home, nobody, "sendmail", "-f", "nobody@mail.one.test", "y@away.test", input=b"Subject: y\n\nhi\n")[0] == 0
    mine = as_user(home, nobody, "mailq")[1]
    assert "nobody@mail.one.test" in mine and mine.count("  to ") == 2 and "root@one.test" not in mine
    assert as_user(home, nobody, "tram", "queue", "list", "--limit", "1")[1].count("  to ") == 1
    assert as_user(home, 0, "mailq")[1].count("  to ") == 3
    assert "root@one.test" not in as_user(home, nobody, "tram", "queue", "list", "--sender", "root@one.test")[1]
    for words in (("queue", "show", "0" * 16), ("queue", "drop", "--all"), ("account", "list"), ("trace", "--last", "9"), ("stats",)):
        assert as_user(home, nobody, "tram", *words)[0] in (1, 3)  # 1: what administrators of a domain may
    assert as_user(home, nobody, "sendmail", "-q")[0] == 3
    assert as_user(home, 0, "sendmail", "-q")[0] == 0
    # the socket itself: the command is refused whatever is written there
    ask = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read()+b'\\n');"
           "print(s.makefile().readline())")
    for request in ('{"command":"account list","args":{}}', '{"command":"queue drop","args":{"all":true}}', '{"command":1,"args":{}}',
                    '{"command":"queue list","args":{"sender":"root@one.test"}}', "[]", "{", "x" * 300000):
        done = subprocess.run(["/usr/bin/python3", "-c", ask, str(home.dir / "public/control.sock")], input=request.encode(), user=nobody, group=nobody,
                              extra_groups=[], capture_output=True, cwd="/", timeout=60)
        assert b"x@away.test" not in done.stdout.replace(b"nobody@one.test", b"") or b"nobody@one.test" in done.stdout
        assert b"root@one.test" not in done.stdout and b"alice" not in done.stdout
    assert home.tram("queue", "stats").stdout



def test_what_packages_call_sendmail_for_beside_letters(machine):
    """Debian's policy (section 11.6): a mail transport agent has newaliases, even if it does nothing."""
    home = machine
    for words in (["newaliases"], ["sendmail", "-bi"], ["sendmail", "-I"]):
        assert as_user(home, 0, *words) == (0, "", "")
    home.start()
    for words in (["sendmail", "-q"], ["sendmail", "-q30m"], ["sendmail", "-qf"]):
        status, told, wrong = as_user(home, 0, *words)
        assert status == 0 and told.endswith("tried again at once.\n"), (words, told, wrong)
    status, _, wrong = as_user(home, 0, "sendmail", "-bd", "-C", "/etc/mail")  # the server is started otherwise
    assert status == 2 and "-b takes" in wrong


def test_a_node_may_serve_its_owner_only(machine):
    with open(machine.dir / "tram.conf", "a") as f:
        f.write("local_users = false\n")
    machine.start()
    status, _, said = as_user(machine, 65534, "sendmail", "alice", input=b"Subject: x\n\nhi\n")
    assert status == 3 and "local_users" in said
    assert machine.tram("send", "alice", input="Subject: x\n\nhi\n").returncode == 0
