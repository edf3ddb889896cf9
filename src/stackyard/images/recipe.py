"""Catalogue -> recipe: one Dockerfile with a stage per image, and the build context. Pure but for reading files.

Layers, from below: the base; `shared.lib`, what the entrypoint brings along; for Python images
`python.common`; then, per family, its Debian packages, its own Python packages, its Maven artefacts and its
set-up, which subs share; a sub's own packages and set-up; and last the entrypoint and what it has to know.
Below a published image there is no base: on top of it come an interpreter of its own and the same set-up.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence

from stackyard.catalogue import Catalogue
from stackyard.catalogue.catalogue import COMMON
from stackyard.catalogue.container import container_json
from stackyard.catalogue.problems import some
from stackyard.images import published, sources
from stackyard.images.found import Found
from stackyard.images.foundations import Foundations
from stackyard.images.parts import ContextFile, Instruction, Recipe, Stage, digest
from stackyard.images.shared import RUNTIME, SCRATCH, Packages, SharedStages, bind, extract
from stackyard.images.versions import installed, taken
from stackyard.model.service import Copy, Image, Runtime, Service

ROOT = "/run/stackyard/root"
ENTRYPOINT = ["/usr/bin/tini", "-s", "--", sources.ENTRYPOINT]
UNSAID = {"secret": "example", "port": "1", "int": "1", "bool": "true", "json": "[]"}
"""Values of required variables that have no example, where the database is baked."""


def recipe(catalogue: Catalogue, foundations: Foundations, *, cache: str = "") -> Recipe:
    """The recipe of all images of the structure. Another ``cache`` means caches of downloads of its own."""
    return RecipeBuilder(catalogue, foundations).recipe(cache)


class RecipeBuilder(SharedStages):
    """Collects stages and context while the images are gone through."""

    def recipe(self, cache: str) -> Recipe:
        """The recipe of all images."""
        for name in self.catalogue.images:
            self._image(name)
        return Recipe(self._ordered(), tuple(self.catalogue.images), self.context, cache)

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

    def _distribution(self, name: str) -> str:
        return self.catalogue.distribution(*self._find(name))

    # Images

    def _body(self, name: str) -> str:
        """Stage of an image without its last layers; it is what its subs start from."""
        stage = f"{name}.body"
        if stage in self.stages:
            return stage
        service, image = self._find(name)
        distribution = self.catalogue.distribution(service, image)
        source = self._source(image, distribution)
        deltas = {lock: self.delta(lock, distribution) for lock in image.locks if lock != COMMON}
        uses = [*deltas.values()]
        instructions = [] if image.published else [*self._packages(name, service, image, distribution)]
        if image.published:
            uses.append(self.runtime())
            instructions += published.ground(RUNTIME)
            instructions += self._rpm_packages(name, image)
        if deltas or (image.published and image.locks):
            instructions += self._venv(source, deltas, self.common(distribution))
        if image.patches:
            instructions.append(self._patches(name, service, image, distribution))
            uses.append(self.patcher(distribution))
        uses += [self.maven(lock) for lock in image.maven]
        uses += dict.fromkeys(self._copied(each) for each in image.copies)
        instructions += self._artefacts(name, image)
        instructions += self._setup(name, service, image)
        inputs = published.inputs(image.published, self.foundations.published) if image.published else {}
        self.stages[stage] = Stage(stage, source, tuple(instructions), tuple(uses), bool(image.published), inputs)
        return stage

    def _source(self, image: Image, distribution: str) -> str:
        """What an image begins with: its base, a published image, or a stage that images of a distribution share."""
        if image.base:
            return self._body(image.base)
        if image.published:
            return image.published.reference
        return self.common(distribution) if image.locks else self.lib(distribution)

    def _find(self, name: str) -> tuple[Service, Image]:
        """An image, in the structure or only a base of one that is."""
        if name in self.catalogue.images:
            return self.catalogue.images[name]
        return next((each, each.images[name]) for each in self.catalogue.services.values() if name in each.images)

    def _venv(self, source: str, deltas: Mapping[str, str], common: str) -> Iterator[Instruction]:
        """The Python packages of an image; the common ones too when it is not made from them."""
        below = source
        while below in self.stages and not self.stages[below].external and below != common:
            below = self.stages[below].source
        stages = dict(deltas) if below == common else {"common": common, **deltas}
        for lock, stage in stages.items():
            text = f"COPY --from={stage} {'/opt/venv/' if stage == common else '/delta/'} /opt/venv/"
            yield Instruction(text, f"the packages of python/{lock}", {f"python/{lock}.txt": digest(text)})

    def _patches(self, name: str, service: Service, image: Image, distribution: str) -> Instruction:
        """The patches of an image, applied to its Python packages."""
        mounts, command, value = self._patching(name, service, image, self.patcher(distribution), "/opt/venv")
        text = f"RUN {' '.join([SCRATCH, *mounts])} {command}"
        return Instruction(text, f"patches: {', '.join(image.patches)}", {f"patches of {name}": digest(text, value)})

    def _patching(
        self, name: str, service: Service, image: Image, patcher: str, *directories: str
    ) -> tuple[list[str], str, str]:
        """Mounts, command and digest of what applies an image's patches to Python packages in directories."""
        script, script_digest = self.step("python-patches")
        files = self.catalogue.files(service.service)
        hashes = [
            self.put(f"patches/{name}/{number:03}-{patch.replace('/', '-')}", sources.load(files[patch]))
            for number, patch in enumerate(image.patches)
        ]
        mounts = [
            bind("/usr/bin/patch", "/mnt/patch", patcher),
            bind(f"patches/{name}", f"/mnt/patches/{name}"),
            script,
        ]
        command = f"/mnt/python-patches {shlex.join([f'/mnt/patches/{name}', *directories])}"
        return mounts, command, digest(script_digest, *hashes)

    def _artefacts(self, name: str, image: Image) -> Iterator[Instruction]:
        """Maven artefacts, and files of published images."""
        for lock, directory in image.maven.items():
            text = f"COPY --from={self.maven(lock)} /maven/ {directory}/"
            yield Instruction(text, f"the artefacts of maven/{lock}.txt", {f"set-up of {name}": digest(text)})
        for each in image.copies:
            paths = json.dumps(["/unpacked/", "/"] if each.unpack else [each.path, each.to])
            says = f"{each.path or some(list(each.unpack))} of {each.published.reference}"
            copied = {f"set-up of {name}": digest(paths)}
            yield Instruction(f"COPY --from={self._copied(each)} {paths}", says, copied)

    def _copied(self, each: Copy) -> str:
        """Stage to copy from: a published image, or what RPM packages for it have, in /unpacked."""
        below = self.copied(each.published)
        if not each.repository:
            return below
        pieces = extract(each.unpack)
        stage = f"{each.repository}.{digest(below, *pieces)[:12]}"
        if stage not in self.stages:
            instruction = self._rpm(stage, each.repository, ["--unpack", *pieces], list(each.unpack))
            self.stages[stage] = Stage(stage, below, (Instruction(f"USER {published.ROOT}", "", {}), instruction))
        return stage

    def _packages(self, name: str, service: Service, image: Image, distribution: str) -> Iterator[Instruction]:
        """Debian packages, and the user that owns what is in them."""
        if not image.packages and not image.extract:
            return
        account, account_digest = self.step("account")
        record = self.record(distribution)
        versions, pieces = installed(record, service, image), taken(record, service, image)
        packages = Packages(image.packages, versions, image.extract, pieces, image.repository)
        mounts, inputs = self.debian(name, distribution, packages)
        text = f"RUN {' '.join([*mounts, account])} {_account(name, service, image)} && {packages.command}"
        changed = digest(text, inputs[f"packages of {name}"], account_digest)
        yield Instruction(text, packages.says, inputs | {f"packages of {name}": changed})

    def _rpm_packages(self, name: str, image: Image) -> Iterator[Instruction]:
        """RPM packages of a repository of the site, on the published image of their distribution."""
        if image.packages and image.repository:
            yield self._rpm(name, image.repository, image.packages, image.packages)

    def _rpm(self, name: str, repository: str, arguments: Sequence[str], packages: Sequence[str]) -> Instruction:
        """The step that installs or unpacks RPM packages."""
        script, script_digest = self.step("rpm-packages")
        files = self._repository(repository)
        cache = f"--mount=type=cache,id=stackyard-{repository}-rpm@cache@,target=/mnt/packages,sharing=locked"
        mounts = [SCRATCH, script, cache, bind(f"repositories/{repository}", "/mnt/repository")]
        mounts += ["--mount=type=secret,id=ca,target=/mnt/ca,mode=0444"]
        text = f"RUN {' '.join(mounts)} {shlex.join(['/mnt/rpm-packages', *arguments])}"
        inputs = {f"packages of {name}": digest(text, script_digest), f"repository {repository}": files}
        return Instruction(text, f"RPM packages: {', '.join(packages)}", inputs)

    def _setup(self, name: str, service: Service, image: Image) -> Iterator[Instruction]:
        """User, directories, links to rendered files, copied files, and the lines of ``run``."""
        user = service.uid(image)
        levels: Sequence[Runtime] = [image] if image.base else [service, image]
        foreign = service.below(image).published is not None
        inherited = (image.base and image.user is None) or (foreign and not any(level.templates for level in levels))
        lines = [] if inherited else [f"mkdir -p {ROOT}", f"chown -R {user}:{user} /run/stackyard"]
        for directory in image.directories:
            lines += [f"mkdir -p {shlex.quote(directory)}", f"chown -R {user}:{user} {shlex.quote(directory)}"]
        for target in sorted({path for level in levels for path in level.templates}):
            lines += [f"mkdir -p {shlex.quote(_parent(target))}", shlex.join(["ln", "-sfn", ROOT + target, target])]
        hashes = []
        available = self.catalogue.files(service.service)
        for target, source in sorted({each: path for level in levels for each, path in level.files.items()}.items()):
            hashes.append(self.put(f"setup/{name}/files{target}", sources.load(available[source])))
            copied = shlex.quote(f"/mnt/setup/files{target}")
            lines += [f"mkdir -p {shlex.quote(_parent(target))}", f"cp --preserve=mode {copied} {shlex.quote(target)}"]
        lines += image.run
        if not lines:
            return
        script = ContextFile("\n".join(["set -eux", *lines, ""]).encode(), 0o755)
        hashes.append(self.put(f"setup/{name}/setup", script))
        account, account_digest = self.step("account")
        call = "" if foreign or image.packages or image.extract else f"{_account(name, service, image)} && "
        text = f"RUN {SCRATCH} {bind(f'setup/{name}', '/mnt/setup')} {account} {call}sh /mnt/setup/setup"
        yield Instruction(
            text, "users, directories and files", {f"set-up of {name}": digest(text, account_digest, *hashes)}
        )

    def _image(self, name: str) -> None:
        service, image = self._find(name)
        foreign = service.below(image).published
        app = self.standalone() if foreign else self.app(self._distribution(name))
        body = self._body(name)
        uses = [app]
        instructions = []
        if image.bakes:
            database = self._database(name, body)
            uses.append(database)
            text = f"COPY --from={database} /baked/database.tar.gz {image.bakes}"
            instructions.append(Instruction(text, "the baked database", {f"set-up of {name}": digest(text)}))
        instructions.append(Instruction(f"COPY --from={app} /app/ /opt/stackyard/", "the entrypoint", {}))
        found = self.foundations.published.get(foreign.reference) if foreign else None
        instructions.append(self._container(name, service, found))
        labels = self._labels(name, service, image)
        if foreign:
            instructions += published.settings(name, service.uid(image), labels)
        else:
            instructions.append(self._settings(name, service.uid(image), body, labels))
        self.stages[name] = Stage(name, body, tuple(instructions), tuple(uses))

    def _container(self, name: str, service: Service, found: Found | None) -> Instruction:
        """The folder that tells the entrypoint what to do; on a published image, as it was ``found``."""
        data = container_json(self.catalogue, name)
        arguments = [each.arguments for each in service.containers.values() if name in each.possible]
        files = sources.container_files(self.catalogue, name, data | {"arguments": arguments})
        self.put(f"containers/{name}/container.json", _json(published.handed_over(data, found) if found else data))
        inputs = {
            "variables of all services": digest(json.dumps(data.pop("known"))),
            f"runtime of {name}": digest(json.dumps(data, sort_keys=True)),
        }
        for path, file in files.items():
            source = self.catalogue.origin(file)
            inputs[source] = digest(path, self.put(f"containers/{name}/{path}", sources.load(file)))
        return Instruction(f"COPY containers/{name}/ /opt/stackyard/container/", "what it has to know", inputs)

    def _settings(self, name: str, user: int, body: str, labels: str) -> Instruction:
        """User, environment, entrypoint and labels; no layer."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        python = self._has_python(body)
        text = "\n".join(
            [
                f"ENV PATH={'/opt/venv/bin:' if python else ''}{path} LANG=C.UTF-8",
                f"USER {user}",
                f"ENTRYPOINT {json.dumps(ENTRYPOINT)}",
                labels,
            ]
        )
        return Instruction(text, "settings", {f"settings of {name}": digest(text)})

    def _has_python(self, body: str) -> bool:
        stage = self.stages[body]
        return any(each.startswith("python.") for each in (stage.source, *stage.uses)) or (
            not stage.external and self._has_python(stage.source)
        )

    def _labels(self, name: str, service: Service, image: Image) -> str:
        """The instruction that gives an image its labels."""
        labels = {
            **service.labels,
            **image.labels,
            "org.opencontainers.image.title": name,
            "org.opencontainers.image.description": image.description,
            "org.opencontainers.image.version": self.catalogue.structure.version,
            "stackyard.release": self.catalogue.release,
        }
        return f"LABEL {' '.join(f'{key}={_quoted(value)}' for key, value in labels.items())}"

    # The database directory with the migrations applied

    def _database(self, name: str, body: str) -> str:
        """Stage that leaves the archive of a database directory for the image ``name``.

        Services on another distribution than that of ``name`` make their tables when the site starts.
        """
        distribution = self._distribution(name)
        services = {
            service.service: each
            for each, (service, _) in reversed(self.catalogue.images.items())
            if any(step.bake for step in self.catalogue.effective(each).bootstrap)
            and self._distribution(each) == distribution
        }
        services = dict(sorted(services.items()))
        families = [member for each in services.values() for member in self._family(each)]
        locks = sorted({lock for _, _, image in families for lock in image.locks})
        environment = self._environment(list(services.values()))
        text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(environment.items()))
        script, script_digest = self.step("bake-database")
        inputs = {
            "steps of the baked database": digest(
                script_digest, self.put("database/environment", ContextFile(text.encode()))
            )
        }
        owner, _ = self._find(name)
        bake = self.catalogue.files(owner.service)["bake.sh"]
        inputs[self.catalogue.origin(bake)] = self.put("database/bake.sh", sources.load(bake))
        for service, image in services.items():
            inputs[f"bootstrap of {service}"] = self._baked(service, image, sorted(environment))
        app = self.app(distribution)
        common = [self.common(distribution)] if locks else []
        deltas = {lock: self.delta(lock, distribution) for lock in locks}
        mounts = [SCRATCH, script, bind("database", "/mnt/database"), bind("/app", "/mnt/app", app)]
        mounts += [bind("/opt/venv", "/opt/venv,rw", each) for each in common]
        mounts += [bind("/delta", f"/mnt/python/{lock},rw", delta) for lock, delta in deltas.items()]
        patching, commands, patched = self._patched(families, locks, distribution)
        mounts = list(dict.fromkeys([*mounts, *patching]))
        command = f"RUN {' '.join(mounts)} {' && '.join([*commands, '/mnt/bake-database'])} {' '.join(services)}"
        says = f"the migrations of {', '.join(services)}"
        stage = f"{name}.database"
        uses = (app, *common, *deltas.values(), *([self.patcher(distribution)] if patched else []))
        self.stages[stage] = Stage(stage, body, (Instruction(command, says, inputs | patched),), uses)
        return stage

    def _patched(
        self, families: list[tuple[str, Service, Image]], locks: list[str], distribution: str
    ) -> tuple[list[str], list[str], dict[str, str]]:
        """Mounts, commands and inputs of what patches the packages that migrations run with."""
        mounts: list[str] = []
        commands, inputs = [], {}
        for name, service, image in families:
            if image.patches:
                directories = (*(f"/mnt/python/{lock}" for lock in image.locks or locks), "/opt/venv")
                patcher = self.patcher(distribution)
                own, command, inputs[f"patches of {name}"] = self._patching(name, service, image, patcher, *directories)
                mounts += own
                commands.append(command)
        return mounts, commands, inputs

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
        data |= {"known": known, "wait_for": [], "health": None, "command": [], "pre_start": [], "post_start": []}
        data["bootstrap"] = [step for step in data["bootstrap"] if step["bake"]]
        databases = [{"name": each["name"]} for each in self.catalogue.services[service].declares.get("database", ())]
        named = sources.container_files(self.catalogue, image, data)
        files = {path: sources.load(file) for path, file in named.items()}
        files |= {"container.json": _json(data), "declares.json": _json({"database": databases})}
        return digest(
            *(digest(path, self.put(f"database/services/{service}/{path}", file)) for path, file in files.items())
        )


def _account(name: str, service: Service, image: Image) -> str:
    """Call that makes the user of an image; a sub's own user has the sub's name."""
    user = service.uid(image)
    return shlex.join(["/mnt/account", str(user), service.service if user == service.user else name])


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _quoted(text: str) -> str:
    """A string of the Dockerfile in which nothing is a variable."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


def _json(data: object) -> ContextFile:
    return ContextFile(json.dumps(data, sort_keys=True).encode() + b"\n")
