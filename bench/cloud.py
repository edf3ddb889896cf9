"""What a cloud costs: from built images and no data to two VMs that ping each other, and `up` with nothing to do.

Removes the site WITH ITS DATA first, then calls `up` and `verify` as a user does. The first figure is the time of
`up`, and of `verify` up to the end of its check `ping`: both ways, over the tunnel. What `verify` looks at beyond
that (TCP, the wire, cleaning up) is not in it, and is printed as well. The no-op `up` is the fastest of several runs.

Builds what is not built before, not timed, and the guest image of `verify` with it unless that is there: it is an
artefact of the release. Needs root. Exits 1 when a bound is missed, or when the proof fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from figure import Figure, arguments, show

from stackyard.catalogue import open_site
from stackyard.effects.host import Host
from stackyard.events import silent
from stackyard.guest import guest

PROGRAM = Path(sys.executable).with_name("stackyard")
PING_BOUND = 90.0
NO_OP_BOUND = 5.0
LAST = "ping"


def timed(*words: str) -> tuple[float, str]:
    """Seconds that a command of the tool took, and what it printed; ends the bench when it fails."""
    begun = time.monotonic()
    done = subprocess.run([PROGRAM, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"stackyard {' '.join(words)} exited with {done.returncode}\n{done.stdout}")
    return time.monotonic() - begun, done.stdout


def until(proof: dict[str, Any], last: str) -> float:
    """Seconds of the checks of a proof, up to the end of one."""
    names = [check["name"] for check in proof["checks"]]
    return float(sum(check["seconds"] for check in proof["checks"][: names.index(last) + 1]))


def prepare(site: str) -> None:
    """Images and the guest are there, the site is not."""
    timed("build", "--site", site)
    _, catalogue = open_site(site)
    guest.ensure(Host.local().state, catalogue.base.suite, silent)
    timed("down", "--volumes", "--site", site)


def main() -> int:
    """Measure; 0 when the bounds are kept."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=3, help="no-op runs, default %(default)s")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("`up` and `down` need root: run it with sudo")
    site = ("--site", options.site)
    prepare(options.site)
    up, _ = timed("up", *site)
    whole, printed = timed("verify", "--output", "json", *site)
    proof = json.loads(printed)
    # What the command takes before its first check, to import and to resolve the site, is part of the way.
    verify = whole - proof["seconds"] + until(proof, LAST)
    again = min(timed("up", *site)[0] for _run in range(options.runs))
    figures = [
        Figure("from no data to two VMs pinging", up + verify, "s", PING_BOUND),
        Figure("up, nothing to do", again, "s", NO_OP_BOUND),
    ]
    lines = [
        f"{'up, from no data':<34} {up:7.2f} s",
        f"{'verify, until the VMs ping':<34} {verify:7.2f} s",
        *(f"  {check['name']:<32} {check['seconds']:7.2f} s" for check in proof["checks"]),
        f"{'verify, all of it':<34} {whole:7.2f} s",
    ]
    checks = {check["name"]: check["seconds"] for check in proof["checks"]}
    details = {"up": round(up, 2), "verify_until_ping": round(verify, 2), "verify": round(whole, 2), "checks": checks}
    return show(options.output, figures, lines, details)


if __name__ == "__main__":
    sys.exit(main())
