"""A service: one folder of the catalogue, as its ``service.yaml`` says it.

Strings marked *expression* are Jinja templates. Those of the site (``site:``, ``declares:``)
are evaluated by the plan with the site's facts; all others are evaluated by the entrypoint
inside the container with the variables of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag

from stackyard.model.base import Model

VariableType = Literal[
    "str",
    "name",
    "host",
    "hosts",
    "address",
    "addresses",
    "cidr",
    "port",
    "int",
    "bool",
    "url",
    "enum",
    "list",
    "path",
    "secret",
    "text",
    "json",
]
Part = Literal["hosts", "port", "url", "public", "user", "password", "path", "ca"]
"""What of an endpoint a variable holds."""


class Variable(Model):
    """One environment variable of an image's contract."""

    type: VariableType = Field(default="str", description="What the value must look like.")
    help: str = Field(description="One sentence for `explain` and the reference.")
    required: bool = Field(default=False, description="The container does not start without it.")
    default: str | int | bool | None = Field(default=None, description="Used when the variable is not given.")
    example: str | None = Field(default=None, description="A value that is valid; used in documents and tests.")
    values: tuple[str, ...] = Field(default=(), description="Allowed values of an enum.")
    characters: Literal["ascii", "plain"] | None = Field(
        default=None,
        description="What its readers take; other characters are refused. `plain`: letters, digits and _.+=-, for "
        "readers that know neither quotes nor escapes.",
    )
    aliases: tuple[str, ...] = Field(default=(), description="Earlier names, which still work and give a note.")
    sets: tuple[str, ...] = Field(default=(), description="Configuration keys that it sets, `file [group] key`.")
    site: str | None = Field(
        default=None, description="Expression that gives the value in a site, whose file gives no other."
    )
    endpoint: str | None = Field(
        default=None,
        pattern=rf"^[a-z][a-z0-9-]*\.({'|'.join(get_args(Part))})$",
        description="`NAME.PART`: what it holds of an endpoint. In a site the endpoint gives the value of hosts, port, "
        "url and public; without a site the port, and the URLs made from it, are defaults.",
    )
    fixed_by: str | None = Field(
        default=None,
        description="Endpoint. A site that serves it makes what this names (an account, a database) under the default "
        "here, and refuses another name.",
    )
    secret: str | None = Field(
        default=None,
        description="Name of the site's secret, `<service>/<purpose>`. All who name it have one value: made, or given "
        "in the site file to that service or to all.",
    )
    generate: Literal["password", "key", "cephx", "certificate"] = Field(
        default="password",
        description="How the secret is made: a password, URL-safe base64 of 32 random bytes, a key of cephx, "
        "or a certificate for each node, by the site's own authority: PEM of its private key, itself, "
        "and the authority's.",
    )
    at_rest: bool = Field(
        default=False,
        description="The secret encrypts data that is kept: a saved site has the same one under another name.",
    )
    kept_by_vms: bool = Field(
        default=False,
        description="VMs work with the value that they were made with: `up` refuses another on a node where VMs run.",
    )
    opt_in: bool = Field(default=False, description="In a site, given only to containers that ask for it by `opt_in`.")
    collects: str | None = Field(
        default=None, description="Kind of declaration whose every instance in the site is given, as a JSON list."
    )


class Template(Model):
    """A configuration file rendered when the container starts."""

    source: str = Field(description="Template in the service's folder, or in catalogue/common/templates.")
    format: Literal["plain", "text", "xml", "ini", "cnf", "json", "yaml", "python", "sql", "shell", "erlang"] | None = (
        Field(
            default=None,
            description="How what the template prints is written, quotes and escapes included. Without it the name of "
            "the file tells: `.conf` is ini, as oslo.config reads it; a name that says nothing is plain, and refuses "
            "what might need quotes. `text` is for people: everything as it is.",
        )
    )
    mode: str = Field(default="0400", description="Octal mode of the rendered file.")
    when: str | None = Field(default=None, description="Expression; the file is left out when it is false.")


