"""What deciding costs: `build --plan`, `up --plan` with every file rendered, and `up` with nothing to do.

Each is timed as a user calls it, the best of several runs, since a busy machine only adds. Prints each figure, its
bound, and their ratio. The no-op `up` needs the site up; it is left out when there is something to do.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("stackyard")
PLAN_BOUND = 1.0
NO_OP_BOUND = 5.0


def best(runs: int, *arguments: str) -> tuple[float, str]:
    """Seconds of the fastest of several runs, and what the last printed."""
    seconds = []
    printed = ""
    for _run in range(runs):
        begun = time.monotonic()
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)
        seconds.append(time.monotonic() - begun)
        if done.returncode:
            sys.exit(f"stackyard {' '.join(arguments)} exited with {done.returncode}:\n{done.stderr}")
        printed = done.stdout
    return min(seconds), printed


def show(name: str, seconds: float, bound: float) -> bool:
    """A line of the table; whether the bound is kept."""
    print(f"{name:<28} {seconds:6.2f} s   bound {bound:.0f} s   ratio {seconds / bound:.2f}")
    return seconds <= bound


def main() -> int:
    """Measure; 0 when all bounds are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", default="demo")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    kept = [show("build --plan", best(options.runs, "build", "--plan")[0], PLAN_BOUND)]
    seconds, plan = best(options.runs, "up", "--plan", "--site", options.site)
    kept.append(show("up --plan", seconds, PLAN_BOUND))
    if "nothing to do" in plan:
        kept.append(show("up, nothing to do", best(options.runs, "up", "--site", options.site)[0], NO_OP_BOUND))
    else:
        print(f"{'up, nothing to do':<28} not measured: the site {options.site} is not up as it should be")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
