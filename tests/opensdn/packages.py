"""Makes a repository of the stand-ins as Debian packages, with the names and the programs of upstream's own.

Run as `python tests/opensdn/packages.py FOLDER`. The repository is flat and not signed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build import HERE, parts

PACKAGES = {
    "contrail-config": ("contrail-api", "contrail-schema", "contrail-device-manager"),
    "contrail-config-openstack": ("contrail-svc-monitor",),
    "contrail-control": ("contrail-control",),
    "contrail-dns": ("contrail-dns", "contrail-named"),
    "contrail-analytics": (
        "contrail-collector",
        "contrail-analytics-api",
        "contrail-query-engine",
        "contrail-alarm-gen",
        "tf-snmp-collector",
        "tf-topology",
    ),
    "contrail-web-core": (),
    "contrail-web-controller": (),
    "contrail-vrouter-agent": (),
    "contrail-nova-vif": (),
    "neutron-plugin-contrail": (),
    "python3-contrail": (),
    "stand-in": (),
}
PROGRAM = """\
#!/bin/sh
PYTHONPATH=/opt:/opt/lib PYTHONUNBUFFERED=1 exec python3 /opt/standin/program.py {name} "$@"
"""
WEB = """\
require('./config/config.global.js');
require('/etc/contrail/contrail-webui-userauth.js');
const environment = {{...process.env, PYTHONPATH: '/opt:/opt/lib', PYTHONUNBUFFERED: '1'}};
const options = {{stdio: 'inherit', env: environment}};
const child = require('child_process').spawn('python3', ['/opt/standin/program.py', '{name}'], options);
child.on('exit', (code) => process.exit(code || 1));
"""
SETTINGS = """\
var config = {};
const sections = 'orchestration identityManager cnfg analytics dns jobServer kue server_options';
for (const section of sections.split(' '))
    config[section] = {};
module.exports = config;
"""
CONTROL = """\
Package: {name}
Version: 25.1
Architecture: all
Maintainer: nobody
Depends: {depends}
Description: stand-in for tests
"""


def make(folder: Path) -> None:
    """Write packages and their list."""
    listing = ""
    with tempfile.TemporaryDirectory(prefix="stand-in-") as work:
        for name, programs in PACKAGES.items():
            root = Path(work) / name
            (root / "DEBIAN").mkdir(parents=True)
            control = CONTROL.format(name=name, depends="python3" if name == "stand-in" else "stand-in")
            (root / "DEBIAN/control").write_text(control)
            for program in programs:
                _write(root / "usr/bin" / program, PROGRAM.format(name=program))
            _contents(name, root)
            deb = folder / f"{name}.deb"
            command = ["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(root), str(deb)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            data = deb.read_bytes()
            listing += f"{control}Filename: ./{deb.name}\nSize: {len(data)}\n"
            listing += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    (folder / "Packages").write_text(listing)
    digest, size = hashlib.sha256(listing.encode()).hexdigest(), len(listing.encode())
    date = "Date: Thu, 01 Jan 2026 00:00:00 UTC"
    (folder / "Release").write_text(f"{date}\nSHA256:\n {digest} {size} Packages\n")


def _contents(name: str, root: Path) -> None:
    """What a package has beside its programs."""
    packages, plugins = root / "usr/lib/python3/dist-packages", HERE / "plugins"
    web = root / "usr/src/contrail/contrail-web-core"
    if name == "stand-in":
        parts(root / "opt")
    elif name == "contrail-web-core":
        for program in ("webServerStart.js", "jobServerStart.js"):
            _write(web / program, WEB.format(name=program))
        _write(web / "config/config.global.js", SETTINGS)
    elif name == "contrail-vrouter-agent":
        _write(root / "usr/bin/vrouter-port-control", (plugins / "compute/bin/vrouter-port-control").read_text())
    elif name == "contrail-nova-vif":
        shutil.copytree(plugins / "compute/site-packages", packages)
    elif name == "neutron-plugin-contrail":
        shutil.copytree(plugins / "neutron/site-packages", packages)
    elif name == "python3-contrail":
        with tempfile.TemporaryDirectory() as work:
            parts(Path(work))
            shutil.copytree(Path(work) / "lib/vnc_api", packages / "vnc_api")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
