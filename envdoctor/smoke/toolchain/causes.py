"""Which findings explain a stage that fails: those that its message speaks of and that the facts bear out."""

from collections.abc import Sequence

import msgspec

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN, Check, Finding
from envdoctor.checking.discover import load_checks
from envdoctor.checking.fold import fold
from envdoctor.checking.judge import Outcome, judge, severity
from envdoctor.facts import Facts
from envdoctor.probes.gather import gather, with_area
from envdoctor.smoke.attribution import Cause
from envdoctor.smoke.toolchain.stages import Stage, Verdict
from envdoctor.target import Target

CODES_AT_MOST = 4


class Sign(msgspec.Struct, frozen=True):
    """Words of a message, all of which must be there, and the codes that they speak of, the likeliest first."""

    words: tuple[str, ...]
    codes: tuple[str, ...]


# Wherever they are said.
ANYWHERE = (
    Sign(("version `GLIBCXX_",), ("ENV003", "SYM003")),
    Sign(("version `CXXABI_",), ("ENV003", "SYM003")),
    Sign(("version `GLIBC_",), ("SYM003",)),
    Sign(("No module named", "torch"), ("TOR007",)),
    Sign(("No module named", "caffe2"), ("C2002",)),
    Sign(("No module named",), ("C2009",)),
    Sign(("cublas_path",), ("TOR003",)),
    Sign(("Descriptors cannot",), ("PB003",)),
)

SIGNS = {
    CONFIGURE: (
        Sign(("could not be started", "cmake"), ("CMK001",)),
        Sign(("could not be started",), ("PY003",)),
        Sign(('configuration file provided by "Caffe2"',), ("C2002", "C2001")),
        Sign(("Could NOT find", "Caffe2"), ("C2002", "C2001")),
        # Of Torch no check knows where CMake looks for it.
        Sign(('configuration file provided by "Torch"',), ("TOR007",)),
        Sign(("include could not find",), ("C2003", "C2001")),
        Sign(("Caffe2Targets",), ("C2003", "C2010")),
        Sign(("Compatibility with CMake <",), ("CMK002",)),
        Sign(("CMake", "or higher is required"), ("CMK003",)),
        Sign(("compiler set in environment variable",), ("CC001",)),
        Sign(("CMAKE_CXX_COMPILER",), ("CC001",)),
        Sign(("CMAKE_C_COMPILER",), ("CC001",)),
        Sign(("CMAKE_MAKE_PROGRAM",), ("CMK004", "CMK005")),
        Sign(("build tool",), ("CMK004", "CMK005")),
        Sign(("CUDNN",), ("DNN001",)),
        Sign(("cuDNN",), ("DNN001",)),
        Sign(("CUDA", "compiled with"), ("C2008", "CUDA001")),
        Sign(("CUDA", "cannot find"), ("CUDA003", "CUDA008", "CUDA011", "C2008")),
        Sign(("mismatches the version", "CUDA"), ("CUDA001",)),
        Sign(("CUDA_HOME environment variable is not set",), ("CUDA002", "CUDA003", "TOR002")),
        Sign(("nvcc not found",), ("CUDA002",)),
        Sign(("/bin/nvcc", "No such file"), ("CUDA002", "CUDA008")),
        Sign(("list index out of range",), ("CUDA005",)),
        Sign(("Unknown CUDA arch",), ("ENV001", "CUDA004")),
        Sign(("version required by CUDA",), ("CC002",)),
        Sign(("Ninja is required",), ("CMK005",)),
    ),
    COMPILE: (
        Sign(("could not be started", "nvcc"), ("CUDA002", "CUDA003")),
        Sign(("could not be started",), ("CC001", "CMK004", "CMK005")),
        Sign(("Unsupported gpu architecture",), ("CUDA004",)),
        Sign(("gpu-architecture", "is not defined"), ("CUDA004",)),
        Sign(("unsupported GNU version",), ("CC002",)),
        Sign(("unsupported clang version",), ("CC002",)),
        Sign(("#error", "protoc"), ("PB001", "PB004")),
        Sign(("google/protobuf", "No such file"), ("PB001",)),
        Sign(("mkl", "No such file"), ("MKL001",)),
        Sign(("ThreadPool", "No such file"), ("C2005",)),
        Sign(("caffe2/", "No such file"), ("C2004", "C2005")),
        Sign(("Python.h", "No such file"), ("PY001",)),
        Sign(("cu", ".h: No such file"), ("CUDA010", "CC004")),
        Sign(("No such file",), ("CC004", "CC001")),
        Sign(("not found",), ("CC001",)),
        Sign(("GetSingleArgument",), ("C2007",)),
        Sign(("too old version of GCC",), ("CC003",)),
        Sign(("C++", "or later compatible compiler"), ("CC003",)),
        Sign(("unrecognized command", "-std="), ("CC003",)),
    ),
    LINK: (
        Sign(("could not be started",), ("CC001",)),
        Sign(("cannot find -lcudart",), ("CUDA008", "CUDA010", "CUDA002")),
        Sign(("cannot find -l",), ("C2006",)),
        Sign(("undefined reference", "protobuf"), ("PB002", "PB005", "ABI001")),
        Sign(("undefined reference",), ("ABI001", "SYM004")),
    ),
    LOAD: (
        Sign(("undefined symbol", "protobuf"), ("PB002", "ABI001", "PB005")),
        Sign(("undefined symbol",), ("ABI001", "PB002", "TOR001", "SYM004")),
        Sign(("cannot open shared object file",), ("SYM002", "TOR003", "SYM005")),
    ),
    RUN: (
        Sign(("no kernel image",), ("CUDA007", "CUDA006")),
        Sign(("driver version is insufficient",), ("DRV002", "DRV001")),
        Sign(("no CUDA-capable device",), ("DRV006", "DRV001", "DRV005")),
        Sign(("unsupported toolchain",), ("DRV008",)),
        Sign(("PTX",), ("DRV008",)),
    ),
}
# A process that dies in the library: what the checks say of how it was compiled.
OF_A_DEATH = ("ABI002", "ABI003", "ABI001", "PB005", "SYM004")


