"""What the images of the demo take on the disk: every layer once, and keystone's image by itself.

All images that `stackyard build` makes for the site are counted. A layer's size is that of
its files, from the engine's own records (overlay2) when they can be read, else from `docker history`. Exits 1 when a
bound is missed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from figure import Figure, arguments, show

from stackyard.catalogue import open_site
from stackyard.cli.build import switched_off
from stackyard.effects.engine import Engine
from stackyard.images.found import Found, inspect

TOTALS_GB = {"full": 2.2}
"""By site, of those with more than a controller and two compute nodes need."""
TOTAL_GB = 2.0
KEYSTONE_MB = 350.0
KEYSTONE = "keystone"


def recorded(image: Found, records: Path) -> Iterator[tuple[str, int]]:
    """Layers of an image, each with its bytes, as the overlay2 driver records them.

    A layer is recorded by its chain: the hash of the chain below it and of its own content.
    """
    chain = ""
    for layer in image.layers:
        chain = f"sha256:{hashlib.sha256(f'{chain} {layer}'.encode()).hexdigest()}" if chain else layer
        yield layer, int((records / chain.replace(":", "/") / "size").read_text())


def told(engine: Engine, image: Found) -> Iterator[tuple[str, int]]:
    """Steps of an image that have a size, each with its bytes, as `docker history` tells them."""
    form = "{{.Size}} {{.CreatedBy}}"
    command = ["history", "--human=false", "--no-trunc", "--format", form, image.reference]
    chain = ""
    for line in reversed(engine.ask(*command).splitlines()):
        size = line.partition(" ")[0]
        if size.isdigit() and int(size):
            chain = hashlib.sha256(f"{chain} {line}".encode()).hexdigest()
            yield chain, int(size)


def main() -> int:
    """Measure; 0 when the bounds are kept."""
    options = arguments(__doc__).parse_args()
    site, catalogue = open_site(options.site)
    engine = Engine()
    off = switched_off(catalogue, site)
    names = {image: catalogue.reference(image, site.registry) for image in catalogue.images if image not in off}
    found = inspect(engine, list(names.values()))
    missing = [name for name in names.values() if name not in found]
    if missing:
        sys.exit(f"not built: {', '.join(missing)}: stackyard build --site {options.site}")
    records = engine.info.root / "image/overlay2/layerdb"
    known = records.is_dir()
    layers = {
        name: list(recorded(found[name], records) if known else told(engine, found[name])) for name in names.values()
    }
    unique = {layer: size for each in layers.values() for layer, size in each}
    users = {layer: [name for name, each in layers.items() if layer in dict(each)] for layer in unique}
    own = {image: sum(size for layer, size in layers[name] if len(users[layer]) == 1) for image, name in names.items()}
    sizes = {image: sum(size for _layer, size in layers[name]) for image, name in names.items()}
    bound = TOTALS_GB.get(options.site, TOTAL_GB)
    figures = [
        Figure(f"{len(names)} images, {len(unique)} layers, each once", sum(unique.values()) / 1e9, "GB", bound),
        Figure("keystone's image", sizes[KEYSTONE] / 1e6, "MB", KEYSTONE_MB),
    ]
    lines = [f"{'IMAGE':<34} {'SIZE':>10} {'OF ITS OWN':>12}"]
    lines += [
        f"{image:<34} {size / 1e6:7.1f} MB {own[image] / 1e6:9.1f} MB"
        for image, size in sorted(sizes.items(), key=lambda each: -each[1])
    ]
    shared = sum(size for layer, size in unique.items() if len(users[layer]) > 1)
    lines.append(f"{'layers that several share':<34} {'':>10} {shared / 1e6:9.1f} MB")
    details = {
        "source": "layerdb" if known else "history",
        "shared": shared,
        "images": [{"image": image, "bytes": sizes[image], "own": own[image]} for image in names],
    }
    return show(options.output, figures, lines, details)


if __name__ == "__main__":
    sys.exit(main())
