"""How std::function hands arguments to the function it holds, and where it keeps that function.

GCC up to 4.9 compiles `_Function_handler<R (Args...), F>::_M_invoke(const _Any_data&, Args...)`, later ones
`Args&&...`. Both sides of a call must agree, and nothing but these names tells: the program links, loads, and
corrupts the stack when it calls.

GCC up to 4.9 keeps only pointers inside the object, later ones every small functor that can be copied as bytes. Where
both sides share a weak `_Base_manager<F>::_M_manager`, one frees what the other never allocated.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from envdoctor.elf.demangle import demangle
from envdoctor.elf.strings import names_with
from envdoctor.elf.symbols import Symbols

FunctionAbi = Literal["value", "reference", "unknown"]
_HANDLER = "std::_Function_handler<"
_INVOKE = ">::_M_invoke(std::_Any_data const&"
_MANGLED_HANDLER = b"_ZNSt17_Function_handlerI"
_MANGLED_INVOKE = b"9_M_invokeERKSt9_Any_data"
_MANAGER = b"_ZNSt14_Function_base13_Base_managerI"
# The tag that _M_destroy takes: true for a functor inside the object, false for one on the heap.
_DESTROYED_IN_PLACE = b"10_M_destroyERSt9_Any_dataSt17integral_constantIbLb1EE"
# How the mangled type of a pointer, of a pointer to a member and of a function begins; they were always kept inside.
_POINTERS = (b"P", b"M", b"F")
_NAMES = 200
_ENOUGH = 12
_SHOWN = 5
_OPENING, _CLOSING = "(<[{", ")>]}"


def function_abi(symbols: Symbols) -> FunctionAbi:
    """Of a file, from the invokers it defines; "unknown" where it has none that tells, or has both kinds.

    The dynamic symbols tell first, since other files share them; .symtab, where it was kept, when they say nothing.
    """
    for table in (symbols.string_table, symbols.elf.section(".strtab")):
        told = (of_invoker(demangle(name)) for name in islice(_invokers(table), _NAMES)) if table is not None else ()
        kinds = set(islice((kind for kind in told if kind != "unknown"), _ENOUGH))
        if kinds:
            return kinds.pop() if len(kinds) == 1 else "unknown"
    return "unknown"


def _invokers(table: memoryview) -> Iterator[bytes]:
    """Names of _M_invoke functions that take arguments."""
    for name in names_with(table, _MANGLED_INVOKE):
        if name.startswith(_MANGLED_HANDLER) and not name.endswith(_MANGLED_INVOKE):
            yield name


def functors_in_place(symbols: Symbols) -> tuple[str, ...]:
    """Demangled examples of functors, no pointers, that the file keeps inside std::function as GCC 5 and later do.

    Empty proves nothing: an optimising compiler leaves no such names behind.
    """
    names = names_with(symbols.string_table, _DESTROYED_IN_PLACE)
    found = (name for name in names if name.startswith(_MANAGER) and name[len(_MANAGER) :][:1] not in _POINTERS)
    return tuple(demangle(name) for name in islice(found, _SHOWN))


def of_invoker(demangled: str) -> FunctionAbi:
    """What the name of one invoker says.

    Arguments that are references by themselves look alike in both, and say nothing.
    """
    start, end = demangled.find(_HANDLER), demangled.rfind(_INVOKE)
    if start < 0 or end < start:
        return "unknown"
    signature = next(split(demangled[start + len(_HANDLER) : end]), "")
    wanted = _parameters(signature)
    taken = _parameters(demangled[end + 1 :])[1:]
    if len(wanted) != len(taken):
        return "unknown"
    kinds = {_kind(declared, passed) for declared, passed in zip(wanted, taken, strict=True)} - {"unknown"}
    return kinds.pop() if len(kinds) == 1 else "unknown"


def _kind(declared: str, passed: str) -> FunctionAbi:
    if declared.endswith("&"):
        return "unknown"
    if passed == declared:
        return "value"
    return "reference" if passed == f"{declared}&&" else "unknown"


def _parameters(signature: str) -> list[str]:
    """The parameter types of `R (A, B)`: the parenthesised list at its end."""
    depth = 0
    for at in range(len(signature) - 1, -1, -1):
        depth += (signature[at] in _CLOSING) - (signature[at] in _OPENING)
        if depth == 0:
            break
    return list(split(signature[at + 1 : -1])) if signature.endswith(")") and signature[at] == "(" else []


def split(text: str) -> Iterator[str]:
    """The parts of a list between commas that stand outside any bracket."""
    depth, start = 0, 0
    for at, character in enumerate(text):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    if text[start:].strip():
        yield text[start:].strip()
