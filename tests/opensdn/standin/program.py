#!/usr/bin/python3
"""One of OpenSDN's programs: reads its files, connects, watches its connections, opens ports, tells NodeStatus."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import yaml

from standin import neutron, servers
from standin.config_api import ConfigApi, Keystone
from standin.store import CassandraStore, named
from standin.web import Refused, serve

HERE = Path(__file__).resolve().parent
DEFAULT_PORTS = {"api": 8082, "redis": 6379, "collector": 8086, "xmpp": 5269}


# Settings


def read_settings(how: str, paths: list[str]) -> dict[str, dict[str, str]]:
    """Return section -> key -> value as the program of this kind reads its files."""
    if how == "boost":
        return _boost(Path(paths[0]).read_text())
    if how == "javascript":
        found = re.findall(r"^config\.(\S+) = \[?['\"]?(.*?)['\"]?\]?;$", Path(paths[0]).read_text(), re.MULTILINE)
        return {"config": dict(found)}
    # With interpolation, as upstream: a "%" in a password is an error.
    parser = configparser.ConfigParser({"admin_token": ""}, strict=False, allow_no_value=True)
    parser.read(paths)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _boost(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in text.splitlines():
        words = line.split("#")[0].strip()
        if words.startswith("["):
            section = words.strip("[]")
        elif words:
            key, equals, value = words.partition("=")
            if not equals:
                sys.exit(f"the options configuration file contains an invalid line '{line}'")
            keys, key = found.setdefault(section, {}), key.strip()
            if key in keys and not key.endswith(("list", "servers", "collectors")):
                sys.exit(f"option '--{section}.{key}' cannot be specified more than once")
            keys[key] = value.strip()
    return found


def setting(settings: Mapping[str, Mapping[str, str]], name: str) -> str:
    """Return a setting `SECTION.key`, or the name itself where it is a value."""
    section, dot, key = name.partition(".")
    return settings.get(section, {}).get(key, "") if dot and not name[0].isdigit() else name


# Status


@dataclass
class Connection:
    """One row of NodeStatus."""

    kind: str
    name: str
    addresses: list[str]
    state: str = "Initializing"
    text: str = ""
    made: Any = None


@dataclass
class Status:
    """What NodeStatus tells."""

    process: str
    brackets: bool
    """Whether the description has each connection's, as the programs in Python do."""
    enough: str = ""
    host: str = field(default_factory=socket.getfqdn)
    connections: list[Connection] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)

    def verdict(self) -> tuple[str, str]:
        """Return state and description."""
        down = [each for each in self.connections if each.state != "Up"]
        names = [
            each.kind + (f":{each.name}" + (f"[{each.text}]" if self.brackets else "") if each.name else "")
            for each in down
        ]
        texts = [", ".join(names) + " connection down"] if names else []
        remarks = [text for text in self.remarks.values() if text]
        wanted = [
            each for each in self.connections if self.enough and f"{each.kind}:{each.name}".startswith(self.enough)
        ]
        good = any(each.state == "Up" for each in wanted) if self.enough else not down
        return "Functional" if good and not remarks else "Non-Functional", ", ".join(texts + remarks)

    def xml(self) -> str:
        """Return the answer of Snh_SandeshUVECacheReq?x=NodeStatus."""
        state, text = self.verdict()
        infos = "".join(
            "<ConnectionInfo>"
            + _string("type", 1, each.kind)
            + _string("name", 2, each.name)
            + f'<server_addrs type="list" identifier="3"><list type="string" size="{len(each.addresses)}">'
            + "".join(f"<element>{escape(address)}</element>" for address in each.addresses)
            + "</list></server_addrs>"
            + _string("status", 4, each.state)
            + _string("description", 5, each.text)
            + "</ConnectionInfo>"
            for each in self.connections
        )
        process = (
            _string("module_id", 1, self.process)
            + _string("instance_id", 2, "0")
            + _string("state", 3, state)
            + f'<connection_infos type="list" identifier="4"><list type="struct" size="{len(self.connections)}">{infos}'
            + "</list></connection_infos>"
            + _string("description", 6, text)
        )
        return _uve(
            "NodeStatus",
            _string("name", 1, self.host)
            + f'<process_status type="list" identifier="4"><list type="struct" size="1"><ProcessStatus>{process}'
            + "</ProcessStatus></list></process_status>",
        )


def _string(name: str, identifier: int, value: str) -> str:
    return f'<{name} type="string" identifier="{identifier}">{escape(value)}</{name}>'


def _uve(name: str, content: str) -> str:
    return (
        f'<?xml version="1.0"?><__{name}UVE_list type="slist"><{name}UVE type="sandesh">'
        f'<data type="struct" identifier="1"><{name}>{content}</{name}></data></{name}UVE>'
        '<SandeshUVECacheResp type="sandesh"><returned type="u32" identifier="1">1</returned>'
        f'<more type="bool" identifier="0">false</more></SandeshUVECacheResp></__{name}UVE_list>'
    )


# Connections


