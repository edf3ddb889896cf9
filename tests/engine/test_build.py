"""Builds on a real engine: a small catalogue of five images, made once and then changed."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stackyard.effects.engine import Engine
from tool import PROGRAM, Outcome, Tool, run

DOCKER = Engine().client

pytestmark = pytest.mark.engine

SMALL = Path(__file__).parents[1] / "unit" / "images" / "catalogue"
IMAGES = ["app", "app-api", "app-agent", "db", "bare"]


@dataclass(frozen=True)
class Yard:
    """A copy of the small catalogue with state of its own."""

    folder: Path
    stackyard: Tool

    @property
    def env(self) -> dict[str, str]:
        return {"STACKYARD_CATALOGUE": str(self.folder / "catalogue"), "STACKYARD_STATE": str(self.folder / "state")}

    def build(self, *arguments: str, check: bool = True, **env: str) -> Outcome:
        return self.stackyard("build", "--site", "small", *arguments, check=check, timeout=300, **{**self.env, **env})

    def plan(self) -> dict[str, str]:
        """Image -> why, of those that would be built."""
        images = self.build("--plan", "--output", "json").json["images"]
        return {each["image"]: each["why"] for each in images if each["state"] != "current"}

    @property
    def record(self) -> Path:
        """The versions of Debian packages."""
        (found,) = (self.folder / "state" / "build").glob("packages-*.json")
        return found

    def change(self, path: str, old: str, new: str) -> None:
        file = self.folder / "catalogue" / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))


def engine(*arguments: str, check: bool = True) -> str:
    return run(DOCKER, *arguments, check=check).stdout


def inside(image: str, command: str, *options: str) -> str:
    """Output of a shell in an image, without its entrypoint."""
    return engine("run", "--rm", "--entrypoint", "/bin/sh", *options, f"build.test/{image}", "-c", command).strip()


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(SMALL, folder / "catalogue")
    made = Yard(folder, Tool())
    names = engine("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "build.test/*").split()
    if names:
        engine("image", "rm", "--force", *names)
    made.build()
    yield made
    names = engine("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "build.test/*").split()
    engine("image", "rm", "--force", *names, check=False)


@pytest.fixture
def changed(yard: Yard) -> Iterator[Yard]:
    """The yard, whose catalogue is as it was again afterwards."""
    yield yard
    shutil.rmtree(yard.folder / "catalogue")
    shutil.copytree(SMALL, yard.folder / "catalogue")


def test_every_image_is_there_and_recorded(yard: Yard) -> None:
    listed = json.loads(yard.stackyard("images", "--site", "small", "--output", "json", **yard.env).stdout)
    assert [(each["image"], each["why"]) for each in listed] == [(image, "up to date") for image in IMAGES]
    record = json.loads((yard.folder / "state/build/app.json").read_text())
    assert record["why"] == "new"
    assert "packages of app" in record["inputs"]


def test_with_nothing_to_do_the_builder_is_not_called_and_it_says_so(yard: Yard) -> None:
    bake = yard.folder / "state/build/recipe/bake.json"
    before = bake.stat().st_mtime_ns
    outcome = yard.build()
    assert outcome.stdout == "nothing to do: 5 images up to date\n"
    assert outcome.stderr == ""
    assert bake.stat().st_mtime_ns == before


@pytest.mark.usefixtures("yard")
@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("net.juniper.openstack=app", {"app", "app-api", "app-agent"}),
        ("net.juniper.node=compute", {"app-agent"}),
        ("net.juniper.node=controller", {"app-api", "db"}),
        ("org.opencontainers.image.version=1", set(IMAGES)),
    ],
)
def test_labels_of_the_seed(label: str, expected: set[str]) -> None:
    found = engine("image", "ls", "--filter", f"label={label}", "--format", "{{.Repository}}", "build.test/*").split()
    assert {name.removeprefix("build.test/") for name in found} == expected


@pytest.mark.usefixtures("yard")
def test_what_is_in_the_images() -> None:
    assert inside("app-api:1", "id -u; id -un").split() == ["2901", "app"]
    assert inside("app-agent:1-plain", "id -u; ls /usr/bin/hello /etc/protocols").split() == [
        *("0", "/etc/protocols", "/usr/bin/hello")
    ]
    assert inside("app-api:1", "readlink /etc/app/app.conf") == "/run/stackyard/root/etc/app/app.conf"
    assert inside("app-api:1", "cat /etc/app/policy.json; ls /etc/app/made").split() == ["{}", "/etc/app/made"]
    assert inside("app-api:1", "stat -c %u /var/lib/app /run/stackyard/root").split() == ["2901", "2901"]
    assert inside("app-api:1", "python -c 'import iso8601; print(iso8601.__file__)'").startswith("/opt/venv/")
    assert inside("app-api:1", "/opt/stackyard/container/migrate") == "migrated"
    assert inside("db:1", "cat /opt/stackyard/database.tar.gz") == "app"


@pytest.mark.usefixtures("yard")
@pytest.mark.parametrize("image", ["app-api:1", "app-agent:1-plain", "db:1", "bare:1"])
def test_what_is_not_in_the_images(image: str) -> None:
    assert inside(image, "find / -xdev -type f -perm /6000", "--user", "0") == ""
    left = "find /mnt /tmp /var/lib/apt/lists /var/cache/apt /var/log -type f ! -name lock"
    assert inside(image, left, "--user", "0") == ""
    tools = "command -v uv gcc pip git; ls -d /opt/venv/lib/python3*/site-packages/setuptools*"
    assert inside(image, f"({tools}) 2>/dev/null; true") == ""
    said = engine("image", "inspect", f"build.test/{image}") + engine("history", "--no-trunc", f"build.test/{image}")
    assert not re.search(r"(http|https|no)_proxy|BEGIN CERTIFICATE|SSL_CERT_FILE=/", said, re.IGNORECASE)


@pytest.mark.usefixtures("yard")
def test_bytecode_is_there_and_deterministic() -> None:
    count = "find /opt/stackyard /opt/venv/lib -name '*.pyc' | wc -l"
    assert int(inside("app-api:1", count)) > 10
    header = (
        "import glob; print({open(p,'rb').read(8)[4] for p in glob.glob('/opt/stackyard/app/*/__pycache__/*.pyc')})"
    )
    assert inside("app-api:1", f'python3 -c "{header}"') == "{1}"  # unchecked hash: PEP 552


@pytest.mark.usefixtures("yard")
def test_the_entrypoint_runs_what_it_is_given() -> None:
    assert engine("run", "--rm", "build.test/bare:1", "echo", "here").strip() == "here"


def test_a_template_changes_the_last_layer_of_the_image_that_renders_it(changed: Yard) -> None:
    changed.change("area/app/app.conf.j2", "server", "host")
    plan = changed.plan()
    assert plan == {"app-api": "area/app/app.conf.j2 changed"}
    before = engine("image", "inspect", "--format", "{{json .RootFS.Layers}}", "build.test/app-api:1")
    built = changed.build("-c", "app-api", "--output", "json").json["built"]
    assert [(each["image"], each["why"]) for each in built] == [("app-api", "area/app/app.conf.j2 changed")]
    after = engine("image", "inspect", "--format", "{{json .RootFS.Layers}}", "build.test/app-api:1")
    assert json.loads(before)[:-1] == json.loads(after)[:-1]
    assert changed.plan() == {}


def test_a_failure_is_told_once_with_a_hint_and_what_it_blocks(changed: Yard) -> None:
    changed.change("area/app/service.yaml", "packages: [netbase]", "packages: [no-such-package]")
    outcome = changed.build("-c", "app", "-c", "app-api", check=False)
    assert outcome.code == 1
    assert outcome.stderr.count("could not be built") == 1
    assert "error: app could not be built: Debian packages: no-such-package" in outcome.stderr
    assert "  | E: Unable to locate package no-such-package\n" in outcome.stderr
    assert "it blocks app-api" in outcome.stderr
    assert "hint: the suite has no such package" in outcome.stderr


def test_the_record_has_what_the_images_have(yard: Yard) -> None:
    made = json.loads(yard.record.read_text())
    listing = "dpkg-query --show --showformat '${Package} ${Version}\\n'"
    installed = dict(line.split() for line in inside("db:1", listing).splitlines())
    assert installed == made["base"] | made["answers"]["install hello"]
    assert made["answers"]["extract hello"].keys() == {"hello", "libc6"}


def test_a_version_that_the_mirror_no_longer_has_is_named_and_refresh_mends_it(yard: Yard) -> None:
    yard.build()
    before = yard.record.read_text()
    made = json.loads(before)
    version = made["answers"]["install hello"]["hello"]
    made["answers"]["install hello"]["hello"] = "0.1-1"
    yard.record.write_text(json.dumps(made))
    assert yard.plan() == {"db": "Debian versions of db changed"}
    outcome = yard.build("-c", "db", check=False)
    assert outcome.code == 1
    assert "  | hello 0.1-1 is no longer in the mirror\n" in outcome.stderr
    assert re.search(r"hint: `stackyard build --site \S+ --refresh`", outcome.stderr)

    planned = yard.build("--plan", "--refresh", "--output", "json").json
    assert planned["packages"] == [f"hello 0.1-1 -> {version}: db"]
    assert not [each for each in planned["images"] if each["state"] != "current"]
    assert json.loads(yard.record.read_text()) == made
    outcome = yard.build("--refresh")
    assert f"packages: hello 0.1-1 -> {version}: db\n" in outcome.stderr
    assert yard.record.read_text() == before


def test_a_lost_base_is_made_with_the_recorded_versions_or_refused(yard: Yard) -> None:
    before = yard.record.read_text()
    made = json.loads(before)
    made["base"]["tini"] = "0.1-1"
    yard.record.write_text(json.dumps(made))
    try:
        outcome = yard.build("-c", "bare", check=False)
    finally:
        yard.record.write_text(before)
    assert outcome.code == 1
    assert [line for line in outcome.stderr.splitlines() if line.startswith("  | ")] == [
        "  | tini 0.1-1 is no longer in the mirror"
    ]
    assert re.search(r"hint: `stackyard build --site \S+ --refresh`", outcome.stderr)


def test_a_plan_without_a_record_says_so_and_asks_nobody(yard: Yard) -> None:
    record = yard.record
    content = record.read_text()
    record.unlink()
    try:
        assert set(yard.plan().values()) == {"the versions of its Debian packages are not in a record yet"}
        assert not list((yard.folder / "state/build").glob("packages-*"))
    finally:
        record.write_text(content)


def test_only_what_changed_is_asked_for(changed: Yard) -> None:
    changed.change("area/bare/service.yaml", 'command: [sleep, "100"]', 'packages: [ed]\n    command: [sleep, "100"]')
    outcome = changed.build("-c", "bare")
    assert [line.split(maxsplit=1)[1] for line in outcome.stderr.splitlines() if " packages: " in line][1:2] == [
        "packages: install ed"
    ]
    assert inside("bare:1", "command -v ed") == "/usr/bin/ed"


PATCH = """\
--- a/iso8601/__init__.py
+++ b/iso8601/__init__.py
@@ -1 +1,2 @@
+PATCHED = True
 from .iso8601 import {}
