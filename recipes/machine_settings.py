"""Settings that name places of this machine: they go to the overlay, and into no source."""

from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import Contribute, Step


def for_this_machine(
    recipe: str, options: Options, *settings: Setting, after: tuple[Step, ...] = (), notes: tuple[str, ...] = ()
) -> Plan | Refusal:
    """The plan that brings these settings to the overlay, then does the steps `after`. It has no in-place form."""
    if options.in_place:
        return Refusal(f"{recipe} sets what holds on this machine alone, which belongs in no source: no in-place form")
    step = Contribute(_summary(settings), options.overlay, Contribution(recipe, settings))
    return Plan("safe", (step, *after), notes)


def _summary(settings: tuple[Setting, ...]) -> str:
    return "In the overlay: " + ", ".join(map(_told, settings))


def _told(setting: Setting) -> str:
    name, value = setting.variable, setting.value
    words = {
        "set": f"{name}={value}",
        "prepend": f"{value} first in {name}",
        "append": f"{value} added to {name}",
        "without": f"{value} off {name}",
        "unset": f"{name} unset",
    }
    return words[setting.action]
