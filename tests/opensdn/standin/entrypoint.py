#!/usr/bin/python3
"""The entrypoint of each image: its variables, as upstream's, become the files of /etc/contrail; then the program.

Nothing is checked that upstream does not check: a wrong value fails in the program, as there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

import yaml

TABLE = yaml.safe_load((Path(__file__).resolve().parents[1] / "images.yaml").read_text())
Variables = dict[str, str]


def enabled(value: str) -> bool:
    return value.lower() in {"true", "yes", "enabled"}


def servers(nodes: str, port: str, end: str) -> str:
    """Return a list of servers as upstream's get_server_list makes it: an empty list stays empty."""
    return "".join(f"{node.strip()}:{port}{end}" for node in nodes.split(",") if nodes)[: -len(end)]


def defaulted(table: Mapping[str, Any], given: Mapping[str, str]) -> Variables:
    """Return all variables of the table: the given ones, and defaults in its order where they are empty."""
    values = dict(given)
    for name, default in table.items():
        if not values.get(name):
            values[name] = (
                servers(values[default["nodes"]], values[default["port"]], default["end"])
                if isinstance(default, dict)
                else Template(default).substitute(values)
            )
    if values["CLOUD_ORCHESTRATOR"] == "openstack":
        values["AUTH_MODE"] = "keystone"
    return values


# Addresses


