"""The range of an external network has changed: routers and floating addresses get the same places in the new one.

What is outside the cloud decides the range, so addresses of the old one lead nowhere any more. Safe to kill and to run
again: a floating address that takes the place of another says so in its description until it has what that had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

Object = dict[str, Any]
Call = Callable[..., Any]
FORWARDING = ("internal_port_id", "internal_ip_address", "internal_port", "external_port", "protocol", "description")
"""What a forwarded port is made of."""
MOVING = "Takes the place of another, for"
"""Begins the description of a floating address until it has the port of the one whose place it takes."""


def moved(api: Any, network: str, before: Object, after: Object) -> Iterator[str]:
    """Move all that is in the range of subnet ``before`` to ``after``, and yield what was done. Raises Refused."""
    for router in api.all("/v2.0/routers", "routers"):
        yield from _gateway(api, router, network, before, after)
    floating = api.all(f"/v2.0/floatingips?floating_network_id={network}", "floatingips")
    for each in floating:
        if ip_address(each["floating_ip_address"]) in ip_network(before["cidr"]):
            yield from _floating(api, each, floating, before, after)
    for each in floating:  # those of an interrupted run, whose predecessors are gone
        if each["description"].startswith(MOVING) and not each["port_id"]:
            _finish(api, each)


def _place(address: str, before: Object, after: Object) -> str | None:
    """The address of the new range with the same host part; None when it is none that may be given away."""
    old, new = ip_network(before["cidr"]), ip_network(after["cidr"])
    number = int(ip_address(address)) - int(old.network_address)
    if number >= new.num_addresses:
        return None
    found = new[number]
    pools = [(ip_address(each["start"]), ip_address(each["end"])) for each in after["allocation_pools"]]
    return str(found) if any(first <= found <= last for first, last in pools) else None


def _gateway(api: Any, router: Object, network: str, before: Object, after: Object) -> Iterator[str]:
    info = router.get("external_gateway_info") or {}
    there = [each for each in info.get("external_fixed_ips") or () if each["subnet_id"] == before["id"]]
    if info.get("network_id") != network or not there:
        return
    address = _place(there[0]["ip_address"], before, after)
    fixed: Object = {"subnet_id": after["id"], **({"ip_address": address} if address else {})}
    wanted = {"network_id": network, "external_fixed_ips": [fixed], "enable_snat": info.get("enable_snat", True)}
    api.call("PUT", f"/v2.0/routers/{router['id']}", {"router": {"external_gateway_info": wanted}})
    yield f"router {router['name']} leads out from {address or after['cidr']} in place of {there[0]['ip_address']}"


def _floating(api: Any, found: Object, there: list[Object], before: Object, after: Object) -> Iterator[str]:
    old = found["floating_ip_address"]
    forwarded = api.call("GET", f"/v2.0/floatingips/{found['id']}/port_forwardings")["port_forwardings"]
    description = f"{MOVING} {found['port_id'] or 'none'} {found['fixed_ip_address'] or 'none'} {found['description']}"
    made = next((each for each in there if each["description"] == description), None)
    if not made:
        address = _place(old, before, after)
        body: Object = {
            "floating_network_id": found["floating_network_id"],
            "project_id": found["project_id"],
            "subnet_id": after["id"],
            "description": description,
            **({"floating_ip_address": address} if address else {}),
        }
        made = api.call("POST", "/v2.0/floatingips", {"floatingip": body})["floatingip"]
        there.append(made)
    for each in forwarded:  # one after the other: a port is forwarded once
        body = {key: value for key, value in each.items() if value is not None and key in FORWARDING}
        api.call("DELETE", f"/v2.0/floatingips/{found['id']}/port_forwardings/{each['id']}")
        api.call("POST", f"/v2.0/floatingips/{made['id']}/port_forwardings", {"port_forwarding": body})
    api.call("DELETE", f"/v2.0/floatingips/{found['id']}")
    _finish(api, made)
    yield f"the floating address {old} is {made['floating_ip_address']} now"


def _finish(api: Any, made: Object) -> None:
    """Give a floating address the port that its description says, and the description that it has then."""
    port, fixed, description = made["description"].removeprefix(f"{MOVING} ").split(" ", 2)
    body: Object = {"description": description}
    if port != "none":
        body |= {"port_id": port, "fixed_ip_address": fixed}
    api.call("PUT", f"/v2.0/floatingips/{made['id']}", {"floatingip": body})
    made |= body | {"port_id": body.get("port_id")}
