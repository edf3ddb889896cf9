"""Builds the stand-ins under the names of upstream's published images.

Run as `python tests/opensdn/build.py REGISTRY/PREFIX TAG`, such as `registry.example.org/opensdn- R25.1`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from stackyard.catalogue import load
from stackyard.effects.engine import Engine
from stackyard.events import Event
from stackyard.images.base import BaseImage, ensure

HERE = Path(__file__).parent
TABLE = yaml.safe_load((HERE / "images.yaml").read_text())
LABEL = "stand-in.identity"
DOCKERFILE = """\
FROM {base}
RUN useradd --uid 1999 --user-group --create-home contrail
COPY lib /opt/lib
COPY . /opt
RUN ln -s /opt/standin/entrypoint.py /entrypoint.sh \\
 && {links} \\
 && python3 -m compileall -q /opt/standin
ENV PYTHONPATH=/opt:/opt/lib PYTHONUNBUFFERED=1 CONTRAIL_UID=1999 CONTRAIL_GID=1999
ENTRYPOINT ["/entrypoint.sh"]
"""


def identity(base: str) -> str:
    """Hash of all that the images are made of."""
    files = sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix not in {".pyc", ".md"})
    parts = [
        base.encode(),
        *(part for path in files for part in (str(path.relative_to(HERE)).encode(), path.read_bytes())),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def build(prefix: str, tag: str) -> list[str]:
    """Build what the engine does not have yet; return the references of all stand-ins."""
    engine = Engine()
    catalogue = load(HERE.parents[1] / "catalogue", "2026.2", "ovn")
    base = BaseImage(next(iter(catalogue.bases.values())))
    now = identity(base.reference)
    references = {name: f"{prefix}{name}:{tag}" for name in TABLE["images"]}
    found = engine.look("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', *references.values())
    if found.stdout.split() == [now] * len(references):
        return list(references.values())
    ensure(engine, base, _say)
    common = f"stand-in-common:{now}"
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        _context(Path(folder), base.reference)
        engine.run("image", "build", "--tag", common, folder)
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
        for name, reference in references.items():
            (Path(folder) / "Dockerfile").write_text(_dockerfile(common, name, now))
            engine.run("image", "build", "--tag", reference, folder)
    return list(references.values())


def _say(event: Event) -> None:
    print(event, file=sys.stderr)


def _links() -> str:
    programs = {row["exec"][0] for row in TABLE["images"].values() if row.get("exec", ["/"])[0].startswith("/usr/")}
    programs = {"/usr/sbin/dnsmasq", "/usr/local/bin/contrail-nodemgr", *programs} - {"/usr/bin/tail"}
    return " && ".join(f"ln -s /opt/standin/program.py {program}" for program in sorted(programs))


def _context(folder: Path, base: str) -> None:
    parts(folder)
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base, links=_links()))


def parts(folder: Path) -> None:
    """Put into a folder what the stand-ins are made of, as it is found below /opt."""
    lock = HERE / "requirements.txt"
    version = next(iter(load(HERE.parents[1] / "catalogue", "2026.2", "ovn").bases.values())).python
    uv = Path(sys.executable).with_name("uv")
    target = ["--target", str(folder / "lib"), "--python-version", version, "--python-platform", "linux"]
    subprocess.run([uv, "pip", "install", "--quiet", "--require-hashes", *target, "-r", lock], check=True)
    shutil.copytree(HERE / "standin", folder / "standin", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE / "plugins", folder / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "images.yaml", folder)
    environment = {"PYTHONPATH": f"{folder}:{folder / 'lib'}"}
    schema = subprocess.run([sys.executable, "-m", "standin.schema"], env=environment, capture_output=True, check=True)
    (folder / "standin/schema.json").write_bytes(schema.stdout)


def _dockerfile(common: str, name: str, now: str) -> str:
    row: dict[str, Any] = TABLE["images"][name]
    kind, service = row.get("node", " ").split(" ")
    lines = [f"FROM {common}", f"ENV STAND_IN={name} NODE_TYPE={kind} SERVICE_NAME={service}"]
    labels = {"stand-in": "true", LABEL: now, "net.juniper.contrail.container.name": f"opensdn-{name}"}
    labels |= {"net.juniper.contrail.pod": kind} if kind else {}
    labels |= {"net.juniper.contrail.service": service} if service else {}
    lines += [f"LABEL {key}={value}" for key, value in labels.items()]
    if "copies" in row:
        part = row["copies"]
        lines.append(f"RUN mkdir -p /opt/contrail && cp -r /opt/plugins/{part}/. /opt/contrail")
        # Upstream's carries the client as well.
        lines += ["RUN cp -r /opt/lib/vnc_api /opt/contrail/site-packages"] if part == "neutron" else []
    if "exec" in row and name != "controller-config-api":
        lines.append(f"CMD {json.dumps(row['exec'])}".replace("$$", "$"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print("\n".join(build(*sys.argv[1:3])))
