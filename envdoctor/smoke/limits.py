"""How long and how large a library under test may become."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """`load`: seconds for importing a framework and a library, for finding GPUs and for a first kernel; `op`: seconds
    for all cases of one op, and for the end of the process; `memory`: bytes, 0 for what the machine can spare."""

    load: float = 120.0
    op: float = 30.0
    memory: int = 0
