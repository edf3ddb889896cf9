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


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="needs qemu-system-x86")
def test_it_can_succeed():
    done = subprocess.run([PROBE, "--accelerator", "tcg"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_kvm_when_the_guest_ran(probe, tmp_path, monkeypatch):
    emulator(tmp_path, monkeypatch, "exit 85")
    assert probe.why_not(str(PROBE.parent)) == ""


@pytest.mark.parametrize("code", [0, 1, 84, 127])
def test_another_exit_code_is_no_success(probe, tmp_path, monkeypatch, code):
    emulator(tmp_path, monkeypatch, f"echo cannot open >&2; exit {code}")
    reason = probe.why_not(str(PROBE.parent))
    assert reason == f"qemu-system-x86_64 exited with {code}, not 85: cannot open"


def test_a_guest_that_hangs(probe, tmp_path, monkeypatch):
    emulator(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(probe, "TIMEOUT", 0.1)
    assert "hangs" in probe.why_not(str(PROBE.parent))


def test_without_the_device_or_the_program(probe, tmp_path, monkeypatch):
    assert "does not exist" in probe.why_not(str(tmp_path / "kvm"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "does not start" in probe.why_not(str(PROBE.parent))


def test_on_another_machine(probe, monkeypatch):
    monkeypatch.setattr(probe.platform, "machine", lambda: "aarch64")
    assert probe.why_not() == "there is no probe for aarch64"


def test_it_prints_one_word():
    done = subprocess.run([PROBE, "--why"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout in {"kvm\n", "qemu\n"}
    assert done.stderr.strip()
