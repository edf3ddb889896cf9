"""What building costs: with nothing to do, and from nothing.

`build.py noop`  `stackyard build` when all images are up to date, median of five; target 2 s.
`build.py cold`  all images with empty caches, against one container that does the same work one thing after the
                 other with empty caches: all Debian packages in one call of apt, then each Python lock, then the
                 migrations of the baked database. Both start from the base image. The bound is 1.3 times what
                 that container took in the same run.

Needs an engine and the network. The cold run makes images under a name of its own, and removes them, their caches
and its state again. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figure import Figure, arguments, show

from stackyard.catalogue import open_site
from stackyard.effects.process import docker, run
from stackyard.events import silent
from stackyard.images import base
from stackyard.images.bake import Outside
from stackyard.images.order import Order, execute, order
from stackyard.images.recipe import unpacked

NOOP_TARGET = 2.0
COLD_BOUND = 1.3
REGISTRY = "bench.invalid"


def noop(site: str) -> Figure:
    """Time of a build with nothing to do."""
    command = [str(Path(sys.executable).with_name("stackyard")), "build", "--site", site]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - begun)
    return Figure("build, nothing to do", statistics.median(times), "s", NOOP_TARGET)


def cold(site: str) -> Figure:
    """Time of a cold build, bound by that of the one container."""
    _, catalogue = open_site(site)
    base.ensure(base.BaseImage(catalogue.base), silent)
    before = records()
    with tempfile.TemporaryDirectory(prefix="stackyard-bench-") as folder:
        os.environ["STACKYARD_STATE"] = folder
        ordered = order(catalogue, list(catalogue.images), registry=REGISTRY, downloads=f"-bench{os.getpid()}")
        try:
            begun = time.monotonic()
            built = execute(ordered, silent)
            images = time.monotonic() - begun
            container = sequential(ordered, Path(folder) / "build" / "recipe" / "context")
        finally:
            names = [each.reference for each in ordered.decisions]
            run([docker(), "image", "rm", "--force", *names], check=False)
            for record in records() - before:
                run([docker(), "builder", "prune", "--force", "--all", "--filter", f"id={record}"], check=False)
    return Figure(f"cold build of {len(built)} images", images, "s", round(COLD_BOUND * container, 2))


def records() -> set[str]:
    """Identifiers of what the builder has cached."""
    listing = run([docker(), "buildx", "du", "--verbose"], check=False).stdout
    return {line.split()[1] for line in listing.splitlines() if line.startswith("ID:")}


def sequential(ordered: Order, context: Path) -> float:
    """Seconds that one container takes for the same packages and migrations; its caches die with it."""
    images = [image for _, image in ordered.catalogue.images.values()]
    packages = sorted({name for image in images for name in image.packages})
    pieces = sorted({piece for image in images for piece in unpacked(image)})
    locks = ["common", *sorted({image.python for image in images if image.python})]
    script = ["set -eu", f"/mnt/steps/debian-packages {' '.join(packages)} -- {' '.join(pieces)}"]
    python = "/mnt/steps/python-packages /mnt/python/"
    script += [f"{python}entrypoint.txt /opt/stackyard/lib /opt/stackyard/lib"]
    for lock in locks:  # each in a folder of its own first, so that nothing is compiled twice
        folder = "/opt/venv" if lock == "common" else f"/opt/{lock}"
        script += [f"{python}{lock}.txt {folder} /opt/venv"]
        script += [] if lock == "common" else [f"cp -al {folder}/. /opt/venv/"]
    for name, (service, image) in ordered.catalogue.images.items():
        stage = ordered.recipe.stages.get(f"{name}.database")
        if image.bakes and stage:
            script += [f"/mnt/steps/account {service.user} {service.service}"]
            script += [f"/mnt/steps/bake-database {stage.instructions[-1].command.split(' ', 2)[2]}"]
    mounts = {"steps": "steps", "python": "python", "database": "database", "entrypoint": "app"}
    options = "--rm --tmpfs /mnt --tmpfs /tmp:exec --user 0 --entrypoint /bin/sh"
    argv = [docker(), "run", *options.split()]
    for source, target in mounts.items():
        argv += ["--volume", f"{context / source}:/mnt/{target}:ro"]
    argv += ["--volume", f"{context / 'tools/uv'}:/mnt/uv:ro"]
    argv += ["--volume", f"{context / 'python/setuptools.txt'}:/mnt/setuptools.txt:ro"]
    outside = Outside.of(os.environ)
    if outside.authorities:
        argv += ["--volume", f"{outside.authorities}:/mnt/ca:ro"]
    for name, value in outside.proxies.items():
        argv += ["--env", f"{name}={value}"]
    begun = time.monotonic()
    run([*argv, ordered.bases[0].reference, "-c", "\n".join(script)])
    return time.monotonic() - begun


FIGURES = {"noop": noop, "cold": cold}


def main() -> int:
    """Measure; 0 when the bounds are kept."""
    parser = arguments(__doc__)
    parser.add_argument("figure", nargs="*", choices=list(FIGURES), default=list(FIGURES))
    options = parser.parse_args()
    return show(options.output, [FIGURES[name](options.site) for name in options.figure])


if __name__ == "__main__":
    sys.exit(main())
