"""The image below all others, bootstrapped from the distribution's packages: no registry is needed."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from stackyard.effects.process import docker, run
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


@dataclass(frozen=True)
class BaseImage:
    """The base image that a release needs."""

    distribution: Distribution

    @property
    def identity(self) -> str:
        """Hash of everything that makes it."""
        return digest(*self.command("-"))[:12]

    @property
    def reference(self) -> str:
        """Name on the engine."""
        return f"stackyard-base:{self.distribution.suite}-{self.identity}"

    @property
    def inputs(self) -> dict[str, str]:
        """Inputs of every image above it."""
        own = (self.distribution.suite, *self.distribution.packages)
        return {"base.yaml": digest(*own), "making of the base": self.identity}

    def command(self, target: str) -> list[str]:
        """The command that writes its files as a tar archive."""
        argv = ["mmdebstrap", "--variant=minbase", f"--include={','.join(self.distribution.packages)}"]
        argv += [f"--dpkgopt={option}" for option in OPTIONS]
        argv += [f"--customize-hook={hook}" for hook in HOOKS]
        return [*argv, self.distribution.suite, target]


def _bootstrap(base: BaseImage, archive: Path) -> None:
    """Run mmdebstrap. Raises BuildError."""
    command = base.command(str(archive))
    result = run(command, check=False)
    if result.code:
        lines = tuple(result.stderr.strip().splitlines())
        step = f"mmdebstrap … {shlex.join(command[-2:])}"
        raise BuildError(Failed("base", f"Debian {base.distribution.suite}", step, lines, ("all images",)))


def ensure(base: BaseImage, report: Report) -> bool:
    """Make the base image unless the engine has it; True if it was made.

    Raises InputError without mmdebstrap, BuildError when it fails.
    """
    if not run([docker(), "image", "inspect", "--format", "{{.Id}}", base.reference], check=False).code:
        return False
    if shutil.which("mmdebstrap") is None:
        raise InputError("mmdebstrap is not installed", "apt-get install mmdebstrap, or run ./quickstart, which does")
    begun = time.monotonic()
    report(Event("started", "base", f"Debian {base.distribution.suite} from its packages"))
    with tempfile.TemporaryDirectory(prefix="stackyard-base-") as folder:
        archive = Path(folder) / "base.tar"
        _bootstrap(base, archive)
        label = f"LABEL {LABEL_IDENTITY}={base.identity}"
        run([docker(), "image", "import", "--change", label, str(archive), base.reference])
    report(Event("done", "base", f"Debian {base.distribution.suite}", time.monotonic() - begun))
    return True
