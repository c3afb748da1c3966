"""Changes of an interpreter's own packages, by its own pip; unsafe, since they reach beyond the project."""

import shlex

from envdoctor.facts import Facts, Known, value_of
from envdoctor.repair.pip import PipInstall
from envdoctor.repair.recipe import Manual, Plan, Refusal


def install_into_interpreter(
    facts: Facts, summary: str, *installs: tuple[str, ...], notes: tuple[str, ...] = ()
) -> Plan | Manual | Refusal:
    """The plan of one or more `pip install`, each given as its arguments: options, then requirements. Reads `python`.

    Manual where the interpreter is the distribution's own, which pip refuses to change.
    """
    python = value_of(facts.python.executable)
    if python is None:
        return Refusal("it is not known which interpreter is to be changed; name it with --python")
    if isinstance(facts.python.externally_managed, Known):
        return Manual(
            f"{python} belongs to the distribution, and pip refuses to change it. Work in a virtual environment.",
            (
                f"{shlex.quote(python)} -m venv .venv",
                *(f".venv/bin/python -m pip install {shlex.join(words)}" for words in installs),
            ),
        )
    steps = []
    for words in installs:
        options = tuple(word for word in words if word.startswith("-"))
        wanted = tuple(word for word in words if not word.startswith("-"))
        told = f"{summary}: {', '.join(wanted)}"
        steps.append(PipInstall(told, python, wanted, (*options, "--disable-pip-version-check")))
    return Plan("unsafe", tuple(steps), notes)
