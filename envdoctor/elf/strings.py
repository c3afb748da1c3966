"""String tables in pieces, so that the largest is gone through at the speed of C and never held whole."""

from collections.abc import Iterator

_BLOCK = 1 << 16


def blocks(table: memoryview) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of pieces that end where a string ends. A string that is longer than a piece is no name."""
    start, size = 0, len(table)
    while start < size:
        piece = bytes(table[start : start + _BLOCK])
        whole = len(piece) if start + len(piece) == size else piece.rfind(b"\0") + 1
        yield start, piece[: whole or len(piece)]
        start += whole or len(piece)


def names_with(table: memoryview, part: bytes) -> Iterator[bytes]:
    """The strings of a table that contain `part`."""
    for _, block in blocks(table):
        at = block.find(part)
        while at >= 0:
            end = block.find(b"\0", at)
            end = len(block) if end < 0 else end
            yield block[block.rfind(b"\0", 0, at) + 1 : end]
            at = block.find(part, end)
