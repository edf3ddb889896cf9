"""What a VM is given to run."""

import hashlib
import shutil
import subprocess

import pytest

from stackyard.guest import guest
from stackyard.verify import script
from stackyard.verify.context import Run, Vm
from stackyard.verify.target import ComputeNode


def test_the_data_is_one_megabyte_and_not_the_same_twice():
    data = script.served("seed", "10.77.0.11")
    assert len(data) == 1_000_000
    assert hashlib.sha256(data).hexdigest() == script.digest("seed", "10.77.0.11")
    assert len({script.digest(seed, host) for seed in "ab" for host in ("10.77.0.11", "10.77.0.12")}) == 4


def test_a_shell_makes_the_same_data():
    made = subprocess.run(
        ["sh", "-c", f"yes 'seed 10.77.0.11' | head -c {script.BYTES}"], capture_output=True, check=True
    )
    assert made.stdout == script.served("seed", "10.77.0.11")


def test_values_are_quoted():
    text = script.user_data("a 'name'; x", "10.77.0.11", ["10.77.0.12", "10.77.0.13"], "seed")
    assert text.startswith("#!/bin/sh\n")
    head = text.partition("# What")[0]
    shown = subprocess.run(
        ["sh", "-c", f'{head}\nprintf "%s|" "$NAME" "$PORT" $PEERS'], capture_output=True, text=True, check=True
    )
    name, port, first, _second, _end = shown.stdout.split("|")
    assert (name, port) == ("a 'name'; x", "80")
    assert first == f"10.77.0.12={script.digest('seed', '10.77.0.12')}"


SCRIPTS = {name: guest._script(name).decode() for name in guest._SCRIPTS.values() if not name.endswith(".awk")}


@pytest.mark.parametrize(
    "text", [*SCRIPTS.values(), script.user_data("n", "10.77.0.2", [], "s")], ids=[*SCRIPTS, "script"]
)
@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell")
def test_shells_accept_the_scripts(text):
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_user_data_fits():
    peers = [f"10.77.0.{number}" for number in range(2, 4)]
    assert len(script.user_data("n", "10.77.0.2", peers, "seed")) < 65535 * 3 // 4


@pytest.mark.parametrize(("count", "pairs"), [(2, 1), (3, 3), (5, 5)])
def test_pairs_make_a_ring(count, pairs):
    hosts = [ComputeNode(f"compute{number}", "az", "198.18.81.1", "az") for number in range(count)]
    run = Run(None, None, lambda _event: None, (), vms=[Vm(host.name, host, None) for host in hosts])
    assert len(run.pairs()) == pairs
    assert {len(run.peers(vm)) for vm in run.vms} == {1 if count == 2 else 2}