class TcpProbe(Model):
    """A port accepts connections."""

    tcp: str = Field(description="`host:port`; expression.")


class HttpProbe(Model):
    """A URL answers with a status below 500."""

    http: str = Field(description="URL; expression.")
    says: str | None = Field(default=None, description="Regular expression that is found in a right answer.")
    reason: str | None = Field(
        default=None, description="Regular expression whose group tells what is wrong, found in another answer."
    )
    standby: str | None = Field(
        default=None,
        description="Endpoint: who answers nothing, and has a connection to it, stands by until it is elected.",
    )


class ExecProbe(Model):
    """A command in the container exits 0."""

    exec: tuple[str, ...] = Field(description="The command; its arguments are expressions.")


class FileProbe(Model):
    """A path exists in the container."""

    file: str = Field(description="The path; expression.")
    within: int | None = Field(default=None, description="Seconds since it was last written, at most.")
    through: str | None = Field(
        default=None,
        description="Container, of any node, by whose work it is written: what is older than its start does not count.",
    )


class EndpointProbe(Model):
    """An endpoint works: its `check` answers; of the container that serves it, at its own address."""

    endpoint: str = Field(description="Name of the endpoint.")


class ConnectedProbe(Model):
    """A process of the container has a connection to an endpoint."""

    connected: str = Field(description="Name of the endpoint.")


PROBES: dict[str, type[Model]] = {
    "tcp": TcpProbe,
    "http": HttpProbe,
    "exec": ExecProbe,
    "file": FileProbe,
    "endpoint": EndpointProbe,
    "connected": ConnectedProbe,
}
"""Key -> kind of probe."""


def _kind(value: Any) -> str | None:
    """Which kind of probe the key of a mapping, or a model, is."""
    keys = value.keys() if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, Model) else ()
    found = [key for key in keys if key in PROBES]
    return found[0] if len(found) == 1 else None


Probe = Annotated[
    Annotated[TcpProbe, Tag("tcp")]
    | Annotated[HttpProbe, Tag("http")]
    | Annotated[ExecProbe, Tag("exec")]
    | Annotated[FileProbe, Tag("file")]
    | Annotated[EndpointProbe, Tag("endpoint")]
    | Annotated[ConnectedProbe, Tag("connected")],
    Discriminator(
        _kind,
        custom_error_type="one_of",
        custom_error_message=f"asks nothing, or several things at once; give one of {', '.join(PROBES)}",
    ),
]
"""A question with a yes or a no: a mapping with one key, which says the kind."""


class Wait(Model):
    """What a container waits for before its process starts, by name: exactly one of endpoint, job and container."""

    endpoint: str | None = Field(default=None, description="An endpoint, of any service.")
    job: str | None = Field(default=None, description="A container that is a job; its bootstrap steps are done.")
    container: str | None = Field(default=None, description="A container of the same node; its health probe says yes.")
    ready: Probe | None = Field(
        default=None, description="How to ask, where the default is not the question: the file that a job makes, say."
    )
    deadline: int = Field(default=300, description="Seconds until the container gives up.")
    when: str | None = Field(default=None, description="Expression; not waited for when it is false.")


class BootstrapStep(Model):
    """One idempotent step of `bootstrap`."""

    name: str = Field(description="Name, unique in the service; the marker remembers it.")
    run: tuple[tuple[str, ...], ...] = Field(
        description="Commands, in order, run in the service's folder; arguments are expressions."
    )
    marker: str | None = Field(
        default=None,
        description="Endpoint of the database that remembers that the step is done at this identity; "
        "also locks it against a second bootstrap. Without it the step runs every time.",
    )
    always: bool = Field(default=False, description="Runs at every bootstrap, whatever the marker says.")
    values: tuple[str, ...] = Field(
        default=(),
        description="Variables with whose values it is done: with other values it is not, for those who wait for it. "
        "They wait with the same variables.",
    )
    bake: bool = Field(default=False, description="Done once at build, in the database directory that is shipped.")
    adopts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Identity of this step -> identities under which earlier versions of Stackyard did the very same.",
    )


