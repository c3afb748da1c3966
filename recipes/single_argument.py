"""Calls of GetSingleArgument that the compiler takes for a comparison."""

import os
import re
from dataclasses import dataclass

from envdoctor.atomic_file import write_whole
from envdoctor.facts import Facts
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Hands, Step, StepError

# The name with or without `this->`, unless something else owns it or `template` stands before it already.
CALL = rb"(?<![\w:.>])(?:this\s*->\s*)?(?<!template )GetSingleArgument(?=\s*[<(])"


@dataclass(frozen=True)
class SayTemplate(Step):
    """Write `this->template` before the calls in these lines of a source, counted from 1."""

    kind = "edit"
    path: str
    lines: tuple[int, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        with open(self.path, "rb") as file:
            lines = file.read().split(b"\n")
        for line in self.lines:
            if line > len(lines):
                raise StepError(f"{self.path} has no line {line}")
            lines[line - 1], count = re.subn(CALL, b"this->template GetSingleArgument", lines[line - 1])
            if count == 0:
                raise StepError(f"{self.path}:{line} no longer holds such a call")
        write_whole(self.path, b"\n".join(lines), os.stat(self.path).st_mode & 0o7777)


@recipe("single-argument", cures=("C2007",), needs=("project",))
def single_argument(facts: Facts, options: Options) -> Answer:
    """Say `this->template` where GetSingleArgument is called in a class template

    What it does:
        Writes `this->template GetSingleArgument<T>(...)` in place of `GetSingleArgument<T>(...)` and of
        `this->GetSingleArgument<T>(...)`: every release of Caffe2 and every compiler takes that form.
    What it changes:
        The lines of the sources that hold such calls, and only with --in-place: there is no other way to change a
        source.
    When it is not enough:
        A call that is spread over lines or hidden in a macro.
    Sources:
        Measured with the headers of torch 1.0.1 and 1.4.0
    """
    if not options.in_place:
        return Refusal("single-argument edits sources, which it does with --in-place only")
    calls = [call for call in facts.project.single_argument_calls if not call.name.startswith("OperatorBase::")]
    steps = []
    for path in dict.fromkeys(call.path for call in calls):
        lines = tuple(dict.fromkeys(call.line for call in calls if call.path == path))
        places = ", ".join(map(str, lines[:8])) + (" ..." if len(lines) > 8 else "")
        steps.append(SayTemplate(f"Say `this->template` in {path}, line {places}", path, lines))
    if not steps:
        return Refusal("the project has no such call")
    return Plan("unsafe", tuple(steps))
