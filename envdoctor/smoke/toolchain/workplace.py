"""What every toolchain is tried with: the target, a temporary folder, and hands that start tools in it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from envdoctor.facts import Facts
from envdoctor.op_results import LOAD, OpResult
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.runner import LibraryRun, Request, run_library
from envdoctor.smoke.toolchain.stages import OK, Notify, Verdict, judged
from envdoctor.smoke.toolchain.tools import Ran, Run, run_tool
from envdoctor.target import Target

PREFIX = "envdoctor-toolchain-"
TOLD = "told-by-cmake.txt"
TOLD_LIMIT = 1 << 20
# Variables that make tools say more than what is wrong.
DECORATION = ("CLICOLOR_FORCE", "GCC_COLORS", "VERBOSE")
NO_EXEC = "the temporary folder lies on a file system mounted `noexec`: name another one by TMPDIR"


class StageLimits(msgspec.Struct, frozen=True):
    """Seconds. A stage takes a few; the limits are for slow disks and busy machines, and to tell a hang."""

    ask: float = 120.0
    configure: float = 120.0
    compile: float = 300.0
    link: float = 120.0
    load: float = 120.0
    run: float = 30.0


class Workplace:
    """`folder` is empty at first and removed at the end. What runs in it sees the environment of the target."""

    def __init__(
        self, target: Target, facts: Facts, folder: str, limits: StageLimits, notify: Notify, run: Run = run_tool
    ) -> None:
        self.target = target
        self.facts = facts
        self.folder = folder
        self.limits = limits
        self.environment = tool_environment(target.environment)
        self._notify = notify
        self._run = run

    def place(self, name: str) -> str:
        """The path of something in the folder."""
        return f"{self.folder}/{name}"

    def write(self, name: str, text: str) -> str:
        """A file in the folder; its path."""
        path = self.place(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def read(self, name: str, limit: int) -> bytes:
        """At most `limit` bytes of a file in the folder. Raises OSError."""
        with open(self.place(name), "rb") as file:
            return file.read(limit)

    def told_by_cmake(self) -> dict[str, str]:
        """The variables that the generated CMake project left; empty where it was not configured."""
        try:
            text = self.read(TOLD, TOLD_LIMIT).decode("utf-8", "replace")
        except OSError:
            return {}
        pairs = (line.partition("=") for line in text.splitlines())
        return {name: value for name, _, value in pairs if value}

    def run(self, words: Sequence[str], seconds: float, folder: str | None = None) -> Ran:
        """Start a tool in the folder, or in one below it."""
        return self._run(words, self.environment, folder or self.folder, seconds)

    def try_tool(self, words: Sequence[str], seconds: float) -> Verdict:
        """Start a tool and judge its end."""
        return judged(self.run(words, seconds), self.hidden)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Folders that mean nothing to the reader."""
        return (self.folder,)

    def load(self, suite: str, library: str, ops: frozenset[str] | None = None) -> "Loaded":
        """Load a library in the target's interpreter and run what it offers, in a process of its own."""
        if not runs_programs(self.folder):
            # The kernel refuses every library there, right or wrong.
            refused = OpResult(op=LOAD, library="toolchain", state="unknown", message=NO_EXEC)
            return Loaded(LibraryRun(Library(suite, library, "toolchain"), (refused,)), library, self.hidden)
        limits = Limits(load=self.limits.load, op=self.limits.run)
        request = Request(self.target.python or "", self.target.environment, device="cpu", ops=ops, limits=limits)
        whole = run_library(Library(suite, library, "toolchain"), request, lambda _: None)
        return Loaded(whole, library, self.hidden)


class Loaded:
    """What came of loading a library and of running it, each as the verdict of its stage."""

    def __init__(self, run: LibraryRun, library: str, hidden: Sequence[str]) -> None:
        self._library = library
        self._hidden = hidden
        self._load = next((one for one in run.results if one.op == LOAD), None)
        self.ran = tuple(one for one in run.results if one.op != LOAD)
        self.offered = run.offered

    @property
    def loading(self) -> Verdict:
        """Of the load alone; a process that died while it ran something had loaded."""
        if self._load is None:
            return OK if self.ran else Verdict("crashed", "the process told nothing of the library", took_ms=0)
        # Skipped: it loads, and offers nothing that could be run here.
        return self._as_verdict(self._load) if self._load.state != "skipped" else OK

    @property
    def nothing_to_run(self) -> str:
        """The reason why nothing could be run; empty where something was, or could have been."""
        return self._load.message if self._load is not None and self._load.state == "skipped" else ""

    @property
    def running(self) -> Verdict:
        """Of all that ran: the first that is not right, the end of the process included."""
        wrong = next((one for one in self.ran if one.state != "ok"), None)
        if wrong is None and not self.ran:
            return Verdict("crashed", "nothing of the library was run", took_ms=0)
        return self._as_verdict(wrong or self.ran[0])

    def _as_verdict(self, one: OpResult) -> Verdict:
        message = one.message if one.state != "ok" else ""
        for folder in self._hidden:
            message = message.replace(f"{folder}/", "")
        return Verdict(
            one.state, message, one.signal, one.took_ms or None, one.max_error, one.tolerance, library=self._library
        )

    def of_op(self, op: str) -> Verdict:
        """Of one thing that ran."""
        found = next((one for one in self.ran if one.op == op), None)
        return self._as_verdict(found) if found is not None else Verdict("unknown", "the process ended before its turn")


def tool_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """With messages in English and without colours, which `complaint` reads."""
    kept = {name: value for name, value in environment.items() if name not in DECORATION}
    return {**kept, "LC_ALL": "C"}


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder that is gone afterwards, also when we are interrupted or told to end."""
    import tempfile

    with _ending_in_order(), tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        # Tools print it with its links resolved.
        yield os.path.realpath(folder)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind as Ctrl-C does: by themselves they end a process without a look at what it started."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    # Who ignores a signal, or handles it, goes on doing so; and only the main thread may change that.
    free = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    free = free if threading.current_thread() is threading.main_thread() else []
    for number in free:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)


def runs_programs(folder: str) -> bool:
    """Whether the kernel runs what is compiled here: not from a `noexec` mount."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


class Once:
    """Loads at the first call and tells the same at later ones: load and run are two stages of one process."""

    def __init__(self, work: Callable[[], Loaded]) -> None:
        self._work = work
        self.held: Loaded | None = None

    def __call__(self) -> Loaded:
        if self.held is None:
            self.held = self._work()
        return self.held