class Runtime(Model):
    """What the entrypoint of an image does; given at the service, for all its images, and at each image."""

    contract: dict[str, Variable] = Field(default_factory=dict, description="Environment variables that it takes.")
    uses: tuple[str, ...] = Field(default=(), description="Fragments of catalogue/common/contract to include.")
    templates: dict[str, Template] = Field(default_factory=dict, description="Path in the container -> template.")
    files: dict[str, str] = Field(
        default_factory=dict, description="Path in the image -> file of the service's folder, copied at build."
    )
    command: tuple[str, ...] = Field(default=(), description="The one process; arguments are expressions.")
    pre_start: tuple[tuple[str, ...], ...] = Field(
        default=(), description="Commands run to completion after the needs are met and before the process."
    )
    post_start: tuple[tuple[str, ...], ...] = Field(
        default=(),
        description="Commands started beside the process each time it starts; one that fails stops the container.",
    )
    wait_for: tuple[Wait, ...] = Field(
        default=(), description="What is waited for before anything is rendered, in order."
    )
    health: Probe | None = Field(default=None, description="Question that tells whether the process does its work.")
    unhealthy: str = Field(default="", description="What is lost while health says no, and what mends it; for people.")
    ends_vms: tuple[str, ...] = Field(
        default=(), description="Command that shuts down all VMs that it has started; what it prints is told."
    )
    bootstrap: tuple[BootstrapStep, ...] = Field(
        default=(), description="Steps that make what the service needs, in order."
    )
    overrides: Annotated[str, Field(pattern="^(oslo|none|[A-Z][A-Z_]*[A-Z])$")] | None = Field(
        default=None,
        description="Syntax for options beyond the contract; oslo: `OS_<GROUP>__<OPTION>`, whose value is "
        "oslo.config's own, where `$name` is the value of another option; a word in capitals, `API`: "
        "`API__<SECTION>__<key>`. A variable of the contract is what it is.",
    )
    system: str = Field(
        default="", description="System of foreign.yaml whose variables are its own: its processes are given them."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="What its processes are given beside the contract: variable -> expression."
    )
    removed: dict[str, str] = Field(default_factory=dict, description="Variables of old, with what became of them.")
    plain_environment: bool = Field(
        default=False,
        description="Its processes are given every variable of the contract that has a value as an environment "
        "variable: defaults, and secrets that were given as files, too.",
    )


DIGEST = "^sha256:[0-9a-f]{64}$"


class Published(Model):
    """An image that somebody else has published: named here, or by its name in a source of the site."""

    image: str = Field(default="", description="Its name as `docker pull` takes it, without tag and digest.")
    source: str = Field(default="", description="Source of the site, in place of `image`.")
    name: str = Field(default="", description="Its name in that source, without the prefix.")
    tag: str | None = Field(default=None, description="Tag; what is below it may change at any time.")
    digest: str | None = Field(default=None, pattern=DIGEST, description="In place of a tag: always the same contents.")

    @property
    def reference(self) -> str:
        """The full name; of one in a source that the site does not name, a name that no engine has."""
        if not self.image:
            return f"{self.source}/{self.name}"
        return f"{self.image}@{self.digest}" if self.digest else f"{self.image}:{self.tag}"


class Copy(Model):
    """What an image takes out of one that somebody else has published: a path of it, or of RPM packages for it."""

    published: Published = Field(description="That image.")
    path: str = Field(default="", description="File or directory in it.")
    to: str = Field(default="", description="Where it is put.")
    repository: str | None = Field(
        default=None, description="Repository of the site with RPM packages for that image, for `unpack`."
    )
    unpack: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="RPM package -> paths of it, or patterns, that are put where they were."
    )


