"""A module of a few lines, built as torch's own build tools would build it.

torch.utils.cpp_extension is asked, in the target's interpreter, for the very commands; they are run here, one by one.
"""

import json
import sys
from collections.abc import Mapping

import msgspec

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN
from envdoctor.facts import Facts, value_of
from envdoctor.knowledge.versions import at_least
from envdoctor.smoke.runner import HERE
from envdoctor.smoke.toolchain.complaint import MESSAGE_LIMIT
from envdoctor.smoke.toolchain.stages import OK, Stage, Verdict, judged
from envdoctor.smoke.toolchain.workplace import Once, Workplace

MODULE = "envdoctor_toolchain"
KERNEL = "envdoctor_kernel"
CPP, CUDA = "CppExtension", "CUDAExtension"
CODE = (
    "import sys; sys.path.insert(0, sys.argv.pop()); "
    "import envdoctor_child.torch_build as side; del sys.path[0]; side.main()"
)
ANSWER_LIMIT = 4 << 20

# torch/extension.h takes a compiler 20 to 40 s, these two headers take 6 s: the same standard, ABI and libraries.
LIGHT_HEADERS = "#include <ATen/core/Tensor.h>\n#include <torch/csrc/utils/pybind.h>"
LIGHT_SINCE = "1.13"
WHOLE_HEADERS = "#include <torch/extension.h>"
# Optimisation and debugging change nothing of what is found out, and take as long as all else.
QUICKLY = ("-O0", "-g0")

SOURCE = """\
%(headers)s

#include <string>

// A tensor, a string and an error cross the border to torch's libraries.
static at::Tensor doubled(const at::Tensor& vector) {
  TORCH_CHECK(vector.dim() == 1, "doubled takes a vector, not a ", vector.toString(), std::string(" of other form"));
  return vector.add(vector);
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("doubled", &doubled);
}
"""


class Commands(msgspec.Struct, frozen=True):
    """Those of one extension: all but the last compile, the last one links. `problem`: why torch's tools refuse."""

    commands: tuple[tuple[str, ...], ...] = ()
    problem: str = ""

    @property
    def library(self) -> str:
        """The file that the link makes; empty where nothing is compiled or no command names it."""
        link = self.commands[-1] if len(self.commands) > 1 and all(self.commands) else ()
        return link[link.index("-o") + 1] if "-o" in link[:-1] else ""


class Answer(msgspec.Struct, frozen=True):
    """What torch's build tools said. `problem`: why torch or its tools cannot even be imported."""

    torch: str = ""
    cuda: str | None = None
    cuda_home: str | None = None
    extensions: tuple[Commands, ...] = ()
    problem: str = ""


class BuildTools:
    """Asks torch's build tools once for all that is wanted of them."""

    def __init__(self, workplace: Workplace, kinds: tuple[str, ...]) -> None:
        self._workplace = workplace
        self._kinds = kinds
        self._answers: Mapping[str, Commands] = {}
        self._verdict: Verdict | None = None

    def asked(self, kind: str) -> Verdict:
        """Whether there are commands for an extension of this kind."""
        if self._verdict is None:
            self._verdict = self._ask()
        if self._verdict.state != "ok":
            return self._verdict
        told = self._answers[kind]
        if told.problem:
            return Verdict("fail", one_line(told.problem))
        return OK if told.library else Verdict("unknown", "torch's build tools told no commands that could be run")

    def commands(self, kind: str) -> Commands:
        """Empty where there are none."""
        return self._answers.get(kind, Commands())

    def _ask(self) -> Verdict:
        workplace = self._workplace
        sources = {CPP: f"{MODULE}.cpp", CUDA: f"{KERNEL}.cu"}
        job = {
            "extensions": [[kind, workplace.place(sources[kind])] for kind in self._kinds],
            "folder": workplace.place("made"),
            "answer": workplace.place("answer.json"),
        }
        python = workplace.target.python or sys.executable
        ran = workplace.run([python, "-B", "-c", CODE, json.dumps(job), HERE], workplace.limits.ask)
        verdict = judged(ran, workplace.hidden)
        if verdict.state != "ok":
            return verdict
        try:
            answer = msgspec.json.decode(workplace.read("answer.json", ANSWER_LIMIT), type=Answer)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Verdict("unknown", f"torch's build tools left no answer that can be read: {error}")
        if answer.problem:
            return Verdict("fail", one_line(answer.problem))
        if len(answer.extensions) != len(self._kinds):
            return Verdict("unknown", "torch's build tools answered for other extensions than those asked for")
        self._answers = dict(zip(self._kinds, answer.extensions, strict=True))
        return OK


def one_line(text: str) -> str:
    """The lines of an exception in one."""
    joined = " ".join(text.split())
    return joined if len(joined) <= MESSAGE_LIMIT else joined[:MESSAGE_LIMIT] + "..."


def module_source(facts: Facts) -> str:
    """The text of the module, with headers that this release of torch is known to have."""
    version = value_of(facts.torch.version)
    light = version is not None and at_least(version, LIGHT_SINCE)
    return SOURCE % {"headers": LIGHT_HEADERS if light else WHOLE_HEADERS}


def stages_of(workplace: Workplace, tools: BuildTools) -> tuple[Stage, ...]:
    """Ask, compile, link, load and run against torch."""
    workplace.write(f"{MODULE}.cpp", module_source(workplace.facts))
    limits = workplace.limits
    loaded = Once(lambda: workplace.load("torch_toolchain", tools.commands(CPP).library))

    def compiled() -> Verdict:
        for words in tools.commands(CPP).commands[:-1]:
            verdict = workplace.try_tool((*words, *QUICKLY), limits.compile)
            if verdict.state != "ok":
                return verdict
        return OK

    return (
        Stage("ask torch for its C++ build commands", CONFIGURE, lambda: tools.asked(CPP)),
        Stage("compile C++ against torch", COMPILE, compiled),
        Stage("link with torch", LINK, lambda: workplace.try_tool(tools.commands(CPP).commands[-1], limits.link)),
        Stage("load into torch", LOAD, lambda: loaded().loading),
        Stage("run in torch", RUN, lambda: loaded().running),
    )
