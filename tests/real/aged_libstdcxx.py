"""A libstdc++ as an older GCC would have it: the machine's own, its newer symbol versions under other names.

It does all that the newer one does, so that nothing but the versions keeps a library from loading.
"""

import re
import struct
import subprocess
from pathlib import Path

from elftools.elf.elffile import ELFFile


def machine_libstdcxx() -> Path:
    """The one that the C++ compiler links."""
    told = subprocess.run(["c++", "-print-file-name=libstdc++.so.6"], capture_output=True, text=True, check=True)
    return Path(told.stdout.strip()).resolve()


def age(target: Path, newest: int) -> Path:
    """Write it to `target`, with GLIBCXX_3.4.`newest` as its last version."""
    content = bytearray(machine_libstdcxx().read_bytes())
    with machine_libstdcxx().open("rb") as file:
        elf = ELFFile(file)
        at = elf.get_section_by_name(".gnu.version_d")["sh_offset"]
        strings = elf.get_section_by_name(".dynstr")["sh_offset"]
    while True:
        _, _, _, _, _, auxiliary, following = struct.unpack_from("<HHHHIII", content, at)
        start = strings + struct.unpack_from("<I", content, at + auxiliary)[0]
        name = bytes(content[start : content.index(b"\0", start)])
        if (found := re.fullmatch(rb"GLIBCXX_3\.4\.(\d+)", name)) and int(found[1]) > newest:
            renamed = name.replace(b"GLIBCXX", b"GFUTURE")
            content[start : start + len(name)] = renamed
            struct.pack_into("<I", content, at + 8, _elf_hash(renamed))
        if not following:
            break
        at += following
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def _elf_hash(name: bytes) -> int:
    hashed = 0
    for byte in name:
        hashed = (hashed << 4) + byte
        hashed = (hashed ^ (hashed >> 24 & 0xF0)) & 0x0FFFFFFF
    return hashed