class Image(Runtime):
    """An image: a base with subs, a sub of a base, or one that stands alone."""

    description: str = Field(description="One line, also a label of the image.")
    base: str | None = Field(default=None, description="The image that this one is a sub of.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels, beside those of its service.")
    python: str | tuple[str, ...] = Field(
        default=(),
        description="Lock of the release whose packages it adds; or several, each laid over those before it.",
    )
    patches: tuple[str, ...] = Field(
        default=(),
        description="Patches in the service's folder that are applied to its Python packages, in order: `-p1`, below "
        "site-packages.",
    )
    distribution: str | None = Field(
        default=None, description="Distribution of base.yaml, when it is not the service's; a sub is on its base's."
    )
    published: Published | None = Field(
        default=None, description="The image of somebody else that it begins with, in place of a distribution."
    )
    packages: tuple[str, ...] = Field(default=(), description="Debian packages.")
    repository: str | None = Field(
        default=None, description="Package repository of the site that `packages` are taken from, too."
    )
    extract: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Debian package -> paths of it, or patterns, that are taken, without what it depends on; where it "
        "has none of them, because it only stands for another package, those of the first that it depends on.",
    )
    maven: dict[str, str] = Field(
        default_factory=dict, description="Lock in maven/ of the release -> directory that its artefacts are put into."
    )
    copies: tuple[Copy, ...] = Field(
        default=(), description="Files of published images, which are put over those of its packages."
    )
    run: tuple[str, ...] = Field(default=(), description="Shell lines run as root at build after the packages.")
    directories: tuple[str, ...] = Field(default=(), description="Made at build and given to the service's user.")
    user: int | None = Field(default=None, description="uid, when it is not the service's.")
    variant: bool = Field(default=False, description="Differs by SDN: the tag carries it.")
    bakes: str | None = Field(
        default=None, description="Path at which the archive of the baked database directory is put into the image."
    )

    @property
    def locks(self) -> tuple[str, ...]:
        """Names of the locks whose packages it adds."""
        return (self.python,) if isinstance(self.python, str) else self.python


class Volume(Model):
    """Something that outlives the container."""

    path: str = Field(description="Where it is in the container.")
    name: str | None = Field(default=None, description="Named volume of the node, kept by `down`.")
    host: str | None = Field(default=None, description="Path on the host; expression of the site.")
    read_only: bool = Field(default=False, description="Mounted read-only.")


class Registration(Model):
    """How an endpoint stands in the cloud's own catalogue of services."""

    type: str = Field(description="Type of the service there.")
    name: str = Field(description="Name of the service there.")
    also: dict[str, str] = Field(
        default_factory=dict, description="Type of old, which older clients look for -> name of that service there."
    )


class Endpoint(Model):
    """A network service that others call by name."""

    title: str = Field(description="What people call it, in messages: `the image API`.")
    container: str = Field(description="Container of this service that serves it; each node that runs it is a member.")
    port: int = Field(ge=1, le=65535, description="Port in the node; on the host, the site's offset is added.")
    scheme: str = Field(default="tcp", description="Scheme of its URL, `http`.")
    path: str = Field(default="", description="Path of its URL.")
    check: str | None = Field(
        default=None, description="Path that answers when it works; without one, accepting a connection is the answer."
    )
    public: bool = Field(default=False, description="Published on the host.")
    registered: Registration | None = Field(default=None, description="Entry in the cloud's catalogue of services.")
    address: str = Field(
        default="HOST_IP", description="Variable of the serving image that has the address which it listens on."
    )


