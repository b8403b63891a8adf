"""What `make install` puts where, and the unit that runs it."""
import os
import re
import shutil
import subprocess

import pytest

from world import ROOT, TRAM


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "-C", str(ROOT), "install", f"DESTDIR={root}", "PREFIX=/usr"], check=True, env={**os.environ, "MAKEFLAGS": ""})
    return root


def test_everything_is_where_it_belongs(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if not path.is_dir()}
    assert files == {
        "usr/bin/tram", "usr/bin/mailq", "usr/bin/newaliases", "usr/sbin/sendmail", "usr/lib/sendmail", "usr/share/man/man1/tram.1", "usr/share/man/man1/mailq.1", "usr/share/man/man1/newaliases.1", "usr/share/man/man8/sendmail.8", "usr/share/man/man5/tram.conf.5",
        "usr/share/bash-completion/completions/tram", "usr/share/zsh/vendor-completions/_tram", "usr/lib/systemd/system/tram.service",
        "usr/lib/systemd/system/tram.socket", "usr/lib/sysusers.d/tram.conf", "etc/logrotate.d/tram"}
    for name in ("usr/sbin/sendmail", "usr/lib/sendmail", "usr/bin/mailq", "usr/bin/newaliases"):
        assert (installed / name).resolve() == (installed / "usr/bin/tram")


def completed(installed, words):
    script = f"source {installed}/usr/share/bash-completion/completions/tram; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _tram; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout.split()


def test_the_shell_completes_commands_and_options(installed):
    assert completed(installed, "tram que") == ["queue"]
    assert "show" in completed(installed, "tram -C /tmp queue ''")
    assert "--sender" in completed(installed, "tram queue list --")
    assert completed(installed, "tram nonsense ''") == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_calls_the_unit_safe(installed):
    unit = installed / "usr/lib/systemd/system/tram.service"
    text = subprocess.run(["systemd-analyze", "security", "--offline=true", str(unit)], capture_output=True, text=True).stdout
    level = float(re.search(r"Overall exposure level for tram.service: ([\d.]+) OK", text).group(1))
    assert f"{level} (OK)" in (ROOT / "docs" / "install.md").read_text(), text
    program = re.search(r"^ExecStart=(\S+)", unit.read_text(), re.M).group(1)
    assert (installed / program[1:]).exists()


def test_ports_of_the_socket_unit_are_those_that_are_served(installed, tmp_path):
    ports = set(map(int, re.findall(r"^ListenStream=\S+:(\d+)$", (installed / "usr/lib/systemd/system/tram.socket").read_text(), re.M)))
    serve = (ROOT / "src" / "app" / "serve.c").read_text()
    table = re.search(r"services\[\] = \{(.*?)\n\};", serve, re.S).group(1)
    assert ports == set(map(int, re.findall(r"^\s+\{(\d+),", table, re.M)))


def test_the_package_has_the_programs_version():
    first = (ROOT / "debian" / "changelog").read_text().splitlines()[0]
    assert re.match(r"tram \((.*)\)", first)[1] == subprocess.run([TRAM, "--version"], capture_output=True, text=True).stdout.split()[1]


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not here")
def test_the_user_of_the_unit_comes_of_what_is_installed(tmp_path):
    shutil.copytree(ROOT / "share" / "systemd", tmp_path / "usr/local/lib/sysusers.d", ignore=lambda _, names: [n for n in names if not n.endswith(".sysusers")])
    os.rename(tmp_path / "usr/local/lib/sysusers.d/tram.sysusers", tmp_path / "usr/local/lib/sysusers.d/tram.conf")
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], check=True, capture_output=True)
    user = re.search(r"^User=(\S+)", (ROOT / "share/systemd/tram.service").read_text(), re.M)[1]
    assert re.search(rf"^{user}:.*:/var/lib/tram:", (tmp_path / "etc/passwd").read_text(), re.M)
