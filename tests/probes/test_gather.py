import threading
import time
from collections.abc import Callable

from envdoctor.facts import Area, Cuda, Facts, Host, Known, Python, Torch
from envdoctor.files import LiveFiles
from envdoctor.probes.gather import Probe, gather
from envdoctor.target import Target

TARGET = Target(kind="machine", files=LiveFiles(), environment={})


def loader(*probes: Probe) -> Callable[[str], Probe]:
    return {probe.area: probe for probe in probes}.__getitem__


def host(_target: Target, _known: Facts) -> Area:
    return Host(kernel=Known("6.1", "test"))


def test_only_the_areas_asked_for_and_their_needs_are_probed() -> None:
    load = loader(
        Probe("host", (), host),
        Probe("python", ("host",), lambda _target, known: Python(version=known.host.kernel)),
        Probe("cuda", (), lambda _target, _known: Cuda()),
    )

    facts = gather(TARGET, ["python"], load=load)

    assert facts.probed == ("host", "python")
    assert facts.python.version == Known("6.1", "test")


def test_a_probe_sees_only_the_areas_that_it_names() -> None:
    load = loader(
        Probe("host", (), host),
        Probe("python", ("host",), lambda _target, _known: Python()),
        Probe("torch", ("python",), lambda _target, known: Torch(libraries=known.probed)),
    )

    assert gather(TARGET, ["torch", "host"], load=load).torch.libraries == ("python",)


def test_a_probe_that_breaks_leaves_its_reason_and_the_others_go_on() -> None:
    def broken(_target: Target, _known: Facts) -> Area:
        raise RuntimeError("no such luck")

    facts = gather(TARGET, ["host", "cuda"], load=loader(Probe("host", (), host), Probe("cuda", (), broken)))

    assert facts.probed == ("host",)
    assert facts.failed["cuda"].startswith("RuntimeError: no such luck at test_gather.py:")


def test_independent_probes_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def meet(_target: Target, _known: Facts) -> Area:
        meeting.wait()
        return Host()

    facts = gather(TARGET, ["host", "cuda"], load=loader(Probe("host", (), meet), Probe("cuda", (), meet)))

    assert not facts.failed


def test_the_area_being_probed_is_told() -> None:
    told: list[str] = []

    gather(TARGET, ["host"], told.append, load=loader(Probe("host", (), host)))

    assert told == ["host"]


def test_a_slow_probe_does_not_hold_up_independent_chains() -> None:
    order: list[str] = []

    def slow(_target: Target, _known: Facts) -> Area:
        time.sleep(0.2)
        order.append("slow")
        return Host()

    def quick(_target: Target, _known: Facts) -> Area:
        order.append("quick")
        return Python()

    load = loader(Probe("host", (), slow), Probe("cuda", (), quick), Probe("torch", ("cuda",), quick))
    gather(TARGET, ["host", "torch"], load=load)

    assert order == ["quick", "quick", "slow"]
