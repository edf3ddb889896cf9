"""What a site with OpenContrail costs: from built images and no data until all is ready, and its databases' memory.

The site is that of the tests: OpenSDN's programs are stand-ins, so the time is that of OpenStack, of the real servers
and of all that waits for each other. Removes that site WITH ITS DATA first and last. The memory is the PSS of
Cassandra, ZooKeeper and Kafka when they idle. Builds what is not built before, not timed. Needs root. Exits 1 when a
bound is missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from figure import Figure, arguments, show
from memory import containers, measure

from cloud import timed
from stackyard.catalogue import load_site
from stackyard.effects.engine import Engine

TESTS = Path(__file__).resolve().parent.parent / "tests" / "opensdn"
SITE = TESTS / "site.yaml"
DATABASES = ("cassandra", "zookeeper", "kafka")
READY_BOUND, MEMORY_BOUND, IMAGE_BOUND = 150.0, 1.4, 400.0
IDLE = 60
"""Seconds from ready to idle."""


def main() -> int:
    """Measure; 0 when the bounds are kept."""
    options = arguments(__doc__).parse_args()
    if os.geteuid() != 0:
        sys.exit("`up` and `down` need root: run it with sudo")
    model, site = load_site(SITE), ("--site", str(SITE))
    source = model.sources["opensdn"]
    subprocess.run([sys.executable, TESTS / "build.py", f"{source.images}/opensdn-", str(source.tag)], check=True)
    timed("down", "--volumes", *site)
    timed("build", *site)
    ready, _ = timed("up", *site)
    time.sleep(IDLE)
    sizes, _, _ = measure(containers(model.site))
    memory = sum(size for name, size in sizes.items() if name.rpartition("-")[2] in DATABASES) / 1e9
    timed("down", "--volumes", *site)
    figures = [Figure("from no data to all ready", ready, "s", READY_BOUND)]
    figures.append(Figure("memory of the databases, idle", memory, "GB", MEMORY_BOUND))
    for name in DATABASES:
        reference = f"{model.registry}/{name}:2026.2"
        size = int(Engine().ask("image", "inspect", "--format", "{{.Size}}", reference)) / 1e6
        figures.append(Figure(f"image {name}", size, "MB", IMAGE_BOUND))
    return show(options.output, figures)


if __name__ == "__main__":
    sys.exit(main())
