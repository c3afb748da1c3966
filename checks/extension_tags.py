"""Which interpreter a compiled extension module is made for, by its file name (PEP 3149)."""

from envdoctor.facts import Extension


def fits(extension: Extension, suffix: str) -> bool:
    """Whether an interpreter with this suffix for extension modules, `.cpython-311-x86_64-linux-gnu.so`, sees it.

    A file without a tag is seen by all, `abi3` by every Python 3.
    """
    tag = extension.python_tag
    return tag is None or tag.startswith("abi3") or f"{suffix}.".startswith((f".{tag}-", f".{tag}."))
