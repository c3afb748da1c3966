"""The release of a cuDNN or NCCL that was linked into another library, by the constant in the code that tells it.

`cudnnGetVersion` returns a number and `ncclGetVersion` stores one; it stands in the first bytes of the function, unless
the compiler made more of it. Read for x86-64 only; anything else is unknown.
"""

from envdoctor.elf.file import DT_SYMTAB, ElfError, open_elf
from envdoctor.elf.hashtable import gnu_hash
from envdoctor.elf.symbols import ENTRY, Symbols
from envdoctor.files import FileView
from envdoctor.knowledge import cudnn
from envdoctor.probes.machine import X86_64

CODE_AT_MOST = 32
_RETURNED = (b"\xb8", b"\xc3")
_STORED = b"\xc7\x07"
_ENDBR64 = b"\xf3\x0f\x1e\xfa"


def defined(files: FileView, path: str, function: str) -> bytes | None:
    """The first bytes of a function that a library exports; None where it exports none of that name or is damaged."""
    name = function.encode()
    try:
        elf = open_elf(files, path)
        symbols = Symbols(elf)
        for index in symbols.with_name(name, gnu_hash(name)):
            if symbols.is_bindable(index):
                entry = elf.table((elf.dynamic(DT_SYMTAB) or 0) + index * ENTRY, ENTRY, "symbol table")
                offset, left = elf.offset(int.from_bytes(entry[8:16], "little"), function)
                return bytes(elf.view[offset : offset + min(left, CODE_AT_MOST)]) if elf.machine == X86_64 else b""
    except (ElfError, OSError):
        return None
    return None


def cudnn_version(code: bytes) -> str | None:
    """`mov eax, N; ret`: N as CUDNN_VERSION counts."""
    code = code.removeprefix(_ENDBR64)
    if code[:1] != _RETURNED[0] or code[5:6] != _RETURNED[1]:
        return None
    return cudnn.decode(int.from_bytes(code[1:5], "little"))


def nccl_version(code: bytes) -> str | None:
    """`mov dword ptr [rdi], N` somewhere at the start: N as NCCL_VERSION_CODE counts."""
    at = code.find(_STORED)
    if at < 0 or len(code) < at + 6:
        return None
    return decode_nccl(int.from_bytes(code[at + 2 : at + 6], "little"))


def decode_nccl(number: int) -> str | None:
    """Up to 2.8 major * 1000 + minor * 100 + patch, from 2.9 on major * 10000 + minor * 100 + patch (nccl.h)."""
    if 2000 <= number < 3000:
        return f"2.{number % 1000 // 100}.{number % 100}"
    if 20000 <= number < 1_000_000:
        return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"
    return None
