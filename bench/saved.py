"""What a saved site costs: from its file to a VM of it that answers from outside, at its floating address.

The site has to be up; `verify --keep` leaves VMs in it for this, of which the first has a floating address and serves
HTTP. It is saved, which stops it for a while, and left down; its file is loaded under another name, which is removed
in the end. Images that the engine has are not loaded, so remove them first (`docker image rm`) to have that in it.
Needs root. Exits 1 when the bound is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from figure import Figure, arguments, show

from cloud import PROGRAM, timed
from stackyard.catalogue import open_site
from stackyard.deploy.desired import Desired
from stackyard.effects.host import Host
from stackyard.effects.openstack import Api
from stackyard.verify.script import PORT
from stackyard.verify.target import credentials, local

COPY = "benchcopy"
BOUND = 45.0
LATEST = 300


def floating(reference: str) -> str:
    """The floating address of the proof's VM."""
    resolved = Desired.of(Host.local(), *open_site(reference)).site
    api: Any = Api(credentials(resolved), local(resolved.urls))
    found = api.call("network", "GET", "/v2.0/floatingips")["floatingips"]
    return next(each["floating_ip_address"] for each in found if each["description"].startswith("stackyard-verify"))


def answered(address: str, begun: float) -> float:
    """Seconds until it serves."""
    while time.monotonic() - begun < LATEST:
        try:
            with urlopen(f"http://{address}:{PORT}/data", timeout=1) as answer:
                answer.read(1)
            return time.monotonic() - begun
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{address} did not answer within {LATEST} s")


def main() -> int:
    """Measure; 0 when the bound is kept."""
    options = arguments(__doc__).parse_args()
    if os.geteuid() != 0:
        sys.exit("`save` and `load` need root: run it with sudo")
    site = ("--site", options.site)
    timed("verify", "--keep", "--output", "json", *site)
    address = floating(options.site)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "saved"
        saving, _ = timed("save", str(file), "--down", *site)
        begun = time.monotonic()
        loading, told = timed("load", str(file), "--as", COPY, "--folder", folder, "--output", "json")
        copy = json.loads(told)["reference"]
        try:
            with subprocess.Popen([PROGRAM, "up", "--site", copy], stdout=subprocess.DEVNULL) as up:
                old, new = (open_site(each)[0].networks.ranges["public"] for each in (options.site, copy))
                place = int(IPv4Address(address)) - int(old.network_address)
                answers = answered(str(new[place]), begun)
                up.wait()
            ready = time.monotonic() - begun
        finally:
            timed("down", "--volumes", "--site", copy)
        size = file.stat().st_size / 1e6
    lines = [
        f"{'save, with the site left down':<34} {saving:7.2f} s   {size:.0f} MB",
        f"{'load':<34} {loading:7.2f} s",
        f"{'until everything is ready':<34} {ready:7.2f} s",
    ]
    details = {"save": round(saving, 2), "megabytes": round(size), "load": round(loading, 2), "ready": round(ready, 2)}
    return show(options.output, [Figure("from a saved site to a VM", answers, "s", BOUND)], lines, details)


if __name__ == "__main__":
    sys.exit(main())
