"""Before anything is made: the site as its APIs see it. After: nothing is left."""

from __future__ import annotations

from stackyard.errors import StackyardError
from stackyard.verify.clean import clean
from stackyard.verify.cloud import Compute
from stackyard.verify.context import Run
from stackyard.verify.outcome import Finding
from stackyard.verify.target import ComputeNode
from stackyard.verify.wait import until


def sign_in(run: Run) -> Finding:
    """The administrator can sign in, and each API answers."""
    found = run.cloud.endpoints()
    return Finding(f"{', '.join(found)} answer", found)


def leftovers(run: Run) -> Finding:
    """Nothing of an earlier run is in the way."""
    found = clean(run.cloud, run.target.tag, run.tell)
    return Finding(
        f"{len(found)} resources removed" if found else "none", {"removed": [resource.name for resource in found]}
    )


def nodes(run: Run) -> Finding:
    """Each compute node is up, and in its availability zone."""
    hosts = run.target.hosts

    def silent() -> str:
        at_work = {
            compute.host for compute in run.cloud.computes(run.target.hypervisor) if compute.up and compute.enabled
        }
        return ", ".join(f"{host.name} is down or disabled" for host in hosts if host.name not in at_work)

    # After a restart, Nova believes in a node only when it has reported, and its libvirt, again.
    until(silent, what="compute nodes", deadline=60, told=run.tell, interval=1)
    known = {compute.host: compute for compute in run.cloud.computes(run.target.hypervisor)}
    problems = [problem for host in hosts for problem in _node(host, known.get(host.name))]
    if problems:
        raise StackyardError("; ".join(problems))
    return Finding(", ".join(f"{host.name} in {host.zone}" for host in hosts), {host.name: host.zone for host in hosts})


def _node(host: ComputeNode, found: Compute | None) -> list[str]:
    if found is None:
        return [f"{host.name} is not registered"]
    problems = [] if found.up and found.enabled else [f"{host.name} is {'disabled' if found.up else 'down'}"]
    if not found.hypervisor:
        problems.append(f"{host.name} has no hypervisor: it is not mapped to a cell")
    if found.zone != host.zone:
        problems.append(f"{host.name} is in the zone {found.zone}, not {host.zone}")
    return problems


def agents(run: Run) -> Finding:
    """Each compute node has network agents, and all of them are alive."""
    hosts = {host.name for host in run.target.hosts}

    def dead() -> str:
        found = [agent for agent in run.cloud.agents() if agent.host in hosts]
        without = [f"{host} has none" for host in sorted(hosts - {agent.host for agent in found})]
        return ", ".join([*without, *(f"{agent.kind} on {agent.host} is dead" for agent in found if not agent.alive)])

    until(dead, what="network agents", deadline=30, told=run.tell, interval=1)
    kinds = sorted({agent.kind for agent in run.cloud.agents() if agent.host in hosts})
    return Finding(f"{', '.join(kinds)} on each node", {"agents": kinds})


def cleaned(run: Run) -> Finding:
    """All that was made can be deleted, and is gone."""
    found = clean(run.cloud, run.target.tag, run.tell)
    return Finding(f"{len(found)} resources deleted", {"deleted": [resource.name for resource in found]})
