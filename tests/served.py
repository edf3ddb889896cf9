"""A folder served to what the engine builds."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

from demo import engine


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder at the engine's bridge; yields the URL."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    bridge = json.loads(engine("network", "inspect", "bridge").stdout)[0]["IPAM"]["Config"][0]
    address = bridge.get("Gateway") or str(next(ip_network(bridge["Subnet"]).hosts()))
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}"
        server.shutdown()
