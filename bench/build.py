"""What building costs: with nothing to do, and from nothing.

`build.py noop`  `stackyard build` when all images are up to date, median of five; target 2 s.
`build.py cold`  all images with empty caches, against one container that does the same work one thing after the
                 other with empty caches: all Debian packages in one call of apt, then each Python lock, then the
                 migrations of the baked database. Both start from the base image. Bound 1.3.

Needs an engine and the network. The cold run makes images under a name of its own, and removes them, their caches
and its state again. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stackyard.build import base
from stackyard.build.bake import Outside
from stackyard.build.build import Order, execute, order
from stackyard.build.recipe import unpacked
from stackyard.catalogue import open_site
from stackyard.effects.process import docker, run
from stackyard.events import silent

NOOP_TARGET = 2.0
COLD_BOUND = 1.3
KEYSTONE_MB = 350.0
TOTAL_GB = 2.0
REGISTRY = "bench.invalid"


def noop() -> bool:
    """Print the time of a build with nothing to do."""
    command = [str(Path(sys.executable).with_name("stackyard")), "build"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - begun)
    figure = statistics.median(times)
    print(f"build with nothing to do: {figure:.2f} s (target {NOOP_TARGET} s or less)")
    return figure <= NOOP_TARGET


def cold() -> bool:
    """Print the times of a cold build and of the one container, and their ratio."""
    _, catalogue = open_site()
    base.ensure(base.BaseImage(catalogue.base), silent)
    before = records()
    with tempfile.TemporaryDirectory(prefix="stackyard-bench-") as folder:
        os.environ["STACKYARD_STATE"] = folder
        ordered = order(catalogue, list(catalogue.images), registry=REGISTRY, downloads=f"-bench{os.getpid()}")
        try:
            begun = time.monotonic()
            built = execute(ordered, silent)
            images = time.monotonic() - begun
            print(f"cold build of {len(built)} images: {images:.1f} s")
            container = sequential(ordered, Path(folder) / "build" / "recipe" / "context")
            print(f"one container, one thing after the other: {container:.1f} s")
        finally:
            names = [each.reference for each in ordered.decisions]
            run([docker(), "image", "rm", "--force", *names], check=False)
            for record in records() - before:
                run([docker(), "builder", "prune", "--force", "--all", "--filter", f"id={record}"], check=False)
    print(f"ratio: {images / container:.2f} (bound {COLD_BOUND})")
    return images / container <= COLD_BOUND


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
    run([*argv, ordered.base.reference, "-c", "\n".join(script)])
    return time.monotonic() - begun


FIGURES = {"noop": noop, "cold": cold}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", nargs="*", choices=list(FIGURES), default=list(FIGURES))
    chosen = parser.parse_args().figure
    passed = [FIGURES[name]() for name in chosen]
    sys.exit(0 if all(passed) else 1)
