"""What building costs: with nothing to do, and from nothing.

`build.py noop`  `stackyard build` when all images are up to date, median of five; target 2 s.
`build.py cold`  all images with empty caches, against one container that does the same work one thing after the
                 other with empty caches: all Debian packages in one call of apt, then each Python lock, then the
                 migrations of the baked database. Both start from the base image. The bound is 1.3 times what
                 that container took in the same run.
`build.py change`  one line changed in a script of one service, until its image is built; target 5 s (Kolla: 297 s).

Needs an engine and the network. The cold run and the change make images under a name of their own, and remove them,
their caches and their state again. Exits 1 when a bound is missed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figure import Figure, arguments, show

from stackyard.catalogue import open_site
from stackyard.effects.engine import Engine
from stackyard.effects.host import Host
from stackyard.events import silent
from stackyard.images import base
from stackyard.images.order import Order, completed, execute, order
from stackyard.images.outside import Outside
from stackyard.images.shared import extract

NOOP_TARGET = 2.0
CHANGE_TARGET = 5.0
CHANGED = ("openstack/nova/hypervisor", "nova-compute")
"""A script of the catalogue, and the image that has it."""
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
    with removed(Engine()) as images, tempfile.TemporaryDirectory(prefix="stackyard-bench-") as folder:
        host = Host(Engine(), Path(folder))
        names = list(catalogue.images)
        versions = completed(host, catalogue, names, silent)
        downloads = f"-bench{os.getpid()}"
        ordered = order(host.engine, catalogue, names, registry=REGISTRY, versions=versions, downloads=downloads)
        images += [each.reference for each in ordered.decisions]
        base.ensure(host.engine, ordered.bases[0], silent)
        begun = time.monotonic()
        built = execute(host, ordered, silent)
        seconds = time.monotonic() - begun
        container = sequential(host.engine, ordered, Path(folder) / "build" / "recipe" / "context")
    return Figure(f"cold build of {len(built)} images", seconds, "s", round(COLD_BOUND * container, 2))


def change(site: str) -> Figure:
    """Time from one changed line in a script to its image."""
    script, image = CHANGED
    _, catalogue = open_site(site)
    with removed(Engine()) as images, tempfile.TemporaryDirectory(prefix="stackyard-bench-") as folder:
        root = Path(shutil.copytree(catalogue.root, Path(folder) / "catalogue"))
        state = Path(folder) / "state"
        for record in (Host.local().state / "build").glob("packages-*.json"):
            (state / "build").mkdir(parents=True, exist_ok=True)
            shutil.copy(record, state / "build")
        images.append(catalogue.reference(image, REGISTRY))
        program = str(Path(sys.executable).with_name("stackyard"))
        command = [program, "build", "--site", site, "--registry", REGISTRY, "--container", image]
        env = {**os.environ, "STACKYARD_CATALOGUE": str(root), "STACKYARD_STATE": str(state)}
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with (root / script).open("a") as file:
            file.write("# one line more\n")
        begun = time.monotonic()
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - begun
    return Figure("one line changed, to the image", seconds, "s", CHANGE_TARGET)


@contextmanager
def removed(engine: Engine) -> Iterator[list[str]]:
    """A list of images that are removed afterwards, with what the builder has cached for them."""
    before = records(engine)
    images: list[str] = []
    try:
        yield images
    finally:
        engine.attempt("image", "rm", "--force", *images)
        for record in records(engine) - before:
            engine.attempt("builder", "prune", "--force", "--all", "--filter", f"id={record}")


def records(engine: Engine) -> set[str]:
    """Identifiers of what the builder has cached."""
    listing = engine.attempt("buildx", "du", "--verbose").stdout
    return {line.split()[1] for line in listing.splitlines() if line.startswith("ID:")}


def sequential(engine: Engine, ordered: Order, context: Path) -> float:
    """Seconds that one container takes for the same packages and migrations; its caches die with it."""
    images = [image for _, image in ordered.catalogue.images.values()]
    packages = sorted({name for image in images for name in image.packages})
    pieces = sorted({piece for image in images for piece in extract(image.extract)})
    locks = ["common", *sorted({each for image in images for each in image.locks})]
    script = ["set -eu", "mkdir /mnt/versions"]
    script += [f"cat /mnt/packages-of/*/{each} | sort -u >/mnt/versions/{each}" for each in ("install", "extract")]
    script += [f"/mnt/steps/debian-packages {' '.join(packages)} -- {' '.join(pieces)}"]
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
    mounts = {
        "steps": "steps",
        "python": "python",
        "packages": "packages-of",
        "database": "database",
        "entrypoint": "app",
    }
    options = "--rm --tmpfs /mnt --tmpfs /tmp:exec --user 0 --entrypoint /bin/sh"
    argv = ["run", *options.split()]
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
    engine.run(*argv, ordered.bases[0].reference, "-c", "\n".join(script))
    return time.monotonic() - begun


FIGURES = {"noop": noop, "cold": cold, "change": change}


def main() -> int:
    """Measure; 0 when the bounds are kept."""
    parser = arguments(__doc__)
    parser.add_argument("figure", nargs="*", choices=list(FIGURES), default=list(FIGURES))
    options = parser.parse_args()
    return show(options.output, [FIGURES[name](options.site) for name in options.figure])


if __name__ == "__main__":
    sys.exit(main())
