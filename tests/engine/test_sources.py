"""Every source of images on a real engine: two suites, published images, a Maven artefact, a site's own repository."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from served import served
from stackyard.catalogue import load
from stackyard.effects.engine import Engine
from stackyard.images.base import BaseImage
from tool import Outcome, Tool, run
from waiting import NotYet, wait_for

pytestmark = pytest.mark.engine

DOCKER = Engine().client
CATALOGUE = Path(__file__).parent / "sources" / "catalogue"
GREETER = """\
#!/bin/sh
echo "greeting=$GREETING port=$PORT verbose=$VERBOSE token=$TOKEN file=$TOKEN_FILE uid=$(id -u) $*"
exec /bin/httpd -f -p "$PORT" -h /www
"""
ODD = ["ENV PYTHONHOME=/nowhere LD_LIBRARY_PATH=/nowhere GREETINGS=two", "USER 1999"]
"""What an image may say, and must not get in the way: paths for its own programs, a name close to one of ours."""


@dataclass(frozen=True)
class Yard:
    """A copy of the catalogue with state of its own."""

    folder: Path
    stackyard: Tool

    @property
    def site(self) -> Path:
        return self.folder / "catalogue/sites/sources.yaml"

    def build(self, *images: str, options: tuple[str, ...] = (), check: bool = True) -> Outcome:
        env = {"STACKYARD_CATALOGUE": str(self.folder / "catalogue"), "STACKYARD_STATE": str(self.folder / "state")}
        words = [word for image in images for word in ("-c", image)]
        return self.stackyard("build", "--site", str(self.site), *words, *options, check=check, timeout=600, **env)

    def plan(self, *images: str) -> dict[str, str]:
        """Image -> why, of those that would be built."""
        told = self.build(*images, options=("--plan", "--output", "json")).json["images"]
        return {each["image"]: each["why"] for each in told if each["state"] != "current"}

    def change(self, path: str, old: str, new: str) -> None:
        file = self.folder / "catalogue" / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def repository(self, **values: object) -> None:
        """Write the site with its repository, or without."""
        data = yaml.safe_load((CATALOGUE / "sites/sources.yaml").read_text())
        self.site.write_text(yaml.safe_dump({**data, **({"repositories": {"ours": values}} if values else {})}))


def engine(*arguments: str, check: bool = True) -> str:
    return run(DOCKER, *arguments, check=check, timeout=300).stdout


def inside(image: str, command: str, *options: str) -> str:
    """Output of a shell in an image, without its entrypoint."""
    return engine("run", "--rm", "--entrypoint", "/bin/sh", *options, f"sources.test/{image}:1", "-c", command).strip()


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(CATALOGUE, folder / "catalogue")
    yield Yard(folder, Tool())
    names = engine("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "sources.test/*").split()
    engine("image", "rm", "--force", *names, check=False)


@pytest.fixture
def changed(yard: Yard) -> Iterator[Yard]:
    """The yard, whose catalogue is as it was again afterwards."""
    yield yard
    shutil.rmtree(yard.folder / "catalogue")
    shutil.copytree(CATALOGUE, yard.folder / "catalogue")


# Two suites


@pytest.fixture(scope="module")
def suites(yard: Yard) -> Yard:
    yard.build("new", "old", "old-sub")
    return yard


@pytest.mark.usefixtures("suites")
def test_images_are_on_the_suite_that_they_name() -> None:
    told = {image: inside(image, ". /etc/os-release; echo $VERSION_CODENAME") for image in ("new", "old", "old-sub")}
    assert told == {"new": "trixie", "old": "bookworm", "old-sub": "bookworm"}
    assert inside("old-sub", "hello") == "Hello, world!"


@pytest.mark.usefixtures("suites")
@pytest.mark.parametrize("image", ["new", "old", "old-sub"])
def test_the_entrypoint_works_on_each_suite(image: str) -> None:
    assert engine("run", "--rm", f"sources.test/{image}:1", "echo", "here").strip() == "here"
    python = "cd /opt/stackyard/app/stackyard_entrypoint; ls __pycache__/main.*; python3 -V"
    compiled, version = inside(image, python).splitlines()
    assert compiled.removeprefix("__pycache__/main.cpython-3").split(".")[0] == version.split(".")[1]


def test_each_suite_has_a_record_and_its_images_have_the_versions_of_it(suites: Yard) -> None:
    records = {path.name.split("-")[1]: path for path in (suites.folder / "state/build").glob("packages-*.json")}
    assert records.keys() == {"trixie", "bookworm"}
    made = json.loads(records["bookworm"].read_text())
    installed = inside("old-sub", "dpkg-query --show --showformat '${Package} ${Version}\\n' hello python3 tini")
    wanted = {**made["base"], **made["answers"]["install hello"]}
    assert dict(line.split() for line in installed.splitlines()) == {
        name: wanted[name] for name in ("hello", "python3", "tini")
    }


def test_another_base_rebuilds_only_what_begins_with_it(suites: Yard, changed: Yard) -> None:
    changed.change("releases/1/base.yaml", "[python3, tini]", "[python3, tini, netbase]")
    assert set(suites.plan("new", "old", "old-sub")) == {"old", "old-sub"}


# Published images


def made(folder: Path, name: str, *changes: str) -> None:
    """Publish a file system."""
    archive = folder.with_suffix(".tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(folder, ".")
    options = [word for change in changes for word in ("--change", change)]
    engine("image", "import", *options, str(archive), f"published.test/{name}:1")


def made_for(architecture: str, folder: Path, name: str) -> None:
    """Publish a file system for another architecture, as `docker save` would have written it."""
    layer = folder.with_suffix(".tar")
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"]}
    config = {"architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/busybox"]}, "rootfs": rootfs}
    manifest = [{"Config": "config.json", "RepoTags": [f"published.test/{name}:1"], "Layers": [layer.name]}]
    archive = folder.parent / f"{name}.saved.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, layer.name)
        for path, content in {"config.json": config, "manifest.json": manifest}.items():
            (folder.parent / path).write_text(json.dumps(content))
            tar.add(folder.parent / path, path)
    engine("image", "load", "--input", str(archive))


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One program that is a shell, a web server and more, and needs no library."""
    folder = tmp_path_factory.mktemp("busybox")
    download = "apt-get -q -o APT::Sandbox::User=root download busybox-static"
    command = f"cd {folder} && ({download} || (apt-get -q update && {download})) && dpkg-deb -x *.deb ."
    run("sh", "-c", command, timeout=300)
    return next(path for path in (folder / "bin/busybox", folder / "usr/bin/busybox") if path.is_file())


