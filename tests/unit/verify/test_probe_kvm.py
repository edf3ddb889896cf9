"""The probe of the libvirt image: a guest that really runs, or `qemu`."""

import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[3] / "catalogue" / "common" / "libvirt" / "probe-kvm"


@pytest.fixture
def probe(monkeypatch):
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("probe_kvm", str(PROBE))
    spec = importlib.util.spec_from_loader("probe_kvm", loader)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    return module


def emulator(tmp_path, monkeypatch, text):
    """Put a program in the place of QEMU."""
    program = tmp_path / "qemu-system-x86_64"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program


def test_the_boot_sector_is_one(probe):
    sector = probe.boot_sector()
    assert len(sector) == 512
    assert sector[-2:] == b"\x55\xaa"
    assert probe.EXIT_CODE == 85


@pytest.mark.skipif(not shutil.which("cpio"), reason="needs cpio")
def test_the_initramfs_is_what_cpio_reads(probe, tmp_path):
    archive = probe.initramfs()
    subprocess.run(["cpio", "--extract", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "init").read_bytes() == probe.program()
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="needs qemu-system-x86")
def test_the_boot_sector_runs(probe):
    assert probe.firmware("tcg", 60) == ""
    assert "within 0.0 s" in probe.firmware("tcg", 0.01)


# Stand-ins for QEMU: what each does for emulation, for firmware in KVM, and for Linux in KVM.
RUNS, HANGS = "exit 85", "exec sleep 60"
MACHINES = {
    "KVM is well": (RUNS, RUNS, RUNS, ""),
    "KVM is slower than emulation": (RUNS, "sleep 3; exit 85", RUNS, "its boot sector within 1.0 s; emulated"),
    "a busy machine, which slows both": ("sleep 1; exit 85", "sleep 2; exit 85", RUNS, ""),
    "firmware hangs": (RUNS, HANGS, RUNS, "its boot sector within"),
    "Linux hangs": (RUNS, RUNS, HANGS, "the first program of Linux within"),
    "Linux crashes": (RUNS, RUNS, "exit 0", "exited with 0, not 85"),
    "the device is refused": (RUNS, "echo cannot open >&2; exit 1", RUNS, "exited with 1, not 85: cannot open"),
    "QEMU is broken": ("exit 127", RUNS, RUNS, "not even emulation works"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine(probe, tmp_path, monkeypatch, name):
    emulated, firmware, linux, reason = MACHINES[name]
    emulator(tmp_path, monkeypatch, f'case "$*" in *tcg*) {emulated} ;; *initrd*) {linux} ;; *) {firmware} ;; esac')
    monkeypatch.setattr(probe, "LINUX_SECONDS", 0.5)
    (tmp_path / "vmlinuz").touch()
    found = probe.why_not(str(PROBE.parent), str(tmp_path / "vmlinuz"))
    assert reason in found
    assert bool(reason) == bool(found)


def test_what_guests_showed_is_remembered_until_the_machine_boots(probe, tmp_path, monkeypatch):
    tried = tmp_path / "tried"
    program = emulator(tmp_path, monkeypatch, f'echo >>{tried}; case "$*" in *tcg*) {RUNS} ;; *) exit 3 ;; esac')
    boot, memory = tmp_path / "boot", tmp_path / "memory"
    boot.write_text("the first\n")
    monkeypatch.setattr(probe, "BOOT", str(boot))
    (tmp_path / "vmlinuz").touch()

    def found():
        return probe.why_not(str(PROBE.parent), str(tmp_path / "vmlinuz"), str(memory))

    def starts():
        return len(tried.read_text().splitlines())

    first = found()
    assert "exited with 3" in first
    assert (found(), starts()) == (first, 2)
    boot.write_text("the second\n")
    assert (found().partition(";")[0], starts()) == (first.partition(";")[0], 4)
    program.write_text(f"{program.read_text()}#\n")  # another QEMU
    assert starts() == 4
    found()
    assert starts() == 6
    memory.write_text("")
    found()
    assert starts() == 8


def test_an_answer_that_cannot_be_kept_is_given(probe, tmp_path, monkeypatch, capsys):
    emulator(tmp_path, monkeypatch, RUNS)
    (tmp_path / "vmlinuz").touch()
    assert not probe.why_not(str(PROBE.parent), str(tmp_path / "vmlinuz"), str(tmp_path / "none" / "memory"))
    assert "cannot be written: No such file" in capsys.readouterr().err


def test_a_qemu_that_does_not_work_is_tried_again(probe, tmp_path, monkeypatch):
    emulator(tmp_path, monkeypatch, "exit 127")
    (tmp_path / "vmlinuz").touch()
    assert "not even" in probe.why_not(str(PROBE.parent), str(tmp_path / "vmlinuz"), str(tmp_path / "memory"))
    assert not (tmp_path / "memory").exists()


def test_without_the_device_or_the_program(probe, tmp_path, monkeypatch):
    assert "does not exist" in probe.why_not(str(tmp_path / "kvm"))
    assert "no kernel" in probe.why_not(str(PROBE.parent), str(tmp_path / "vmlinuz"))
    (tmp_path / "vmlinuz").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "does not start" in probe.why_not(str(PROBE.parent), str(tmp_path / "vmlinuz"))


def test_on_another_machine(probe, monkeypatch):
    monkeypatch.setattr(probe.platform, "machine", lambda: "aarch64")
    assert probe.why_not() == "there is no probe for aarch64"


def test_it_prints_one_word():
    done = subprocess.run([PROBE, "--why"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout in {"kvm\n", "qemu\n"}
    assert done.stderr.strip()
