"""The guest: a VM small enough to boot in seconds under emulation, that its owner can log in to.

Debian's own cloud kernel, an initramfs of busybox, dropbear and some modules, and a blank disk because an image needs
one; the same on a disk that boots by itself, with BIOS or UEFI. The distribution's tools fetch the packages, with its
signatures checked; nothing of them is installed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import platform
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
from stackyard.guest import cpio, elf, fat

FORMAT = 2
"""Counts up when this file makes something else of the same packages."""

DISK_BYTES = 1 << 20
MODULES = (
    *("virtio_net", "button", "evdev"),
    *("virtio_blk", "virtio_scsi", "sd_mod", "sr_mod", "ata_piix", "ahci"),
    *("isofs", "vfat", "nls_cp437", "nls_ascii"),
    *("8021q", "virtio-rng"),
)
"""Modules in the guest, where the kernel does not have them inside; what they need comes with them.

Network and power button, with which Nova stops a VM: without it that takes a minute. Disks and CDs as Nova attaches
them. What a config drive is read with. Trunk ports, and entropy where the image asks for it.
"""

COMMAND_LINE = (
    "quiet panic=5 cryptomgr.notests initcall_blacklist=load_system_certificate_list,jent_mod_init,crypto_algapi_init"
)
"""What a guest like this has no use for is left out: self-tests of ciphers, certificates of modules. Under emulation
they take a quarter of its boot."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What the kernel calls them, in Debian's words."""
CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
"""Where the guest tells what it does; the screen has the same."""

_PROGRAMS = {"dropbear": "sbin/dropbear", "dropbearkey": "bin/dropbearkey", "dbclient": "bin/dbclient"}
_SCRIPTS = {
    "init": "init",
    "bin/lease": "lease",
    "bin/terminal": "terminal",
    "etc/acpi/PWRF/00000080": "power-button",
    "etc/address.awk": "address.awk",
    "etc/json.awk": "json.awk",
    "etc/profile": "profile",
    "etc/say": "say",
}
_FILES = {
    "etc/group": "root:x:0:\ntty:x:5:\n",
    "etc/passwd": "root:*:0:0:root:/root:/bin/sh\n",
}
_LINKS = {"bin/ssh": "dbclient", "sbin": "bin", "usr/bin": "../bin", "usr/sbin": "../bin"}
_DIRECTORIES = ("bin", "dev", "etc/dropbear", "mnt", "proc", "run", "sys", "tmp")
_PRIVATE = ("root", "root/.ssh")

_LABEL = "STACKYARD"
_MIB = 1 << 20
_BIOS = ("biosdisk", "part_msdos", "fat", "linux16", "boot")
"""What of GRUB is needed to load a kernel from the disk's partition. The kernel is entered as a BIOS does it, in real
mode: entered otherwise it takes five seconds more to unpack itself under emulation."""

_BIOS_COMMANDS = "linux16 /kernel {}\ninitrd16 /initramfs\nboot\n"
_UEFI_COMMANDS = "title Stackyard guest\nlinux /kernel\ninitrd /initramfs\noptions {}\n"

_MASTER_RECORD = 440
"""Bytes of a disk's first sector that are a program."""

_UEFI = {"amd64": ("systemd-bootx64.efi", "BOOTX64.EFI"), "arm64": ("systemd-bootaa64.efi", "BOOTAA64.EFI")}
"""The loader for UEFI, and the name by which firmware finds it on a disk that it does not know."""

