"""Runs the probes that are needed, each as soon as the areas it reads are there, side by side."""

import importlib
import queue
import threading
import traceback
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter
from typing import Any

import msgspec

from envdoctor.facts import AREAS, NOT_PROBED, Area, Facts
from envdoctor.target import Target

WORKERS = 4


class Probe(msgspec.Struct, frozen=True):
    """`run` gets the target and the facts of the areas in `needs`; other areas hold their defaults."""

    area: str
    needs: tuple[str, ...]
    run: Callable[[Target, Facts], Area]


def load_probe(area: str) -> Probe:
    """The probe of an area, imported only when asked for."""
    module = importlib.import_module(f"envdoctor.probes.{area}")
    return Probe(area, tuple(module.NEEDS), module.probe)


def gather(
    target: Target,
    areas: Iterable[str],
    notify: Callable[[str], None] | None = None,
    load: Callable[[str], Probe] = load_probe,
) -> Facts:
    """Facts of the areas asked for and of those they rest on. `notify` is told the area whose probe starts.

    A probe that breaks leaves its area unprobed and its reason in `failed`; the others go on.
    """
    probes = _with_needs(areas, load)
    sorter = TopologicalSorter({area: probe.needs for area, probe in probes.items()})
    sorter.prepare()
    results: dict[str, Area] = {}
    failed: dict[str, str] = {}
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Area | BaseException]] = queue.SimpleQueue()

    def work() -> None:
        while (area := waiting.get()) is not None:
            probe = probes[area]
            if notify is not None:
                notify(area)
            known: dict[str, Any] = {need: results[need] for need in probe.needs if need in results}
            try:
                done.put((area, probe.run(target, Facts(probed=tuple(known), **known))))
            except BaseException as error:
                done.put((area, error))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(WORKERS, len(probes)))]
    for worker in workers:
        worker.start()
    while sorter.is_active():
        for area in sorter.get_ready():
            waiting.put(area)
        area, result = done.get()
        if isinstance(result, BaseException):
            failed[area] = _broke(result)
        else:
            results[area] = result
        sorter.done(area)
    for _ in workers:
        waiting.put(None)
    found: dict[str, Any] = dict(results)
    return Facts(probed=tuple(area for area in AREAS if area in results), failed=failed, **found)


def with_area(facts: Facts, area: str, value: Area) -> Facts:
    """The same facts with one area replaced and marked as probed."""
    probed = facts.probed if area in facts.probed else (*facts.probed, area)
    changes: dict[str, Any] = {area: value, "probed": probed}
    return msgspec.structs.replace(facts, **changes)


def _with_needs(areas: Iterable[str], load: Callable[[str], Probe]) -> dict[str, Probe]:
    probes: dict[str, Probe] = {}
    wanted = [area for area in areas if area not in NOT_PROBED]
    while wanted:
        area = wanted.pop()
        if area not in probes:
            probes[area] = load(area)
            wanted.extend(probes[area].needs)
    return probes


def _broke(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
