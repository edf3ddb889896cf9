"""The stages that images share, and the build context: both are collected while a recipe is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stackyard.catalogue import Catalogue
from stackyard.images import published, sources
from stackyard.images.foundations import Foundations
from stackyard.images.parts import File, Instruction, Stage, digest

LIB, APP, PYTHON, MAVEN = "shared.lib", "shared.app", "python.common", "shared.maven"
RUNTIME, STANDALONE = "shared.runtime", "shared.standalone"
SCRATCH = "--mount=type=tmpfs,target=/mnt --mount=type=tmpfs,target=/tmp"


def bind(source: str, target: str, stage: str = "") -> str:
    """A mount of a path of the build context, or of another stage."""
    return f"--mount=type=bind,{f'from={stage},' if stage else ''}source={source},target={target}"


@dataclass
class SharedStages:
    """Stages and context as far as they are made; a stage that images share is made when the first one needs it."""

    catalogue: Catalogue
    foundations: Foundations
    stages: dict[str, Stage] = field(default_factory=dict)
    context: dict[str, File] = field(default_factory=dict)

    # Files of the context

    def put(self, path: str, file: File) -> str:
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
            mounts, hashes = self.apt(self.catalogue.first)
            script, script_digest = self.step("runtime")
            text = f"RUN {' '.join([*mounts, script])} /mnt/debian-packages patchelf && /mnt/runtime {published.FOLDER}"
            inputs = {"interpreter for published images": digest(text, *hashes, script_digest)}
            made = Instruction(text, "an interpreter for published images", inputs)
            self.stages[RUNTIME] = Stage(RUNTIME, self.lib(self.catalogue.first), (made,))
        return RUNTIME

    def maven(self, lock: str) -> str:
        """Stage that has the artefacts of a lock in /maven."""
        if MAVEN not in self.stages:
            mounts, hashes = self.apt(self.catalogue.first)
            text = f"RUN {' '.join(mounts)} /mnt/debian-packages maven"
            installed = Instruction(text, "Debian packages: maven", {"Maven": digest(text, *hashes)})
            self.stages[MAVEN] = Stage(MAVEN, self.lib(self.catalogue.first), (installed,))
        stage = f"maven.{lock}"
        if stage not in self.stages:
            file = sources.maven_lock(self.catalogue, lock)
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

    def apt(self, distribution: str, repository: str | None = None) -> tuple[list[str], list[str]]:
        """Mounts and digests of the step that installs Debian packages; with a repository of the site's, of it too."""
        script, script_digest = self.step("debian-packages")
        lists = "-".join([self.catalogue.bases[distribution].suite, *([repository] if repository else [])])
        mounts = [SCRATCH, script, f"--mount=type=cache,id=stackyard-{lists}-packages@cache@,target=/mnt/packages"]
        hashes = [script_digest]
        if repository:
            files = self.foundations.repositories.get(repository, {})
            hashes += [self.put(f"repositories/{repository}/{path}", file) for path, file in files.items()]
            mounts += [bind(f"repositories/{repository}", "/mnt/repository")]
            mounts += ["--mount=type=secret,id=ca,target=/mnt/ca,mode=0444"]
        return mounts, hashes
