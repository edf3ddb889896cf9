"""Run Nova's proxy of consoles: `consoles.py [OPTION ...]`, with the options of nova-novncproxy.

Nova has a program for graphical consoles and one for serial ones. They are the same proxy, and a token says which
console it is for; only the first of them answers QEMU's handshake of VNC, which a serial line has not. Here one process
does both, at one port and one public URL, so that a cloud has serial consoles without another container.

A token opens the console for whom it is told, so it is not written to the log.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

TOKEN = re.compile(r"(token(?:=|%3D))[^'\"&\s]+", re.IGNORECASE)


class Handshake:
    """VNC's with a graphical console; with a serial one none."""

    def __init__(self, vnc: Any) -> None:
        self.vnc = vnc

    def connect(self, client: Any, vm: Any) -> Any:
        """Return the VM's socket when both sides may talk; ``client`` is Nova's, with the request that it came by."""
        return vm if client.reqhandler.console_type == "serial" else self.vnc.connect(client, vm)


def main() -> None:
    """Serve consoles until told to end."""
    command = importlib.import_module("nova.cmd.novncproxy")  # it has to be the first of Nova that is imported
    proxy = importlib.import_module("nova.console.websocketproxy")
    rfb = importlib.import_module("nova.console.securityproxy.rfb")
    nova_proxy, nova_handshake = proxy.NovaProxyRequestHandler, rfb.RFBSecurityProxy

    class Request(nova_proxy):  # type: ignore[misc, valid-type]
        def _get_connect_info(self, context: Any, token: str) -> Any:
            info = super()._get_connect_info(context, token)
            self.console_type = info.console_type
            return info

        def log_message(self, text: str, *values: Any) -> None:
            super().log_message("%s", TOKEN.sub(r"\1***", text % values))

    proxy.NovaProxyRequestHandler = Request
    rfb.RFBSecurityProxy = lambda: Handshake(nova_handshake())
    command.main()


if __name__ == "__main__":
    main()
