"""The set-up of a machine: steps are skipped when satisfied, and the engine starts over what a killed one left."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def programs(tmp_path):
    """A folder that comes first on PATH; `programs(name, script)` puts a program into it."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def add(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return path

    return add


@pytest.fixture
def shell(tmp_path):
    """Runs shell lines after tools/setup.sh, with every path of the engine in a temporary folder."""
    prelude = f"""
        set -euo pipefail
        . {ROOT}/tools/setup.sh
        docker_run={tmp_path} docker_log={tmp_path}/log engine_deadline=5
        on_systemd() {{ return 1; }}
        runs() {{ return 1; }}
    """

    def run(lines: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", prelude + lines],
            env={**os.environ, "PATH": path, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_satisfied_step_does_nothing(shell):
    done = shell("step thing 'because' true 'echo never'")
    assert done.returncode == 0
    assert (done.stdout, done.stderr) == ("", "  ok  thing\n")


def test_a_step_says_why_before_it_acts(shell, tmp_path):
    done = shell(
        f"there() {{ [[ -e {tmp_path}/x ]]; }}; make() {{ touch {tmp_path}/x; }}; step thing because there make"
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == " ...  thing: because"
    assert done.stderr.splitlines()[1].startswith("done  thing")


def test_a_step_that_achieved_nothing_fails(shell):
    done = shell("step thing because false true")
    assert done.returncode == 1
    assert "error: thing: still not there" in done.stderr


def test_output_of_a_failed_command_is_shown(shell):
    done = shell("quietly bash -c 'echo deep trouble; exit 3'")
    assert done.returncode == 1
    assert "deep trouble" in done.stderr
    assert "exited with 3" in done.stderr


def test_without_apt_the_message_names_what_to_install(shell):
    done = shell("has() { return 1; }; install_packages docker.io")
    assert done.returncode == 2
    for name in ("docker.io", "buildx", "compose", "iptables", "mmdebstrap", "Python 3.11"):
        assert name in done.stderr


def test_other_systems_are_named(shell):
    done = shell("uname() { echo Darwin; }; require_linux")
    assert done.returncode == 2
    assert "this is Darwin" in done.stderr


def test_other_processors_are_named(shell):
    done = shell("uname() { if [[ $1 == -m ]]; then echo aarch64; else echo Linux; fi; }; require_linux")
    assert done.returncode == 2
    assert "this is aarch64; images are made for amd64 only yet" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="changes user")
def test_who_is_not_root_is_told_why():
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", f"cd / && {ROOT}/quickstart"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ./quickstart must run as root")


@pytest.mark.parametrize("script", ["quickstart", "test"])
def test_help_and_unknown_arguments(script):
    good = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert good.returncode == 0
    assert good.stdout.startswith("Usage:")
    bad = subprocess.run([ROOT / script, "wrong"], capture_output=True, text=True, timeout=60, check=False)
    assert bad.returncode == 2
    assert "wrong" in bad.stderr


def test_plugins_must_be_of_one_client(shell, programs):
    programs("docker", "[[ $1 == compose ]]")
    lines = f"docker_clients() {{ echo {programs('docker', '[[ $1 == compose ]]')}; }}; have_plugins"
    assert shell(lines).returncode == 1
    programs("docker", "[[ $1 == compose || $1 == buildx ]]")
    assert shell(lines).returncode == 0


CANDIDATES = {
    "debian 12": ({"docker-compose": "1.29.2-3"}, "", ""),
    "debian 13": ({"docker-compose": "2.26.1-4", "docker-buildx": "0.13.1"}, "docker-buildx", "docker-compose"),
    "ubuntu": (
        {"docker-compose": "1.29.2-6", "docker-compose-v2": "2.40.3", "docker-buildx": "0.30"},
        "docker-buildx",
        "docker-compose-v2",
    ),
    "docker": (
        {"docker-compose-plugin": "2.40.0-1", "docker-buildx-plugin": "0.29"},
        "docker-buildx-plugin",
        "docker-compose-plugin",
    ),
}


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_distributions_own_plugins_are_found(shell, programs, name):
    versions, buildx, compose = CANDIDATES[name]
    cases = "\n".join(f"{package}) v={version} ;;" for package, version in versions.items())
    programs("apt-cache", f'v="(none)"\ncase $2 in\n{cases}\nesac\necho "  Candidate: $v"')
    done = shell("package_of_plugin buildx || echo; package_of_plugin compose || echo")
    assert done.stdout == f"{buildx}\n{compose}\n"


def test_the_private_apt_keeps_mirrors_and_signatures(shell, programs, tmp_path):
    programs(
        "apt-get", "printf 'http://one.example/debian/\\nhttp://two.example/debian/\\nhttp://one.example/debian/\\n'"
    )
    work = tmp_path / "work"
    work.mkdir()
    keys = tmp_path / "keys.gpg"
    keys.touch()
    done = shell(f"debian_keys={keys}; private_apt {work}")
    assert done.returncode == 0, done.stderr
    assert (work / "sources.list").read_text().splitlines() == [
        f"deb [signed-by={keys}] http://one.example/debian/ trixie main",
        f"deb [signed-by={keys}] http://two.example/debian/ trixie main",
    ]


def stale(tmp_path: Path, pid: int) -> list[Path]:
    """Pid files as a killed engine leaves them; the numbers belong to nobody, or to another program."""
    files = [tmp_path / "docker.pid", tmp_path / "docker/containerd/containerd.pid"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{pid}\n")
    socket = tmp_path / "containerd/containerd.sock"
    socket.parent.mkdir()
    socket.touch()
    return [*files, socket]


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["own", "none"])
def test_the_engine_starts_over_what_a_killed_one_left(shell, programs, tmp_path, pid):
    leftovers = stale(tmp_path, pid)
    checks = "\n".join(f"[[ ! -e {file} ]] || exit 9" for file in leftovers)
    programs("dockerd", f"{checks}\ntouch {tmp_path}/up; echo started; sleep 2")
    programs("docker", f"[[ $1 == info && -e {tmp_path}/up ]]")
    done = shell("start_engine")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").read_text() == "started\n"


def test_a_running_engines_pid_file_stays(shell, tmp_path):
    name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    files = stale(tmp_path, os.getpid())
    assert shell(f"remove_stale {files[0]} {name}").returncode == 0
    assert files[0].exists()


def test_a_process_that_has_ended_does_not_run():
    """The parent of an engine that was killed need not look at once."""
    ended = subprocess.Popen(["sleep", "0"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    for pid, code in ((ended.pid, 1), (os.getpid(), 0)):
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        line = f'. {ROOT}/tools/setup.sh; is_process /proc/{pid}/status "{name}"'
        assert subprocess.run(["bash", "-c", line], check=False).returncode == code
    ended.wait()


def test_runs_sees_a_process_by_its_name():
    name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    for wanted, code in ((name, 0), ("no-such-process", 1)):
        line = f'. {ROOT}/tools/setup.sh; runs "{wanted}"'
        assert subprocess.run(["bash", "-c", line], check=False).returncode == code


def test_an_engine_that_dies_shows_its_last_lines(shell, programs):
    programs("dockerd", "echo 'no space left on device'; exit 1")
    programs("docker", "exit 1")
    done = shell("start_engine")
    assert done.returncode == 1
    assert "no space left on device" in done.stderr
    assert "error: dockerd ended by itself" in done.stderr


def test_an_engine_that_never_answers_is_given_up(shell, programs):
    programs("dockerd", "echo loading; exec sleep 4")
    programs("docker", "exit 1")
    done = shell("engine_deadline=1; start_engine")
    assert done.returncode == 1
    assert "loading" in done.stderr
    assert "does not answer after 1 s" in done.stderr


def test_a_wrapper_of_no_uv_is_not_a_uv(shell, programs, tmp_path):
    programs("uv", "echo 'pyenv: uv: command not found'; exit 127")
    assert shell(f"own_uv={tmp_path}/none; have_uv").returncode == 1
    programs("uv", "echo uv 0.13.9")
    assert shell(f"own_uv={tmp_path}/none; find_uv").stdout == "uv\n"