@pytest.fixture(scope="module")
def published(yard: Yard, busybox: Path, suites: Yard) -> Iterator[Yard]:
    """The published images, and ours on top of them."""
    greeter = yard.folder / "greeter"
    (greeter / "bin").mkdir(parents=True)
    (greeter / "www").mkdir()
    (greeter / "www/index.html").write_text("hello")
    for name in ("sh", "httpd", "id", "cat", "ls", "env", "find"):
        shutil.copy2(busybox, greeter / "bin" / name)
    (greeter / "greet").write_text(GREETER)
    (greeter / "greet").chmod(0o755)
    made(greeter, "greeter", 'ENTRYPOINT ["/greet"]', 'CMD ["{one}", "two"]', *ODD)
    quiet = yard.folder / "quiet"
    (quiet / "bin").mkdir(parents=True)
    shutil.copy2(busybox, quiet / "bin/busybox")
    made(quiet, "quiet", 'ENTRYPOINT ["/bin/busybox", "echo"]', 'CMD ["quiet"]')
    made_for("riscv64", quiet, "other-machine")
    old = BaseImage(load(yard.folder / "catalogue", "1", "plain").bases["bookworm"])
    engine("image", "tag", old.reference, "published.test/elder:1")
    suites.build("greeter", "quiet", "elder")
    yield suites
    names = ["greeter", "quiet", "elder", "other-machine"]
    engine("image", "rm", "--force", *(f"published.test/{name}:1" for name in names), check=False)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("not-to-be-seen\n")
    file.chmod(0o444)
    return file


@pytest.fixture
def greeter(published: Yard, token: Path) -> Iterator[str]:
    """A container of the published image that wants plain variables."""
    del published
    given = ["--volume", f"{token}:/run/secrets/TOKEN:ro", "--env", "TOKEN_FILE=/run/secrets/TOKEN"]
    options = ["--read-only", "--cap-drop", "ALL", "--env", "GREETING=good day", *given]
    container = engine("run", "--detach", *options, "sources.test/greeter:1").strip()
    yield container
    engine("rm", "--force", container)


def test_its_own_program_is_given_the_contract_in_plain_text(greeter: str) -> None:
    def logs() -> str:
        said = engine("logs", greeter)
        if not said:
            raise NotYet("nothing")
        return said

    said = wait_for("the program's first line", logs, 30)
    assert said == "greeting=good day port=8080 verbose=false token=not-to-be-seen file= uid=1999 {one} two\n"


