"""Signatures of a few lines for the tests of the engine."""

from collections.abc import Iterable
from typing import Any

from envdoctor.explain.diagnose import diagnose
from envdoctor.explain.diagnosis import Diagnosis
from envdoctor.explain.matching import Matcher
from envdoctor.explain.reading import Reading, read_log
from envdoctor.explain.signature import Signature


def signature(name: str, category: str = "", **keys: Any) -> Signature:
    """A signature with something in every key that must say something."""
    words = {"title": f"{name} happened", "cause": "A cause.", "cure": "A cure."}
    return Signature(name=name, category=category or name, **{**words, **keys})


HEADER = signature("header-missing", message="missing-header")
SYMBOL = signature("symbol-undefined", message="undefined-symbol", title="{symbol} is undefined in {library}")
TOOLCHAIN = signature("ptx-toolchain", pattern="provided PTX was compiled with an unsupported toolchain")
WARNING = signature("arch-warning", pattern="is not compatible with the current install", weak=True)
NOISE = signature("noise", "none", pattern="fatal error: harmless")
ALL = (HEADER, SYMBOL, TOOLCHAIN, WARNING, NOISE)


def reading(log: str | bytes | Iterable[bytes], signatures: Iterable[Signature] = ALL) -> Reading:
    """What is read in a log."""
    if isinstance(log, (str, bytes)):
        log = [log.encode() if isinstance(log, str) else log]
    return read_log(log, Matcher(tuple(signatures)))


def diagnoses(log: str | bytes | Iterable[bytes], signatures: Iterable[Signature] = ALL) -> tuple[Diagnosis, ...]:
    """The diagnoses of a log."""
    return diagnose(reading(log, signatures))


def categories(log: str | bytes | Iterable[bytes], signatures: Iterable[Signature] = ALL) -> list[str]:
    """Their categories, root cause first."""
    return [diagnosis.category for diagnosis in diagnoses(log, signatures)]
