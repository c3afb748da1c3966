"""The symbol versions that a library defines: which GLIBCXX, CXXABI or GLIBC it brings."""

from collections.abc import Iterable

from envdoctor.elf.symbols import Symbols

FAMILIES = ("GLIBCXX", "CXXABI", "GLIBC")


def provided(symbols: Symbols, families: Iterable[str] = FAMILIES) -> dict[str, tuple[str, ...]]:
    """By family, the numbered versions that the library defines, oldest first.

    Raises ElfError for a damaged table.
    """
    names = symbols.versions.defined_names
    return {family: tuple(found) for family in families if (found := of_family(names, family))}


def of_family(names: Iterable[str], family: str) -> list[str]:
    """The names `FAMILY_1.2.3` among `names`, oldest first."""
    numbered = [name for name in names if name.startswith(f"{family}_") and numbers(name) is not None]
    return sorted(numbered, key=lambda name: numbers(name) or ())


def family(version: str) -> str:
    """GLIBCXX of GLIBCXX_3.4.21; the whole name where no number follows."""
    head, separator, _ = version.rpartition("_")
    return head if separator and numbers(version) is not None else version


def newest_alike(names: Iterable[str], version: str) -> str:
    """The newest of `names` in the family of `version`; "" when there is none."""
    alike = of_family(names, family(version))
    return alike[-1] if alike else ""


def numbers(version: str) -> tuple[int, ...] | None:
    """(3, 4, 21) of GLIBCXX_3.4.21; None where the name does not end so."""
    parts = version.rpartition("_")[2].split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        return None
    return tuple(int(part) for part in parts)
