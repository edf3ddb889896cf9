"""The file of a saved site: a tar archive of streams, each compressed with zstd and, when asked, encrypted with age.

Other programs read it too: ``tar``, ``age``, ``zstd`` and ``docker load``. Its first entry, in the clear, says what it
is; ``key.age`` is the key of the others, encrypted with the passphrase.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyrage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from stackyard.errors import InputError, StackyardError

FORMAT = 1
HEAD = "stackyard.json"
KEY = "key.age"
LEVEL = 1
"""Of zstd's 22: the images of a cloud take a third, at the speed of a disk."""
PIECE = 1 << 20
"""Bytes that are copied at once."""
_BLOCK = 512
_OPTIONS: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.nb_workers: min(4, os.cpu_count() or 1),
}
DAMAGED = "it was cut short or changed: copy it again, or save the site again"


def copy(source: IO[bytes], target: IO[bytes], told: Callable[[int], None] = lambda _bytes: None) -> None:
    """Copy all there is; ``told`` is called with the bytes so far."""
    total = 0
    while piece := source.read(PIECE):
        target.write(piece)
        told(total := total + len(piece))


class Writer:
    """Writes streams into a file, in the order in which they come."""

    def __init__(self, file: IO[bytes], head: Mapping[str, Any], passphrase: str | None) -> None:
        self._file = file
        self._to: pyrage.x25519.Recipient | None = None
        document = {"format": FORMAT, "encrypted": passphrase is not None, **head}
        self._plain(HEAD, (json.dumps(document, indent=2) + "\n").encode())
        if passphrase is not None:
            identity = pyrage.x25519.Identity.generate()
            self._to = identity.to_public()
            self._plain(KEY, pyrage.passphrase.encrypt(f"{identity}\n".encode(), passphrase))

    def _plain(self, name: str, data: bytes) -> None:
        with self._entry(name):
            self._file.write(data)

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """What is written in the block becomes an entry; how long it is need not be known before."""
        entry = self._entry(f"{name}.zst.age" if self._to else f"{name}.zst")
        with entry, self._sealed() as sink, zstd.ZstdFile(sink, "wb", options=_OPTIONS) as packed:
            yield cast("IO[bytes]", packed)

    @contextmanager
    def _sealed(self) -> Iterator[IO[bytes]]:
        """Where to write what is to be encrypted, or the file itself."""
        if not self._to:
            yield self._file
            return
        to = self._to
        with _other_end(lambda source: pyrage.encrypt_io(source, self._file, [to]), writes=True) as sink:
            yield sink

    @contextmanager
    def _entry(self, name: str) -> Iterator[None]:
        """An entry whose header is written when its size is known."""
        start = self._file.tell()
        self._file.write(bytes(_BLOCK))
        yield
        end = self._file.tell()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = end - start - _BLOCK, 0o600
        self._file.write(bytes(-end % _BLOCK))
        self._file.seek(start)
        self._file.write(entry.tobuf(tarfile.GNU_FORMAT))
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Write the end of the archive."""
        self._file.write(bytes(2 * _BLOCK))


class Reader:
    """Reads streams from a file. Raises InputError when it is not one of a saved site, or cannot be opened."""

    def __init__(self, file: Path) -> None:
        self._path = file
        try:
            self._tar = tarfile.open(file, "r:")  # noqa: SIM115 - as long as this
            entry = self._tar.next()
            if not entry or entry.name != HEAD:
                raise KeyError(HEAD)  # noqa: TRY301
            document = json.loads(self._data(entry))
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}", "correct the name") from error
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise InputError(f"{file} is not a saved site", "give a file that `stackyard save` wrote") from error
        if document.get("format") != FORMAT:
            raise InputError(
                f"{file}: format {document.get('format')} is not known, this stackyard reads {FORMAT}",
                f"use the stackyard that wrote it, {document.get('stackyard')}",
            )
        self.head: dict[str, Any] = document
        self._identity: pyrage.x25519.Identity | None = None

    @property
    def encrypted(self) -> bool:
        """Whether a passphrase is needed."""
        return bool(self.head["encrypted"])

    def unlock(self, passphrase: str) -> None:
        """Have the key. Raises InputError when the passphrase is another one."""
        try:
            key = pyrage.passphrase.decrypt(self._data(KEY), passphrase)
        except (tarfile.TarError, KeyError) as error:
            raise StackyardError(f"{self._path} is damaged: {KEY}: {error}", DAMAGED) from error
        except pyrage.DecryptError as error:
            raise InputError(
                f"{self._path}: that is not its passphrase", "give the one that it was saved with"
            ) from error
        self._identity = pyrage.x25519.Identity.from_str(key.decode().strip())

    def _data(self, which: str | tarfile.TarInfo) -> bytes:
        entry = self._tar.extractfile(which)
        assert entry  # noqa: S101 - not a folder
        return entry.read()

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """An entry, as it was written. Raises StackyardError when it is damaged."""
        try:
            entry = self._tar.extractfile(f"{name}.zst.age" if self.encrypted else f"{name}.zst")
            assert entry  # noqa: S101 - not a folder
            with self._opened(entry) as source, zstd.ZstdFile(source, "rb") as unpacked:
                yield cast("IO[bytes]", unpacked)
        except (zstd.ZstdError, EOFError, KeyError, tarfile.TarError, pyrage.DecryptError) as error:
            raise StackyardError(f"{self._path} is damaged: {name}: {error}", DAMAGED) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise StackyardError(f"{self._path} is damaged: {name}: {error}", DAMAGED) from error  # age's own

    @contextmanager
    def _opened(self, entry: Any) -> Iterator[Any]:
        """The entry decrypted, or as it is."""
        if not self.encrypted:
            yield entry
            return
        keys = [self._identity]
        with _other_end(lambda sink: pyrage.decrypt_io(entry, sink, keys), writes=False) as source:
            yield source


@contextmanager
def _other_end(work: Callable[[IO[bytes]], None], *, writes: bool) -> Iterator[IO[bytes]]:
    """One end of a pipe, whose other end a thread works with; what it raises is raised at the end of the block."""
    source, sink = (os.fdopen(each, mode) for each, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    ours, theirs = (sink, source) if writes else (source, sink)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with theirs:
                work(theirs)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield ours
    except BaseException:
        ours.close()
        thread.join()
        if failed and not isinstance(failed[0], BrokenPipeError):
            raise failed[0] from None
        raise
    ours.close()
    thread.join()
    if failed and not isinstance(failed[0], BrokenPipeError):
        raise failed[0]
