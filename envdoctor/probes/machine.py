"""What kind of machine the target's programs are made for, by the ELF header of one of them."""

from envdoctor.facts import Absent, Fact, Known, Unreadable, value_of
from envdoctor.probes.reading import reason_of
from envdoctor.target import Target

X86_64, AARCH64 = 62, 183
NAMES = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    X86_64: "x86_64",
    AARCH64: "aarch64",
}
NAMES |= {243: "riscv64", 258: "loongarch64"}


def machine_of(target: Target) -> Fact[int]:
    """The e_machine number of the interpreter, or of a program that every system has."""
    looked = tuple(filter(None, (target.python, "/bin/sh", "/usr/bin/env", "/bin/busybox")))
    refusal: Unreadable | None = None
    for path in looked:
        try:
            header = target.files.read(path, 20)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refusal = Unreadable(reason_of(error), path)
            continue
        if len(header) == 20 and header[:4] == b"\x7fELF":
            return Known(int.from_bytes(header[18:20], "little" if header[5] == 1 else "big"), path)
    return refusal or Absent("no program with an ELF header", looked)


def machine_name(machine: Fact[int]) -> Fact[str]:
    """As `uname -m` names it."""
    if isinstance(machine, Known):
        return Known(NAMES.get(machine.value, f"ELF machine {machine.value}"), machine.found_via)
    return machine


def loader_machine(target: Target) -> int:
    """The machine whose loader rules are known: x86-64 unless the target's programs are made for AArch64."""
    return AARCH64 if value_of(machine_of(target)) == AARCH64 else X86_64


def multiarch(machine: int) -> str:
    """Debian's name of the library directory."""
    return "aarch64-linux-gnu" if machine == AARCH64 else "x86_64-linux-gnu"


def cuda_targets(machine: int) -> tuple[str, ...]:
    """Names below `targets/` of a CUDA toolkit, for this machine."""
    return ("sbsa-linux", "aarch64-linux") if machine == AARCH64 else ("x86_64-linux",)