class Container(Model):
    """One container of a compose project."""

    image: str = Field(description="Image that it runs.")
    instead: dict[str, str] = Field(
        default_factory=dict,
        description="What the site says -> image of the same service that it runs then; the first that holds. `NAME`: "
        "it runs that container. `VARIABLE=value`: it gives the container, its service or all that value; "
        "`SERVICE.VARIABLE=value`: that service, or all.",
    )
    project: str = Field(
        description="Compose project it belongs to: a directory with `docker-compose.yml` and `common.env`."
    )
    group: str = Field(description="Group that it belongs to; nodes that name the group, or the service, run it.")
    runs: Literal["one", "each", "cluster"] = Field(
        default="one", description="On one node of its group; on each of them; or on as many as name it, as a cluster."
    )
    help: str = Field(default="", description="What it is for, where its image does not say it.")
    arguments: tuple[str, ...] = Field(default=(), description="Arguments of the entrypoint, such as [bootstrap].")
    job: bool = Field(default=False, description="It runs to its end.")
    optional: bool = Field(default=False, description="Off unless the site's `containers` switches it on.")
    capabilities: tuple[str, ...] = Field(default=(), description="Added back after all are dropped.")
    devices: tuple[str, ...] = Field(default=(), description="Device files of the host that it is given.")
    optional_devices: tuple[str, ...] = Field(default=(), description="Passed when the host has them.")
    why: str = Field(default="", description="Why it needs its privileges; required when it has any.")
    system_paths: bool = Field(
        default=False, description="Writes /proc/sys, or mounts: systempaths=unconfined, apparmor=unconfined."
    )
    node_pid: bool = Field(default=False, description="Joins the node's PID namespace.")
    node_cgroup: bool = Field(default=False, description="Gets the node's own cgroup subtree.")
    public: bool = Field(
        default=False, description="Runs where the site has a public network; its nodes are on that network then."
    )
    contents: bool = Field(
        default=False,
        description="Runs where the site says what its cloud contains; the files of images are below /run/images.",
    )
    host_network: bool = Field(default=False, description="It needs the network namespace of a host.")
    hypervisor: bool = Field(default=False, description="VMs run below it: its node has an availability zone.")
    read_only: bool = Field(default=True, description="Its root file system cannot be written.")
    tmpfs: tuple[str, ...] = Field(default=(), description="Beside /tmp and /run/stackyard.")
    volumes: tuple[Volume, ...] = Field(default=(), description="What outlives it, or is shared with others.")
    shared_memory: str | None = Field(default=None, description="Size of /dev/shm, as compose writes it: `256m`.")
    memory: int = Field(default=0, ge=0, description="MiB of memory that it uses in a cloud without VMs.")
    disk: int = Field(
        default=0, ge=0, description="MiB that must be free where the engine keeps its data when it is started."
    )
    environment: dict[str, str] = Field(default_factory=dict, description="Variable -> expression of the site.")
    stop_seconds: int = Field(default=10, description="Time to end before it is killed.")
    opt_in: tuple[str, ...] = Field(default=(), description="Opt-in variables of the contract that it is given.")

    @property
    def possible(self) -> frozenset[str]:
        """Images that it runs, in one site or another."""
        return frozenset({self.image, *self.instead.values()})


class Service(Runtime):
    """One folder of the catalogue: an image family with its containers."""

    service: str = Field(description="Name; that of its folder.")
    title: str = Field(description="What people call it.")
    sdn: str | None = Field(default=None, description="Only in sites with this SDN.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of all its images.")
    user: int = Field(description="Fixed uid and gid of its processes.")
    distribution: str | None = Field(
        default=None, description="Distribution of base.yaml, when it is not the release's first."
    )
    images: dict[str, Image] = Field(description="Name -> image of the family.")
    containers: dict[str, Container] = Field(default_factory=dict, description="Name -> container that a site runs.")
    endpoints: dict[str, Endpoint] = Field(
        default_factory=dict, description="Name -> network service that its containers serve."
    )
    declares: dict[str, tuple[dict[str, Any], ...]] = Field(
        default_factory=dict, description="Kind -> things that other services make for it; expressions of the site."
    )

    def uid(self, image: Image) -> int:
        """Uid of the processes of one of its images."""
        return self.user if image.user is None else image.user

    def below(self, image: Image) -> Image:
        """The image whose file system one of its images begins with: its base, or itself."""
        return self.images[image.base] if image.base else image
