"""What the driver says when asked: through NVML in a program of its own, or through nvidia-smi where there is no NVML.

A damaged driver hangs or crashes whoever calls it; both end as Unreadable with the reason, as does a refusal.
"""

import sys

import msgspec

from envdoctor.facts import Absent, Fact, Gpu, Known, Unreadable
from envdoctor.knowledge.cuda_driver import decode_cuda
from envdoctor.probes import nvml
from envdoctor.probes.reading import whole_number
from envdoctor.programs import Completed, Programs
from envdoctor.target import Target

SECONDS = 10.0
"""Starting NVML takes some seconds on a machine with many GPUs whose driver is not kept loaded."""

LIBRARY_NOT_FOUND = 12
REASON_AT_MOST = 300
SMI_FIELDS = "index,name,driver_version,memory.total,compute_cap"
SMI_PLACES = ("/usr/lib/wsl/lib/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi")


class Answer(msgspec.Struct, frozen=True):
    """`spoke` is False where the driver hung or crashed, and nothing more should be asked of it."""

    driver: Fact[str]
    cuda: Fact[str]
    gpus: Fact[tuple[Gpu, ...]]
    spoke: bool = True


def silent(fact: Absent | Unreadable, spoke: bool = True) -> Answer:
    """Nothing was learned, for one reason."""
    return Answer(fact, fact, fact, spoke)


# NVML


class _Refusal(msgspec.Struct, frozen=True):
    code: int
    text: str


class _Device(msgspec.Struct, frozen=True):
    index: int
    name: str = ""
    compute_capability: str | None = None
    memory: int | None = None
    error: _Refusal | None = None


class _Said(msgspec.Struct, frozen=True):
    """As envdoctor.probes.nvml prints it."""

    error: _Refusal | None = None
    driver: str | None = None
    nvml: str | None = None
    cuda: int | None = None
    gpus: tuple[_Device, ...] = ()
    gpus_error: _Refusal | None = None


class _Line(msgspec.Struct, frozen=True):
    nvml_answer: _Said


def ask_nvml(target: Target, programs: Programs, library: str | None) -> Answer:
    """Asks the libnvidia-ml.so.1 that a program of the target's environment finds; `library` names it, if known."""
    from importlib.util import find_spec

    via = f"NVML, {library}" if library else "NVML"
    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return silent(Unreadable("the Python module pynvml (nvidia-ml-py) is not installed", via))
    # -I and -S: of the target's environment only what the loader itself reads shall reach this interpreter.
    command = (sys.executable, "-I", "-S", nvml.__file__, spec.origin.rpartition("/")[0])
    done = programs.run(command, SECONDS, dict(target.environment))
    if done.problem:
        return silent(Unreadable(done.problem.replace(f"`{command[0]}`", "NVML"), via), spoke=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith(nvml.MARK)), None)
    if line is None:
        return silent(Unreadable(f"no answer, status {done.status}: {_last_line(done)}", via), spoke=False)
    try:
        said = msgspec.json.decode(line, type=_Line).nvml_answer
    except (msgspec.DecodeError, RecursionError) as error:
        return silent(Unreadable(f"an answer without sense: {error}", via), spoke=False)
    return _judged(said, library, via, "stub library" in done.stdout)


def _judged(said: _Said, library: str | None, via: str, warned: bool) -> Answer:
    refusal = said.error
    if refusal is not None:
        if warned or "stub library" in refusal.text:
            return silent(Unreadable("a stub of NVML, made for linking, which reaches no driver", via))
        if refusal.code == LIBRARY_NOT_FOUND and library is None:
            return silent(Absent(refusal.text))
        if refusal.code == LIBRARY_NOT_FOUND:
            return silent(Unreadable("the library is there and cannot be loaded", via))
        return silent(Unreadable(_spoken(refusal), via))
    return Answer(
        Known(said.driver, via) if said.driver else Unreadable("NVML tells no driver version", via),
        _cuda(said.cuda, via),
        _gpus(said, via),
    )


def _cuda(number: int | None, via: str) -> Fact[str]:
    version = decode_cuda(number) if number is not None else None
    if version is None:
        return (
            Absent("this NVML tells no CUDA version") if number is None else Unreadable(f"CUDA version {number}", via)
        )
    return Known(version, via, str(number))


def _gpus(said: _Said, via: str) -> Fact[tuple[Gpu, ...]]:
    """One GPU that does not answer makes the list Unreadable: a shorter list would hide it."""
    if said.gpus_error is not None:
        return Unreadable(_spoken(said.gpus_error), via)
    for device in said.gpus:
        if device.error is not None:
            return Unreadable(f"GPU {device.index}: {_spoken(device.error)}", via)
    return Known(
        tuple(Gpu(device.index, device.name, device.compute_capability, device.memory) for device in said.gpus), via
    )


def _spoken(refusal: _Refusal) -> str:
    text = " ".join(refusal.text.split())[:REASON_AT_MOST]
    return f"{text} (NVML error {refusal.code})"


def _last_line(done: Completed) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1][:REASON_AT_MOST] if lines else "nothing was printed"


# nvidia-smi


def ask_nvidia_smi(target: Target, programs: Programs) -> Answer | None:
    """None where there is no nvidia-smi."""
    path = target.which("nvidia-smi") or next((path for path in SMI_PLACES if target.files.is_file(path)), None)
    if path is None:
        return None
    done = _query(target, programs, path, SMI_FIELDS)
    if done.status is not None and "compute_cap" in done.stdout + done.stderr:
        # Before driver 470 the field was not known, and the whole question is refused.
        done = _query(target, programs, path, SMI_FIELDS.rpartition(",")[0])
    via = f"`{path}`"
    if done.problem:
        return silent(Unreadable(done.problem.replace(via, "nvidia-smi"), via), spoke=False)
    if not done.ok:
        return silent(Unreadable(f"status {done.status}: {_last_line(done)}", via))
    rows = [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
    if any(len(row) < 4 or whole_number(row[0]) is None for row in rows):
        return silent(Unreadable(f"an answer without sense: {_last_line(done)}", via))
    gpus = tuple(_row(row) for row in rows)
    driver: Fact[str] = (
        Known(rows[0][2], via) if rows else Unreadable("it lists no GPU, and with it no driver version", via)
    )
    return Answer(driver, Absent("nvidia-smi was not asked for the CUDA version"), Known(gpus, via, done.stdout[:4096]))


def _query(target: Target, programs: Programs, path: str, fields: str) -> Completed:
    command = (path, f"--query-gpu={fields}", "--format=csv,noheader,nounits")
    return programs.run(command, SECONDS, dict(target.environment))


def _row(row: list[str]) -> Gpu:
    total = whole_number(row[3])
    capability = row[4] if len(row) > 4 and row[4][:1].isdecimal() else None
    return Gpu(whole_number(row[0]) or 0, row[1], capability, None if total is None else total * 1024 * 1024)
