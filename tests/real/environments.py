"""Real Python environments with real packages, made with pip in a cache outside the repository.

`python tests/real/environments.py [NAME ...]` makes the named ones (all by default) and prints their interpreters.

An environment counts only when its stamp lies in it. The stamp is written last, so one whose making was killed is
thrown away and made again. It is made at its final path because console scripts carry that path in their first line.
A lock beside each environment lets two runs wait for each other.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

STAMP = ".complete"
INSTALL_SECONDS = 1800
PROOF_SECONDS = 300

# What the user's own shell may set and would decide the outcome here.
STEERING = (
    "CFLAGS",
    "CMAKE_GENERATOR",
    "CMAKE_PREFIX_PATH",
    "CMAKE_TOOLCHAIN_FILE",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CXXFLAGS",
    "Caffe2_DIR",
    "FORCE_CUDA",
    "LDFLAGS",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LIBRARY_PATH",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "PYTHONHOME",
    "PYTHONPATH",
)

# What pip says when it is the network or the registry that failed, and not the request.
UNREACHABLE = (
    "connection broken by",
    "Could not fetch URL",
    "NewConnectionError",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "ReadTimeoutError",
    "ProxyError",
    "Max retries exceeded",
)


class UnavailableError(Exception):
    """This machine lacks what the environment is made from (an interpreter, the registry); the text is one line."""


class BuildError(Exception):
    """Everything needed was there and the making failed all the same; the text says where and how."""


@dataclass(frozen=True)
class Environment:
    """A finished environment: `root` is the folder of the venv, `python` its interpreter."""

    name: str
    root: Path
    python: Path

    @property
    def site_packages(self) -> Path:
        return next((self.root / "lib").glob("python*/site-packages"))


@dataclass(frozen=True)
class Recipe:
    """`pythons`: CPython versions that will do, best first. `installs`: arguments of one `pip install` each.

    `proof` is a script that the finished interpreter must run without error.
    """

    pythons: tuple[str, ...]
    installs: tuple[tuple[str, ...], ...]
    proof: str

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


RECIPES: Mapping[str, Recipe] = {
    "caffe2": Recipe(
        pythons=("3.7",),
        installs=(("torch==1.0.1", "numpy", "future", "six", "protobuf<3.21"),),
        proof="from caffe2.python import core, workspace; assert 'Relu' in workspace.RegisteredOperators()",
    ),
    "torch-cpu": Recipe(
        pythons=("3.11",),
        installs=(("torch==2.13.0",),),
        proof="import torch; assert torch.ones(2).sum().item() == 2",
    ),
    "torch-cuda": Recipe(
        pythons=("3.10", "3.9", "3.8", "3.7"),
        installs=(("torch==1.13.1", "torchvision==0.14.1", "numpy<2"),),
        proof="import torch, torchvision; assert torch.version.cuda == '11.7'; torch.ops.torchvision.nms",
    ),
    "torch-matching": Recipe(
        pythons=("3.11",),
        installs=(("torch==2.14.1", "torchvision==0.29.1", "numpy"),),
        proof="import torch, torchvision; torch.ops.torchvision.nms",
    ),
    # 0.29.1 belongs to torch 2.14: nothing but --no-deps lets it in beside 2.13.0.
    "torch-mismatch": Recipe(
        pythons=("3.11",),
        installs=(("torch==2.13.0", "numpy", "pillow"), ("--no-deps", "torchvision==0.29.1")),
        proof="import torch",
    ),
}


def cache_root() -> Path:
    """The folder of all that the real tests make: `ENVDOCTOR_REAL_CACHE`, or `envdoctor/real` in the user's cache."""
    named = os.environ.get("ENVDOCTOR_REAL_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "envdoctor" / "real"


def say(text: str) -> None:
    """Progress goes to stderr, so that stdout can be read by a program."""
    sys.stderr.write(f"real: {text}\n")
    sys.stderr.flush()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the kernel lets go of it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"waiting for another run that holds {path}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(root: Path, digest: str, make: Callable[[Path], None]) -> Path:
    """Return `root` with what `make(root)` put into it for `digest`; it is called only where that is not there yet."""
    stamp = root / STAMP
    with locked(root.with_name(root.name + ".lock")):
        if stamp.is_file() and stamp.read_text() == digest:
            return root
        if root.exists():
            shutil.rmtree(root)
        root.mkdir()
        started = time.monotonic()
        say(f"{root.name}: making it in {root}")
        make(root)
        partial = root / (STAMP + ".partial")
        partial.write_text(digest)
        partial.replace(stamp)
        say(f"{root.name}: ready after {time.monotonic() - started:.0f} s")
    return root


def find_python(versions: Sequence[str]) -> Path:
    """The first CPython of `versions` ("3.7") that pyenv or PATH has and that starts."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    for version in versions:
        installed = sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)
        on_path = shutil.which(f"python{version}")
        for candidate in [*installed, *([Path(on_path)] if on_path else [])]:
            if _is_cpython(candidate, version):
                return candidate
    raise UnavailableError(f"needs CPython {' or '.join(versions)}, and neither pyenv nor PATH has it")


def _is_cpython(python: Path, version: str) -> bool:
    """A shim of pyenv lies on PATH for versions that are not installed, so the interpreter is asked."""
    script = "import ensurepip, platform, sys; print(platform.python_implementation(), '%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.split() == ["CPython", version]


def clean_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's variables without those that steer builds and interpreters, and with messages in English."""
    kept = {key: value for key, value in os.environ.items() if key not in STEERING}
    return {**kept, "LC_ALL": "C", **(changes or {})}


def run_step(
    command: Sequence[str | Path],
    seconds: float,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run one command and return its output; BuildError with the end of the output where it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            cwd=cwd,
            env=clean_environment(variables),
        )
    except subprocess.TimeoutExpired as slow:
        raise BuildError(f"took longer than {seconds:.0f} s: {' '.join(words)}") from slow
    if done.returncode:
        raise BuildError(f"status {done.returncode} of: {' '.join(words)}\n{done.stdout[-4000:]}")
    return done.stdout


def pip(python: Path, *arguments: str) -> str:
    """Run `pip` of an interpreter; UnavailableError where the registry cannot be reached."""
    # pip speaks of a failed connection only where it tries again.
    options = ("--disable-pip-version-check", "--retries=3")
    try:
        return run_step([python, "-m", "pip", *options, *arguments], INSTALL_SECONDS)
    except BuildError as failed:
        if any(sign in str(failed) for sign in UNREACHABLE):
            raise UnavailableError(
                f"needs the package registry, and pip cannot reach it (pip {' '.join(arguments)})"
            ) from failed
        raise


def environment(name: str) -> Environment:
    """The environment `name`, made now if need be.

    Raises UnavailableError where an interpreter or the registry is missing, BuildError where it fails otherwise.
    """
    recipe = RECIPES[name]
    root = cache_root() / name
    python = root / "bin" / "python"

    def make(root: Path) -> None:
        run_step([find_python(recipe.pythons), "-m", "venv", root], INSTALL_SECONDS)
        for arguments in recipe.installs:
            say(f"{name}: pip install {' '.join(arguments)}")
            pip(python, "install", "--quiet", "--no-compile", *arguments)
        run_step([python, "-c", recipe.proof], PROOF_SECONDS)

    made_once(root, recipe.digest(), make)
    return Environment(name=name, root=root, python=python)


def main(names: Sequence[str]) -> int:
    """Make the named environments, or all; 2 for an unknown name."""
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        say(f"no environment called {', '.join(unknown)}; there are {', '.join(RECIPES)}")
        return 2
    for name in names or RECIPES:
        sys.stdout.write(f"{name} {environment(name).python}\n")
    return 0


def reported(work: Callable[[], int]) -> int:
    """The status of `work`: 1 where something could not be made, 3 where this machine lacks what it is made from."""
    try:
        return work()
    except UnavailableError as reason:
        say(str(reason))
        return 3
    except BuildError as failed:
        say(str(failed))
        return 1


if __name__ == "__main__":
    sys.exit(reported(lambda: main(sys.argv[1:])))
