"""The image below all others, bootstrapped from the distribution's packages: no registry is needed."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stackyard.effects.debian import Debian
from stackyard.effects.engine import Engine
from stackyard.effects.process import run
from stackyard.errors import InputError
from stackyard.events import Event, Report
from stackyard.images.failure import BuildError, Failed
from stackyard.images.identity import LABEL_IDENTITY
from stackyard.images.parts import digest
from stackyard.model.release import Distribution

EXCLUDED = ("man", "info", "locale", "lintian", "bug", "doc-base", "help", "pixmaps", "zsh", "bash-completion")
OPTIONS = (
    *(f"path-exclude=/usr/share/{name}/*" for name in EXCLUDED),
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
"""For dpkg, here and in every image above: what nobody reads inside a container."""

HOOKS = (
    # Packages must not start services while images are made.
    """printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d" """.strip(),
    # Nobody is asked anything, so debconf need not look through the packages beforehand.
    """rm -f "$1/etc/apt/apt.conf.d/70debconf" """.strip(),
    """rm -rf "$1"/usr/lib/python3*/test "$1"/usr/lib/python3*/pydoc_data""",
    """find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +""",
    """rm -rf "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/var/cache/ldconfig/aux-cache""",
    """find "$1/var/log" -type f -delete""",
)
PIN = """--setup-hook=mkdir -p "$1/etc/apt/preferences.d" && printf %s {pins} >"$1/etc/apt/preferences.d/versions" """
UNPIN = """--customize-hook=rm "$1/etc/apt/preferences.d/versions" """


@dataclass(frozen=True)
class BaseImage:
    """The base image that a release needs: with the newest packages, or with those of a record."""

    distribution: Distribution
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def making(self) -> str:
        """Hash of everything that makes it, but for the versions of its packages."""
        return digest(*replace(self, versions={}).command("-"))[:12]

    @property
    def identity(self) -> str:
        """Hash of everything that makes it."""
        versions = sorted(self.versions.items())
        return (
            digest(self.making, *(f"{name}={version}" for name, version in versions))[:12] if versions else self.making
        )

    @property
    def reference(self) -> str:
        """Name on the engine."""
        return f"stackyard-base:{self.distribution.suite}-{self.identity}"

    @property
    def inputs(self) -> dict[str, str]:
        """Inputs of every image above it."""
        own = (self.distribution.suite, *self.distribution.packages)
        return {
            "base.yaml": digest(*own),
            "making of the base": self.making,
            "Debian versions of the base": self.identity,
        }

    def command(self, target: str, options: Sequence[str] = ()) -> list[str]:
        """The command that writes its files as a tar archive; ``options`` change nothing of them."""
        argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(self.distribution.packages)}"]
        argv += [f"--dpkgopt={option}" for option in OPTIONS]
        argv += [f"--customize-hook={hook}" for hook in HOOKS]
        argv += [PIN.format(pins=shlex.quote(self._pins)), UNPIN] if self.versions else []
        return [*argv, *self.distribution.bootstrap, *options, self.distribution.suite, target]

    @property
    def _pins(self) -> str:
        """What makes apt take these versions and no others."""
        return "".join(
            f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n\n"
            for name, version in sorted(self.versions.items())
        )


def _bootstrap(base: BaseImage, archive: Path) -> None:
    """Run mmdebstrap. Raises BuildError."""
    command = base.command(str(archive), Debian.of(os.environ).options(archive.parent))
    result = run(command, check=False)
    if result.code:
        lines = tuple(result.stderr.strip().splitlines())
        step = f"mmdebstrap … {shlex.join(command[-2:])}"
        raise BuildError(Failed("base", f"Debian {base.distribution.suite}", step, lines, ("all images",)))


def ensure(engine: Engine, base: BaseImage, report: Report, *, anew: bool = False) -> None:
    """Make the base image unless the engine has it.

    Raises InputError without mmdebstrap, BuildError when it fails or the mirror does not have the versions any more.
    """
    if not anew and not engine.look("image", "inspect", "--format", "{{.Id}}", base.reference).code:
        return
    if shutil.which("mmdebstrap") is None:
        raise InputError("mmdebstrap is not installed", "apt-get install mmdebstrap, or run ./quickstart, which does")
    begun = time.monotonic()
    report(Event("started", "base", f"Debian {base.distribution.suite} from its packages"))
    with tempfile.TemporaryDirectory(prefix="stackyard-base-") as folder:
        archive = Path(folder) / "base.tar"
        _bootstrap(base, archive)
        label = f"LABEL {LABEL_IDENTITY}={base.identity}"
        engine.run("image", "import", "--change", label, str(archive), base.reference)
    if base.versions:
        _compare(engine, base)
    report(Event("done", "base", f"Debian {base.distribution.suite}", time.monotonic() - begun))


def _compare(engine: Engine, base: BaseImage) -> None:
    """Raise BuildError, and forget the image, when it does not have the versions that it should have."""
    found = versions_in(engine, base.reference)
    lines = [
        f"{name} {each} is no longer in the mirror" for name, each in base.versions.items() if found.get(name) != each
    ]
    lines += [f"{name} is new" for name in found if name not in base.versions]
    if lines:
        engine.attempt("image", "rm", base.reference)
        step = f"mmdebstrap … {base.distribution.suite}"
        raise BuildError(Failed("base", "Debian with the recorded versions", step, tuple(lines), ("all images",)))


def versions_in(engine: Engine, reference: str) -> dict[str, str]:
    """Package -> version of what is installed in an image."""
    query = ["--entrypoint", "dpkg-query", reference, "--show", "--showformat", "${Package} ${Version}\\n"]
    lines = engine.run("run", "--rm", *query).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)