def test_no_secret_is_seen_from_outside(greeter: str) -> None:
    assert "not-to-be-seen" not in engine("inspect", greeter) + engine("image", "inspect", "sources.test/greeter:1")


def test_health_is_asked_with_the_interpreter_that_was_brought(greeter: str) -> None:
    def healthy() -> None:
        asked = run(DOCKER, "exec", greeter, "/opt/stackyard/bin/entrypoint", "health", check=False)
        if asked.code:
            raise NotYet(asked.stderr)

    wait_for("health", healthy, 30)
    wrong = ["--env", "PORT=8081", greeter, "/opt/stackyard/bin/entrypoint", "health"]
    assert "greeter is not healthy" in run(DOCKER, "exec", *wrong, check=False).stderr


@pytest.mark.usefixtures("published")
def test_errors_are_those_of_our_contract() -> None:
    told = run(DOCKER, "run", "--rm", "--env", "PORT=many", "--env", "GRETING=x", "sources.test/greeter:1", check=False)
    assert told.code == 2
    assert "greeter cannot start: 3 problems with its environment" in told.stderr
    assert "TOKEN    is required" in told.stderr
    assert "did you mean GREETING?" in told.stderr
    assert "GREETINGS" not in told.stderr


@pytest.mark.usefixtures("published")
def test_nothing_is_in_the_way_of_the_published_image() -> None:
    ours, theirs = (
        json.loads(engine("image", "inspect", f"{registry}.test/greeter:1"))[0] for registry in ("sources", "published")
    )
    assert set(theirs["Config"]["Env"]) == {each for each in ours["Config"]["Env"] if not each.startswith("PATH=")}
    assert "stackyard" not in str(ours["Config"]["Env"])
    assert ours["Config"]["User"] == "1999:1999"  # the service's, whom secrets of a site belong to
    assert ours["Config"]["Labels"]["org.opencontainers.image.title"] == "greeter"
    assert ours["RootFS"]["Layers"][0] == theirs["RootFS"]["Layers"][0]
    top = set(inside("greeter", "ls /").split())
    assert top == {"bin", "greet", "www", "opt", "dev", "etc", "proc", "sys"}
    files = inside("greeter", "find /opt -perm -4000; find /opt -name 'ld.so*' -o -name 'python3'")
    assert set(files.split()) == {f"/opt/stackyard/runtime/{name}" for name in ("lib/ld.so", "bin/python3")}
    size = ours["Size"] - theirs["Size"]
    assert size < 45e6, size


@pytest.mark.usefixtures("published")
def test_an_image_without_a_shell_works() -> None:
    assert engine("run", "--rm", "--env", "TOKEN=x", "sources.test/quiet:1").strip() == "quiet"


@pytest.mark.usefixtures("published")
def test_an_older_distribution_keeps_its_python_and_ours_renders(token: Path) -> None:
    given = ["--volume", f"{token}:/token:ro", "--env", "TOKEN_FILE=/token"]
    assert engine("run", "--rm", *given, "sources.test/elder:1").strip() == "greeting = hello"
    assert inside("elder", "cat /etc/elder.version").startswith("Python 3.11.")
    assert inside("elder", "id -u; stat -c %u /var/lib/elder").split() == ["1998", "1998"]


def test_what_cannot_work_is_refused_by_name(published: Yard) -> None:
    outcome = published.build("other-machine", check=False)
    assert outcome.code == 2
    assert "the published image published.test/other-machine:1 is for riscv64, and this engine for" in outcome.stderr


def test_a_tag_that_has_moved_is_a_reason_to_build(published: Yard) -> None:
    assert published.plan("greeter", "quiet") == {}
    engine("image", "tag", "published.test/elder:1", "published.test/quiet:1")
    assert published.plan("greeter", "quiet") == {"quiet": "published published.test/quiet changed"}


def test_an_image_that_cannot_be_pulled_is_named(published: Yard, changed: Yard) -> None:
    changed.change("area/foreign/service.yaml", "published.test/quiet", "127.0.0.1:1/missing")
    outcome = published.build("quiet", check=False)
    assert outcome.code == 1
    assert "the published image 127.0.0.1:1/missing:1 cannot be pulled" in outcome.stderr


# Maven


