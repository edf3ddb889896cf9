"""Site + catalogue + facts of the host + secrets -> a resolved site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stackyard.catalogue import Catalogue
from stackyard.catalogue.container import container_json
from stackyard.catalogue.problems import Loc, Problems, some
from stackyard.entrypoint.contract import Problem, read_environment
from stackyard.entrypoint.endpoints import Endpoint, from_environment
from stackyard.entrypoint.expressions import ExpressionError, evaluate, truth
from stackyard.entrypoint.files import render
from stackyard.entrypoint.formats import is_plain
from stackyard.model.service import EndpointProbe, FileProbe, HttpProbe, Probe, Runtime, TcpProbe, Wait
from stackyard.model.site import Site
from stackyard.plan.contents import USER, described, mounted
from stackyard.plan.facts import HostFacts
from stackyard.plan.placement import Choice, Placement, place
from stackyard.plan.resolved import Ask, Mount, PlacedNode, ResolvedContainer, ResolvedSite, Waiting
from stackyard.plan.said import of_secrets, unheard
from stackyard.plan.values import Given, Scope, Values, declared, secret_kinds, unreachable_ports
from stackyard.secrets import Secrets

NODE_IMAGE = "node"


def resolve(catalogue: Catalogue, site: Site, host: HostFacts, secrets: Secrets) -> ResolvedSite:
    """Decide everything that a site is. Raises InputError with all that is wrong.

    Secrets that the site gives are put into ``secrets``, those that are missing are made there; nothing else changes.
    """
    problems = Problems(source=site.source)
    placement = place(catalogue, site, host, problems)
    _unnamed(catalogue, placement.choices, problems)
    unreachable_ports(catalogue, placement, problems)
    problems.check()
    unheard(catalogue, site, placement.choices, problems)
    for name, value in of_secrets(catalogue, site, placement.choices, problems).items():
        secrets.put(name, value)
    kinds = secret_kinds(catalogue.effective(image) for image in catalogue.images)
    for name, user in site.contents.users.items() if site.contents else ():
        if user.password:
            secrets.put(USER.format(name), user.password)
    scope = Scope(site, placement, secrets, kinds, described(site, host.image_files), host.resolvers)
    values = Values(catalogue, scope, declared(catalogue, scope, problems), problems)
    maker = _Maker(catalogue, site, host, values, problems)
    containers = [
        maker.container(choice, node)
        for node in placement.nodes
        for choice in placement.choices
        if node in choice.nodes
    ]
    maker.report()
    problems.check()
    return ResolvedSite(
        site=site,
        version=catalogue.structure.version,
        node_image=catalogue.reference(NODE_IMAGE, site.registry),
        node_user=_user(catalogue, NODE_IMAGE),
        nodes=placement.nodes,
        containers=_awaited(containers),
        urls=placement.urls,
        declarations=values.declarations,
    )


def _unnamed(catalogue: Catalogue, choices: Iterable[Choice], problems: Problems) -> None:
    """The site names the sources of the programs that it runs."""
    lacking = {each.name: lack for each in choices if (lack := catalogue.unnamed(each.container.image))}
    for lack in dict.fromkeys(lacking.values()):
        names = [name for name, each in lacking.items() if each == lack]
        problems.at(("sources",), f"{lack[0]}, for {some(names)}", lack[1])


@dataclass
class _Maker:
    """Makes the containers of a site; ``wrong`` is what breaks a contract -> where it was said, and for whom."""

    catalogue: Catalogue
    site: Site
    host: HostFacts
    values: Values
    problems: Problems
    wrong: dict[tuple[Problem, Loc], list[str]] = field(default_factory=dict)
    contracts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def placement(self) -> Placement:
        return self.values.scope.placement

    def container(self, choice: Choice, node: PlacedNode) -> ResolvedContainer:
        """One container on one node, with its values, validated."""
        image = choice.container.image
        runtime = self.catalogue.effective(image)
        given = self.values.given(choice, runtime, node)
        seen = self.validated(choice, node, runtime, given)
        return ResolvedContainer(
            site=self.site.site,
            node=node.name,
            name=choice.name,
            service=choice.service.service,
            image=self.catalogue.reference(image, self.site.registry),
            user=_user(self.catalogue, image),
            definition=choice.container,
            knows=frozenset(runtime.contract),
            values=given.plain,
            secrets=given.secret,
            mounts=self.mounts(choice, node),
            devices=(
                *choice.container.devices,
                *(each for each in choice.container.optional_devices if each in self.host.devices),
            ),
            health=None if choice.container.job else self.asked(runtime.health, seen),
            waits=tuple(self.waits(choice, node, runtime, seen)),
            serves=any(each.container == choice.name for each in self.catalogue.endpoints.values()),
            unhealthy=runtime.unhealthy,
        )

    def validated(self, choice: Choice, node: PlacedNode, runtime: Runtime, given: Given) -> dict[str, Any]:
        """What expressions of the image see: the values as its entrypoint reads them, and its endpoints."""
        image = choice.container.image
        if image not in self.contracts:
            self.contracts[image] = container_json(self.catalogue, image)
        known = self.contracts[image]
        outcome = read_environment(known["contract"], *given.as_environment(), overrides=runtime.overrides)
        values = outcome.values

        def endpoint(name: str) -> Endpoint:
            return from_environment(known["endpoints"], name, values)

        seen = {**values, "endpoint": endpoint}
        for problem in outcome.errors or self.refused(choice, known["templates"], seen):
            loc = given.origins.get(problem.variable)
            where = loc or ("settings", problem.variable)
            self.wrong.setdefault((problem, where), []).append("" if loc else f"{choice.name} on {node.name}")
        return seen

    def refused(self, choice: Choice, templates: Mapping[str, Any], seen: Mapping[str, Any]) -> list[Problem]:
        """Values that a file of the container cannot hold. Most sites have none that a file could refuse."""
        if all(is_plain(value) for value in seen.values()):
            return []
        try:
            return render(templates, seen, self.catalogue.template_folders(choice.service.service))[1]
        except ExpressionError as error:
            self.problems.at((), f"{choice.name}: {error}", "correct the catalogue")
            return []

    def report(self) -> None:
        """Name the line of the site file where a variable is set, or would be, and the containers that want it."""
        for (problem, loc), containers in self.wrong.items():
            name, text = problem
            if not containers[0]:
                self.problems.at(loc, text, f"`stackyard explain IMAGE {name}` tells what it takes")
                continue
            remedy = "give it below `settings` of the site, or correct the catalogue"
            self.problems.at(loc, f"{text.rstrip('.')}; for {some(containers)}", remedy)

    def mounts(self, choice: Choice, node: PlacedNode) -> tuple[Mount, ...]:
        """Volumes, the node's own cgroups, and the files of images."""
        mounts = [
            Mount(volume.path, volume.name, self.host_path(choice, volume.host, node), volume.read_only)
            for volume in choice.container.volumes
        ]
        if choice.container.node_cgroup:
            paths = cgroup_paths(self.host, f"{self.site.site}-{node.name}")
            mounts += [Mount(path=path, source=source, create=False) for source, path in paths.items()]
        if choice.container.contents:
            files = self.host.image_files
            mounts += [
                Mount(mounted(name, files), source=files[name].path, read_only=True, create=False) for name in files
            ]
        return tuple(mounts)

    def host_path(self, choice: Choice, text: str | None, node: PlacedNode) -> str | None:
        """A path on the host, evaluated."""
        if text is None:
            return None
        try:
            return str(self.values.scope.plain(text, node))
        except ExpressionError as error:
            message = f"{choice.name} on {node.name}: volume {error}"
            self.problems.at((), message, "correct the catalogue")
            return None

    def waits(self, choice: Choice, node: PlacedNode, runtime: Runtime, seen: Mapping[str, Any]) -> Iterator[Waiting]:
        """What a container waits for, with the containers of the site that provide it."""
        if choice.container.arguments[:1] == ("bootstrap",):
            for name in dict.fromkeys(step.marker for step in runtime.bootstrap if step.marker):
                yield self.endpoint_wait(name, seen)
        elif not choice.container.arguments:
            for wait in runtime.wait_for:
                if _applies(wait, seen):
                    yield self.endpoint_wait(wait.endpoint, seen) if wait.endpoint else self.named(choice, wait, node)

    def endpoint_wait(self, name: str, seen: Mapping[str, Any]) -> Waiting:
        """Its members, unless the site says other hosts: those are asked from here."""
        endpoint = self.placement.endpoints[name]
        called: Endpoint = seen["endpoint"](name)
        ours = bool(endpoint.hosts) and set(called.hosts) <= set(endpoint.hosts) and called.port == endpoint.port
        providers = self.on(self.catalogue.endpoints[name].container) if ours else ()
        return Waiting(endpoint.title, providers, None if ours or not called.hosts else asking(called))

    def named(self, choice: Choice, wait: Wait, node: PlacedNode) -> Waiting:
        """A job, once for the site or that of the node; a container of the node."""
        name = wait.job or wait.container or ""
        everywhere = wait.job and self.catalogue.containers[name].runs != "each"
        providers = self.on(name, None if everywhere else node)
        if wait.container and not providers:
            message = f"{choice.name} needs {name} beside it, and {node.name} does not run it"
            self.problems.at(("nodes", node.name), message, "let one node run both")
        return Waiting(name, providers)

    def asked(self, probe: Probe | None, seen: Mapping[str, Any]) -> Ask | None:
        """A health probe as the tool asks it: from outside where that is possible."""
        try:
            if isinstance(probe, EndpointProbe):
                return asking(seen["endpoint"](probe.endpoint))
            if isinstance(probe, TcpProbe):
                return Ask(tcp=evaluate(probe.tcp, seen))
            if isinstance(probe, HttpProbe) and not probe.standby:
                return Ask(http=evaluate(probe.http, seen), says=probe.says, reason=probe.reason)
        except ExpressionError:
            return Ask()
        if isinstance(probe, FileProbe) and probe.through:
            return Ask(through=self.on(probe.through))
        return Ask() if probe else None

    def on(self, container: str, node: PlacedNode | None = None) -> tuple[str, ...]:
        """Names on the engine of a container, of all nodes or one."""
        return tuple(
            f"{self.site.site}-{each.name}-{container}"
            for choice in self.placement.choices
            if choice.name == container
            for each in choice.nodes
            if node in {None, each}
        )


