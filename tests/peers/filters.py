"""Filters of Debian as milters of Tram: rspamd's proxy, clamav-milter with a signature of the tests' own, opendkim."""
import os
import shutil
import signal
import subprocess

from postfix import ADDRESS, answers, free_port
from world import until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
VIRUS = "a virus of the tests of Tram, harmless"


class Daemon:
    """A program in the foreground, its log beside its files."""

    def __init__(self, folder, name, *command):
        self.name, self.command, self.folder = name, command, folder
        self.start()

    def start(self):
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)

    def kill(self):
        """With its workers, which would go on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.process.terminate()
        self.process.wait(30)


RULES = """
rspamd_config:register_symbol({name = 'TRAM', score = 0.0, type = 'prefilter', callback = function(task)
  local subject = task:get_subject() or ''
  local user, from, to = task:get_user(), task:get_from('smtp'), task:get_recipients('smtp')
  if subject == 'soft' then task:set_pre_result('soft reject', 'Come again in a while', 'tram') end
  if subject == 'rewrite' then task:set_pre_result('rewrite subject', 'junk', 'tram') end
  if subject == 'mark' then task:set_pre_result('add header', 'junk', 'tram') end
  if subject == 'fields' then
    task:set_milter_reply({add_headers = {['X-Heard'] = {value = string.format('%s %s %s %s %s', task:get_ip(), task:get_helo(),
      user or '-', from and from[1].addr or '<>', to and to[#to].addr), order = 0}}, remove_headers = {['X-Old'] = 0}})
  end
end})
"""


def rspamd(folder, http=False):
    """Its proxy as a milter, or its normal worker, which speaks its own protocol."""
    folder.mkdir()
    port = free_port()
    (folder / "tld").write_text("com\ntest\norg\n")  # the whole list takes half a minute to compile
    (folder / "rules.lua").write_text(RULES)
    worker = (f'worker "normal" {{ bind_socket = "{ADDRESS}:{port}"; count = 1; }}' if http else
              f'worker "rspamd_proxy" {{ bind_socket = "{ADDRESS}:{port}"; milter = yes; timeout = 60s; count = 1;\n'
              '  upstream "local" { default = yes; self_scan = yes; } }')
    (folder / "rspamd.conf").write_text(f"""
options {{ pidfile = "{folder}/pid"; filters = ""; dns {{ nameserver = ["127.0.0.1:9"]; }}
  control_socket = "{folder}/control"; stats_file = "{folder}/stats"; gtube_patterns = "all";
  url_tld = "{folder}/tld"; tempdir = "{folder}"; disable_hyperscan = true; }}
logging {{ type = "console"; level = "info"; }}
{worker}
actions {{ reject = 15; add_header = 6; }}
lua = "{folder}/rules.lua";
""")
    for path in [folder, *folder.iterdir()]:
        shutil.chown(path, "_rspamd")
    daemon = Daemon(folder, "rspamd", "rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", str(folder / "rspamd.conf"))
    until(lambda: answers(port), 120, "rspamd")
    return daemon, f"http://{ADDRESS}:{port}" if http else f"inet:{ADDRESS}:{port}"


def clamav(folder):
    """clamd and its milter: the milter's place is a Unix socket."""
    folder.mkdir()
    (folder / "db").mkdir()
    (folder / "db" / "tram.ndb").write_text(f"Tram.Test:0:*:{VIRUS.encode().hex()}\n")
    (folder / "clamd.conf").write_text(f"DatabaseDirectory {folder}/db\nLocalSocket {folder}/clamd.sock\n"
                                       f"Foreground yes\nUser root\nTemporaryDirectory {folder}\n")
    (folder / "milter.conf").write_text(f"MilterSocket {folder}/milter.sock\nClamdSocket unix:{folder}/clamd.sock\n"
                                        f"Foreground yes\nUser root\nOnInfected Reject\nRejectMsg Infected with %v\n"
                                        f"AddHeader Replace\nTemporaryDirectory {folder}\n")
    clamd = Daemon(folder, "clamd", "/usr/sbin/clamd", "--foreground", "-c", str(folder / "clamd.conf"))
    until(lambda: os.path.exists(folder / "clamd.sock"), 120, "clamd")
    milter = Daemon(folder, "milter", "/usr/sbin/clamav-milter", "-c", str(folder / "milter.conf"))
    until(lambda: os.path.exists(folder / "milter.sock"), 60, "clamav-milter")
    return clamd, milter, f"unix:{folder}/milter.sock"
