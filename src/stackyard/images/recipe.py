"""Catalogue -> recipe: one Dockerfile with a stage per image, and the build context. Pure but for reading files.

Layers, from below: the base; `shared.lib`, what the entrypoint brings along; for Python images
`python.common`; then, per family, its Debian packages, its own Python packages and its set-up, which
subs share; a sub's own packages and set-up; and last the entrypoint and what it has to know.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stackyard.catalogue import Catalogue
from stackyard.catalogue.container import container_json
from stackyard.images import sources
from stackyard.images.parts import File, Instruction, Recipe, Stage, digest
from stackyard.images.versions import NOTHING_RECORDED, PATCH, Record, Versions, extracted, installed, listing
from stackyard.model.service import Image, Runtime, Service

LIB, APP, PATCHER, PYTHON = "shared.lib", "shared.app", "shared.patcher", "python.common"
SCRATCH = "--mount=type=tmpfs,target=/mnt --mount=type=tmpfs,target=/tmp"
ROOT = "/run/stackyard/root"
ENTRYPOINT = ["/usr/bin/tini", "-s", "--", "/opt/stackyard/bin/entrypoint"]
UNSAID = {"secret": "example", "port": "1", "int": "1", "bool": "true", "json": "[]"}
"""Values of required variables that have no example, where the database is baked."""


@dataclass(frozen=True)
class Foundation:
    """What the first stage starts from, with the inputs it was made from, and the tool that installs Python."""

    reference: str
    inputs: Mapping[str, str]
    uv: File


def recipe(
    catalogue: Catalogue, foundation: Foundation, *, versions: Record = NOTHING_RECORDED, cache: str = ""
) -> Recipe:
    """The recipe of all images of the structure. Another ``cache`` means caches of downloads of its own."""
    return _Kitchen(catalogue, foundation, versions).recipe(cache)


def bind(source: str, target: str, stage: str = "") -> str:
    """A mount of a path of the build context, or of another stage."""
    return f"--mount=type=bind,{f'from={stage},' if stage else ''}source={source},target={target}"


@dataclass
class _Kitchen:
    """Collects stages and context while the images are gone through."""

    catalogue: Catalogue
    foundation: Foundation
    versions: Record
    stages: dict[str, Stage] = field(default_factory=dict)
    context: dict[str, File] = field(default_factory=dict)

    def recipe(self, cache: str) -> Recipe:
        self._shared()
        for name in self.catalogue.images:
            self._image(name)
        base = dict(self.foundation.inputs)
        return Recipe(self._ordered(), tuple(self.catalogue.images), self.context, base, cache)

    def _ordered(self) -> dict[str, Stage]:
        """Stages, each after those that it needs."""
        done: dict[str, Stage] = {}

        def visit(name: str) -> None:
            stage = self.stages[name]
            for needed in (*([] if stage.external else [stage.source]), *stage.uses):
                visit(needed)
            done.setdefault(name, stage)

        for name in self.stages:
            visit(name)
        return done

    # Files of the context

    def _put(self, path: str, file: File) -> str:
        """Add a file to the context and return its digest."""
        self.context[path] = file
        return file.digest

    def _step(self, name: str) -> tuple[str, str]:
        """Mount and digest of a script."""
        return bind(f"steps/{name}", f"/mnt/{name}"), self._put(f"steps/{name}", sources.step(name))

    # Stages that images share

    def _shared(self) -> None:
        self.stages[LIB] = Stage(
            LIB, self.foundation.reference, (*self._python("entrypoint", "/opt/stackyard/lib"),), external=True
        )
        files = sources.entrypoint()
        hashes = [digest(path, self._put(f"entrypoint/{path}", file)) for path, file in files.items()]
        compiled = "RUN python3 -I -m compileall -q --invalidation-mode unchecked-hash -s /app -p /opt/stackyard /app"
        self.stages[APP] = Stage(
            APP,
            LIB,
            (
                Instruction("COPY entrypoint/ /app/", "the entrypoint", {"entrypoint": digest(*hashes)}),
                Instruction(compiled, "compiling the entrypoint", {"entrypoint": digest(compiled)}),
            ),
        )

    def _python(self, lock: str, final: str, directory: str = "") -> Iterator[Instruction]:
        """Install a lock into ``directory``, which will be ``final``."""
        file = sources.lock(self.catalogue, lock)
        script, script_digest = self._step("python-packages")
        mounts = [SCRATCH, script, bind("tools/uv", "/mnt/uv"), bind(f"python/{lock}.txt", "/mnt/lock.txt")]
        mounts += ["--mount=type=cache,id=stackyard-uv@cache@,target=/mnt/cache"]
        mounts += [f"--mount=type=secret,id={name},target=/mnt/{name}" for name in ("ca", "index")]
        hashes = [self._put(f"python/{lock}.txt", file), script_digest]
        self._put("tools/uv", self.foundation.uv)
        if final == "/opt/venv":
            setuptools = sources.only(sources.lock(self.catalogue, "common"), "setuptools")
            mounts.append(bind("python/setuptools.txt", "/mnt/setuptools.txt"))
            hashes.append(self._put("python/setuptools.txt", setuptools))
        text = f"RUN {' '.join(mounts)} /mnt/python-packages /mnt/lock.txt {directory or final} {final}"
        says = f"python/{lock}.txt: {sources.packages_in(file)} packages"
        yield Instruction(text, says, {f"python/{lock}.txt": digest(text, *hashes), "uv": self.foundation.uv.digest})

    def _delta(self, lock: str) -> str:
        """Stage that has a lock's packages in /delta."""
        name = f"python.{lock}"
        if PYTHON not in self.stages:
            self.stages[PYTHON] = Stage(PYTHON, LIB, tuple(self._python("common", "/opt/venv")))
        if name not in self.stages:
            self.stages[name] = Stage(name, PYTHON, tuple(self._python(lock, "/opt/venv", "/delta")))
        return name

    # Images

    def _body(self, name: str) -> str:
        """Stage of an image without its last layers; it is what its subs start from."""
        stage = f"{name}.body"
        if stage in self.stages:
            return stage
        service, image = self._find(name)
        source = self._body(image.base) if image.base else (PYTHON if image.locks else LIB)
        uses = [self._delta(lock) for lock in image.locks]
        levels = [image] if image.base else [service, image]
        instructions = [*self._packages(name, service, image)]
        if image.locks:
            instructions += self._venv(source, uses)
        if image.patches:
            instructions.append(self._patches(name, service, image))
            uses.append(PATCHER)
        instructions += self._setup(name, service, image, levels, first=not image.packages and not image.unpacked)
        self.stages[stage] = Stage(stage, source, tuple(instructions), tuple(uses))
        return stage

    def _find(self, name: str) -> tuple[Service, Image]:
        """An image, in the structure or only a base of one that is."""
        if name in self.catalogue.images:
            return self.catalogue.images[name]
        return next((each, each.images[name]) for each in self.catalogue.services.values() if name in each.images)

    def _venv(self, source: str, deltas: Sequence[str]) -> Iterator[Instruction]:
        """The Python packages of an image; the common ones too when it is not made from them."""
        below = source
        while below in self.stages and not self.stages[below].external and below != PYTHON:
            below = self.stages[below].source
        for stage in deltas if below == PYTHON else [PYTHON, *deltas]:
            text = f"COPY --from={stage} {'/opt/venv/' if stage == PYTHON else '/delta/'} /opt/venv/"
            lock = stage.removeprefix("python.")
            yield Instruction(text, f"the packages of python/{lock}", {f"python/{lock}.txt": digest(text)})

    def _patches(self, name: str, service: Service, image: Image) -> Instruction:
        """The patches of an image, applied to its Python packages."""
        mounts, command, value = self._patching(name, service, image, "/opt/venv")
        text = f"RUN {' '.join([SCRATCH, *mounts])} {command}"
        return Instruction(text, f"patches: {', '.join(image.patches)}", {f"patches of {name}": digest(text, value)})

    def _patching(self, name: str, service: Service, image: Image, *directories: str) -> tuple[list[str], str, str]:
        """Mounts, command and digest of what applies an image's patches to Python packages in directories."""
        if PATCHER not in self.stages:
            mounts, command, inputs = self._debian(PATCHER, (), {PATCH: ("usr/bin/patch",)}, {})
            step = Instruction(f"RUN {' '.join(mounts)} {command}", f"Debian packages: {PATCH}", inputs)
            self.stages[PATCHER] = Stage(PATCHER, self.foundation.reference, (step,), external=True)
        script, script_digest = self._step("python-patches")
        files = sources.service_files(self.catalogue, service.service)
        hashes = [
            self._put(f"patches/{name}/{number:03}-{patch.replace('/', '-')}", sources.load(files[patch]))
            for number, patch in enumerate(image.patches)
        ]
        mounts = [
            bind("/usr/bin/patch", "/mnt/patch", PATCHER),
            bind(f"patches/{name}", f"/mnt/patches/{name}"),
            script,
        ]
        command = f"/mnt/python-patches {shlex.join([f'/mnt/patches/{name}', *directories])}"
        return mounts, command, digest(script_digest, *hashes)

    def _packages(self, name: str, service: Service, image: Image) -> Iterator[Instruction]:
        """Debian packages, and the user that owns what is in them."""
        if not image.packages and not image.unpacked:
            return
        account, account_digest = self._step("account")
        versions = installed(self.versions, service, image)
        mounts, command, inputs = self._debian(name, image.packages, image.unpacked, versions)
        text = f"RUN {' '.join([*mounts, account])} {_account(name, service, image)} && {command}"
        says = f"Debian packages: {', '.join((*image.packages, *image.unpacked))}"
        changed = digest(text, inputs[f"packages of {name}"], account_digest)
        yield Instruction(text, says, inputs | {f"packages of {name}": changed})

    def _debian(
        self, name: str, packages: Sequence[str], pieces: Mapping[str, Sequence[str]], versions: Versions | None
    ) -> tuple[list[str], str, dict[str, str]]:
        """Mounts, command and inputs of a step that installs packages and takes pieces of others."""
        script, script_digest = self._step("debian-packages")
        suite = self.catalogue.base.suite
        cache = f"--mount=type=cache,id=stackyard-{suite}-packages@cache@,target=/mnt/packages"
        lists = {"install": versions, "extract": extracted(self.versions, pieces)}
        hashes = [self._put(f"packages/{name}/{each}", File(listing(those))) for each, those in lists.items()]
        command = shlex.join(["/mnt/debian-packages", *packages, *(["--", *unpacked(pieces)] if pieces else [])])
        inputs = {f"packages of {name}": script_digest, f"Debian versions of {name}": digest(*hashes)}
        return [SCRATCH, script, cache, bind(f"packages/{name}", "/mnt/versions")], command, inputs

    def _setup(
        self, name: str, service: Service, image: Image, levels: Sequence[Runtime], *, first: bool
    ) -> Iterator[Instruction]:
        """User, directories, links to rendered files, copied files, and the lines of ``run``."""
        user = service.uid(image)
        lines = (
            [] if image.base and image.user is None else [f"mkdir -p {ROOT}", f"chown -R {user}:{user} /run/stackyard"]
        )
        for directory in image.directories:
            lines += [f"mkdir -p {shlex.quote(directory)}", f"chown -R {user}:{user} {shlex.quote(directory)}"]
        for target in sorted({path for level in levels for path in level.templates}):
            lines += [f"mkdir -p {shlex.quote(_parent(target))}", shlex.join(["ln", "-sfn", ROOT + target, target])]
        hashes = []
        available = sources.service_files(self.catalogue, service.service)
        for target, source in sorted({each: path for level in levels for each, path in level.files.items()}.items()):
            hashes.append(self._put(f"setup/{name}/files{target}", sources.load(available[source])))
            copied = shlex.quote(f"/mnt/setup/files{target}")
            lines += [f"mkdir -p {shlex.quote(_parent(target))}", f"cp --preserve=mode {copied} {shlex.quote(target)}"]
        lines += image.run
        if not lines:
            return
        script = File("\n".join(["set -eux", *lines, ""]).encode(), 0o755)
        hashes.append(self._put(f"setup/{name}/setup", script))
        account, account_digest = self._step("account")
        call = f"{_account(name, service, image)} && " if first else ""
        text = f"RUN {SCRATCH} {bind(f'setup/{name}', '/mnt/setup')} {account} {call}sh /mnt/setup/setup"
        yield Instruction(
            text, "users, directories and files", {f"set-up of {name}": digest(text, account_digest, *hashes)}
        )

    def _image(self, name: str) -> None:
        service, image = self._find(name)
        body = self._body(name)
        uses = [APP]
        instructions = []
        if image.bakes:
            database = self._database(name, body)
            uses.append(database)
            text = f"COPY --from={database} /baked/database.tar.gz {image.bakes}"
            instructions.append(Instruction(text, "the baked database", {f"set-up of {name}": digest(text)}))
        instructions.append(Instruction("COPY --from=shared.app /app/ /opt/stackyard/", "the entrypoint", {}))
        instructions.append(self._container(name, service))
        instructions.append(self._settings(name, service, image, body))
        self.stages[name] = Stage(name, body, tuple(instructions), tuple(uses))

    def _container(self, name: str, service: Service) -> Instruction:
        """The folder that tells the entrypoint what to do."""
        data = container_json(self.catalogue, name)
        arguments = [each.arguments for each in service.containers.values() if each.image == name]
        files = sources.container_files(self.catalogue, name, data | {"arguments": arguments})
        self._put(f"containers/{name}/container.json", _json(data))
        inputs = {
            "variables of all services": digest(json.dumps(data.pop("known"))),
            f"runtime of {name}": digest(json.dumps(data, sort_keys=True)),
        }
        for path, file in files.items():
            source = self.catalogue.origin(file)
            inputs[source] = digest(path, self._put(f"containers/{name}/{path}", sources.load(file)))
        return Instruction(f"COPY containers/{name}/ /opt/stackyard/container/", "what it has to know", inputs)

    def _settings(self, name: str, service: Service, image: Image, body: str) -> Instruction:
        """User, environment, entrypoint and labels; no layer."""
        user = service.uid(image)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        python = self._has_python(body)
        labels = self._labels(name, service, image)
        text = "\n".join(
            [
                f"ENV PATH={'/opt/venv/bin:' if python else ''}{path} LANG=C.UTF-8",
                f"USER {user}",
                f"ENTRYPOINT {json.dumps(ENTRYPOINT)}",
                f"LABEL {' '.join(f'{key}={_quoted(value)}' for key, value in labels.items())}",
            ]
        )
        return Instruction(text, "settings", {f"settings of {name}": digest(text)})

    def _has_python(self, body: str) -> bool:
        stage = self.stages[body]
        return any(each.startswith("python.") for each in (stage.source, *stage.uses)) or (
            not stage.external and self._has_python(stage.source)
        )

    def _labels(self, name: str, service: Service, image: Image) -> dict[str, str]:
        return {
            **service.labels,
            **image.labels,
            "org.opencontainers.image.title": name,
            "org.opencontainers.image.description": image.description,
            "org.opencontainers.image.version": self.catalogue.structure.version,
            "stackyard.release": self.catalogue.release,
        }

    # The database directory with the migrations applied

    def _database(self, name: str, body: str) -> str:
        """Stage that leaves the archive of a database directory for the image ``name``."""
        services = {
            service.service: each
            for each, (service, _) in reversed(self.catalogue.images.items())
            if any(step.bake for step in self.catalogue.effective(each).bootstrap)
        }
        services = dict(sorted(services.items()))
        families = [member for each in services.values() for member in self._family(each)]
        locks = sorted({lock for _, _, image in families for lock in image.locks})
        environment = self._environment(list(services.values()))
        text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(environment.items()))
        script, script_digest = self._step("bake-database")
        inputs = {
            "steps of the baked database": digest(script_digest, self._put("database/environment", File(text.encode())))
        }
        owner, _ = self._find(name)
        bake = sources.service_files(self.catalogue, owner.service)["bake.sh"]
        inputs[self.catalogue.origin(bake)] = self._put("database/bake.sh", sources.load(bake))
        for service, image in services.items():
            inputs[f"bootstrap of {service}"] = self._baked(service, image, sorted(environment))
        mounts = [SCRATCH, script, bind("database", "/mnt/database"), bind("/app", "/mnt/app", APP)]
        mounts += [bind("/opt/venv", "/opt/venv,rw", PYTHON)] if locks else []
        mounts += [bind("/delta", f"/mnt/python/{lock},rw", self._delta(lock)) for lock in locks]
        commands, patched = [], [member for member in families if member[2].patches]
        for member in patched:
            more, command, inputs[f"patches of {member[0]}"] = self._patching(
                *member, *(f"/mnt/python/{lock}" for lock in member[2].locks or locks), "/opt/venv"
            )
            mounts += more
            commands.append(command)
        mounts = list(dict.fromkeys(mounts))
        command = f"RUN {' '.join(mounts)} {' && '.join([*commands, '/mnt/bake-database'])} {' '.join(services)}"
        says = f"the migrations of {', '.join(services)}"
        stage = f"{name}.database"
        uses = (APP, *([PYTHON] if locks else []), *map(self._delta, locks), *([PATCHER] if patched else []))
        self.stages[stage] = Stage(stage, body, (Instruction(command, says, inputs),), uses)
        return stage

    def _family(self, name: str) -> list[tuple[str, Service, Image]]:
        """The images that an image is made from, from below, and itself."""
        service, image = self._find(name)
        return [*(self._family(image.base) if image.base else []), (name, service, image)]

    def _environment(self, images: list[str]) -> dict[str, str]:
        """A value that is valid for each variable that any of the images requires."""
        return {
            name: variable.example or UNSAID.get(variable.type, "example")
            for image in images
            for name, variable in self.catalogue.effective(image).contract.items()
            if variable.required
        }

    def _baked(self, service: str, image: str, known: list[str]) -> str:
        """Put what `bootstrap` of a service needs into the context and return the digest of it all."""
        data = container_json(self.catalogue, image)
        data |= {"known": known, "wait_for": [], "health": None, "command": [], "prepare": [], "afterwards": []}
        data["bootstrap"] = [step for step in data["bootstrap"] if step["bake"]]
        databases = [{"name": each["name"]} for each in self.catalogue.services[service].declares.get("database", ())]
        named = sources.container_files(self.catalogue, image, data)
        files = {path: sources.load(file) for path, file in named.items()}
        files |= {"container.json": _json(data), "declares.json": _json({"database": databases})}
        return digest(
            *(digest(path, self._put(f"database/services/{service}/{path}", file)) for path, file in files.items())
        )


def _account(name: str, service: Service, image: Image) -> str:
    """Call that makes the user of an image; a sub's own user has the sub's name."""
    user = service.uid(image)
    return shlex.join(["/mnt/account", str(user), service.service if user == service.user else name])


def unpacked(pieces: Mapping[str, Sequence[str]]) -> list[str]:
    """What is taken of Debian packages without installing them, as the step `debian-packages` wants it."""
    return [f"{package}={path}" for package, paths in pieces.items() for path in paths]


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _quoted(text: str) -> str:
    """A string of the Dockerfile in which nothing is a variable."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


def _json(data: object) -> File:
    return File(json.dumps(data, indent=1, sort_keys=True).encode() + b"\n")
