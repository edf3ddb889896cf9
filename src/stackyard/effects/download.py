"""Files from a URL, kept by their checksums."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

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


def download(url: str, to: Path, checksum: str, told: Callable[[str], None]) -> None:
    """Fetch what a URL gives, if ``checksum`` is its SHA-256 sum: then ``to`` is there, complete, else nothing.

    Proxies and certificates are those of the environment. Raises InputError.
    """
    import requests  # noqa: PLC0415 - a tenth of a second

    part = to.parent / f".{to.name}.part"
    to.parent.mkdir(parents=True, exist_ok=True)
    seen, done, next_ = hashlib.sha256(), 0, time.monotonic() + TOLD
    try:
        with requests.get(url, stream=True, timeout=ANSWER) as answer, part.open("wb") as stream:
            if not answer.ok:
                raise InputError(f"{url} answers {answer.status_code} {answer.reason}", "correct the URL")
            size = int(answer.headers.get("Content-Length", 0))
            for block in answer.iter_content(CHUNK):
                stream.write(block)
                seen.update(block)
                done += len(block)
                if time.monotonic() >= next_:
                    next_ = time.monotonic() + TOLD
                    told(f"{done / 1e6:.0f} MB" + (f" of {size / 1e6:.0f} MB" if size else ""))
        if seen.hexdigest() != checksum:
            message = f"{url} has the SHA-256 sum {seen.hexdigest()}, and not {checksum}"
            raise InputError(message, "correct the `sha256`, if whoever offers the file says this one")
        part.chmod(0o644)
        part.replace(to)
    except requests.RequestException as error:
        raise InputError(f"{url} does not answer: {_reason(error)}", "correct the URL, or try later") from error
    except OSError as error:
        raise InputError(f"{part}: {error.strerror}", "make room, or name another place in STACKYARD_STATE") from error
    finally:
        part.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """The innermost cause, without the objects that libraries wrap it in."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error).rpartition("] ")[2] or type(error).__name__


def copy(file: Path, to: Path) -> None:
    """Copy a file to a place that every user can read it in, complete or not at all. Raises InputError."""
    part = to.parent / f".{to.name}.part"
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("rb") as source, part.open("wb") as stream:
            while block := source.read(CHUNK):
                stream.write(block)
        part.chmod(0o644)
        part.replace(to)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", "make room, or let this user read it") from error
    finally:
        part.unlink(missing_ok=True)
