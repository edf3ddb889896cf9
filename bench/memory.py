"""What the idle site takes of memory: PSS of all processes of its containers, and of the VMs in its nodes' cgroups.

A page that several processes share is counted once, in parts. The target is for both VMs running: make them with
`stackyard verify --keep`, wait a minute until all is idle, measure, then `stackyard verify --clean`. Without two VMs,
or when a container is not ready, the sum is printed and counts as missed. Needs root on the engine's host. Exits 1
when the bound is missed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

from figure import Figure, arguments, show

from stackyard.catalogue import load_site, site_path
from stackyard.effects.engine import Engine
from stackyard.effects.process import run

PROGRAM = Path(sys.executable).with_name("stackyard")
BOUNDS_GB = {"full": 5.0}
"""By site, of those with more than a controller and two compute nodes need."""
BOUND_GB = 4.0
VMS = 2
_CONTAINER = re.compile(r"[0-9a-f]{64}")


def containers(site: str) -> dict[str, str]:
    """Id -> name of the site's running containers."""
    form = '{"id":"{{.ID}}","name":"{{.Names}}"}'
    listed = Engine().ask("ps", "--no-trunc", "--filter", f"label=stackyard.site={site}", "--format", form)
    return {each["id"]: each["name"] for each in map(json.loads, listed.splitlines())}


def owner(cgroups: str, names: dict[str, str]) -> str | None:
    """Which part of the site a process with these cgroups belongs to: a container, or the VMs of a node.

    A VM keeps the cgroup of the container that started it where its node's own has no such hierarchy.
    """
    vms = {f"/stackyard/{name}/": f"{name} (VMs)" for name in names.values()}
    for place, part in vms.items():
        if place in cgroups:
            return part
    found = _CONTAINER.search(cgroups)
    return names.get(found[0]) if found else None


def pss(process: Path) -> int:
    """Bytes of memory of one process, shared pages in parts."""
    rollup = (process / "smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def measure(names: dict[str, str]) -> tuple[Counter[str], Counter[str], int]:
    """Bytes and processes of each part of the site, and the number of VMs."""
    sizes: Counter[str] = Counter()
    processes: Counter[str] = Counter()
    vms = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            part = owner((process / "cgroup").read_text(), names)
            if part is None:
                continue
            sizes[part] += pss(process)
            processes[part] += 1
            vms += (process / "comm").read_text().startswith("qemu-system")
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            continue  # it has ended
    return sizes, processes, vms


def unready(site: str) -> list[str]:
    """The site's containers that are not as they should be."""
    rows = json.loads(run([str(PROGRAM), "status", "--output", "json", "--site", site]).stdout)
    return [f"{row['node']}/{row['container']}" for row in rows if row["ready"] == "no"]


def main() -> int:
    """Measure; 0 when the bound is kept, with both VMs."""
    options = arguments(__doc__).parse_args()
    if os.geteuid() != 0:
        sys.exit("the memory of other users' processes is for root to read: run it with sudo")
    site = load_site(site_path(options.site)).site
    names = containers(site)
    if not names:
        sys.exit(f"no container of the site {site} runs: stackyard up --site {options.site}")
    sizes, processes, vms = measure(names)
    bound = BOUNDS_GB.get(site, BOUND_GB)
    figure = Figure(f"idle memory with {vms} VMs, PSS", sum(sizes.values()) / 1e9, "GB", bound)
    rows = [
        f"{part.removeprefix(f'{site}-'):<42} {processes[part]:4} {size / 1e6:9.1f} MB"
        for part, size in sizes.most_common()
    ]
    lines = [f"{'CONTAINER':<42} PROC {'PSS':>12}", *rows]
    lacking = [f"{vms} of {VMS} VMs run (stackyard verify --keep)"] if vms < VMS else []
    late = unready(options.site)
    lacking += [f"not ready: {', '.join(late)} (stackyard up)"] if late else []
    lines += [f"not the figure that is asked for: {reason}" for reason in lacking]
    details = {
        "site": site,
        "vms": vms,
        "lacking": lacking,
        "containers": [
            {"container": part, "processes": processes[part], "bytes": size} for part, size in sizes.most_common()
        ],
    }
    missed = show(options.output, [figure], lines, details)
    return missed or int(bool(lacking))


if __name__ == "__main__":
    sys.exit(main())
