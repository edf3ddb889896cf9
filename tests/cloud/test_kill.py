"""`up` killed at any moment and run again converges."""

import os
import random
import signal
import subprocess
import time

import pytest

from demo import failed
from tool import PROGRAM

pytestmark = pytest.mark.cloud

SEED = os.environ.get("STACKYARD_TEST_SEED") or str(time.time_ns())


def killed_after(stackyard, seconds: float, *, group: bool) -> bool:
    """Kill `up` after so many seconds, alone or with what it has started; tell whether it still ran."""
    up = stackyard.start("up")
    try:
        up.wait(seconds)
    except subprocess.TimeoutExpired:
        if group:
            os.killpg(up.pid, signal.SIGKILL)
        else:
            up.kill()
        up.wait(10)
        return True
    return False


@pytest.mark.full
def test_up_killed_at_random_moments_converges(site, record_property):
    record_property("seed", SEED)
    print(f"STACKYARD_TEST_SEED={SEED}")  # noqa: T201 - shown when the test fails
    chance = random.Random(SEED)  # noqa: S311
    site.stackyard("down", "--volumes")
    for latest in (1, 4, 10, 20, 30):
        killed_after(site.stackyard, chance.uniform(0.2, latest), group=chance.random() < 0.5)
    site.up()
    assert failed(site.verify()) == []


def test_an_interrupted_up_says_how_to_go_on(site):
    site.stackyard("down")
    up = subprocess.Popen(
        [str(PROGRAM), "up"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A test run in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    time.sleep(3)  # any moment will do
    up.send_signal(signal.SIGINT)
    _, said = up.communicate(timeout=120)
    site.up()
    assert up.returncode == 130
    assert "the same command continues" in said
