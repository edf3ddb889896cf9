"""What a host and its engine are, held against what a build needs of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from stackyard.catalogue.problems import Problems
from stackyard.effects.host import Host
from stackyard.events import Event, Report
from stackyard.model.service import Container
from stackyard.plan.requirements import EngineFacts, Machine, for_build, for_site


def facts(host: Host, made: Iterable[Container]) -> tuple[EngineFacts, Machine]:
    """What the requirements are held against."""
    with ThreadPoolExecutor(1) as pool:
        unread = pool.submit(host.engine.unread, host.state)
        info, endpoint = host.engine.info, host.engine.endpoint
    engine = EngineFacts(
        info.version, info.platform, info.kernel, str(info.root), info.options, endpoint, unread.result()
    )
    machine = Machine(
        kernel=host.kernel(),
        memory=host.memory(),
        room=host.room(info.root),
        capabilities=host.capabilities(),
        devices=host.existing(device for each in made for device in each.devices),
        cgroups=host.cgroups(),
    )
    return engine, machine


def building(host: Host, containers: Mapping[str, Container], room: int, report: Report) -> Problems:
    """What keeps images that take ``room`` MiB from being built here; what keeps them from running here is reported."""
    known = facts(host, containers.values())
    problems, lacks = Problems(), [*for_build(*known, room)]
    for lack in lacks:
        problems.at((), *lack)
    for message, remedy in (each for each in for_site(*known, containers) if each not in lacks):
        report(Event("note", "build", f"`stackyard up` will be refused here: {message} ({remedy})"))
    return problems
