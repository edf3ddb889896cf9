"""A service: one folder of the catalogue, as its ``service.yaml`` says it.

Strings marked *expression* are Jinja templates. Those of the site (``site:``, ``declares:``)
are evaluated by the plan with the site's facts; all others are evaluated by the entrypoint
inside the container with the variables of the contract.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from stackyard.model.base import Model

Role = Literal["controller", "compute"]

VariableType = Literal[
    "str", "name", "host", "address", "cidr", "port", "int", "bool", "url", "enum", "list", "path", "secret", "json"
]


class Variable(Model):
    """One environment variable of an image's contract."""

    type: VariableType = Field(default="str", description="What the value must look like.")
    help: str = Field(description="One sentence for `explain` and the reference.")
    required: bool = Field(default=False, description="The container does not start without it.")
    default: str | int | bool | None = Field(default=None, description="Used when the variable is not given.")
    example: str | None = Field(default=None, description="A value that is valid; used in documents and tests.")
    values: tuple[str, ...] = Field(default=(), description="Allowed values of an enum.")
    sets: tuple[str, ...] = Field(default=(), description="Configuration keys that it sets, `file [group] key`.")
    site: str | None = Field(default=None, description="Expression that gives the value in a site's bundle.")
    secret: str | None = Field(default=None, description="Name of the site's secret, `<service>/<purpose>`.")
    generate: Literal["password", "fernet"] = Field(default="password", description="How the secret is made.")
    private: bool = Field(
        default=False, description="In a site, given only to containers that ask for it by `private`."
    )
    collects: str | None = Field(
        default=None, description="Kind of declaration whose every instance in the site is given, as a JSON list."
    )


class Template(Model):
    """A configuration file rendered when the container starts."""

    source: str = Field(description="Template in the service's folder, or in catalogue/common/templates.")
    mode: str = Field(default="0400", description="Octal mode of the rendered file.")
    when: str | None = Field(default=None, description="Expression; the file is left out when it is false.")


class Probe(Model):
    """A question with a yes or a no; exactly one key is set. Expressions throughout."""

    tcp: str | None = Field(default=None, description="`host:port` accepts a connection.")
    http: str | None = Field(default=None, description="A URL answers with a status below 500.")
    exec: tuple[str, ...] | None = Field(default=None, description="A command in the container exits 0.")
    file: str | None = Field(default=None, description="A path exists.")
    connected: str | None = Field(
        default=None, description="`host:port` to which a process of the container has a connection."
    )
    bootstrapped: str | None = Field(
        default=None, description="`mysql://user:password@host:port/database` whose bootstrap steps are done."
    )
    step: str | None = Field(default=None, description="With bootstrapped: the name of the step.")


class Need(Probe):
    """What a container waits for before its process starts."""

    name: str = Field(description="What is waited for, in words: `the database of nova`.")
    deadline: int = Field(default=300, description="Seconds until the container gives up.")
    when: str | None = Field(default=None, description="Expression; not waited for when it is false.")
    container: str | None = Field(
        default=None, description="Container of the same node that makes it, where no health probe asks the same."
    )


class Step(Model):
    """One idempotent step of `bootstrap`."""

    name: str = Field(description="Name, unique in the service; the marker remembers it.")
    run: tuple[tuple[str, ...], ...] = Field(
        description="Commands, in order, run in the service's folder; arguments are expressions."
    )
    marker: str | None = Field(
        default=None,
        description="`mysql://…` URL of the database that remembers that the step is done at this identity; "
        "also locks it against a second bootstrap. Without it the step runs every time.",
    )
    always: bool = Field(default=False, description="Runs at every bootstrap, whatever the marker says.")
    bake: bool = Field(default=False, description="Done once at build, in the database directory that is shipped.")


class Runtime(Model):
    """What the entrypoint of an image does; given at the service, for all its images, and at each image."""

    contract: dict[str, Variable] = Field(default_factory=dict, description="Environment variables that it takes.")
    uses: tuple[str, ...] = Field(default=(), description="Fragments of catalogue/common/contract to include.")
    templates: dict[str, Template] = Field(default_factory=dict, description="Path in the container -> template.")
    files: dict[str, str] = Field(
        default_factory=dict, description="Path in the image -> file of the service's folder, copied at build."
    )
    command: tuple[str, ...] = Field(default=(), description="The one process; arguments are expressions.")
    prepare: tuple[tuple[str, ...], ...] = Field(
        default=(), description="Commands run to completion after the needs are met and before the process."
    )
    afterwards: tuple[tuple[str, ...], ...] = Field(
        default=(), description="Commands started beside the process, once, each time it starts."
    )
    needs: tuple[Need, ...] = Field(default=(), description="What is waited for before anything is rendered, in order.")
    health: Probe | None = Field(default=None, description="Question that tells whether the process does its work.")
    bootstrap: tuple[Step, ...] = Field(default=(), description="Steps that make what the service needs, in order.")
    overrides: Literal["oslo", "none"] | None = Field(
        default=None, description="Syntax for options beyond the contract; oslo: `OS_<GROUP>__<OPTION>`."
    )
    retired: dict[str, str] = Field(default_factory=dict, description="Variables of old, with what became of them.")
    plain_environment: bool = Field(
        default=False,
        description="Its processes are given every variable of the contract that has a value as an environment "
        "variable: defaults, and secrets that were given as files, too.",
    )