def asking(endpoint: Endpoint) -> Ask:
    """How to ask for an endpoint."""
    probe = endpoint.probe()
    return Ask(probe.get("tcp"), probe.get("http"))


def _applies(wait: Wait, seen: Mapping[str, Any]) -> bool:
    try:
        return truth(wait.when, seen)
    except ExpressionError:
        return True


def _awaited(containers: Sequence[ResolvedContainer]) -> tuple[ResolvedContainer, ...]:
    """Containers in the order of what waits for what, those that others wait for marked."""
    awaited = {name for each in containers for wait in each.waits for name in wait.providers}
    return ordered(replace(each, awaited=each.full_name in awaited) for each in containers)


def ordered(containers: Iterable[ResolvedContainer]) -> tuple[ResolvedContainer, ...]:
    """Providers before those that wait for them; otherwise as they come. A circle is left as it comes."""
    everything = {container.full_name: container for container in containers}
    done: dict[str, ResolvedContainer] = {}
    open_: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in open_ or name not in everything:
            return
        open_.add(name)
        for wait in everything[name].waits:
            for provider in wait.providers:
                visit(provider)
        done[name] = everything[name]

    for name in everything:
        visit(name)
    return tuple(done.values())


def _user(catalogue: Catalogue, image: str) -> int:
    """Uid of an image's processes."""
    if image not in catalogue.images:
        return 0
    service, own = catalogue.images[image]
    return service.uid(own)


def cgroup_paths(host: HostFacts, node: str) -> dict[str, str]:
    """The node's own directory -> where it appears in its containers, for each hierarchy."""
    return {
        f"/sys/fs/cgroup/{name}/stackyard/{node}".replace("//", "/"): f"/sys/fs/cgroup/{name}".rstrip("/")
        for name in host.cgroups
    }
