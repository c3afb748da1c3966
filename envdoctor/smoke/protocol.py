"""What the target's side tells, as typed events. Its words are those of envdoctor_child/main.py."""

from typing import Literal, TypeAlias, Union

import msgspec

# Exit status of a target's side that can no longer tell anything.
CHANNEL_LOST = 74


class _Event(msgspec.Struct, frozen=True, tag_field="event"):
    pass


class Started(_Event, frozen=True, tag="started"):
    python: str


class Broke(_Event, frozen=True, tag="broke"):
    """A mistake in the code that tests, not in what is tested."""

    message: str
    trace: str


class AbsentLibrary(_Event, frozen=True, tag="absent"):
    message: str


class Refused(_Event, frozen=True, tag="refused"):
    message: str
    took_ms: int


class Loaded(_Event, frozen=True, tag="loaded"):
    """`ops`: all names that the library offers to be run, whether asked for or not."""

    ops: tuple[str, ...]
    message: str
    took_ms: int


class DevicesAsked(_Event, frozen=True, tag="devices-asked"):
    pass


class Device(msgspec.Struct, frozen=True):
    name: str
    capability: str


class Devices(_Event, frozen=True, tag="devices"):
    found: tuple[Device, ...]
    reason: str


class Kernel(_Event, frozen=True, tag="kernel"):
    device: str


class KernelDone(_Event, frozen=True, tag="kernel-done"):
    device: str
    message: str
    took_ms: int


class OpBegun(_Event, frozen=True, tag="op"):
    op: str
    device: str


class CaseDone(_Event, frozen=True, tag="case"):
    label: str
    dtype: str
    max_error: float | None
    tolerance: float | None
    message: str
    right: bool


class OpDone(_Event, frozen=True, tag="op-done"):
    outcome: Literal["done", "absent", "raised", "broke"]
    message: str
    took_ms: int


class Spoiled(_Event, frozen=True, tag="spoiled"):
    device: str


class Alive(_Event, frozen=True, tag="alive"):
    pass


class End(_Event, frozen=True, tag="end"):
    pass


Event: TypeAlias = Union[  # noqa: UP007 - sixteen names in a row read no better
    Started,
    Broke,
    AbsentLibrary,
    Refused,
    Loaded,
    DevicesAsked,
    Devices,
    Kernel,
    KernelDone,
    OpBegun,
    CaseDone,
    OpDone,
    Spoiled,
    Alive,
    End,
]

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def decode(line: bytes) -> Event | None:
    """The event of one line; None for a line that is none."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
