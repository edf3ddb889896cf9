"""The entrypoint as a process: what it prints, what it becomes, how it ends."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jinja2
import pytest

import stackyard.entrypoint

FOLDER = Path(stackyard.entrypoint.__file__).parent
ALLOWED = {"jinja2", "markupsafe", "pymysql", *sys.stdlib_module_names}


def wait_until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def test_run_renders_and_becomes_the_process(image):
    image.data["command"] = ["sh", "-c", "echo pid $$ at {{ METADATA_PORT }}; exit 7"]
    process = image.popen()
    stdout, _ = process.communicate(timeout=30)
    assert stdout == f"pid {process.pid} at 8775\n"
    assert process.returncode == 7
    assert "@192.0.2.10:3306/nova" in image.rendered().read_text()


def test_a_second_start_gives_the_same_bytes(image):
    image.start("run")
    first = image.rendered().read_bytes()
    image.start("run")
    assert image.rendered().read_bytes() == first


def test_another_command_gets_the_configuration_and_the_environment(image):
    done = image.start("sh", "-c", 'cat "$STACKYARD_ROOT/etc/nova/nova.conf"; echo $KEYSTONE_SERVER "$@"', "-", "a b")
    assert done.returncode == 0
    assert "debug = False" in done.stdout
    assert done.stdout.endswith("192.0.2.10 a b\n")


PLAIN = 'echo "$ADMIN_PASSWORD $ADMIN_PASSWORD_FILE $MYSQL_SERVER $METADATA_PORT $DEBUG $ZONES $WORDS $GLANCE_SERVER."'


@pytest.mark.parametrize("arguments", [[], ["sh", "-c", PLAIN]])
def test_an_image_that_asks_for_it_gets_its_contract_as_plain_variables(image, tmp_path, arguments):
    image.data |= {"plain_environment": True, "command": ["sh", "-c", PLAIN]}
    image.data["contract"]["ZONES"] = {"type": "list", "default": "a, b", "help": "Zones."}
    image.data["contract"]["WORDS"] = {"type": "json", "default": '["c"]', "help": "Words."}
    (tmp_path / "password").write_text("not shown\n")
    given = {"KEYSTONE_SERVER": "192.0.2.10", "ADMIN_PASSWORD_FILE": str(tmp_path / "password")}
    assert image.start(*arguments, env=given).stdout == 'not shown  192.0.2.10 8775 false a,b ["c"] .\n'


GIVEN = {"KEYSTONE_SERVER": "192.0.2.10", "ADMIN_PASSWORD": "not shown"}
OTHERS = {"Vendor": {"names": ["XMPP_*"]}, "Kolla": {"names": ["KOLLA_*"]}}


def test_processes_get_what_the_image_adds_and_variables_of_its_own_system(image):
    program = 'echo "$XMPP_PORT ${KOLLA_BASE-none} ${USER_ID-none} $WHERE"'
    image.data |= {"environments": OTHERS, "system": "Vendor", "command": ["sh", "-c", program]}
    image.data["environment"] = {"USER_ID": "", "WHERE": "{{ KEYSTONE_SERVER }}"}
    env = {**GIVEN, "XMPP_PORT": "5269", "KOLLA_BASE": "x", "USER_ID": "1999"}
    assert image.start(env=env).stdout == "5269 none  192.0.2.10\n"
    del image.data["system"]
    assert image.start(env=env).stdout == " none  192.0.2.10\n"


def test_options_of_an_image_that_reads_them_in_sections(image):
    image.data |= {"overrides": "API", "command": ["sh", "-c", "echo $API__DEFAULTS__log_level"]}
    done = image.start(env={**GIVEN, "API__DEFAULTS__log_level": "SYS_DEBUG"})
    assert (done.stdout, "API__" in done.stderr) == ("SYS_DEBUG\n", False)
    assert "API__<SECTION>__<key> sets any other option" in image.start("explain").stdout


def test_a_command_that_is_not_there(image):
    done = image.start("no-such-program")
    assert done.returncode == 127
    assert "cannot execute no-such-program" in done.stderr


def test_the_process_gets_the_signals_of_a_fresh_one(image):
    image.data["command"] = ["sh", "-c", "grep SigIgn /proc/self/status"]
    ignored = int(image.start().stdout.split()[1], 16)
    by_python = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))
    assert not ignored & by_python


def test_bad_input_says_everything_touches_nothing_and_exits_with_2(image):
    done = image.start(env={"KEYSTONE_SERVR": "x", "METADATA_PORT": "0", "VIRT_TYPE": "xen", "CINDER_SERVER": "y"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert not image.root.exists()
    assert done.stderr.splitlines() == [
        "stackyard: nova-api cannot start: 4 problems with its environment",
        "stackyard:   METADATA_PORT   '0' is not a port: a number from 1 to 65535",
        (
            "stackyard:   ADMIN_PASSWORD  is required and not given: Password of the administrator. "
            "(ADMIN_PASSWORD_FILE names a file that holds it)"
        ),
        "stackyard:   VIRT_TYPE       'xen' is not allowed: one of auto, kvm, qemu",
        "stackyard:   KEYSTONE_SERVR  is unknown: did you mean KEYSTONE_SERVER, which is required?",
        "stackyard: to list all variables of this image, run it with the argument: explain",
    ]


def test_an_environment_of_the_seed_starts_with_a_warning_and_a_note(image):
    seed = {
        "ADMIN_PASSWORD": "contrail123",
        "KEYSTONE_SERVER": "192.168.0.1",
        "CINDER_SERVER": "192.168.0.1",
        "DISCOVERY_SERVER": "192.168.0.1",
    }
    done = image.start(env=seed)
    assert done.returncode == 0
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == ["warning", "note"]
    assert "contrail123" not in done.stderr


def test_a_secret_file_gives_no_warning(image, tmp_path):
    (tmp_path / "secret").write_text("p@ss\n")
    done = image.start(env={"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD_FILE": str(tmp_path / "secret")})
    assert (done.returncode, done.stderr) == (0, "")
    assert "nova:p%40ss@" in image.rendered().read_text()


def test_prepare_runs_before_and_stops_the_start_when_it_fails(image):
    image.data["pre_start"] = [["sh", "-c", "echo preparing {{ ADMIN_PASSWORD }}"], ["sh", "-c", "echo no; exit 3"]]
    image.data["command"] = ["echo", "started"]
    done = image.start()
    assert (done.returncode, done.stdout) == (1, "")
    assert "preparing ********" in done.stderr
    assert "failed with exit code 3; its last 1 lines:\nstackyard:   no" in done.stderr


def test_afterwards_runs_beside_and_is_no_child_of_the_process(image, tmp_path):
    script = f"sleep 0.3; grep PPid /proc/$$/status > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/beside"
    image.data["post_start"] = [["sh", "-c", script]]
    image.data["command"] = ["sleep", "1"]
    process = image.popen()
    wait_until((tmp_path / "beside").exists)
    assert int((tmp_path / "beside").read_text().split()[1]) != process.pid
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["sh", "-c", "echo no {{ ADMIN_PASSWORD }}; exit 3"], "failed with exit code 3"),
        (["gone"], "cannot execute gone"),
    ],
)
def test_what_fails_beside_the_process_stops_it_and_says_why(image, command, said):
    image.data["post_start"] = [command]
    image.data["command"] = ["sleep", "60"]
    done = image.start()
    assert done.returncode == -signal.SIGTERM
    assert said in done.stderr
    assert done.stderr.endswith("stackyard: so this container is stopped\n")
    assert "contrail123" not in done.stderr


def test_a_script_waits_and_says_for_what(image, tmp_path):
    there = tmp_path / "there"
    command = ["sh", "-c", f"test -f {there} || {{ touch {there}; echo not yet; exit 4; }}"]
    done = image.start("wait", "60", "the thing", *command, env={})
    assert done.returncode == 0
    first, last = done.stderr.splitlines()
    assert first == "stackyard: waiting for the thing, at most 60 s: exit code 4: not yet"
    assert last.startswith("stackyard: the thing is there after ")


def test_a_script_that_waits_in_vain_fails_with_what_was_missing(image):
    done = image.start("wait", "0", "the thing", "sh", "-c", "echo nothing there; exit 1", env={})
    assert done.returncode == 1
    said = "stackyard: gave up waiting for the thing after 0 s; seen last: exit code 1: nothing there"
    assert done.stderr.splitlines()[-1] == said


@pytest.mark.parametrize("probe", [{"tcp": "127.0.0.1:1"}, {"exec": ["sleep", "600"]}, {"file": "/nowhere"}])
def test_sigterm_ends_the_waiting(image, probe):
    image.data["wait_for"] = [{"name": "godot", "probe": probe}, {"name": "x", "probe": {"file": "/nowhere"}}]
    process = image.popen()
    if "exec" in probe:
        time.sleep(0.7)
    else:
        assert "waiting for godot" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in {-signal.SIGTERM, 143}


def test_sigterm_ends_the_preparing_with_its_command(image, tmp_path):
    pid = tmp_path / "pid"
    image.data["pre_start"] = [["sh", "-c", f"echo $$ > {pid}; exec sleep 60"]]
    process = image.popen()
    wait_until(lambda: pid.exists() and pid.read_text().strip())
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "stopped by SIGTERM" in stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


STARTED_AND_STOPPED = """
import os, signal, subprocess, sys
from stackyard.entrypoint import process
from stackyard.entrypoint.failure import Failure

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid)
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen = Popen
try:
    eval(sys.argv[1])
