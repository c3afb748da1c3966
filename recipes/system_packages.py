"""Commands of this machine's own installer, for the user to run: they need root, or an environment of conda."""

from envdoctor.facts import Facts, value_of
from envdoctor.knowledge.providers import Channel, install_commands

# Distributions by the installer that they have; derived ones name their parent in ID_LIKE, which is not looked at.
INSTALLERS: dict[Channel, tuple[str, ...]] = {
    "apt": ("debian", "ubuntu", "linuxmint", "pop", "raspbian", "kali"),
    "dnf": ("fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"),
}


def installer(facts: Facts) -> Channel | None:
    """`conda` where the interpreter is one of conda's, else that of the distribution. Reads `host`, `python`."""
    if value_of(facts.python.kind) == "conda":
        return "conda"
    distribution = value_of(facts.host.distribution_id)
    return next((channel for channel, ids in INSTALLERS.items() if distribution in ids), None)


def system_commands(facts: Facts, need: str, **words: str) -> tuple[str, ...]:
    """The command that supplies a need, `words` put into their places. Reads `host`, `python`.

    Of a machine whose installer is not known, those of every installer that has it: the user knows which one is there.
    Empty where none has it.
    """
    found = {command.channel: command.text for command in install_commands(need, **words)}
    found.pop("pip", None)
    channel = installer(facts)
    if channel is not None:
        return (found[channel],) if channel in found else ()
    return tuple(found.values())
