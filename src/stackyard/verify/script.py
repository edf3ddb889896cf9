"""What a VM of the proof runs, and the data that it serves."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from importlib.resources import files

BYTES = 1_000_000
"""What is sent over TCP each way: 1 MB."""

PORT = 80


def served(seed: str, address: str) -> bytes:
    """Return what the VM at an address serves: the same for the same seed, and different for each address."""
    line = f"{seed} {address}\n".encode()
    return (line * (BYTES // len(line) + 1))[:BYTES]


def digest(seed: str, address: str) -> str:
    """Return the SHA-256 of what the VM at an address serves."""
    return hashlib.sha256(served(seed, address)).hexdigest()


def user_data(name: str, address: str, peers: Sequence[str], seed: str) -> str:
    """Return the script of one VM: it serves, then pings its peers and fetches from them, then says how it is.

    ``peers`` are the addresses of the others, ``seed`` what makes the data those of this run.
    """
    values = {
        "NAME": name,
        "ADDRESS": address,
        "SEED": seed,
        "BYTES": str(BYTES),
        "PORT": str(PORT),
        "PEERS": " ".join(f"{peer}={digest(seed, peer)}" for peer in peers),
    }
    head = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    return f"#!/bin/sh\n{head}{(files('stackyard.verify') / 'data' / 'script').read_text()}"