class Published(Model):
    """An image that somebody else has published."""

    image: str = Field(description="Its name as `docker pull` takes it, without tag and digest.")
    tag: str | None = Field(default=None, description="Tag; what is below it may change at any time.")
    digest: str | None = Field(
        default=None, pattern="^sha256:[0-9a-f]{64}$", description="In place of a tag: always the same contents."
    )

    @property
    def reference(self) -> str:
        """The full name."""
        return f"{self.image}@{self.digest}" if self.digest else f"{self.image}:{self.tag}"


class Image(Runtime):
    """An image: a base with subs, a sub of a base, or one that stands alone."""

    description: str = Field(description="One line, also a label of the image.")
    base: str | None = Field(default=None, description="The image that this one is a sub of.")
    node: Role | None = Field(default=None, description="Value of the label net.juniper.node.")
    distribution: str | None = Field(
        default=None, description="Distribution of base.yaml, when it is not the service's; a sub is on its base's."
    )
    published: Published | None = Field(
        default=None, description="The image of somebody else that it begins with, in place of a distribution."
    )
    python: str | None = Field(default=None, description="Lock of the release whose packages it adds.")
    packages: tuple[str, ...] = Field(default=(), description="Debian packages.")
    repository: str | None = Field(
        default=None, description="Package repository of the site that `packages` are taken from, too."
    )
    unpacked: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Debian package -> paths of it, or patterns, that are taken, without what it depends on; where it "
        "has none of them, because it only stands for another package, those of the first that it depends on.",
    )
    maven: dict[str, str] = Field(
        default_factory=dict, description="Lock in maven/ of the release -> directory that its artefacts are put into."
    )
    run: tuple[str, ...] = Field(default=(), description="Shell lines run as root at build after the packages.")
    directories: tuple[str, ...] = Field(default=(), description="Made at build and given to the service's user.")
    user: int | None = Field(default=None, description="uid, when it is not the service's.")
    variant: bool = Field(default=False, description="Differs by SDN: the tag carries it.")
    bakes: str | None = Field(
        default=None, description="Path at which the archive of the baked database directory is put into the image."
    )


class Volume(Model):
    """Something that outlives the container."""

    path: str = Field(description="Where it is in the container.")
    name: str | None = Field(default=None, description="Named volume of the node, kept by `down`.")
    host: str | None = Field(default=None, description="Path on the host; expression of the site.")
    read_only: bool = Field(default=False, description="Mounted read-only.")


class Port(Model):
    """A port published by a virtual node on the host."""

    name: str = Field(description="Name that `public()` and `port_of()` refer to.")
    port: int = Field(ge=1, le=65535, description="Port in the node; on the host, the site's offset is added.")
    scheme: str = Field(default="http", description="Scheme of the URL that `public()` gives.")


class Container(Model):
    """One container of a compose directory."""

    image: str = Field(description="Image that it runs.")
    directory: str = Field(description="Compose directory it belongs to.")
    node: Role = Field(description="Role of the nodes that run it.")
    help: str = Field(default="", description="What it is for, where its image does not say it.")
    arguments: tuple[str, ...] = Field(default=(), description="Arguments of the entrypoint, such as [bootstrap].")
    once: bool = Field(default=False, description="A one-shot: runs to completion.")
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
    read_only: bool = Field(default=True, description="Its root file system cannot be written.")
    tmpfs: tuple[str, ...] = Field(default=(), description="Beside /tmp and /run/stackyard.")
    volumes: tuple[Volume, ...] = Field(default=(), description="What outlives it, or is shared with others.")
    shared_memory: str | None = Field(default=None, description="Size of /dev/shm, as compose writes it: `256m`.")
    ports: tuple[Port, ...] = Field(default=(), description="Ports that the first node which runs it publishes.")
    environment: dict[str, str] = Field(default_factory=dict, description="Variable -> expression of the site.")
    stop_seconds: int = Field(default=10, description="Time to end before it is killed.")
    private: tuple[str, ...] = Field(default=(), description="Private variables of the contract that it is given.")


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
    declares: dict[str, tuple[dict[str, Any], ...]] = Field(
        default_factory=dict, description="Kind -> things that other services make for it; expressions of the site."
    )

    def uid(self, image: Image) -> int:
        """Uid of the processes of one of its images."""
        return self.user if image.user is None else image.user

    def below(self, image: Image) -> Image:
        """The image whose file system one of its images begins with: its base, or itself."""
        return self.images[image.base] if image.base else image
