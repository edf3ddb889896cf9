"""What deciding costs: `build --plan`, `up --plan` with every file rendered, and `up` with nothing to do.

Each is timed as a user calls it, the best of several runs, since a busy machine only adds. The no-op `up` needs the
site up; it is left out when there is something to do. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from figure import Figure, arguments, show

PROGRAM = Path(sys.executable).with_name("stackyard")
PLAN_BOUND = 1.0
NO_OP_BOUND = 5.0


def best(runs: int, *words: str) -> tuple[float, str]:
    """Seconds of the fastest of several runs, and what the last printed; ends the bench when one fails."""
    seconds = []
    printed = ""
    for _run in range(runs):
        begun = time.monotonic()
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
        seconds.append(time.monotonic() - begun)
        if done.returncode:
            sys.exit(f"stackyard {' '.join(words)} exited with {done.returncode}:\n{done.stderr}")
        printed = done.stdout
    return min(seconds), printed


def main() -> int:
    """Measure; 0 when all bounds are kept."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, default %(default)s")
    options = parser.parse_args()
    site = ("--site", options.site)
    build, _ = best(options.runs, "build", "--plan", *site)
    up, plan = best(options.runs, "up", "--plan", *site)
    figures = [Figure("build --plan", build, "s", PLAN_BOUND), Figure("up --plan", up, "s", PLAN_BOUND)]
    lines = []
    if "nothing to do" in plan:
        figures.append(Figure("up, nothing to do", best(options.runs, "up", *site)[0], "s", NO_OP_BOUND))
    else:
        lines.append(f"up, nothing to do: not measured, for the site {options.site} is not up as it should be")
    return show(options.output, figures, lines)


if __name__ == "__main__":
    sys.exit(main())
