"""Where this host takes Debian packages from: a mirror that the operator names, and the proxies that apt is told of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackyard.effects.process import run
from stackyard.errors import InputError

MIRROR = "STACKYARD_DEBIAN_MIRROR"
OWN = "Debian's own"
"""Where packages come from when no mirror is named."""
_URL = re.compile(r"https?://[^\s#&\\\"']+")
_PROXY = re.compile(r"^(Acquire::https?::Proxy(?:::\S+)?) (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Debian:
    """``mirror`` takes the place of Debian's own, unless it is empty; ``proxies`` are apt's, by name of the option."""

    mirror: str
    proxies: Mapping[str, str]

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Debian:
        """What the environment and apt's own configuration say. Raises InputError."""
        mirror = env.get(MIRROR, "").rstrip("/")
        if mirror and not _URL.fullmatch(mirror):
            raise InputError(f"{MIRROR} is no URL: {mirror}", "write it as http://HOST/debian")
        told = (
            run(["apt-config", "dump", "--format", "%f %v%n", "Acquire"]).stdout if shutil.which("apt-config") else ""
        )
        return cls(mirror, dict(_PROXY.findall(told)))

    @property
    def settings(self) -> str:
        """Lines of apt.conf(5), for apt elsewhere."""
        return "".join(f'{name} "{value}";\n' for name, value in self.proxies.items())

    @property
    def rewriting(self) -> str:
        """Lines of sed(1) that put the mirror into a list of sources; security updates are beside it, `…-security`."""
        pairs = {"debian-security": f"{self.mirror}-security", "debian": self.mirror} if self.mirror else {}
        return "".join(f"s#https\\{{0,1\\}}://[^ /]*/{old} #{new} #\n" for old, new in pairs.items())

    def options(self, folder: Path) -> list[str]:
        """Options of mmdebstrap, with files in ``folder``; nothing of it stays in what is made."""
        options = []
        if self.settings:
            (folder / "apt.conf").write_text(self.settings)
            options += [f'--setup-hook=cat {folder}/apt.conf >>"$MMDEBSTRAP_APT_CONFIG"']
        if self.mirror:
            (folder / "mirror").write_text(self.rewriting)
            sources = '"$1/etc/apt/sources.list'
            options += [f'--setup-hook=sed -i.own -f {folder}/mirror {sources}"']
            options += [f'--customize-hook=mv {sources}.own" {sources}"']
        return options