except Failure as failure:
    sys.exit(failure.code)
"""


@pytest.mark.parametrize("call", ["process.run(['sleep', '60'], {})", "process.answer(['sleep', '60'], {}, 60)"])
def test_sigterm_is_not_lost_while_a_command_is_started(call):
    done = subprocess.run(
        [sys.executable, "-c", STARTED_AND_STOPPED, call], capture_output=True, text=True, check=False
    )
    assert done.returncode == 143, done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_config_masks_secrets_unless_asked(image):
    shown = image.start("config", env={"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "hu/sh"})
    assert shown.stdout.startswith("### /etc/nova/nova.conf (mode 0400)\n[DEFAULT]\n")
    assert "nova:********@h:3306" in shown.stdout
    assert "hu" not in shown.stdout + shown.stderr
    assert not image.root.exists()
    env = {"KEYSTONE_SERVER": "h", "ADMIN_PASSWORD": "hu/sh"}
    assert "nova:hu%2Fsh@h" in image.start("config", "--secrets", "/etc/nova/nova.conf", env=env).stdout


def test_config_of_one_file_is_that_file(image):
    image.start("run")
    assert image.start("config", "/etc/nova/nova.conf", "--secrets").stdout == image.rendered().read_text()


def test_config_of_an_unknown_file(image):
    done = image.start("config", "/etc/nova/nova.cnf")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean /etc/nova/nova.conf?" in done.stderr


def test_validate_writes_nothing(image):
    done = image.start("validate")
    assert done.returncode == 0
    assert "is valid" in done.stderr
    assert not image.root.exists()
    image.template("nova.conf.j2", "{{ TYPO }}")
    assert image.start("validate").returncode == 1


@pytest.mark.parametrize(
    "argv", [["--wat"], ["config", "--wat"], ["run", "x"], ["explain", "--output", "xml"], ["wait", "x"]]
)
def test_wrong_arguments(image, argv):
    assert image.start(*argv).returncode == 2


def test_help(image):
    assert "explain [VAR]" in image.start("help").stdout


def test_an_image_without_its_description(tmp_path, image):
    done = image.start(env={"STACKYARD_CONTAINER": str(tmp_path / "gone")})
    assert done.returncode == 1
    assert "container.json: No such file" in done.stderr


def test_the_launcher_starts_what_is_beside_it(image, tmp_path):
    """With another Python than the image's, the same flags, and the folders of an image."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "stackyard_entrypoint").symlink_to(FOLDER)
    text = (FOLDER / "launcher").read_text()
    assert text.startswith("#!/usr/bin/python3 -IS\n")
    lib = str(Path(jinja2.__file__).parents[1])
    text = text.replace("/opt/stackyard/app", str(app)).replace("/opt/stackyard/lib", lib)
    launcher = tmp_path / "launcher"
    launcher.write_text(text)
    done = subprocess.run(
        [sys.executable, "-IS", launcher, "config"], env=image.env(), capture_output=True, text=True, check=True
    )
    assert "[database]" in done.stdout


