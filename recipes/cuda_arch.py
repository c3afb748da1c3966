"""The GPU architectures that a build compiles for."""

import os
import re
import tempfile
from dataclasses import dataclass
from posixpath import dirname

from envdoctor.atomic_file import write_whole
from envdoctor.facts import Extension, Facts, Known, value_of
from envdoctor.knowledge import cuda_arch as known_archs
from envdoctor.knowledge.cuda_arch import Arch
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, Hands, Step, StepError

from .architectures import arch_list, capabilities, covers, emitted, named_in
from .build_cache import configure_anew
from .machine_settings import for_this_machine

NEEDS = ("cuda", "driver", "torch", "caffe2", "project", "environment", "extensions", "python")
VARIABLE = "TORCH_CUDA_ARCH_LIST"
CACHED_FLAGS = ("CUDA_NVCC_FLAGS", "CMAKE_CUDA_FLAGS")


@dataclass(frozen=True)
class ReplaceArchitectures(Step):
    """Name another architecture in the flags of a CMake file, wherever it names one of `lacking` (`30`)."""

    kind = "edit"
    path: str
    lacking: tuple[str, ...]
    by: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        with open(self.path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read()
        names = "|".join(map(re.escape, self.lacking))
        changed, count = re.subn(rf"\b(compute|sm)_(?:{names})\b", rf"\1_{self.by}", text)
        if count == 0:
            raise StepError(f"{self.path} does not name sm_{self.lacking[0]} itself; a file that it includes may")
        write_whole(self.path, changed.encode("utf-8", "surrogateescape"), os.stat(self.path).st_mode & 0o7777)


@dataclass(frozen=True)
class BuildExtensions(Step):
    """Build the extension modules of a setup.py again in their place, all else in a folder that goes away."""

    kind = "run"
    python: str
    folder: str
    modules: tuple[str, ...]
    architectures: str

    @property
    def paths(self) -> tuple[str, ...]:
        return self.modules

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "setup.py", "build_ext", "--inplace", "--force")

    def perform(self, hands: Hands) -> None:
        hands.say(self.summary, None)
        with tempfile.TemporaryDirectory(prefix="envdoctor-") as scratch:
            places = ("--build-temp", f"{scratch}/temp", "--build-lib", f"{scratch}/lib")
            hands.run((*self.command, *places), {VARIABLE: self.architectures}, self.folder)


@recipe("cuda-arch", cures=("CUDA004", "CUDA005", "CUDA007"), needs=NEEDS)
def cuda_arch(facts: Facts, options: Options) -> Answer:
    """Compile for the GPUs that are here, or named, within what nvcc emits

    What it does:
        Sets TORCH_CUDA_ARCH_LIST to the architectures of the GPUs, as far as nvcc emits and torch knows them: machine
        code, else PTX. Without a GPU it is what the variable named already and nvcc emits, else all that both know.
        Where the project's CMakeLists.txt names an architecture itself that nvcc has dropped, `--in-place` puts the
        nearest that it emits in its place. Extensions of the project without code for the GPU are built again.
    What it changes:
        The overlay's environment. With `--in-place` the flags in CMakeLists.txt; both that and building again are
        unsafe. A CMakeCache.txt whose flags name such an architecture is set aside.
    When it is not enough:
        A GPU for which this nvcc emits nothing needs another toolkit. An installed package that has no code for the
        GPU has to be built again from its sources.
    Sources:
        nvcc's own list; torch/utils/cpp_extension.py, _get_cuda_arch_flags; cured failures measured with nvcc 13.0. No
        machine with a GPU took part: plans for one are shown on recorded facts
    """
    chosen = arch_list(facts)
    if not chosen:
        return _nothing_for(facts)
    inside = _lacking(facts, _project_flags(facts))
    if inside:
        return _in_the_source(facts, options, inside)
    stale = [one for one in facts.extensions.found if _leaves_out(facts, one)]
    if any(one.owner != "project" for one in stale):
        return _not_ours(next(one for one in stale if one.owner != "project"), chosen)
    setting = Setting(VARIABLE, "set", chosen)
    if stale:
        return _again(facts, options, setting, tuple(one.path for one in stale))
    after = configure_anew(facts) if _lacking(facts, _cached_flags(facts)) else ()
    return for_this_machine("cuda-arch", options, setting, after=after)


def _nothing_for(facts: Facts) -> Refusal:
    here = ", ".join(capabilities(facts))
    if here and emitted(facts):
        return Refusal(
            f"this nvcc emits nothing that a GPU of compute capability {here} runs; it needs another toolkit"
        )
    return Refusal("it is not known what nvcc emits or torch knows")


def _in_the_source(facts: Facts, options: Options, lacking: tuple[Arch, ...]) -> Plan | Refusal:
    project = value_of(facts.project.cmake)
    names = ", ".join(f"sm_{arch}" for arch in lacking)
    if project is None or not options.in_place:
        return Refusal(f"the project's CMake files ask for {names} themselves: only --in-place can change that")
    by = str(min(emitted(facts)))
    summary = f"In {project.path} ask nvcc for sm_{by} in place of {names}"
    step = ReplaceArchitectures(summary, project.path, tuple(map(str, lacking)), by)
    return Plan("unsafe", (step, *configure_anew(facts)))


def _again(facts: Facts, options: Options, setting: Setting, modules: tuple[str, ...]) -> Plan | Manual | Refusal:
    python, root = value_of(facts.python.executable), value_of(facts.project.root)
    if options.in_place:
        return Refusal("cuda-arch has no in-place form where no source names an architecture")
    if python is None or root is None or not facts.project.setup_extensions or any("/build/" in one for one in modules):
        export = f"export {VARIABLE}='{setting.value}'"
        return Manual("Build the extensions again with the architectures of the GPU.", (export,))
    contribute = Contribute(
        f"In the overlay: {VARIABLE}={setting.value}", options.overlay, Contribution("cuda-arch", (setting,))
    )
    folder = dirname(facts.project.setup_extensions[0].path)
    build = BuildExtensions(f"Build the extensions of {folder} again", python, folder, modules, setting.value)
    return Plan("unsafe", (contribute, build))


def _not_ours(extension: Extension, chosen: str) -> Manual:
    return Manual(
        f"{extension.owner} has no code for the GPU here. Build it from its sources with these architectures.",
        (f"export {VARIABLE}='{chosen}'",),
    )


def _leaves_out(facts: Facts, extension: Extension) -> bool:
    known = extension.architectures
    return bool(known) and any(not covers(known, cc) for cc in capabilities(facts))


def _project_flags(facts: Facts) -> str:
    project = value_of(facts.project.cmake)
    return " ".join(project.flags) if project is not None else ""


def _cached_flags(facts: Facts) -> str:
    build = value_of(facts.project.build)
    return " ".join(build.get(name) or "" for name in CACHED_FLAGS) if build is not None else ""


def _lacking(facts: Facts, flags: str) -> tuple[Arch, ...]:
    """Those that flags name and the toolkit's nvcc is known not to emit. Its list may leave out those with a letter."""
    toolkit = facts.cuda.toolkit()
    if toolkit is None or not isinstance(toolkit.architectures, Known):
        return ()
    able, version = toolkit.architectures.value, value_of(toolkit.version) or ""
    return tuple(arch for arch in named_in(flags) if str(arch) not in able and not _variant(arch, able, version))


def _variant(arch: Arch, able: tuple[str, ...], version: str) -> bool:
    return bool(arch.suffix) and str(arch.number) in able and known_archs.emits(version, str(arch)) is not False
