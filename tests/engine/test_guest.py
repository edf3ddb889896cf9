"""The guest, booted by a real QEMU as Nova boots it, and logged in to with the programs that it is made of."""

import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stackyard.guest import fat
from stackyard.guest.guest import Guest, ensure
from stackyard.verify.console import Marker, last, markers
from waiting import NotYet, wait_for

pytestmark = pytest.mark.engine

STATE = Path(os.environ.get("STACKYARD_STATE", "/var/lib/stackyard"))
SECONDS = 120
METADATA = "169.254.169.254"
ADDRESS = "169.254.169.15"
"""What QEMU gives the first VM that asks."""
UEFI = Path("/usr/share/OVMF")
PORT = 2222
MAC = "fa:16:3e:00:00:07"


def run(*command: str | Path, check: bool = True) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture(scope="module")
def guest() -> Guest:
    """The one that is there, else made anew."""
    return ensure(STATE, "trixie")


def files_of(initramfs: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of each regular file in it."""
    content, at = gzip.decompress(initramfs.read_bytes()), 0
    while True:
        mode, size, name_size = (int(content[at + begin : at + begin + 8], 16) for begin in (14, 54, 94))
        name = content[at + 110 : at + 110 + name_size - 1].decode()
        at = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return
        if mode & 0o170000 == 0o100000:
            yield name, content[at : at + size]
        at = (at + size + 3) & ~3


@dataclass(frozen=True)
class Client:
    """The guest's own SSH client, and two keys: its owner's, and another's."""

    folder: Path

    def run(self, program: str, *arguments: str, check: bool = True) -> str:
        """Run a program of the guest."""
        loader = next((self.folder / "lib").glob("ld-linux*"))
        command = [str(loader), "--library-path", str(loader.parent), str(self.folder / "bin" / program)]
        return run("ip", "netns", "exec", self.folder.name, *command, *arguments, check=check)

    def key(self, name: str) -> str:
        """The public key."""
        (line,) = [
            line for line in (self.folder / f"{name}.pub").read_text().splitlines() if line.startswith("ssh-ed25519 ")
        ]
        return line

    def ask(self, command: str, key: str = "owner", check: bool = True) -> str:
        """What a command prints in the VM; nothing when it fails and need not succeed."""
        where = ["-y", "-y", "-T", "-p", str(PORT), "-i", str(self.folder / key), "root@127.0.0.1", command]
        return self.run("dbclient", *where, check=check)


@pytest.fixture(scope="module")
def client(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """In a network namespace of its own, where the host of QEMU's user network serves metadata."""
    folder = tmp_path_factory.mktemp("guest") / f"stackyard-{uuid.uuid4().hex[:8]}"
    for name, content in files_of(guest.initramfs):
        if name.startswith(("lib/l", "bin/db", "bin/dropbearkey")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o755)
    run("ip", "netns", "add", folder.name)
    try:
        run("ip", "-n", folder.name, "link", "set", "lo", "up")
        client = Client(folder)
        for name in ("owner", "other"):
            told = client.run("dropbearkey", "-t", "ed25519", "-f", str(folder / name))
            (folder / f"{name}.pub").write_text(told)
        yield client
    finally:
        run("ip", "netns", "delete", folder.name)


def write_metadata(folder: Path, client: Client, user_data: str, *, config_drive: bool) -> None:
    """Write what Nova has for a VM, where a config drive or the service has it."""
    described = {
        "uuid": "0b7b2a5e-0000-4000-8000-000000000001",
        "meta": {"uuid": "not this", "public_keys": "none"},
        "keys": [{"name": "mine", "type": "ssh", "data": client.key("owner")}],
        "public_keys": {"an older one": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB old\n", "mine": client.key("owner") + "\n"},
        "hostname": "tiny.novalocal",
        "name": 'a "tiny" one',
    }
    files = {"openstack/latest/meta_data.json": json.dumps(described), "openstack/latest/user_data": user_data}
    if config_drive:
        files["ec2/latest/meta-data.json"] = json.dumps({"instance-id": "i-0000000a", "hostname": "tiny.novalocal"})
    else:
        files["latest/meta-data/instance-id"] = "i-0000000a"
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


def iso(folder: Path, files: Path) -> Path:
    """Make a config drive as Nova makes it, of the files."""
    made = folder / "config.iso"
    run(
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-o",
        made,
        "-ldots",
        "-allow-lowercase",
        "-l",
        "-V",
        "config-2",
        "-J",
        "-r",
        files,
    )
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by path."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@dataclass
class Machine:
    """A VM that runs."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def console(self) -> str:
        """What the serial console had so far."""
        file = self.folder / "console"
        return file.read_text(errors="replace") if file.exists() else ""

    def said(self, **values: str) -> Marker:
        """Wait for a line with these values, and return it."""

        def probe() -> Marker:
            text = self.console
            found = last(markers(text), **values)
            if found is None:
                assert self.process.poll() is None, f"QEMU has ended: {text[-2000:]}"
                raise NotYet(f"on the console: {text[-500:]!r}")
            return found

        return wait_for(f"the guest to say {values}", probe, SECONDS, pause=0.3)

    def power_button(self) -> None:
        """Press it."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.folder / "monitor"))
            monitor.sendall(b"system_powerdown\n")
            while b"powerdown" not in monitor.recv(4096):
                pass

    def ends(self) -> None:
        """Wait for the VM to be off."""
        assert self.process.wait(SECONDS) == 0


@contextlib.contextmanager
def machine(folder: Path, client: Client, *options: str) -> Iterator[Machine]:
    """A VM with these options of QEMU."""
    network = f"user,id=net0,hostfwd=tcp:127.0.0.1:{PORT}-{ADDRESS}:22,net=169.254.169.0/24,host={METADATA}"
    command = ["ip", "netns", "exec", client.folder.name, "qemu-system-x86_64", "-machine", "pc", "-m", "192"]
    command += ["-display", "none", "-vga", "std", "-nodefaults", "-no-reboot", "-serial", f"file:{folder}/console"]
    command += ["-monitor", f"unix:{folder}/monitor,server,nowait"]
    command += ["-netdev", network, "-device", f"virtio-net-pci,netdev=net0,mac={MAC}"]
    with subprocess.Popen([*command, *options]) as process:
        try:
            yield Machine(folder, process)
        finally:
            process.kill()


@contextlib.contextmanager
def metadata_service(files: Path, client: Client) -> Iterator[None]:
    """Serve the files at the address that is QEMU's host."""
    serve = [sys.executable, "-m", "http.server", "80", "--bind", "127.0.0.1", "--directory", str(files)]
    log = subprocess.DEVNULL
    with subprocess.Popen(["ip", "netns", "exec", client.folder.name, *serve], stdout=log, stderr=log) as server:
        try:
            yield
        finally:
            server.kill()


def disk(path: Path) -> list[str]:
    """A disk as Nova gives one, which the guest may write to."""
    return ["-drive", f"if=virtio,format=raw,snapshot=on,file={path}"]


def hello(name: str) -> str:
    return f"#!/bin/sh\necho STACKYARD hello={name} > /dev/console\n"


def test_the_image_boots_with_bios_and_takes_keys_from_a_config_drive(
    guest: Guest, client: Client, tmp_path: Path
) -> None:
    """There is no metadata service, and the drive is a CD beside the disk, as Nova attaches it."""
    write_metadata(tmp_path / "files", client, hello("drive"), config_drive=True)
    cd = ["-drive", f"if=ide,media=cdrom,format=raw,readonly=on,file={iso(tmp_path, tmp_path / 'files')}"]
    with machine(tmp_path, client, *disk(guest.image), *cd) as vm:
        found = vm.said(metadata="ok")
        assert (found["source"], found["instance-id"]) == ("config-drive", "i-0000000a")
        assert (found["uuid"], found["hostname"]) == ("0b7b2a5e-0000-4000-8000-000000000001", "tiny.novalocal")
        assert vm.said(ssh="ok")["keys"] == "2"
        vm.said(dhcp="ok")
        vm.said(hello="drive")
        assert client.ask("hostname; id -u") == "tiny\n0\n"
        assert client.ask("echo in", key="other", check=False) == ""
        client.ask("mke2fs /dev/vda1 && mkdir /mnt/a && mount -t ext2 /dev/vda1 /mnt/a && echo kept > /mnt/a/b")
        assert client.ask("umount /mnt/a && mount /dev/vda1 /mnt/a && cat /mnt/a/b") == "kept\n"
        assert "vlan7" in client.ask("ip link add link eth0 name vlan7 type vlan id 7 && ip link show vlan7")
        client.ask("poweroff", check=False)
        vm.ends()


def test_the_image_boots_with_uefi_and_takes_keys_from_the_service(
    guest: Guest, client: Client, tmp_path: Path
) -> None:
    """The power button turns it off."""
    write_metadata(tmp_path / "files", client, hello("service"), config_drive=False)
    firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={UEFI}/OVMF_CODE_4M.fd"]
    variables = ["-drive", f"if=pflash,format=raw,snapshot=on,file={UEFI}/OVMF_VARS_4M.fd"]
    with (
        metadata_service(tmp_path / "files", client),
        machine(tmp_path, client, *firmware, *variables, *disk(guest.image)) as vm,
    ):
        vm.said(boot="started")
        found = vm.said(metadata="ok")
        assert (found["source"], found["instance-id"]) == ("network", "i-0000000a")
        vm.said(hello="service")
        assert "systab" in client.ask("ls /sys/firmware/efi")
        vm.power_button()
        vm.said(power="off")
        vm.ends()


def test_without_dhcp_the_config_drive_has_the_address(guest: Guest, client: Client, tmp_path: Path) -> None:
    """The kernel comes from outside, as for the proof; the drive is a disk with FAT."""
    network = {
        "links": [{"id": "tap1", "type": "ovs", "mtu": 1400, "ethernet_mac_address": MAC}],
        "networks": [
            {
                "id": "network0",
                "type": "ipv4",
                "link": "tap1",
                "ip_address": ADDRESS,
                "netmask": "255.255.255.0",
                "routes": [{"network": "198.51.100.0", "netmask": "255.255.255.128", "gateway": METADATA}],
                "services": [{"type": "dns", "address": "198.51.100.53"}],
            }
        ],
    }
    write_metadata(tmp_path / "files", client, "#cloud-config\n", config_drive=True)
    (tmp_path / "files/openstack/latest/network_data.json").write_text(json.dumps(network))
    drive = tmp_path / "config.vfat"
    drive.write_bytes(fat.file_system(contents(tmp_path / "files"), "config-2"))
    kernel = ["-kernel", str(guest.kernel), "-initrd", str(guest.initramfs), "-append", guest.command_line]
    with machine(tmp_path, client, *kernel, *disk(guest.disk), *disk(drive)) as vm:
        assert vm.said(metadata="ok")["source"] == "config-drive"
        assert vm.said(static="ok")["mtu"] == "1400"
        vm.said(script="ignored")
        told = client.ask("ip route; cat /etc/resolv.conf")
        assert "198.51.100.0/25 via 169.254.169.254" in told
        assert "nameserver 198.51.100.53" in told