class Causes:
    """Facts and findings, judged when the first stage fails and not before."""

    def __init__(self, target: Target, facts: Facts) -> None:
        self._target = target
        self._facts = facts
        self._checks: tuple[Check, ...] | None = None
        self._told: dict[str, Cause] = {}

    @property
    def told(self) -> tuple[Cause, ...]:
        """The findings behind all codes that were told, each once."""
        return tuple(self._told.values())

    def of(self, stage: Stage, verdict: Verdict) -> tuple[str, ...]:
        """Codes of the checks that explain the failure, the likeliest first; none where none does."""
        outcomes = judge(self._facts_of(verdict.library), self._all_checks())
        found = {outcome.check.code: _worst(outcome.findings) for outcome in outcomes if outcome.findings}
        spoken = codes_of(stage.point, verdict)
        spoken = _certain(outcomes, stage.point) if spoken is None else spoken
        codes = tuple(code for code in spoken if code in found)[:CODES_AT_MOST]
        for code in codes:
            self._told.setdefault(code, Cause(code, found[code].title, found[code].why, found[code].remedy))
        return codes

    def _all_checks(self) -> tuple[Check, ...]:
        if self._checks is None:
            self._checks = tuple(load_checks())
            self._facts = with_areas(self._target, self._facts, {area for one in self._checks for area in one.needs})
        return self._checks

    def _facts_of(self, library: str | None) -> Facts:
        """With the library in place of those that the project has built: it is the newer evidence."""
        self._all_checks()
        if library is None:
            return self._facts
        from envdoctor.probes.extensions import probe

        project = msgspec.structs.replace(self._facts.project, libraries=(library,))
        facts = msgspec.structs.replace(self._facts, project=project)
        return with_area(facts, "extensions", probe(self._target, facts))


def _worst(findings: Sequence[Finding]) -> Finding:
    return max(findings, key=lambda one: severity(one.state))


def codes_of(point: int, verdict: Verdict) -> tuple[str, ...] | None:
    """What the message speaks of, borne out by facts or not; None for a message that no sign knows."""
    for sign in (*ANYWHERE, *SIGNS[point]):
        if all(word in verdict.message for word in sign.words):
            return sign.codes
    return OF_A_DEATH if verdict.signal is not None and point in (LOAD, RUN) else None


def _certain(outcomes: Sequence[Outcome], point: int) -> tuple[str, ...]:
    """Faults that are sure and strike at this point, where the message speaks of none: causes, not consequences."""
    strikes = {outcome.check.code: outcome.check.strikes for outcome in outcomes}
    certain = [one.code for one in fold(outcomes) if one.state == "fail" and point <= strikes[one.code] < point + 100]
    return tuple(dict.fromkeys(certain))


def with_areas(target: Target, facts: Facts, areas: set[str]) -> Facts:
    """Facts with these areas; those that are there are kept."""
    missing = areas - set(facts.probed) - set(facts.failed)
    if not missing:
        return facts
    gathered = gather(target, missing)
    for area in gathered.probed:
        if area not in facts.probed:
            facts = with_area(facts, area, getattr(gathered, area))
    return msgspec.structs.replace(facts, failed={**gathered.failed, **facts.failed})
