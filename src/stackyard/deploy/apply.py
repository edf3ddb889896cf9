"""A plan carried out. Every step leaves a state that the next `up` goes on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stackyard.bundle.compose import project_name
from stackyard.deploy.desired import Desired
from stackyard.deploy.observe import OUTSIDE, networks
from stackyard.errors import StackyardError
from stackyard.events import Event, Report
from stackyard.plan.decide import Join, NetworkStep, Plan, Port, Step
from stackyard.plan.observed import LABEL_NODE, LABEL_SITE
from stackyard.plan.resolve import cgroup_paths
from stackyard.plan.resolved import EngineNetwork

MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
MTU = "com.docker.network.driver.mtu"
PARALLEL = 4
"""Compose projects worked on at once: each call costs 0.1 s of one core, the engine does the rest."""


@dataclass(frozen=True)
class Executor:
    """Does the steps of a plan. ``lock`` is the lock's file, which children keep open."""

    wanted: Desired
    lock: int
    report: Report

    def apply(self, plan: Plan) -> None:
        """Do what the plan says: take away what is in the way, write files, make nodes, then everything in them."""
        self._remove(plan)
        self._join([join for join in plan.joins if join.verb == "disconnect"])
        self._ports([port for port in plan.ports if port.verb == "disconnect"])
        for network in plan.networks:
            self._network(network)
        self._ports([port for port in plan.ports if port.verb == "connect"])
        self._join([join for join in plan.joins if join.verb == "connect"])
        self.wanted.state.write_files(self.wanted.bundle.files, plan.files)
        self._cgroups({step.node for step in plan.changes})
        nodes, members = _apart(plan.of("create", "recreate", "start"))
        stale_nodes, stale_members = _apart(plan.of("restart"))
        self._compose(nodes)
        self._restart(stale_nodes)
        for step in (*nodes, *stale_nodes):
            self.report(Event("done", step.key, "runs"))
        with ThreadPoolExecutor(1) as pool:
            restarting = pool.submit(self._restart, stale_members)
            self._compose(members)
            restarting.result()

    def _docker(self, *arguments: str) -> None:
        """Run a docker command that changes something."""
        self.wanted.host.engine.run(*arguments, pass_fds=(self.lock,))

    def _tell(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.report(Event("started", step.key, f"{step.verb}: {'; '.join(step.why)}"))

    def _remove(self, plan: Plan) -> None:
        """Stop and remove what is made anew or not wanted any more: members first, then their nodes."""
        for step in plan.of("remove"):
            self.report(Event("done", step.key, f"removed: {'; '.join(step.why)}"))
        for steps in reversed(_apart(plan.of("remove", "recreate"))):
            remove_containers(self._docker, [step.name for step in steps])
        for node in plan.ended:  # those whose hypervisor is gone while their node stays
            self.wanted.host.end(self.wanted.vms(node))
        for step in plan.of("remove"):
            if step.is_node:
                self._leave(step.node)

    def _leave(self, node: str) -> None:
        """Remove the cgroups of a node that is gone. Its volumes are data: they stay; how to remove them is said."""
        for path in cgroup_paths(self.wanted.facts, self.wanted.site.node_container(node)):
            self.wanted.host.remove_cgroup(Path(path))
        labels = f"--filter label={LABEL_SITE}={self.wanted.site.name} --filter label={LABEL_NODE}={node}"
        how = f"docker volume rm $(docker volume ls -q {labels})"
        self.report(Event("note", node, f"its data stays, for when it comes back; to remove it: {how}"))

    def _network(self, step: NetworkStep) -> None:
        if step.verb in {"recreate", "remove"}:
            self._docker("network", "rm", step.name)
        if step.verb in {"create", "recreate"}:
            self._docker(*network_create(step.name, step.wanted, self.wanted.site.name))

    def _ports(self, ports: Sequence[Port]) -> None:
        """Put interfaces of the host into networks, or take them out."""
        host = self.wanted.host
        made = any(not port.bridge for port in ports)
        bridges = {each.name: each.interface for each in networks(host.engine)} if made else {}
        for port in ports:
            bridge = port.bridge or bridges[port.network]
            if port.verb == "connect":
                host.connect(port.interface, bridge)
            else:
                host.release(bridge)
            self.report(Event("done", port.network, f"{port.verb} {port.interface}"))

    def _join(self, joins: Iterable[Join]) -> None:
        """Connect nodes that run to networks, or disconnect them."""
        for join in joins:
            address = ["--ip", join.address] if join.address else []
            self._docker("network", join.verb, *address, join.network, join.name)
            self.report(Event("done", join.node, f"{join.verb} {join.network}"))

    def _cgroups(self, nodes: set[str]) -> None:
        """The nodes' own cgroups, for containers that mount them."""
        site, host = self.wanted.site, self.wanted.host
        mounting = {container.node for container in site.containers if container.definition.node_cgroup}
        for node in sorted(nodes & mounting):
            for path in cgroup_paths(self.wanted.facts, site.node_container(node)):
                host.make_cgroup(Path(path))

    def _restart(self, steps: Sequence[Step]) -> None:
        if steps:
            self._tell(steps)
            self._docker("restart", *(step.name for step in steps))

    def _compose(self, steps: Sequence[Step]) -> None:
        """Call compose for each project, several at once, with the containers of it that are to be started."""
        self._tell(steps)
        projects: dict[tuple[str, str], list[Step]] = {}
        for step in steps:
            projects.setdefault((step.node, step.project), []).append(step)
        with ThreadPoolExecutor(PARALLEL) as pool:
            failed = [*filter(None, pool.map(self._up, projects.values()))]
        if failed:
            raise StackyardError(
                "\n".join(failed), "the engine says why; without that cause, `stackyard up` goes on from there"
            )

    def _up(self, steps: Sequence[Step]) -> str:
        """Start containers of one project; returns what went wrong."""
        node, project = steps[0].node, steps[0].project
        options = ["up", "--detach", "--no-deps", "--no-recreate", "--pull", "never"]
        folder = str(self.wanted.state.project(node, project))
        name = project_name(self.wanted.site, node, project)
        argv = compose(name, folder, *options, *(step.container for step in steps))
        result = self.wanted.host.engine.attempt(*argv, pass_fds=(self.lock,))
        if not result.code:
            return ""
        told = [line for line in result.stderr.splitlines() if "rror" in line] or result.stderr.splitlines()[-5:]
        return "\n".join([f"{project} on {node}: docker compose exited with {result.code}:", *told])


def _apart(steps: Iterable[Step]) -> tuple[list[Step], list[Step]]:
    """Steps of nodes, and those of what is in them."""
    steps = list(steps)
    return [step for step in steps if step.is_node], [step for step in steps if not step.is_node]


def remove_containers(docker: Callable[..., object], names: Sequence[str]) -> None:
    """Stop containers, each with its own time to end, and remove them."""
    if names:
        docker("stop", *names)
        docker("rm", "--force", *names)


def network_create(name: str, wanted: EngineNetwork, site: str) -> list[str]:
    """Command that makes a network of the site.

    An internal one is on this host alone. Its MTU is what VMs' own is reckoned from, whatever the engine's default is.
    In one with an interface the host has no address, and packets keep theirs.
    """
    options = ["--internal", "--opt", f"{MTU}=1500"] if wanted.internal else []
    options += ["--gateway", wanted.gateway] if wanted.gateway else []
    options += ["--opt", f"{OUTSIDE}=true", "--opt", f"{MASQUERADE}=false"] if wanted.interface else []
    label = f"{LABEL_SITE}={site}"
    return ["network", "create", "--driver", "bridge", "--subnet", wanted.subnet, *options, "--label", label, name]


def compose(name: str, folder: str, *arguments: str) -> list[str]:
    """Command of compose for one project."""
    file = f"{folder}/docker-compose.yml"
    return ["compose", "-p", name, "--project-directory", folder, "-f", file, *arguments]
