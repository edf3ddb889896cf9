"""Waits to be stopped, or does not."""

import signal
import sys
from pathlib import Path

if sys.argv[1] == "crash":
    sys.exit("it went wrong: no reason at all")
Path("/run/stackyard/well").touch()
signal.pthread_sigmask(signal.SIG_BLOCK, {15})
signal.sigwait({15})
