"""A plan walked. Every step leaves a state that the next `up` goes on from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stackyard.bundle import Bundle
from stackyard.bundle.compose import project
from stackyard.deploy import engine
from stackyard.deploy.state import SiteState
from stackyard.effects import host
from stackyard.effects.process import docker, run
from stackyard.errors import CommandError, StackyardError
from stackyard.events import Event, Report
from stackyard.plan.decide import NetworkStep, Plan, Step
from stackyard.plan.facts import HostFacts
from stackyard.plan.resolve import cgroup_paths
from stackyard.plan.resolved import ResolvedSite

PARALLEL = 4
"""Compose directories worked on at once: each call costs 0.1 s of one core, the engine does the rest."""


@dataclass(frozen=True)
class Walk:
    """What the steps of a plan are done with. ``lock`` is the lock's file, which children keep open."""

    site: ResolvedSite
    bundle: Bundle
    state: SiteState
    facts: HostFacts
    lock: int
    report: Report

    def docker(self, *arguments: str) -> None:
        """Run a docker command that changes something."""
        run([docker(), *arguments], pass_fds=(self.lock,))


def apply(walk: Walk, plan: Plan) -> None:
    """Do what the plan says: take away what is in the way, write files, make nodes, then everything in them."""
    _remove(walk, plan)
    for network in plan.networks:
        _network(walk, network)
    walk.state.write_files(walk.bundle.files, plan.files)
    changed = [step for step in plan.steps if step.verb in {"create", "recreate", "start"}]
    nodes = [step for step in changed if step.is_node]
    _cgroups(walk, {step.node for step in plan.changes})
    _compose(walk, nodes)
    stale = [step for step in plan.steps if step.verb == "restart"]
    _restart(walk, [step for step in stale if step.is_node])
    for step in (*nodes, *(step for step in stale if step.is_node)):
        walk.report(Event("done", step.key, "runs"))
    members = [step for step in changed if not step.is_node]
    with ThreadPoolExecutor(1) as pool:
        restarting = pool.submit(_restart, walk, [step for step in stale if not step.is_node])
        _compose(walk, members)
        restarting.result()


def _tell(walk: Walk, steps: Iterable[Step]) -> None:
    for step in steps:
        walk.report(Event("started", step.key, f"{step.verb}: {'; '.join(step.why)}"))


def _remove(walk: Walk, plan: Plan) -> None:
    """Stop and remove what is made anew or not wanted any more: members first, then their nodes."""
    gone = plan.of("remove", "recreate")
    for step in plan.of("remove"):
        walk.report(Event("done", step.key, f"removed: {'; '.join(step.why)}"))
    for steps in ([step for step in gone if not step.is_node], [step for step in gone if step.is_node]):
        remove_containers(walk.docker, [step.name for step in steps])


def remove_containers(call: Callable[..., None], names: Sequence[str]) -> None:
    """Stop containers, each with its own time to end, and remove them."""
    if names:
        call("stop", *names)
        call("rm", "--force", *names)


def _network(walk: Walk, step: NetworkStep) -> None:
    if step.verb == "recreate":
        walk.docker("network", "rm", step.name)
    if step.verb != "unchanged":
        walk.docker(*engine.network_create(step.name, step.subnet, walk.site.name, internal=step.internal))


def _cgroups(walk: Walk, nodes: set[str]) -> None:
    """The nodes' own cgroups, for containers that mount them."""
    wanted = {container.node for container in walk.site.containers if container.definition.node_cgroup}
    for node in sorted(nodes & wanted):
        for path in cgroup_paths(walk.facts, walk.site.node_container(node)):
            host.make_cgroup(Path(path))


def _restart(walk: Walk, steps: Sequence[Step]) -> None:
    if steps:
        _tell(walk, steps)
        walk.docker("restart", *(step.name for step in steps))


def _compose(walk: Walk, steps: Sequence[Step]) -> None:
    """Call compose for each directory, several at once, with the containers of it that are to be started."""
    _tell(walk, steps)
    directories: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        directories.setdefault((step.node, step.directory), []).append(step)
    with ThreadPoolExecutor(PARALLEL) as pool:
        calls = [pool.submit(_up, walk, node, directory, each) for (node, directory), each in directories.items()]
        failed = [error for call in calls if (error := _error(call))]
    if failed:
        raise StackyardError("\n".join(str(error) for error in failed), "mend it, then run `stackyard up` again")


def _error(call: Future[None]) -> StackyardError | None:
    try:
        call.result()
    except StackyardError as error:
        return error
    return None


def _up(walk: Walk, node: str, directory: str, steps: Sequence[Step]) -> None:
    options = ["up", "--detach", "--no-deps", "--no-recreate", "--pull", "never"]
    folder = str(walk.state.directory(node, directory))
    argv = engine.compose(project(walk.site, node, directory), folder, *options, *(step.container for step in steps))
    result = run([docker(), *argv], pass_fds=(walk.lock,), check=False)
    if result.code:
        told = [line for line in result.stderr.splitlines() if "rror" in line] or result.stderr.splitlines()[-5:]
        raise CommandError(f"{directory} on {node}: docker compose exited with {result.code}:\n" + "\n".join(told))