class Watch:
    """Makes a connection and asks again every two seconds; makes it anew when it fails."""

    def __init__(self, row: Connection, how: str, settings: servers.Settings) -> None:
        self.row, self.how, self.settings = row, how, settings
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        asked = None
        while True:
            try:
                if not self.settings["servers"]:
                    raise ValueError("no server is named")
                asked = asked or getattr(servers, self.how)(self.settings)
                self.row.made = next(asked)
                self._tell("Up", "")
            except BaseException as error:  # of any client
                asked = None
                self._tell("Down", f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
            time.sleep(2)

    def _tell(self, state: str, text: str) -> None:
        if state != self.row.state:
            print(f"{self.row.kind}:{self.row.name} {self.row.addresses} {state} {text}", flush=True)
        self.row.state, self.row.text = state, text


def addresses(value: str, port: int) -> list[tuple[str, int]]:
    """Return the servers of a list with spaces or commas, quotes around them or not."""
    found = []
    for each in re.split(r"[\s,']+", value):
        if each:
            host, _, own = each.partition(":")
            found.append((host, int(own or port)))
    return found


def connect(image: Mapping[str, Any], settings: Mapping[str, Mapping[str, str]], status: Status) -> None:
    """Begin to watch all connections of the table."""
    for name, row in image.get("connections", {}).items():
        kind, _, what = name.partition(":")
        how = next(iter(row))
        value = setting(settings, row[how])
        if row.get("optional") and not value:
            continue
        port = int(setting(settings, row["port"]) if "port" in row else DEFAULT_PORTS.get(how, 0))
        found = addresses(value, port) if how != "keystone" else [(value, 0)]
        found = [(host, port) for host, _ in found] if "port" in row and how == "xmpp" else found
        given = {key: setting(settings, row[key]) for key in ("user", "password", "vhost") if key in row}
        for group in ([[each] for each in found] or [[]]) if row.get("each") else [found]:
            title = (
                what + (f"{group[0][0]}:{group[0][1]}" if how == "redis" else group[0][0])
                if row.get("each") and group
                else what
            )
            each = Connection(kind, title, [f"{host}:{port}" if port else host for host, port in group])
            status.connections.append(each)
            Watch(each, how, {"servers": group, "keystone": settings.get("KEYSTONE"), **given})


# Ports


def listen(address: str, port: int, talk: str) -> None:
    """Open a port. A failure ends the program, as upstream's."""
    kind = socket.SOCK_DGRAM if talk == "udp" else socket.SOCK_STREAM
    opened = socket.socket(socket.AF_INET, kind)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((address, port))
    except OSError as error:
        sys.exit(f"cannot listen on {address}:{port}: {error}")
    _OPEN.append(opened)
    if talk != "udp":
        opened.listen(64)
        threading.Thread(target=_accept, args=(opened, talk), daemon=True).start()


_OPEN: list[Any] = []
"""What must not be closed while the process runs."""


def _accept(opened: socket.socket, talk: str) -> None:
    while True:
        connection, _ = opened.accept()
        threading.Thread(target=_talk, args=(connection, servers.GREETINGS.get(talk)), daemon=True).start()


def _talk(connection: socket.socket, greeting: bytes | None) -> None:
    with connection:
        try:
            while told := connection.recv(4096):
                if greeting and not told.startswith(greeting):
                    return
                connection.sendall(told if greeting else b"")
        except OSError:
            return


def open_ports(image: Mapping[str, Any], settings: Mapping[str, Mapping[str, str]], status: Status) -> None:
    """Open what the table says: raw ports, and the small web services."""
    for line in image.get("ports", ()):
        name, talk, *where = line.split()
        port = int(setting(settings, name))
        address = setting(settings, where[0]) if where else "0.0.0.0"  # as upstream
        if talk == "analytics":
            needs = settings["DEFAULTS"]["aaa_mode"] != "no-auth"
            serve(address, port, partial(_analytics, needs))
        elif talk.startswith("webui"):
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if talk == "webui-tls" else None
            if tls:
                config = settings["config"]
                tls.load_cert_chain(config["server_options.cert_file"], config["server_options.key_file"])
            serve(address, port, lambda *_: _login_page(status), tls)
        elif talk == "ports":
            serve(address, port, lambda *_: {})
        else:
            listen(address, port, talk)


def _analytics(needs: bool, _method: str, path: str, _query: Any, _body: Any, headers: Mapping[str, str]) -> Any:
    if path == "/":
        return {"href": f"http://{headers['Host']}", "links": []}
    if needs and not headers.get("X-Auth-Token"):
        raise Refused(401, "Authentication required")
    return []


def _login_page(status: Status) -> str:
    state, text = status.verdict()
    if state != "Functional":
        raise Refused(503, text)
    return "<!doctype html><title>stand-in</title><form>user <input name=user> password <input name=password></form>"


# Programs


def serve_config_api(settings: Mapping[str, Mapping[str, str]], status: Status) -> None:
    """Wait for the databases, make the default objects, listen."""
    rows = {each.name: each for each in status.connections}
    while any(rows[name].state != "Up" for name in ("Cassandra", "Zookeeper", "RabbitMQ")):
        time.sleep(0.2)
    defaults = settings["DEFAULTS"]
    store = CassandraStore(lambda: (rows["Cassandra"].made, rows["Zookeeper"].made), len(rows["Cassandra"].addresses))
    keystone = settings.get("KEYSTONE", {})
    mode = defaults["aaa_mode"] if defaults["auth"] == "keystone" else "no-auth"
    api = ConfigApi(
        store, json.loads((HERE / "schema.json").read_text()), Keystone(keystone, mode, defaults["cloud_admin_role"])
    )
    if keystone:
        api.routes["neutron"] = neutron.Neutron(api)
    # One node makes the default objects at a time.
    with rows["Zookeeper"].made.Lock("/stand-in-defaults"):
        api.make_defaults()
    serve(defaults["listen_ip_addr"], int(defaults["listen_port"]), api.handle)
    print("the config API serves", flush=True)


def introspect(image: Mapping[str, Any], settings: Mapping[str, Mapping[str, str]], status: Status, port: str) -> None:
    worker = _string("name", 1, status.host) + _string("worker_id", 2, "0") + _string("introspect_port", 3, port)

    def answer(_method: str, path: str, query: dict[str, str], _body: Any, _headers: Mapping[str, str]) -> str:
        if path != "/Snh_SandeshUVECacheReq":
            raise Refused(404, "not found")
        if query.get("x") == "ConfigApiWorker" and image["program"] == "contrail-api":
            return _uve("ConfigApiWorker", worker)
        return status.xml() if query.get("x") == "NodeStatus" else _uve("None", "")

    section = next((each for each in ("DEFAULTS", "DEFAULT") if each in settings), "DEFAULT")
    serve(settings[section].get("http_server_ip") or "0.0.0.0", int(port), answer)  # as upstream


def watch_registration(image: Mapping[str, Any], settings: Mapping[str, Mapping[str, str]], status: Status) -> None:
    """Look whether the API has an object for this node."""
    kind, name, text = image["registered"]
    row = next(each for each in status.connections if each.name == "Cassandra")
    status.remarks["registered"] = text
    while True:
        if row.state == "Up":
            try:
                found = named(row.made, kind, setting(settings, name))
                status.remarks["registered"] = "" if found else text
            except Exception as error:  # of the driver
                print(error, flush=True)
        time.sleep(2)


def elected(image: Mapping[str, Any], settings: Mapping[str, Mapping[str, str]]) -> None:
    """Wait until this is the one of all nodes that works: until then, not even the introspect port is open."""
    client = {"servers": addresses(settings["DEFAULTS"]["zk_server_ip"], 2181)}
    while True:
        try:
            asked = servers.zookeeper(client)
            made = next(asked)
            print("waiting to be elected as master", flush=True)
            lock = made.Lock(image["elects"], socket.gethostname())
            lock.acquire()
        except Exception as error:  # of the client
            print(f"Zookeeper: {error!r}", flush=True)
            time.sleep(2)
            continue
        made.add_listener(lambda state: os._exit(2) if state == "LOST" else None)
        _OPEN.extend((asked, lock))
        return


def provision() -> None:
    """What /provision.sh needs before it can say anything: the config API, ten times."""
    settings = read_settings("python", ["/etc/contrail/vnc_api_lib.ini"])["global"]
    for _ in range(10):
        try:
            next(servers.home({"servers": addresses(settings["web_server"], int(settings["web_port"]))}))
        except Exception as error:  # of any server
            print(f"Provisioning attempt failed: {error}", flush=True)
            time.sleep(3)
        else:
            return
    sys.exit("ERROR: Provisioning was failed")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    if "provisioner" in words:
        return provision()
    images = yaml.safe_load((HERE.parent / "images.yaml").read_text())["images"]
    image = next(each for each in images.values() if each.get("program") in words)
    kind = next((word.removeprefix("--nodetype=contrail-") for word in words if word.startswith("--nodetype=")), "")
    given = [following for word, following in pairwise(words) if word in {"-c", "--conf_file"}]
    written = [file["path"] for file in image["files"] if "overrides" in file or image.get("reads") == "javascript"]
    paths = [path.replace("${NODE_TYPE}", kind) for path in given or written]
    if "contrail-named" in words:
        paths = []
    if paths and not Path(paths[0]).exists():
        sys.exit(f"config file {paths[0]} is not present")
    settings = read_settings(image.get("reads", "python"), paths) if paths else {}
    process = f"contrail-{kind}-nodemgr" if kind else image.get("process", image["program"])
    status = Status(process, image.get("reads") is None, image.get("enough", ""))
    if "elects" in image:
        elected(image, settings)
    connect(image, settings, status)
    port = image.get("nodemgr", {}).get(kind) or setting(settings, image.get("introspect", ""))
    if port:
        introspect(image, settings, status, port)
    open_ports(image, settings, status)
    if "registered" in image:
        threading.Thread(target=watch_registration, args=(image, settings, status), daemon=True).start()
    if image["program"] == "contrail-api":
        serve_config_api(settings, status)
    print(f"stand-in for {process} runs", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
