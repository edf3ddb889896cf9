"""The guest: a VM small enough to boot in seconds under emulation.

Debian's own cloud kernel, an initramfs of busybox and three modules, and a blank disk because
an image needs one. The distribution's tools fetch the two packages, with its signatures checked.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from stackyard.effects.debian import Debian
from stackyard.effects.lock import locked, patient
from stackyard.effects.process import run
from stackyard.errors import InputError, StackyardError
from stackyard.events import Event, Report, silent
from stackyard.verify import cpio

FORMAT = 1
"""Counts up when this file makes something else of the same packages."""

DISK_BYTES = 1 << 20
MODULES = ("virtio_net", "button", "evdev")
"""Modules that the guest loads, where the kernel does not have them inside; what they need comes with them.

The last two are for the power button, with which Nova stops a VM: without it that takes a minute.
"""

COMMAND_LINE = (
    "quiet panic=5 cryptomgr.notests initcall_blacklist=load_system_certificate_list,jent_mod_init,crypto_algapi_init"
)
"""What a guest like this has no use for is left out: self-tests of ciphers, certificates of modules. Under emulation
they take a quarter of its boot."""

CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
_SCRIPTS = {"init": "init", "bin/lease": "lease", "etc/acpi/PWRF/00000080": "power-button"}
_DIRECTORIES = ("bin", "dev", "proc", "sys", "tmp")

# Runs in an empty chroot directory whose package lists are those of the suite.
_DOWNLOAD = """\
set -e; mkdir "$1/debs"; cd "$1/debs"; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
kernel="$(apt-cache --important depends {kernel} | sed -n 's/^  Depends: //p' | grep ^linux-image-)"
apt-get -q -o APT::Sandbox::User=root download $kernel {busybox}
"""


@dataclass(frozen=True)
class Guest:
    """A guest on disk, as its ``manifest.json`` says it."""

    identity: str
    suite: str
    architecture: str
    command_line: str
    packages: dict[str, str]
    sizes: dict[str, int]
    sha256: dict[str, str]
    directory: Path

    @property
    def kernel(self) -> Path:
        """The Linux kernel."""
        return self.directory / "kernel"

    @property
    def initramfs(self) -> Path:
        """The compressed cpio archive."""
        return self.directory / "initramfs"

    @property
    def disk(self) -> Path:
        """The blank disk."""
        return self.directory / "disk"


def identity(suite: str, architecture: str) -> str:
    """Return what distinguishes this guest from others: a hash of all that it is made from, but the packages."""
    ingredients = [
        str(FORMAT),
        suite,
        architecture,
        COMMAND_LINE,
        *MODULES,
        *(_script(name).decode() for name in _SCRIPTS.values()),
    ]
    return hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:12]


def ensure(state: Path, suite: str, report: Report = silent) -> Guest:
    """Return the guest of a Debian suite below ``state``, and build it when it is not there.

    Killed at any point it leaves nothing that is taken for a guest. Raises InputError without
    mmdebstrap, CommandError when a package cannot be fetched.
    """
    architecture = _architecture()
    directory = state / "guest" / identity(suite, architecture)
    if directory.exists():
        return load(directory)
    with locked(state / "guest" / ".lock", "build", patient(report, "guest")):
        for rest in directory.parent.glob(".new-*"):  # of one that was killed
            shutil.rmtree(rest)
        if not directory.exists():
            report(Event("started", "guest", f"{directory} is not there: kernel and busybox of {suite}"))
            begin = time.monotonic()
            _build(directory, suite, architecture)
            report(Event("done", "guest", f"built in {directory}", time.monotonic() - begin))
    return load(directory)


def load(directory: Path) -> Guest:
    """Return the guest that is in a directory."""
    return Guest(**json.loads((directory / "manifest.json").read_text()), directory=directory)


def _build(directory: Path, suite: str, architecture: str) -> None:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=directory.parent) as temporary:
        unpacked, new = Path(temporary, "unpacked"), Path(temporary, "guest")
        packages = _fetch(suite, architecture, unpacked)
        new.mkdir()
        contents = {
            "kernel": _one(unpacked, "boot/vmlinuz-*").read_bytes(),
            "initramfs": initramfs(unpacked),
            "disk": bytes(DISK_BYTES),
        }
        for name, content in contents.items():
            (new / name).write_bytes(content)
        guest = Guest(
            identity=directory.name,
            suite=suite,
            architecture=architecture,
            command_line=f"console={CONSOLES[architecture]} {COMMAND_LINE}",
            packages=packages,
            sizes={name: len(content) for name, content in contents.items()},
            sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
            directory=new,
        )
        manifest = {key: value for key, value in asdict(guest).items() if key != "directory"}
        (new / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        new.rename(directory)


def download_command(suite: str, architecture: str, debs: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the command that puts the two packages of a suite into ``debs``, with ``options`` of mmdebstrap."""
    script = _DOWNLOAD.format(kernel=f"linux-image-cloud-{architecture}", busybox="busybox-static")
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=custom",
        "--format=null",
        f"--architectures={architecture}",
        f"--customize-hook={script}",
        f"--customize-hook=copy-out /debs {shlex.quote(str(debs))}",
        *options,
        suite,
        "-",
    ]