@pytest.mark.parametrize("path", sorted([*FOLDER.glob("*.py"), FOLDER / "launcher"]), ids=lambda path: path.name)
def test_it_runs_on_python_3_9_and_imports_nothing_of_the_rest(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or str(node.module).split(".")[0] in {*ALLOWED, "stackyard_entrypoint"}


def test_what_is_not_needed_is_not_imported(image):
    """The start of an image without templates stays below the cost of Jinja, and no start pays for the rest."""
    image.data["templates"] = {}
    image.data["command"] = ["echo", "{{ KEYSTONE_SERVER }}"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c",
         "import sys; from stackyard.entrypoint.main import main; sys.exit(main(['run']))"],
        env=image.env(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert done.stdout == "192.0.2.10\n"
    assert "stackyard.entrypoint.start" in imported
    heavy = {"jinja2", "pymysql", "urllib.request", "http.client", "ssl", "subprocess", "argparse", "ipaddress"}
    assert imported & heavy == set()


def test_explain_json_is_the_contract(image):
    data = json.loads(image.start("explain", "--output", "json", env={}).stdout)
    assert data["image"] == "nova-api"
    assert [v["name"] for v in data["variables"]][:2] == ["KEYSTONE_SERVER", "ADMIN_PASSWORD"]
    assert data["variables"][0]["sets"] == ["nova.conf [keystone_authtoken] auth_url"]
    assert data["variables"][1]["file"] == "ADMIN_PASSWORD_FILE"
    assert json.loads(image.start("explain", "VIRT_TYPE", "--output=json", env={}).stdout)["default"] == "auto"
