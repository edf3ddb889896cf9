"""Run Nova's proxy of consoles: `consoles.py [OPTION ...]`, with the options of nova-novncproxy.

Nova has a program for graphical consoles and one for serial ones. They are the same proxy, and a token says which
console it is for; only the first of them answers QEMU's handshake of VNC, which a serial line has not. Here one process
does both, at one port and one public URL, so that a cloud has serial consoles without another container.

A token opens the console for whom it is told, so it is not written to the log.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

TOKEN = re.compile(r"(token(?:=|%3D))[^'\"&\s]+", re.IGNORECASE)


class Handshake:
    """VNC's with a graphical console; with a serial one none."""

    def __init__(self, vnc: Any) -> None:
        self.vnc = vnc

    def connect(self, client: Any, vm: Any) -> Any:
        """Return the VM's socket when both sides may talk; ``client`` is Nova's, with the request that it came by."""
        return vm if client.reqhandler.console_type == "serial" else self.vnc.connect(client, vm)


def remembering(check: Callable[..., Any]) -> Callable[..., Any]:
    """Return Nova's check of a token, after which the request knows the kind of its console."""

    def checked(request: Any, context: Any, token: str) -> Any:
        info = check(request, context, token)
        request.console_type = info.console_type
        return info

    return checked


def discreet(log: Callable[..., None]) -> Callable[..., None]:
    """Return a way to log requests that leaves tokens out."""
    return lambda request, text, *values: log(request, "%s", TOKEN.sub(r"\1***", text % values if values else text))


def main() -> None:
    """Serve consoles until told to end."""
    command = importlib.import_module("nova.cmd.novncproxy")  # it has to be the first of Nova that is imported
    handler = importlib.import_module("nova.console.websocketproxy").NovaProxyRequestHandler
    rfb = importlib.import_module("nova.console.securityproxy.rfb")
    handler._get_connect_info = remembering(handler._get_connect_info)  # noqa: SLF001 - Nova has no hook for it
    handler.log_message = discreet(handler.log_message)
    vnc = rfb.RFBSecurityProxy
    rfb.RFBSecurityProxy = lambda: Handshake(vnc())
    command.main()


if __name__ == "__main__":
    main()
