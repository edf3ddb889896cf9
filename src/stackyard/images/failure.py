"""A build that failed, told once: what, where, its last words, a hint, and what it blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackyard.errors import StackyardError

SHOWN = 15

HINTS = (
    (r"is no longer in the mirror", "`stackyard build --refresh` takes the newer versions, and says what changes"),
    (r"no space left on device|ENOSPC", "the disk is full: `docker builder prune` frees what builds have cached"),
    (
        r"hash(es)? (sum )?mismatch|do not match the hashes",
        "what was downloaded is not what the lock says: make the lock again with tools/lock, or distrust the index",
    ),
    (
        r"sha256 mismatch",
        "what Maven has downloaded is not what the lock says: correct the lock, or distrust the repository",
    ),
    (
        r"404 +Not Found",
        "the mirror no longer has what its lists or the lock name: build again in a while, or make the lock again",
    ),
    (r"Unable to locate package|has no installation candidate", "the suite has no such package: correct `packages`"),
    (
        r"UnknownIssuer|certificate|SSL_ERROR|TLS",
        "TLS is not trusted: name the CA bundle that this network needs in SSL_CERT_FILE",
    ),
    (
        r"temporary failure|could not resolve|dns error|unreachable|refused|timed out|sending request|failed to fetch",
        "the network: check that this machine reaches Debian's mirror and PyPI, and HTTP_PROXY if it needs a proxy",
    ),
    (r"No solution found|no usable wheels", "the lock and the index differ: make the lock again with tools/lock"),
    (r"Killed|exit code: 137", "a process was killed, most often for want of memory"),
)


@dataclass(frozen=True)
class Failed:
    """The first step that failed."""

    subject: str
    says: str
    step: str
    lines: tuple[str, ...]
    blocked: tuple[str, ...]

    @property
    def hint(self) -> str:
        """What to do about it, as far as its words tell."""
        words = "\n".join(self.lines)
        return next((hint for pattern, hint in HINTS if re.search(pattern, words, re.IGNORECASE)), "")

    @property
    def message(self) -> str:
        """All of it."""
        parts = [f"{self.subject} could not be built" + (f": {self.says}" if self.says else "")]
        parts += [f"  {self.step}"] if self.step else []
        parts += [f"  | {line}" for line in self.lines[-SHOWN:]]
        parts += [f"  it blocks {', '.join(self.blocked)}"] if self.blocked else []
        return "\n".join(parts)


class BuildError(StackyardError):
    """An image could not be built."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message, failed.hint)
        self.failed = failed