def test_an_artefact_is_what_its_lock_says(yard: Yard) -> None:
    yard.build("jars")
    assert inside("jars", "ls /opt/jars") == "slf4j-api-2.0.17.jar"
    assert inside("jars", "ls -d /usr/share/maven* /root/.m2 2>/dev/null; true") == ""
    lock = (CATALOGUE / "releases/1/maven/logging.txt").read_text()
    assert inside("jars", "sha256sum /opt/jars/*").split()[0] == lock.strip().rpartition("=")[2]
    assert yard.plan("jars") == {}


def test_another_checksum_is_a_mismatch_with_its_name(changed: Yard) -> None:
    file = changed.folder / "catalogue/releases/1/maven/logging.txt"
    file.write_text(re.sub(r"sha256=.{8}", "sha256=00000000", file.read_text()))
    assert changed.plan("jars") == {"jars": "maven/logging.txt changed"}
    outcome = changed.build("jars", check=False)
    assert outcome.code == 1
    assert "org.slf4j:slf4j-api:2.0.17: sha256 mismatch: what was downloaded has " in outcome.stderr
    assert "maven/logging.txt says 00000000" in outcome.stderr
    assert "hint: what Maven has downloaded is not what the lock says" in outcome.stderr


# A repository of the site's


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """A signed repository with one package, served to the engine's bridge."""
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg")
    folder = tmp_path_factory.mktemp("repository")
    package = folder / "package"
    (package / "DEBIAN").mkdir(parents=True)
    control = (
        "Package: stackyard-greeting\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: says hello\n"
    )
    (package / "DEBIAN/control").write_text(control)
    (package / "usr/share/greeting").mkdir(parents=True)
    (package / "usr/share/greeting/text").write_text("good day\n")
    shelf = folder / "served/dists/stable/main"
    (shelf / "binary-all").mkdir(parents=True)
    run("dpkg-deb", "--root-owner-group", "--build", str(package), str(folder / "served/greeting.deb"))
    deb = (folder / "served/greeting.deb").read_bytes()
    listing = f"{control}Filename: greeting.deb\nSize: {len(deb)}\nSHA256: {hashlib.sha256(deb).hexdigest()}\n"
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    (shelf / f"binary-{architecture}").mkdir()
    (shelf / f"binary-{architecture}/Packages").write_text(listing)
    path = f"main/binary-{architecture}/Packages"
    release = "Suite: stable\nComponents: main\n"
    release += f"Architectures: {architecture}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n"
    release += f" {hashlib.sha256(listing.encode()).hexdigest()} {len(listing)} {path}\n"
    (shelf.parent / "Release").write_text(release)
    _sign(folder, shelf.parent)
    with served(folder / "served") as url:
        yield {"url": url, "suite": "stable", "components": ["main"], "key": str(folder / "key.asc")}


def _sign(folder: Path, suite: Path) -> None:
    """Sign a suite with a key that is made for it, and leave the public key."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--passphrase", ""]
    run(*gpg, "--quick-generate-key", "repository@example.org", "rsa3072", "sign")
    run(*gpg, "--clearsign", "--output", str(suite / "InRelease"), str(suite / "Release"))
    (folder / "key.asc").write_text(run(*gpg, "--armor", "--export").stdout)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def test_a_site_without_the_repository_is_told_what_to_add(yard: Yard) -> None:
    outcome = yard.build("packaged", check=False)
    assert outcome.code == 2
    assert "packaged takes packages from the repository ours, and the site has none of that name" in outcome.stderr
    assert "hint: add to the site file: repositories: {ours: {url: …, suite: …, key: FILE}}" in outcome.stderr


def test_packages_come_from_the_sites_repository(changed: Yard, repository: dict[str, object]) -> None:
    changed.repository(**repository)
    changed.build("packaged")
    assert inside("packaged", "cat /usr/share/greeting/text") == "good day"
    assert changed.plan("packaged") == {}
    left = inside("packaged", f"grep -rl {repository['url']} /etc /var/lib/apt /opt 2>/dev/null; true", "--user", "0")
    assert left == ""
    assert str(repository["url"]) not in engine("history", "--no-trunc", "sources.test/packaged:1")
    changed.repository(**{**repository, "components": ["main", "contrib"]})
    assert changed.plan("packaged") == {"packaged": "repository ours changed"}


def test_another_key_is_not_trusted(changed: Yard, repository: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite/Release").write_text("Suite: other\n")
    _sign(tmp_path, tmp_path / "suite")
    changed.repository(**{**repository, "key": str(tmp_path / "key.asc")})
    outcome = changed.build("packaged", check=False)
    assert outcome.code == 1
    assert "packaged could not be built: Debian packages: stackyard-greeting" in outcome.stderr