"""


def patched(yard: Yard, imported: str) -> None:
    """Give the app a patch of a package, and a second lock."""
    (yard.folder / "catalogue/area/app/mark.patch").write_text(PATCH.format(imported))
    yard.change("area/app/service.yaml", "python: app", "python: [app, entrypoint]\n    patches: [mark.patch]")


def test_a_patch_is_in_the_image_and_its_bytecode_and_the_program_is_not(changed: Yard) -> None:
    imported = inside("app:1", "cat /opt/venv/lib/python3*/site-packages/iso8601/__init__.py").splitlines()[0]
    patched(changed, imported.removeprefix("from .iso8601 import "))
    changed.build("-c", "app")
    assert inside("app:1", "python -c 'import iso8601, jinja2; print(iso8601.PATCHED, jinja2.__file__)'").startswith(
        "True /opt/venv/"
    )
    assert inside("app:1", "command -v patch; find / -name '*.orig' -o -name '*.rej' 2>/dev/null; true") == ""


def test_a_patch_that_does_not_apply_is_named(changed: Yard) -> None:
    patched(changed, "something else")
    outcome = changed.build("-c", "app", check=False)
    assert outcome.code == 1
    assert "error: app could not be built: patches: mark.patch" in outcome.stderr
    assert "  | mark.patch does not apply\n" in outcome.stderr


def test_no_engine_is_bad_input(yard: Yard) -> None:
    outcome = yard.build(check=False, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert outcome.code == 2
    assert "no Docker engine answers" in outcome.stderr
    assert "DOCKER_HOST" in outcome.stderr


def test_an_interrupted_build_ends_and_can_be_continued(changed: Yard, tmp_path: Path) -> None:
    long = f"sleep 600.{time.time_ns()}"  # no builder has it cached
    changed.change("area/bare/service.yaml", 'command: [sleep, "100"]', f'run: [{long}]\n    command: [sleep, "100"]')
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        command = [str(PROGRAM), "build", "--site", "small", "-c", "bare"]
        process = subprocess.Popen(
            command,
            stderr=stderr,
            env={**os.environ, **changed.env},
            start_new_session=True,
            # A test run in the background ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
    deadline = time.monotonic() + 60
    while "bare: users, directories" not in errors.read_text():
        assert time.monotonic() < deadline, errors.read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "interrupted" in errors.read_text()
    assert not list((changed.folder / "state/build/recipe").glob("ca"))
    changed.change("area/bare/service.yaml", long, "sleep 0")
    assert changed.build("-c", "bare").code == 0
