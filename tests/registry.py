"""A real registry: the program of Debian's package, unpacked and not installed."""

from pathlib import Path

from tool import run

CONFIGURATION = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "{address}"}}
"""
DOWNLOAD = "apt-get -q -o APT::Sandbox::User=root download docker-registry"


def registry(folder: Path, address: str) -> list[str]:
    """The command that serves an empty registry in a folder; ``address`` is where it listens."""
    # Lists of packages may be missing, or older than the mirror.
    download = f"({DOWNLOAD} || (apt-get -q update && {DOWNLOAD})) && dpkg-deb -x docker-registry_*.deb ."
    run("sh", "-c", f"cd {folder} && {download}")
    configuration = folder / "registry.yml"
    configuration.write_text(CONFIGURATION.format(folder=folder, address=address))
    return [str(folder / "usr/bin/docker-registry"), "serve", str(configuration)]