def _fetch(suite: str, architecture: str, unpacked: Path) -> dict[str, str]:
    """Unpack both packages into one directory, and return their versions."""
    if shutil.which("mmdebstrap") is None:
        raise InputError("mmdebstrap is not installed", "apt-get install mmdebstrap, or run ./quickstart")
    unpacked.mkdir()
    run(download_command(suite, architecture, unpacked.parent, Debian.of(os.environ).options(unpacked.parent)))
    versions = {}
    for package in sorted((unpacked.parent / "debs").glob("*.deb")):
        name, version = run(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(package)]).stdout.split()
        versions[name] = version
        run(["dpkg-deb", "--extract", str(package), str(unpacked)])
    return versions


def initramfs(unpacked: Path) -> bytes:
    """Return the compressed archive, made of the unpacked packages; the same files give the same bytes."""
    modules = {path.name.partition(".ko")[0]: path for path in unpacked.glob("**/*.ko*")}
    wanted = [_module(modules[name]) for name in load_order(MODULES, modules)]
    entries = [
        *(cpio.directory(path) for path in _DIRECTORIES),
        cpio.character_device("dev/console", 5, 1),
        cpio.file("bin/busybox", _one(unpacked, "**/bin/busybox").read_bytes(), 0o755),
        *(cpio.file(path, _script(name), 0o755) for path, name in _SCRIPTS.items()),
        *(cpio.file(f"lib/{name}", content) for name, content in wanted),
        cpio.file("modules", "".join(f"/lib/{name}\n" for name, _ in wanted).encode()),
    ]
    return gzip.compress(cpio.archive(entries), compresslevel=6, mtime=0)


def load_order(names: tuple[str, ...], modules: dict[str, Path]) -> list[str]:
    """Return the modules to load so that each comes after what it needs; built-in ones are left out."""
    order: list[str] = []
    for name in names:
        if name not in modules:
            continue
        _, content = _module(modules[name])
        needs = re.search(rb"\0depends=([^\0]*)\0", content)
        below = tuple(filter(None, needs[1].decode().split(","))) if needs else ()
        order += [module for module in [*load_order(below, modules), name] if module not in order]
    return order


def _module(path: Path) -> tuple[str, bytes]:
    """Return name and content of a kernel module, which may be compressed on disk."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        return path.stem, lzma.decompress(content)
    return path.name, content


def _one(unpacked: Path, pattern: str) -> Path:
    found = [path for path in unpacked.glob(pattern) if path.is_file()]
    if len(found) != 1:
        raise StackyardError(f"the packages of the guest have {len(found)} files {pattern}, not one")
    return found[0]


def _script(name: str) -> bytes:
    return (files("stackyard.verify") / "data" / name).read_bytes()


def _architecture() -> str:
    """Return the host's architecture in Debian's words."""
    if shutil.which("dpkg") is None:
        raise InputError("the guest is made of Debian packages, and dpkg is not installed", "apt-get install dpkg")
    name = run(["dpkg", "--print-architecture"]).stdout.strip()
    if name not in CONSOLES:
        raise InputError(
            f"there is no guest for the architecture {name}", f"run it on a machine of {' or '.join(CONSOLES)}"
        )
    return name


def identity_here(suite: str) -> str:
    """Return the identity of the guest of a suite for this machine."""
    return identity(suite, _architecture())


def image_path(state: Path, suite: str) -> Path:
    """Return where the self-contained disk of the guest is, or will be when it is built."""
    return state / "guest" / identity_here(suite) / "image"
