"""protoc of a wanted release, and code that is generated anew with it."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from envdoctor.facts import Facts, ProtobufHeaders, Tool, value_of
from envdoctor.generated_code import judged
from envdoctor.knowledge.protobuf import EXACT_FROM, demand_of_protoc, encode, names_of_cpp
from envdoctor.knowledge.protobuf_sources import protoc_packages
from envdoctor.repair.pip import IndexUnreachableError
from envdoctor.repair.steps import Hands, Step, StepError

from .kept_copies import scratch
from .pip_download import command, download

HEAD_LIMIT = 4096
OPTIONS = ("--only-binary=:all:",)


@dataclass(frozen=True)
class BringProtoc(Step):
    """Put a protoc and its .proto files into a new `folder`: of the first of `requirements` that the index has."""

    kind = "protoc"
    requirements: tuple[str, ...]
    python: str
    folder: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.folder,)

    @property
    def command(self) -> tuple[str, ...]:
        return command(self.python, self.requirements[0], OPTIONS, "DIR")

    def perform(self, hands: Hands) -> None:
        reasons = []
        for requirement in self.requirements:
            reason = self._refused(hands, requirement)
            if reason is None:
                return
            reasons.append(reason)
        raise StepError("; ".join(reasons))

    def _refused(self, hands: Hands, requirement: str) -> str | None:
        try:
            self._fetch(hands, requirement)
        except IndexUnreachableError:
            raise
        except StepError as error:
            return str(error)
        return None

    def _fetch(self, hands: Hands, requirement: str) -> None:
        hands.say(f"fetch {requirement}", None)
        with scratch(hands.cache) as folder:
            wheel = download(hands, self.python, requirement, OPTIONS, folder)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    files = {place: archive.read(name) for name, place in _places(archive.namelist())}
            except zipfile.BadZipFile as error:
                raise StepError(f"the wheel of {requirement} is damaged: {error}") from error
        if "bin/protoc" not in files:
            raise StepError(f"the wheel of {requirement} holds no protoc")
        for place, content in files.items():
            path = os.path.join(self.folder, place)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        os.chmod(os.path.join(self.folder, "bin", "protoc"), 0o755)


def _places(names: list[str]) -> Iterator[tuple[str, str]]:
    """Members of a wheel with where they go: protoc finds `include` beside its own `bin`."""
    for name in names:
        parts = PurePosixPath(name).parts
        if parts[-1] == "protoc":
            yield name, "bin/protoc"
        elif name.endswith(".proto") and "include" in parts and ".." not in parts:
            yield name, "/".join(parts[parts.index("include") :])


@dataclass(frozen=True)
class Regenerate(Step):
    """Make generated files of the project anew from their .proto. `pairs`: each generated file and its .proto."""

    kind = "generate"
    protoc: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        made = [path for path, _ in self.pairs]
        sources = [f"{path.removesuffix('.h')}.cc" for path in made if path.endswith(".pb.h")]
        return (*made, *sources)

    @property
    def command(self) -> tuple[str, ...]:
        return (self.protoc, *(_output(path) for path, _ in self.pairs[:1]), *(proto for _, proto in self.pairs))

    def perform(self, hands: Hands) -> None:
        for path, proto in self.pairs:
            name = _name_in(path, proto)
            root, outer = proto.removesuffix(f"/{name}"), path.removesuffix(f"/{_made_of(name, path)}")
            if root == proto or outer == path:
                raise StepError(f"{path} was not made of {proto} from a folder above both")
            hands.say(f"generate {path}", None)
            hands.run((self.protoc, f"--proto_path={root}", f"{_output(path)}={outer}", name), None, root)


def _output(path: str) -> str:
    return "--cpp_out" if path.endswith(".pb.h") else "--python_out"


def _made_of(name: str, path: str) -> str:
    stem = name.removesuffix(".proto")
    return f"{stem}.pb.h" if path.endswith(".pb.h") else f"{stem.replace('-', '_')}_pb2.py"


def _name_in(path: str, proto: str) -> str:
    """The name under which protoc was given the .proto: generated code says it in its `source:` line."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file.read(HEAD_LIMIT).splitlines():
            words = line.lstrip("/# ").split()
            if words[:1] == ["source:"] and len(words) == 2:
                return words[1]
    return os.path.basename(proto)


def proto_of(facts: Facts, generated: str) -> str | None:
    """The .proto of the project that a generated file was made of, where its name leaves no doubt. Reads `project`."""
    base = PurePosixPath(generated).name
    stem = base.removesuffix(".pb.h").removesuffix("_pb2.py").replace("-", "_")
    found = [path for path in facts.project.protos if PurePosixPath(path).stem.replace("-", "_") == stem]
    return found[0] if len(found) == 1 else None


def fitting_protoc(facts: Facts, headers: ProtobufHeaders) -> Tool | None:
    """An installed protoc whose code these headers take. Reads `protobuf`."""
    for tool in facts.protobuf.protocs:
        demand = demand_of_protoc(value_of(tool.version) or "")
        if demand is not None and judged(demand, headers).verdict == "ok":
            return tool
    return None


def requirements_for(headers: ProtobufHeaders) -> tuple[str, ...]:
    """Requirements on packages of an index, any of which has a protoc whose code these headers take."""
    return requirements_between(headers.min_protoc, headers.version or "")


def requirements_between(oldest: str | None, newest: str) -> tuple[str, ...]:
    """Requirements on packages of an index that have a protoc between two C++ versions, the best one first.

    Without the oldest it is the first of the series; from protoc 26 on the newest alone will do.
    """
    names, least = names_of_cpp(newest), names_of_cpp(oldest or "")
    if names is None:
        return ()
    first = least.protoc if least is not None else f"{names.protoc.rpartition('.')[0]}.0"
    exact = (encode(names.cpp) or 0) >= EXACT_FROM
    return tuple(
        f"{row.package}=={names.protoc}" if exact else f"{row.package}>={first},<={names.protoc}"
        for row in protoc_packages(names.protoc, cpp_out=True)
    )
