"""What torch.utils.cpp_extension demands of a build: host compilers by CUDA release, and how it reads the list of GPU
architectures in `TORCH_CUDA_ARCH_LIST`."""

from functools import cache

import msgspec

from envdoctor.knowledge.cuda_arch import Arch, parse_arch
from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import series


class CompilerBounds(Row, frozen=True):
    """`min` is inclusive, `below` exclusive; empty where torch sets no bound."""

    cuda: str
    gcc_min: str
    gcc_below: str
    clang_min: str = ""
    clang_below: str = ""


class _NamedArch(Row, frozen=True):
    name: str
    archs: str


class _Table(msgspec.Struct, frozen=True):
    bounds: tuple[CompilerBounds, ...]
    named_arch: tuple[_NamedArch, ...]


class ArchList(msgspec.Struct, frozen=True):
    """`machine` is compiled to machine code, `ptx` kept as PTX too; torch refuses `malformed` entries."""

    machine: tuple[Arch, ...]
    ptx: tuple[Arch, ...]
    malformed: tuple[str, ...]


@cache
def _table() -> _Table:
    return load("cpp_extension", _Table)


def compiler_bounds(cuda: str) -> CompilerBounds | None:
    """The bounds for a CUDA release; None for one that torch does not list, where it only warns."""
    wanted = series(cuda)
    return next((row for row in _table().bounds if row.cuda == wanted), None)


def read_arch_list(text: str) -> ArchList:
    """`TORCH_CUDA_ARCH_LIST`: entries such as `8.6`, `9.0a`, `7.5+PTX` or `Ampere`, separated by one `;` or blank each.

    An empty list and `native` hold no entry: torch then asks the GPU. An empty entry, as a `;` at the end makes, is
    malformed. Which architectures a release of torch knows is not judged here.
    """
    if text in ("", "native"):
        return ArchList((), (), ())
    named = {row.name: row.archs for row in _table().named_arch}
    machine: set[Arch] = set()
    ptx: set[Arch] = set()
    malformed: list[str] = []
    for name in text.replace(" ", ";").split(";"):
        for entry in named.get(name, name).split(";"):
            plain = entry.removesuffix("+PTX")
            arch = parse_arch(plain)
            if arch is None or plain != f"{arch.capability}{arch.suffix}":
                malformed.append(entry)
                continue
            machine.add(arch)
            if entry != plain:
                ptx.add(arch)
    return ArchList(tuple(sorted(machine)), tuple(sorted(ptx)), tuple(malformed))