# Runs in an empty chroot directory whose package lists are those of the suite. The kernel comes alone: what its package
# needs is there to install it. With the others comes what their programs are linked with.
_DOWNLOAD = """\
set -e; to="$1/debs"; mkdir -p "$to/partial"; cd "$to"; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
kernel="$(apt-cache --important depends {kernel} | sed -n 's/^  Depends: //p' | grep ^linux-image-)"
apt() {{ apt-get -q -o APT::Sandbox::User=root -o Dir::Cache::archives="$to/" "$@"; }}
apt download $kernel
apt --yes --no-install-recommends --download-only install {others}
rm -rf "$to/partial" "$to/lock"
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
        """The blank disk, of an image whose kernel stands beside it."""
        return self.directory / "disk"

    @property
    def image(self) -> Path:
        """The disk that boots by itself: kernel and initramfs are on it."""
        return self.directory / "image"


def identity(suite: str, architecture: str) -> str:
    """Return what distinguishes this guest from others: a hash of all that it is made from, but the packages."""
    ingredients = [
        str(FORMAT),
        suite,
        architecture,
        COMMAND_LINE,
        *MODULES,
        CONSOLES[architecture],
        *(_script(name).decode() for name in _SCRIPTS.values()),
        repr((_PROGRAMS, _SCRIPTS, _FILES, _LINKS, _DIRECTORIES, _PRIVATE, _LABEL, _UEFI[architecture])),
        repr((_BIOS, _BIOS_COMMANDS, _UEFI_COMMANDS)),
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
            report(Event("started", "guest", f"{directory} is not there: kernel, busybox and dropbear of {suite}"))
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
        command_line = f"console=tty0 console={CONSOLES[architecture]} {COMMAND_LINE}"
        kernel, archive = _one(unpacked, "boot/vmlinuz-*").read_bytes(), initramfs(unpacked)
        contents = {
            "kernel": kernel,
            "initramfs": archive,
            "disk": bytes(DISK_BYTES),
            "image": image(unpacked, architecture, kernel, archive, command_line),
        }
        for name, content in contents.items():
            (new / name).write_bytes(content)
        guest = Guest(
            identity=directory.name,
            suite=suite,
            architecture=architecture,
            command_line=command_line,
            packages=packages,
            sizes={name: len(content) for name, content in contents.items()},
            sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
            directory=new,
        )
        manifest = {key: value for key, value in asdict(guest).items() if key != "directory"}
        (new / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        new.rename(directory)


def packages_of(architecture: str) -> list[str]:
    """Return the packages that the guest is made of, but the kernel and what these need."""
    loaders = {"amd64": ["systemd-boot-efi", "grub-common", "grub-pc-bin"], "arm64": ["systemd-boot-efi"]}
    return ["busybox-static", "dropbear-bin", *loaders[architecture]]


def download_command(suite: str, architecture: str, debs: Path, options: Sequence[str] = ()) -> list[str]:
    """Return the command that puts the packages of a suite into ``debs``, with ``options`` of mmdebstrap."""
    others = " ".join(packages_of(architecture))
    script = _DOWNLOAD.format(kernel=f"linux-image-cloud-{architecture}", others=others)
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
    """Unpack the packages into one directory, and return their versions."""
    for program, origin in (("mmdebstrap", "mmdebstrap"), ("dpkg-deb", "dpkg")):
        if shutil.which(program) is None:
            raise InputError(f"{program} is not installed", f"apt-get install {origin}, or run ./quickstart")
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
    programs = {f"bin/{name}": _one(unpacked, f"**/{path}") for name, path in _PROGRAMS.items()}
    entries = [
        *(cpio.directory(path) for path in _DIRECTORIES),
        *(cpio.directory(path, 0o700) for path in _PRIVATE),
        *(cpio.symlink(path, target) for path, target in _LINKS.items()),
        cpio.character_device("dev/console", 5, 1),
        cpio.file("bin/busybox", _one(unpacked, "**/bin/busybox").read_bytes(), 0o755),
        *(cpio.file(path, program.read_bytes(), 0o755) for path, program in programs.items()),
        *_libraries(unpacked, list(programs.values())),
        *(cpio.file(path, _script(name), 0o755) for path, name in _SCRIPTS.items()),
        *(cpio.file(path, content.encode()) for path, content in _FILES.items()),
        *_modules(unpacked),
    ]
    return gzip.compress(cpio.archive(entries), compresslevel=9, mtime=0)


def _libraries(unpacked: Path, programs: Sequence[Path]) -> list[cpio.Entry]:
    """Return what the programs are linked with, and what loads them: its path is in each of them."""
    found: dict[str, bytes] = {}
    left = [program.read_bytes() for program in programs]
    while left:
        needed = elf.needed(left.pop())
        for name in {path.rpartition("/")[2] for path in needed} - found.keys():
            found[name] = _one(unpacked, f"usr/lib/*/{name}", f"lib/*/{name}").read_bytes()
            left.append(found[name])
    folders = {path.rpartition("/")[0].strip("/") for program in programs for path in elf.needed(program.read_bytes())}
    links = [cpio.symlink(folder, "lib") for folder in sorted(folders - {"", "lib"})]
    return [*links, *(cpio.file(f"lib/{name}", content, 0o755) for name, content in sorted(found.items()))]


def _modules(unpacked: Path) -> list[cpio.Entry]:
    """Return the modules, and what modprobe knows of them."""
    paths = {path.name.partition(".ko")[0]: path for path in unpacked.glob("**/*.ko*")}
    order = load_order(MODULES, paths)
    folder = _one(unpacked, "**/modules/*/modules.order").parent.name
    contents = {name: _module(paths[name]) for name in order}
    depends, aliases = "", ""
    for name, (file, content) in contents.items():
        below = [contents[each][0] for each in reversed(load_order((name,), paths)) if each != name]
        depends += f"{file}:{''.join(f' {each}' for each in below)}\n"
        aliases += "".join(f"alias {each} {name}\n" for each in _told(content, "alias"))
    return [
        *(cpio.file(f"lib/modules/{folder}/{file}", content) for file, content in contents.values()),
        cpio.file(f"lib/modules/{folder}/modules.dep", depends.encode()),
        cpio.file(f"lib/modules/{folder}/modules.alias", aliases.encode()),
    ]


def image(unpacked: Path, architecture: str, kernel: bytes, archive: bytes, command_line: str) -> bytes:
    """Return the disk that boots by itself; BIOS is only for the architecture that has it."""
    theirs, ours = _UEFI[architecture]
    files = {
        "kernel": kernel,
        "initramfs": archive,
        f"EFI/BOOT/{ours}": _one(unpacked, f"**/boot/efi/{theirs}").read_bytes(),
        "loader/loader.conf": b"timeout 0\ndefault guest.conf\n",
        "loader/entries/guest.conf": _UEFI_COMMANDS.format(command_line).encode(),
    }
    boot = _bios(unpacked, command_line) if architecture == "amd64" else b""
    disk = fat.disk(boot, files, _LABEL)
    return disk.ljust(-(-len(disk) // _MIB) * _MIB, b"\0")


def _bios(unpacked: Path, command_line: str) -> bytes:
    """Return what a BIOS starts: GRUB, with the three commands that it is for. Its programs run from where they are."""
    folder = _one(unpacked, "**/grub/i386-pc/boot.img").parent
    loader = _one(unpacked, "usr/lib/*/ld-linux-x86-64.so.2")
    with tempfile.TemporaryDirectory(dir=unpacked) as temporary:
        commands, core = Path(temporary, "commands"), Path(temporary, "core")
        commands.write_text(_BIOS_COMMANDS.format(command_line))
        grub = [str(loader), "--library-path", str(loader.parent), str(_one(unpacked, "usr/bin/grub-mkimage"))]
        how = ["--format=i386-pc", f"--directory={folder}", "--prefix=(,msdos1)/", f"--config={commands}"]
        run([*grub, *how, f"--output={core}", *_BIOS])
        first = (folder / "boot.img").read_bytes()[:_MASTER_RECORD]
        return first.ljust(fat.SECTOR, b"\0") + core.read_bytes()


def load_order(names: tuple[str, ...], modules: dict[str, Path]) -> list[str]:
    """Return the modules to load so that each comes after what it needs; built-in ones are left out."""
    order: list[str] = []
    for name in names:
        if name not in modules:
            continue
        _, content = _module(modules[name])
        below = tuple(filter(None, ",".join(_told(content, "depends")).split(",")))
        order += [module for module in [*load_order(below, modules), name] if module not in order]
    return order


def _told(module: bytes, key: str) -> list[str]:
    """Return what a module says of itself."""
    return [found.decode() for found in re.findall(rb"\0" + key.encode() + rb"=([^\0]*)(?=\0)", module)]


def _module(path: Path) -> tuple[str, bytes]:
    """Return name and content of a kernel module, which may be compressed on disk."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        return path.stem, lzma.decompress(content)
    return path.name, content


def _one(unpacked: Path, *patterns: str) -> Path:
    found = {path.resolve() for pattern in patterns for path in unpacked.glob(pattern) if path.is_file()}
    if len(found) != 1:
        wanted = " or ".join(patterns)
        raise StackyardError(f"the packages of the guest have {len(found)} files {wanted}, not one")
    return found.pop()


def _script(name: str) -> bytes:
    return (files("stackyard.guest") / "data" / name).read_bytes()


def _architecture() -> str:
    """Return the host's architecture in Debian's words."""
    name = ARCHITECTURES.get(platform.machine())
    if name is None:
        known = " or ".join(ARCHITECTURES)
        raise InputError(
            f"there is no guest for the architecture {platform.machine()}", f"run it on a machine of {known}"
        )
    return name


def identity_here(suite: str) -> str:
    """Return the identity of the guest of a suite for this machine."""
    return identity(suite, _architecture())


def image_path(state: Path, suite: str) -> Path:
    """Return where the disk that boots by itself is, or will be when the guest is built."""
    return state / "guest" / identity_here(suite) / "image"
