"""Makes a repository of the stand-ins as packages, with the names and the programs of upstream's own.

Run as `python tests/opensdn/packages.py FOLDER [IMAGE]`: Debian packages in a flat repository that is not signed or,
with an image that has rpmbuild and createrepo_c, RPM packages that are signed; key.asc is the public key.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build import HERE, parts

from stackyard.effects.engine import Engine

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


SPEC = """Name: {name}
Version: 25.1
Release: 1
License: none
Summary: stand-in for tests
BuildArch: noarch
AutoReqProv: no
{requires}
%define __os_install_post %{{nil}}
%define _binaries_in_noarch_packages_terminate_build 0
%description
%install
cp -a /roots/{name}/. %{{buildroot}}
cd %{{buildroot}} && find . -not -type d | sed 's,^[.],,' >/tmp/files
%files -f /tmp/files
"""
MAKE_RPM = """set -e
for each in /roots/*.spec; do rpmbuild --quiet -bb --define '_rpmdir /made' $each; done
export GNUPGHOME=/tmp/keys
install -d -m 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-generate-key stand-in@example.org rsa3072 sign
gpg --armor --export >/made/key.asc
rpmsign --define '_gpg_name stand-in@example.org' --addsign $(find /made -name '*.rpm') >/dev/null
createrepo_c -q /made
"""
OF_THE_DISTRIBUTION = ("nodejs", "openssl")
"""Packages that a distribution of RPM packages would have, and Debian has otherwise."""
NODE = """#!/bin/sh
PYTHONPATH=/opt:/opt/lib PYTHONUNBUFFERED=1 exec python3 /opt/standin/program.py "$@"
"""


def make(folder: Path) -> None:
    """Write Debian packages and their list."""
    listing = ""
    with tempfile.TemporaryDirectory(prefix="stand-in-") as work:
        for name in PACKAGES:
            root = _root(Path(work), name, "usr/lib/python3/dist-packages")
            (root / "DEBIAN").mkdir()
            control = CONTROL.format(name=name, depends="python3" if name == "stand-in" else "stand-in")
            (root / "DEBIAN/control").write_text(control)
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


def make_rpm(folder: Path, image: str) -> None:
    """Write RPM packages, signed, their list and the key."""
    with tempfile.TemporaryDirectory(prefix="stand-in-") as work:
        for name in (*PACKAGES, *OF_THE_DISTRIBUTION):
            _root(Path(work), name, "usr/lib/python3.9/site-packages")
            requires = "" if name in {"stand-in", *OF_THE_DISTRIBUTION} else "Requires: stand-in"
            (Path(work) / f"{name}.spec").write_text(SPEC.format(name=name, requires=requires))
        mounts = [f"--volume={work}:/roots:ro", f"--volume={folder}:/made"]
        command = ["run", "--rm", "--user=0", "--entrypoint=sh", *mounts, image, "-c", MAKE_RPM]
        Engine().run(*command)


def _root(work: Path, name: str, packages: str) -> Path:
    """What a package has, as it is found below the root; ``packages`` is where those of Python are."""
    root = work / name
    _write(root / "usr/share/stand-in" / name, "")
    for program in PACKAGES.get(name, ()):
        _write(root / "usr/bin" / program, PROGRAM.format(name=program))
    _contents(name, root, root / packages)
    return root


def _contents(name: str, root: Path, packages: Path) -> None:
    """What a package has beside its programs."""
    plugins = HERE / "plugins"
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
    elif name == "nodejs":
        _write(root / "usr/bin/node", NODE)
    elif name == "python3-contrail":
        with tempfile.TemporaryDirectory() as work:
            parts(Path(work))
            shutil.copytree(Path(work) / "lib/vnc_api", packages / "vnc_api")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


if __name__ == "__main__":
    if sys.argv[2:]:
        make_rpm(Path(sys.argv[1]), sys.argv[2])
    else:
        make(Path(sys.argv[1]))
