"""What a lookup finds: references of libraries against the definitions in their scope, versions as the loader judges
them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from envdoctor.elf.file import ElfError
from envdoctor.elf.hashtable import gnu_hash
from envdoctor.elf.loader import LinkMap, Namespace
from envdoctor.elf.symbols import Reference


class Unresolved(msgspec.Struct, frozen=True):
    """A reference that nothing in the scope satisfies, and the library that makes it."""

    reference: Reference
    needed_by: LinkMap


class VersionFault(msgspec.Struct, frozen=True):
    """A version that `needed_by` asks of `library`, which was found and does not define it."""

    version: str
    library: LinkMap
    needed_by: LinkMap


def unresolved(namespace: Namespace, link_maps: Iterable[LinkMap]) -> list[Unresolved]:
    """References of the given libraries that a start with LD_BIND_NOW would end on.

    Raises ElfError naming the file.
    """
    by_scope: dict[tuple[LinkMap, ...], list[LinkMap]] = defaultdict(list)
    for link_map in link_maps:
        by_scope[namespace.scope(link_map)].append(link_map)
    found: list[Unresolved] = []
    for scope, members in by_scope.items():
        wanted = {member: _undefined(member) for member in members}
        pending = _not_in(namespace, scope, set().union(*wanted.values()))
        for member, references in wanted.items():
            lost = {references[reference]: reference for reference in pending if reference in references}
            used = sorted(member.symbols.looked_up(set(lost), member.is_lazy)) if lost else ()
            found += [Unresolved(lost[symbol], member) for symbol in used]
    return found


def _undefined(link_map: LinkMap) -> dict[Reference, int]:
    try:
        return link_map.symbols.undefined()
    except ElfError as error:
        raise ElfError(f"{link_map.path}: {error}") from error


def _not_in(namespace: Namespace, scope: Sequence[LinkMap], wanted: set[Reference]) -> set[Reference]:
    """References that no library of the scope defines."""
    hashes = {name: gnu_hash(name) for name in {reference.name for reference in wanted}}
    # "Does anybody define it" has the same answer in any order: likeliest is the file that a version is needed from,
    # and for the rest the largest. glibc before 2.30 took a version from that file alone; since then any may have it.
    by_file: dict[str | None, list[Reference]] = defaultdict(list)
    copies: list[Reference] = []
    for reference in wanted:
        (copies if reference.is_copy else by_file[reference.file]).append(reference)
    pending = by_file.pop(None, [])
    for file, references in by_file.items():
        named = [link_map for link_map in scope if file and namespace.answers_to(link_map, file)]
        pending += _left(named, references, hashes)
    largest = sorted(scope, key=lambda link_map: -link_map.elf.strings[1])
    # A copy is looked for everywhere but in the program that holds it.
    others = [link_map for link_map in largest if link_map is not namespace.main]
    return {*_left(largest, pending, hashes), *_left(others, copies, hashes)}


def _left(scope: Iterable[LinkMap], references: list[Reference], hashes: dict[bytes, int]) -> list[Reference]:
    left = references
    for link_map in scope:
        if not left:
            break
        try:
            left = link_map.symbols.not_defined(left, hashes)
        except ElfError as error:
            raise ElfError(f"{link_map.path}: {error}") from error
    return left


def version_faults(namespace: Namespace, link_maps: Iterable[LinkMap]) -> list[VersionFault]:
    """Needed versions that the library found does not define.

    Weak needs and libraries without versions are no fault.
    """
    faults: dict[tuple[str, LinkMap, LinkMap], None] = {}
    for link_map in link_maps:
        for need in link_map.symbols.versions.needed:
            provider = namespace.named(need.file or "")
            if provider is None or need.weak or not provider.symbols.versions.has_definitions:
                continue
            if need.name not in provider.symbols.versions.defined_names:
                faults.setdefault((need.name, provider, link_map))
    return [VersionFault(*fault) for fault in faults]
