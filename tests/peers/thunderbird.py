"""Thunderbird without a window, driven by Marionette (its own protocol for tests): a profile with one IMAP account, or with
none, and thunderbird.js run within it."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("thunderbird.js")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


QUIET = {"mail.spotlight.firstRunDone": True, "mail.shell.checkDefaultClient": False, "mail.provider.suppress_dialog_on_startup": True,
         "mailnews.start_page.enabled": False, "datareporting.policy.dataSubmissionEnabled": False, "app.update.enabled": False,
         "extensions.update.enabled": False}


def account(imap):
    server = {"type": "imap", "hostname": "127.0.0.1", "port": imap, "userName": "alice@one.test", "name": "alice", "socketType": 0, "authMethod": 3,
              "login_at_startup": False, "check_new_mail": False, "autosync_offline_stores": False}
    local = {"type": "none", "hostname": "Local Folders", "userName": "nobody", "name": "Local Folders"}
    found = {"mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
             "mail.account.account1.server": "server1", "mail.account.account1.identities": "id1", "mail.account.account2.server": "server2",
             "mail.identity.id1.useremail": "alice@one.test", "mail.identity.id1.fullName": "alice", "mail.identity.id1.valid": True}
    return found | {f"mail.server.server1.{k}": v for k, v in server.items()} | {f"mail.server.server2.{k}": v for k, v in local.items()}


class Program:
    """imap: the port of a server on 127.0.0.1 that speaks without TLS; None: it has no account yet."""

    def __init__(self, folder, imap=None):
        profile, port = folder / "profile", free_port()
        profile.mkdir()
        wanted = QUIET | {"marionette.port": port} | (account(imap) if imap else {})
        (profile / "user.js").write_text("".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in wanted.items()))
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(["thunderbird", "--headless", "--marionette", "-remote-allow-system-access", "--no-remote", "--profile", str(profile)],
                                        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.n = 0
        try:
            self.connect(port)
            self.call("WebDriver:NewSession", capabilities={})
            self.call("WebDriver:SetTimeouts", script=60000)
            self.call("Marionette:SetContext", value="chrome")
        except BaseException:
            self.close()
            raise

    def connect(self, port):
        end = time.monotonic() + 60
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=90)
                break
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, "Thunderbird does not come up"
                time.sleep(0.2)
        self.answers = self.socket.makefile("rb")
        self.read()

    def read(self):
        size = b""
        while (c := self.answers.read(1)) != b":":
            assert c, "Thunderbird ended"
            size += c
        return json.loads(self.answers.read(int(size)))

    def call(self, command, **parameters):
        self.n += 1
        text = json.dumps([0, self.n, command, parameters]).encode()
        self.socket.sendall(b"%d:%b" % (len(text), text))
        _, _, error, value = self.read()
        assert not error, error
        return value

    def run(self, what, **given):
        told = self.call("WebDriver:ExecuteAsyncScript", script=SCRIPT.read_text(), args=[what, given], newSandbox=True, sandbox="system")["value"]
        assert "error" not in told, told["error"]
        return told["value"]

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
