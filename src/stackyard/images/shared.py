"""The stages that images share, and the build context: both are collected while a recipe is made."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stackyard.catalogue import Catalogue
from stackyard.images import published, sources
from stackyard.images.foundations import Foundations
from stackyard.images.parts import ContextFile, Instruction, Stage, digest
from stackyard.images.versions import MAVEN as MAVEN_PACKAGE
from stackyard.images.versions import PATCH, PATCHELF, Record, Versions, extracted, listing, tool
from stackyard.model.service import Published

LIB, APP, PATCHER, PYTHON, MAVEN = "shared.lib", "shared.app", "shared.patcher", "python.common", "shared.maven"
RUNTIME, STANDALONE = "shared.runtime", "shared.standalone"
SCRATCH = "--mount=type=tmpfs,target=/mnt --mount=type=tmpfs,target=/tmp"


def bind(source: str, target: str, stage: str = "") -> str:
    """A mount of a path of the build context, or of another stage."""
    return f"--mount=type=bind,{f'from={stage},' if stage else ''}source={source},target={target}"


@dataclass(frozen=True)
class Packages:
    """Debian packages of a build step.

    ``names`` are installed, in ``versions``; of others it takes ``pieces``, paths, in the versions ``taken``. All come
    from the distribution, and from a ``repository`` of the site if one is named.
    """

    names: Sequence[str] = ()
    versions: Versions | None = field(default_factory=dict)
    pieces: Mapping[str, Sequence[str]] = field(default_factory=dict)
    taken: Versions | None = field(default_factory=dict)
    repository: str | None = None

    @property
    def says(self) -> str:
        """The step in words."""
        return f"Debian packages: {', '.join((*self.names, *self.pieces))}"

    @property
    def command(self) -> str:
        """The call of the step `debian-packages`."""
        pieces = ["--", *extract(self.pieces)] if self.pieces else []
        return shlex.join(["/mnt/debian-packages", *self.names, *pieces])


@dataclass
class SharedStages:
    """Stages and context as far as they are made; a stage that images share is made when the first one needs it."""

    catalogue: Catalogue
    foundations: Foundations
    stages: dict[str, Stage] = field(default_factory=dict)
    context: dict[str, ContextFile] = field(default_factory=dict)

    # Files of the context

    def put(self, path: str, file: ContextFile) -> str:
        """Add a file to the context and return its digest."""
        self.context[path] = file
        return file.digest

    def step(self, name: str) -> tuple[str, str]:
        """Mount and digest of a script."""
        return bind(f"steps/{name}", f"/mnt/{name}"), self.put(f"steps/{name}", sources.step(name))

    # Stages that images share

    def shared_name(self, name: str, distribution: str) -> str:
        """Name of a stage that the images of a distribution share; that of the first has the name as it is."""
        return name if distribution == self.catalogue.first else f"{name}.{distribution}"

    def lib(self, distribution: str) -> str:
        """Stage that has what the entrypoint brings along."""
        stage = self.shared_name(LIB, distribution)
        if stage not in self.stages:
            base = self.foundations.bases[distribution]
            instructions = tuple(self.python("entrypoint", "/opt/stackyard/lib"))
            self.stages[stage] = Stage(stage, base.reference, instructions, external=True, inputs=base.inputs)
        return stage

    def app(self, distribution: str) -> str:
        """Stage that has the entrypoint in /app."""
        stage = self.shared_name(APP, distribution)
        if stage in self.stages:
            return stage
        lib = self.lib(distribution)
        files = sources.entrypoint()
        hashes = [digest(path, self.put(f"entrypoint/{path}", file)) for path, file in files.items()]
        compiled = "RUN python3 -I -m compileall -q --invalidation-mode unchecked-hash -s /app -p /opt/stackyard /app"
        instructions = (
            Instruction("COPY entrypoint/ /app/", "the entrypoint", {"entrypoint": digest(*hashes)}),
            Instruction(compiled, "compiling the entrypoint", {"entrypoint": digest(compiled)}),
        )
        self.stages[stage] = Stage(stage, lib, instructions)
        return stage

    def standalone(self) -> str:
        """Stage that has the entrypoint in /app, to be run by the interpreter that published images are given."""
        if STANDALONE not in self.stages:
            launcher = {"entrypoint": self.put("standalone/bin/entrypoint", sources.launcher(published.PYTHON))}
            copied = Instruction("COPY standalone/ /app/", "the entrypoint", launcher)
            self.stages[STANDALONE] = Stage(STANDALONE, self.app(self.catalogue.first), (copied,))
        return STANDALONE

    def runtime(self) -> str:
        """Stage that has an interpreter of its own for published images in /opt/stackyard, and what it brings along."""
        if RUNTIME not in self.stages:
            first = self.catalogue.first
            packages = Packages([PATCHELF], tool(self.record(first), PATCHELF))
            mounts, inputs = self.debian(RUNTIME, first, packages)
            script, script_digest = self.step("runtime")
            text = f"RUN {' '.join([*mounts, script])} {packages.command} && /mnt/runtime {published.FOLDER}"
            inputs |= {"interpreter for published images": digest(text, script_digest)}
            made = Instruction(text, "an interpreter for published images", inputs)
            self.stages[RUNTIME] = Stage(RUNTIME, self.lib(first), (made,))
        return RUNTIME

    def copied(self, image: Published) -> str:
        """Stage that is a published image, to copy from."""
        stage = f"published.{digest(image.reference)[:12]}"
        if stage not in self.stages:
            inputs = published.inputs(image, self.foundations.published)
            self.stages[stage] = Stage(stage, image.reference, (), external=True, inputs=inputs)
        return stage

    def maven(self, lock: str) -> str:
        """Stage that has the artefacts of a lock in /maven."""
        if MAVEN not in self.stages:
            first = self.catalogue.first
            packages = Packages([MAVEN_PACKAGE], tool(self.record(first), MAVEN_PACKAGE))
            self.stages[MAVEN] = Stage(MAVEN, self.lib(first), (self._program(MAVEN, first, packages),))
        stage = f"maven.{lock}"
        if stage not in self.stages:
            file = sources.lock(self.catalogue, lock, "maven")
            path = f"maven/{lock}.txt"
            script, script_digest = self.step("maven-artefacts")
            mounts = [SCRATCH, script, bind(path, f"/mnt/{path}")]
            mounts += ["--mount=type=cache,id=stackyard-maven@cache@,target=/mnt/cache,sharing=locked"]
            mounts += [f"--mount=type=secret,id={name},target=/mnt/{name}" for name in ("ca", "settings")]
            text = f"RUN {' '.join(mounts)} /mnt/maven-artefacts /mnt/{path} /maven"
            inputs = {path: digest(text, script_digest, self.put(path, file))}
            fetched = Instruction(text, f"{path}: {sources.artefacts_in(file)} artefacts", inputs)
            self.stages[stage] = Stage(stage, MAVEN, (fetched,))
        return stage

    def patcher(self, distribution: str) -> str:
        """Stage that has the program which applies patches."""
        stage = self.shared_name(PATCHER, distribution)
        if stage not in self.stages:
            base, pieces = self.foundations.bases[distribution], {PATCH: ("usr/bin/patch",)}
            step = self._program(stage, distribution, Packages(pieces=pieces, taken=extracted(base.record, pieces)))
            self.stages[stage] = Stage(stage, base.reference, (step,), external=True, inputs=base.inputs)
        return stage

    def python(self, lock: str, final: str, directory: str = "") -> Iterator[Instruction]:
        """Install a lock into ``directory``, which will be ``final``."""
        file = sources.lock(self.catalogue, lock)
        script, script_digest = self.step("python-packages")
        mounts = [SCRATCH, script, bind("tools/uv", "/mnt/uv"), bind(f"python/{lock}.txt", "/mnt/lock.txt")]
        mounts += ["--mount=type=cache,id=stackyard-uv@cache@,target=/mnt/cache"]
        mounts += [f"--mount=type=secret,id={name},target=/mnt/{name}" for name in ("ca", "index")]
        hashes = [self.put(f"python/{lock}.txt", file), script_digest]
        self.put("tools/uv", self.foundations.uv)
        if final == "/opt/venv":
            setuptools = sources.only(sources.lock(self.catalogue, "common"), "setuptools")
            mounts.append(bind("python/setuptools.txt", "/mnt/setuptools.txt"))
            hashes.append(self.put("python/setuptools.txt", setuptools))
        text = f"RUN {' '.join(mounts)} /mnt/python-packages /mnt/lock.txt {directory or final} {final}"
        says = f"python/{lock}.txt: {sources.packages_in(file)} packages"
        yield Instruction(text, says, {f"python/{lock}.txt": digest(text, *hashes), "uv": self.foundations.uv.digest})

    def common(self, distribution: str) -> str:
        """Stage that has the packages that Python images share."""
        stage = self.shared_name(PYTHON, distribution)
        if stage not in self.stages:
            lib = self.lib(distribution)
            self.stages[stage] = Stage(stage, lib, tuple(self.python("common", "/opt/venv")))
        return stage

    def delta(self, lock: str, distribution: str) -> str:
        """Stage that has a lock's packages in /delta."""
        stage = self.shared_name(f"python.{lock}", distribution)
        if stage not in self.stages:
            common = self.common(distribution)
            self.stages[stage] = Stage(stage, common, tuple(self.python(lock, "/opt/venv", "/delta")))
        return stage

    def record(self, distribution: str) -> Record:
        """The versions of Debian packages for a distribution."""
        return self.foundations.bases[distribution].record

    def debian(self, name: str, distribution: str, packages: Packages) -> tuple[list[str], dict[str, str]]:
        """Mounts and inputs of a step with Debian packages; ``name`` is the image's, or the stage's."""
        script, script_digest = self.step("debian-packages")
        repository = [packages.repository] if packages.repository else []
        lists = "-".join([self.catalogue.bases[distribution].suite, *repository])
        cache = f"--mount=type=cache,id=stackyard-{lists}-packages@cache@,target=/mnt/packages"
        files = {"install": packages.versions, "extract": packages.taken}
        hashes = [self.put(f"packages/{name}/{each}", ContextFile(listing(those))) for each, those in files.items()]
        mounts = [SCRATCH, script, cache, bind(f"packages/{name}", "/mnt/versions")]
        mounts += [f"--mount=type=secret,id={each},target=/mnt/{each},mode=0444" for each in ("ca", "apt", "mirror")]
        inputs = {f"packages of {name}": script_digest, f"Debian versions of {name}": digest(*hashes)}
        for each in repository:
            mounts += [bind(f"repositories/{each}", "/mnt/repository")]
            inputs[f"repository {each}"] = self._repository(each)
        return mounts, inputs

    def _program(self, stage: str, distribution: str, packages: Packages) -> Instruction:
        """The step that installs a program for other stages."""
        mounts, inputs = self.debian(stage, distribution, packages)
        return Instruction(f"RUN {' '.join(mounts)} {packages.command}", packages.says, inputs)

    def _repository(self, name: str) -> str:
        """Put the files of a repository into the context and return the digest of them all."""
        files = self.foundations.repositories.get(name, {})
        return digest(*(self.put(f"repositories/{name}/{path}", file) for path, file in files.items()))


def extract(pieces: Mapping[str, Sequence[str]]) -> list[str]:
    """What is taken of Debian packages without installing them, as the step `debian-packages` wants it."""
    return [f"{package}={path}" for package, paths in pieces.items() for path in paths]
