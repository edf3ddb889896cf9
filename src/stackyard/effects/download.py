"""Files kept under their checksums, from a URL or from another place of this host."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from stackyard.errors import InputError

CHUNK = 1 << 20
ANSWER = 30
"""Seconds that a server has for each part of its answer."""
TOLD = 2.0
"""Seconds between two words on how far it is."""


def sha256(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(url: str, to: Path, told: Callable[[str], None]) -> None:
    """Keep what a URL gives, if its SHA-256 sum is the name of ``to``: complete, or not at all.

    Proxies and certificates are those of the environment, as for a build. Raises InputError.
    """
    remedy = "correct the `sha256`, if whoever offers the file says this one"
    try:
        _keep(_fetched(url, told), to, url, remedy)
    except HTTPError as error:
        raise InputError(f"{url} answers {error.code} {error.reason}", "correct the URL") from error
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        said = getattr(reason, "strerror", "") or str(reason) or type(reason).__name__
        raise InputError(f"{url} does not answer: {said}", "correct the URL, or try later") from error


def copy(file: Path, to: Path) -> None:
    """Keep a copy of a file that every user can read, if its SHA-256 sum is still the name of ``to``.

    Complete, or not at all. Raises InputError.
    """
    _keep(_read(file), to, str(file), "it was changed meanwhile: run this again")


def _keep(blocks: Iterable[bytes], to: Path, origin: str, remedy: str) -> None:
    """Write blocks to a file whose name is their SHA-256 sum. Raises InputError when it is not, or without room."""
    part, seen = to.parent / f".{to.name}.part", hashlib.sha256()
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        stream = part.open("wb")
    except OSError as error:
        raise InputError(f"{part}: {error.strerror}", "run as root (sudo), or make room") from error
    try:
        with stream:
            for block in blocks:
                _write(stream.write, block, part)
                seen.update(block)
        if seen.hexdigest() != to.name:
            raise InputError(f"{origin} has the SHA-256 sum {seen.hexdigest()}, and not {to.name}", remedy)
        part.chmod(0o644)
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _write(write: Callable[[bytes], object], block: bytes, part: Path) -> None:
    try:
        write(block)
    except OSError as error:
        raise InputError(f"{part}: {error.strerror}", "make room, or name another place in STACKYARD_STATE") from error


def _fetched(url: str, told: Callable[[str], None]) -> Iterator[bytes]:
    done, next_ = 0, time.monotonic() + TOLD
    with urlopen(url, timeout=ANSWER) as answer:  # noqa: S310 - the model lets in http and https
        size = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(CHUNK):
            yield block
            done += len(block)
            if time.monotonic() >= next_:
                next_ = time.monotonic() + TOLD
                told(f"{done / 1e6:.0f} MB" + (f" of {size / 1e6:.0f} MB" if size else ""))
    if done < size:
        raise URLError(f"it ended after {done} of {size} bytes")


def _read(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while block := stream.read(CHUNK):
                yield block
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}", "let this user read it") from error
