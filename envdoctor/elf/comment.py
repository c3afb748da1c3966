"""The compilers that took part in a file, from its .comment section.

They tell who was there, not who made which part.
"""

from envdoctor.elf.file import ElfFile

_LIMIT = 65_536
_STRINGS = 64


def compilers(elf: ElfFile) -> tuple[str, ...]:
    """The strings of .comment, each once, in order; empty where the section was stripped."""
    section = elf.section(".comment")
    if section is None:
        return ()
    strings = bytes(section[:_LIMIT]).split(b"\0")
    texts = (string.decode("utf-8", "backslashreplace").strip() for string in strings)
    return tuple(dict.fromkeys(text for text in texts if text))[:_STRINGS]