def default_ip() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("1.0.0.0", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def local_ips() -> set[str]:
    lines = Path("/proc/net/fib_trie").read_text().splitlines()
    return {before.split()[-1] for before, line in pairwise(lines) if "/32 host LOCAL" in line}


def own_ip(nodes: str) -> str:
    """Return the first address of a list that is this machine's, or nothing."""
    local = local_ips()
    for node in nodes.split(","):
        try:
            address = socket.gethostbyname(node)
        except OSError:
            continue
        if address in local:
            return address
    return ""


def name_of(address: str) -> str:
    told = subprocess.run(["getent", "hosts", address], capture_output=True, text=True, check=False).stdout.split()
    return told[1] if len(told) > 1 else socket.getfqdn()


def interface(name: str) -> tuple[str, str]:
    """Return address/prefix and MAC of an interface, empty when it does not exist or has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        request = struct.pack("256s", name.encode()[:15])
        try:
            address = socket.inet_ntoa(fcntl.ioctl(asked, 0x8915, request)[20:24])
            mask = struct.unpack("!I", fcntl.ioctl(asked, 0x891B, request)[20:24])[0]
            cidr = f"{address}/{mask.bit_count()}"
        except OSError:
            cidr = ""
    path = Path(f"/sys/class/net/{name}/address")
    return cidr, path.read_text().strip() if name and path.exists() else ""


# Files


def computed(image: Mapping[str, Any], values: Variables) -> Variables:
    """Return what the entrypoint works out itself."""
    own = values[image["own"]] if "own" in image else ""
    address = own_ip(own) or default_ip()
    if image.get("own_is_needed") and not own_ip(own):
        sys.exit(f"ERROR: Cannot find self ips ({sorted(local_ips())}) in {image['own']} ({own})")
    cql = values["CONFIGDB_CASSANDRA_DRIVER"] == "cql"
    alarms, database = enabled(values["ANALYTICS_ALARM_ENABLE"]), enabled(values["ANALYTICSDB_ENABLE"])
    keystone = "AUTHN_TYPE = keystone\nAUTHN_PROTOCOL = {KEYSTONE_AUTH_PROTO}\nAUTHN_SERVER = {KEYSTONE_AUTH_HOST}\n"
    keystone += "AUTHN_PORT = {KEYSTONE_AUTH_ADMIN_PORT}\nAUTHN_URL = /v3/auth/tokens\n"
    keystone += "AUTHN_DOMAIN = {KEYSTONE_AUTH_PROJECT_DOMAIN_NAME}\n"
    kind = "SNMPCOLLECTOR" if values["SERVICE_NAME"] == "snmp-collector" else "TOPOLOGY"
    return {
        "hostip": address,
        "hostname": name_of(address),
        "control_hostname": values.get("CONTROL_HOSTNAME") or name_of(address),
        "introspect_ip": "0.0.0.0" if enabled(values.get("INTROSPECT_LISTEN_ALL") or "True") else address,
        "api_listen_ip": "0.0.0.0" if enabled(values.get("CONFIG_API_LISTEN_ALL") or "True") else address,
        "cassandra_server_list": values["CONFIGDB_CQL_SERVERS" if cql else "CONFIGDB_SERVERS"].replace(",", " "),
        "configdb_cql_servers": values["CONFIGDB_CQL_SERVERS"].replace(",", " "),
        "rabbitmq_server_list": values["RABBITMQ_SERVERS"].replace(",", " "),
        "snmp_introspect_port": values[f"{kind}_INTROSPECT_PORT"],
        "vnc_auth": keystone.format(**values) if values["AUTH_MODE"] == "keystone" else "AUTHN_TYPE = noauth",
        "analyticsdb": f"cassandra_server_list={values['ANALYTICSDB_CQL_SERVERS']}" if database else "",
        "kafka": f"[KAFKA]\nkafka_broker_list={values['KAFKA_SERVERS']}" if alarms else "",
    }


def vrouter(values: Variables) -> Variables:
    """Return what the agent's entrypoint finds out about interfaces; ends as it does where one is missing."""
    gateway, wanted = values.get("VROUTER_GATEWAY", ""), values.get("PHYSICAL_INTERFACE", "")
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    default = next((route for route in routes if route[1] == "00000000"), None)
    physical = wanted or (default[0] if default else "")
    cidr, mac = interface(physical)
    if not physical or not mac:
        sys.exit(f"ERROR: either phys nic or mac is empty: phys_int='{physical}' phys_int_mac='{mac}'")
    if not cidr:
        # Upstream moves this address to vhost0 and ends where vhost0 has none; nothing can make a vhost0 here.
        sys.exit(f"ERROR: vhost0 interface is down or has no assigned IP (of {physical})")
    if not gateway and default:
        gateway = socket.inet_ntoa(struct.pack("<I", int(default[2], 16)))
    address = cidr.split("/")[0]
    return {
        "physical_interface": physical,
        "physical_mac": mac,
        "vrouter_cidr": cidr,
        "vrouter_ip": address,
        "vrouter_gateway": gateway,
        "vrouter_hostname": values.get("VROUTER_HOSTNAME") or name_of(address),
        "xmpp_servers": servers(values["CONTROL_NODES"], values["XMPP_SERVER_PORT"], " "),
        "dns_servers": servers(values["DNS_NODES"], values["DNS_SERVER_PORT"], " "),
    }


def overrides(service: str, values: Mapping[str, str]) -> str:
    """Return the lines that <SERVICE>__<SECTION>__<key> add at the end of its file."""
    lines, section = [], ""
    for name in sorted(values):
        found = re.fullmatch(rf"{service}__(.+)__(.*)", name)
        if found:
            each, key = (part.replace("DASH", "-") for part in found.groups())
            lines += [f"[{each}]"] if each != section else []
            lines.append(f"{key} = {values[name]}")
            section = each
    return "".join(f"{line}\n" for line in lines)


def files(image: Mapping[str, Any], values: Variables) -> dict[str, str]:
    """Return path -> text of what the entrypoint writes."""
    written = {}
    for file in image.get("files", ()):
        name, _, wanted = file.get("when", "").partition("=")
        path = Template(file["path"]).substitute(values)
        if (not name or values[name] == wanted) and not (file.get("keep") and Path(path).exists()):
            service = file.get("overrides", "")
            service = f"{values['NODE_TYPE'].upper().replace('-', '_')}_NODEMGR" if service == "nodemgr" else service
            text = Template(file["text"]).substitute(values)
            written[path] = text + (overrides(service, values) if service else "")
    return written


def settled(image: Mapping[str, Any], given: Mapping[str, str]) -> Variables:
    """Return all that the texts of an image's files name."""
    values = defaulted(TABLE["variables"], {"DEFAULT_LOCAL_IP": default_ip(), **given})
    own = {"own": "HOSTIP_NODES", **image} if "nodemgr" not in image else {**image, "own": _nodemgr_list(values)}
    values.setdefault("HOSTIP_NODES", "")
    values |= computed(own, values)
    return values | (vrouter(values) if image.get("vrouter") else {})


def _nodemgr_list(values: Variables) -> str:
    kind = values["NODE_TYPE"].upper().replace("-", "_")
    return {"DATABASE": "ANALYTICSDB", "CONFIG_DATABASE": "CONFIGDB", "VROUTER": "CONTROL"}.get(kind, kind) + "_NODES"


# What it does


def wait_for_cassandra(values: Variables, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait for the first node as upstream does: 30 tries 10 s apart, and a failure ends nothing."""
    for attempt in range(1, 31):
        try:
            socket.create_connection(
                (values["CONFIGDB_NODES"].split(",")[0], int(values["CONFIGDB_CQL_PORT"])), 5
            ).close()
        except OSError:
            print(f"INFO: Waiting for cassandra {attempt + 1}/30", flush=True)
            sleep(10)
        else:
            print("INFO: Cassandra is connected", flush=True)
            sleep(5)
            return True
    print("Unable connect to cassandra", flush=True)
    return False


def become(uid: str, gid: str) -> None:
    """Drop to upstream's user, where both are named."""
    if uid and gid:
        for folder in ("/etc/contrail", "/var/lib/contrail"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            for path in (Path(folder), *Path(folder).rglob("*")):
                if os.geteuid() == 0:
                    os.chown(path, int(uid), int(gid))
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))


def main() -> None:
    name = os.environ["STAND_IN"]
    print(f"stand-in for OpenSDN's {name}: for tests only", flush=True)
    image = TABLE["images"][name]
    if image.get("needs") and not os.environ.get(image["needs"]):
        sys.exit(f"ERROR: {image['needs']} is required to init the plugin correctly")
    if "copies" in image:
        for part in Path("/opt/contrail").iterdir():
            shutil.copytree(part, Path("/opt/plugin") / part.name, dirs_exist_ok=True)
    if image.get("files"):
        start(name, image)


def start(name: str, image: Mapping[str, Any]) -> None:
    """Write the files and become the program."""
    values = settled(image, os.environ)
    if any(enabled(values[each]) for each in ("SSL_ENABLE", "RABBITMQ_USE_SSL", "CASSANDRA_SSL_ENABLE")):
        sys.exit("ERROR: the stand-in cannot do TLS")
    if image.get("wait_for_cassandra"):
        wait_for_cassandra(values)
    if image.get("makes_certificate"):
        _make_certificate(values)
    Path(values["CONTAINER_LOG_DIR"]).mkdir(parents=True, exist_ok=True)
    for path, text in files(image, values).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    if image.get("provisions"):
        subprocess.run([sys.executable, "-m", "standin.program", "provisioner"], check=True)
    # As upstream: these keep the user that they began with.
    if name not in {"nodemgr", "provisioner", "controller-config-dnsmasq", "controller-config-devicemgr"}:
        become(os.environ.get("CONTRAIL_UID", ""), os.environ.get("CONTRAIL_GID", ""))
    # The config API's entrypoint has its command in itself.
    argv = sys.argv[1:] if len(sys.argv) > 1 and name != "controller-config-api" else image["exec"]
    os.execvpe(argv[0], argv, {**os.environ, "NODEMGR_TYPE": f"contrail-{values['NODE_TYPE']}"})


def _make_certificate(values: Variables) -> None:
    key, certificate = values["WEBUI_SSL_KEY_FILE"], values["WEBUI_SSL_CERT_FILE"]
    Path(key).parent.mkdir(parents=True, exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={socket.getfqdn()}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)


if __name__ == "__main__":
    main()
