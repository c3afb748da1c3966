"""torch and what was built against it: the pair, the build, the requirements, the interpreter."""

import re
import shlex
from collections.abc import Iterator
from posixpath import dirname

from envdoctor.checking.check import (
    BEFORE,
    CONFIGURE,
    LOAD,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Absent, Extension, Facts, Known, TorchCompanion, Unreadable, value_of
from envdoctor.knowledge.torch import matching_torch, matching_torchvision, release, releases_for
from envdoctor.knowledge.versions import compare, numbers, series

from . import building, cuda_use, remedies

NO_TORCH = NotApplicable("torch is not installed")
# torchvision registers its operators when it is imported, so that a broken compiled part breaks the import.
COMPILED = ("torchvision", "detectron2", "mmcv")


@check("TOR001", "companion-of-another-torch", needs=("torch", "extensions", "python"), strikes=LOAD + 1)
def companion_of_another_torch(facts: Facts) -> Iterator[Judgement]:
    """torchvision, or another package built against torch, belongs to another torch

    What it finds:
        The torch that torchvision, torchaudio, detectron2 or mmcv ask for, or were published with, against the one that
        is installed; and the CUDA major of both.
    Why it breaks:
        Their compiled part uses torch's C++ interface, which changes with every release. Where it does not load, the
        operators are missing. A difference alone proves nothing, so the symbols of the compiled part count as well.
    Example:
        RuntimeError: operator torchvision::nms does not exist
        RuntimeError: Couldn't load custom C++ ops. This can happen if your PyTorch and torchvision versions are ...
    What to do:
        Install the matching pair.
    Sources:
        requirements in the packages' metadata; PyPI releases of torch and torchvision; measured with torch 2.13.0 and
        torchvision 0.29.1
    """
    torch = facts.torch.version
    if not isinstance(torch, Known):
        yield NO_TORCH
    elif not facts.torch.companions:
        yield NotApplicable("no torchvision, torchaudio, detectron2 or mmcv")
    else:
        for companion in facts.torch.companions:
            finding = _another_torch(facts, companion, torch) or _another_cuda(facts, companion)
            if finding is not None:
                yield finding


def _another_torch(facts: Facts, companion: TorchCompanion, torch: Known[str]) -> Finding | None:
    wanted, source = companion.requires_torch, companion.path
    asked = wanted is not None and any(sign in wanted for sign in "=<>~!")
    if not asked:
        pair = matching_torch(companion.version) if companion.name == "torchvision" else None
        if pair is None or release(torch.value) is None:
            return None
        wanted, source = pair.requires, pair.source
    if wanted is None or _satisfies(torch.value, wanted):
        return None
    broken = _broken(facts, companion)
    return Finding(
        # The symbols are the judge; without them only the package's own word is taken for sure.
        state="warn" if broken is False else "fail" if asked or broken else "warn",
        title=f"{companion.name} {companion.version} asks for torch{wanted}, here is torch {torch.value}",
        why="Its compiled part was built against another torch."
        if broken is not False
        else "All symbols of its compiled part are found, so it may work; it was not made for this torch.",
        evidence=(
            Evidence(companion.name, f"{companion.version}, torch{wanted}", source),
            seen("torch", torch),
            Evidence(
                "compiled part",
                {True: "lacks symbols", False: "all symbols found", None: "not read"}[broken],
                companion.path,
            ),
        ),
        remedy=_pair(facts, companion, torch.value),
        subject=companion.name,
        explains=("SYM001", "SYM002", "SYM004", "ABI001", "TOR005"),
    )


def _satisfies(version: str, specifier: str) -> bool:
    """Whether a version is what a requirement asks for; True where the requirement has no sense."""
    public = version.partition("+")[0]
    exact = re.fullmatch(r"==\s*([\d.]+)", specifier)
    if exact is not None and re.fullmatch(r"[\d.]+", public):
        # By far the most frequent; spares the import.
        return compare(public, exact[1]) == 0
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _broken(facts: Facts, companion: TorchCompanion) -> bool | None:
    """Whether a compiled part of it lacks symbols or libraries; None where none was examined."""
    parts = [one for one in facts.extensions.found if one.path.startswith(companion.path.rstrip("/") + "/")]
    return any(_lacks(part) for part in parts) if parts else None


def _lacks(extension: Extension) -> bool:
    """libcuda comes with the driver: on a machine without one it is missing and nothing is broken."""
    missing = [library for library in extension.missing if not library.name.startswith(("libcuda.so", "libnvidia"))]
    return bool(extension.undefined or missing or extension.versions)


def _pair(facts: Facts, companion: TorchCompanion, torch: str) -> Remedy:
    fitting = matching_torchvision(torch) if companion.name == "torchvision" else None
    if fitting is None:
        text = f"Install the {companion.name} that belongs to torch {torch}, or the torch it asks for."
        return Remedy(text, recipe="torch-pair")
    index = _index(torch)
    return Remedy(
        f"Install torchvision {fitting.torchvision}, which belongs to torch {fitting.torch}.",
        (f"{remedies.python(facts)} -m pip install --no-deps{index} torchvision=={fitting.torchvision}",),
        recipe="torch-pair",
    )


def _index(torch: str) -> str:
    """Builds with a local version, such as `+cu118`, come from torch's own index."""
    local = torch.partition("+")[2]
    return f" --index-url https://download.pytorch.org/whl/{local}" if re.fullmatch(r"cpu|cu\d{2,3}", local) else ""


def _another_cuda(facts: Facts, companion: TorchCompanion) -> Finding | None:
    own, torch = companion.cuda, facts.torch.cuda
    if companion.name != "torchvision" or not isinstance(own, Known) or isinstance(torch, Unreadable):
        return None
    if isinstance(torch, Known) and numbers(own.value)[:1] == numbers(torch.value)[:1]:
        return None
    here = f"with CUDA {torch.value}" if isinstance(torch, Known) else "without"
    return Finding(
        state="fail",
        title=f"torchvision was built with CUDA {own.value}, torch {here}",
        why="torchvision compares the majors when it is imported, and refuses."
        if isinstance(torch, Known)
        else "torchvision's compiled part needs libraries that only a torch with CUDA has, and is not loaded.",
        evidence=(seen("CUDA of torchvision", own), seen("CUDA of torch", torch)),
        remedy=_pair(facts, companion, value_of(facts.torch.version) or ""),
        subject=f"{companion.name} cuda",
        explains=("SYM001", "SYM002", "SYM004"),
    )


@check(
    "TOR002",
    "torch-is-a-cpu-build",
    needs=("torch", "project", "environment", "caffe2", "driver", "python"),
    strikes=CONFIGURE + 38,
)
def torch_is_a_cpu_build(facts: Facts) -> Iterator[Judgement]:
    """torch was built without CUDA

    What it finds:
        A torch without CUDA, and a project with CUDAExtension, or a GPU that nothing here can use.
    Why it breaks:
        torch's build tools ignore CUDA_HOME for such a torch, so that their message about it misleads.
    Example:
        OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.
        AssertionError: Torch not compiled with CUDA enabled
    What to do:
        Install a build of torch with CUDA.
    Sources:
        torch 2.13.0, torch/utils/cpp_extension.py: CUDA_HOME is None unless torch.version.cuda is set
    """
    if not isinstance(facts.torch.version, Known):
        yield NO_TORCH
    elif isinstance(facts.torch.cuda, Unreadable):
        yield undetermined("it is not known whether torch was built with CUDA", facts.torch.cuda, "torch/version.py")
    elif isinstance(facts.torch.cuda, Absent) and not isinstance(facts.torch.hip, Known):
        severity = cuda_use.build_severity(facts) if building.builds_extension(facts) else None
        gpus = value_of(facts.driver.gpus)
        if severity is not None or gpus:
            name = cuda_use.named("torch", facts.torch.version)
            what = "the project compiles CUDA code" if severity else f"there is a GPU ({gpus[0].name if gpus else ''})"
            yield Finding(
                # A project that names both kinds of extension builds for the CPU then, and nothing breaks.
                state="fail" if severity == "fail" else "note",
                title=f"{name} is a build for the CPU, and {what}",
                why="torch's build tools ignore CUDA_HOME where torch itself has no CUDA."
                if severity
                else "It computes on the CPU alone.",
                evidence=(seen("CUDA of torch", facts.torch.cuda), seen("torch", facts.torch.version)),
                remedy=_cuda_build(facts),
                explains=("CUDA003", "CUDA005"),
            )


def _cuda_build(facts: Facts) -> Remedy:
    version = (value_of(facts.torch.version) or "").partition("+")[0]
    row = release(version)
    if row is None or not row.cuda:
        return Remedy("Install a build of torch with CUDA.", recipe="cuda-build")
    local = "cu" + "".join((series(row.cuda) or "").split("."))
    command = f"{remedies.python(facts)} -m pip install --force-reinstall --no-deps"
    return Remedy(
        f"Install the build for CUDA {row.cuda}, then what it requires.",
        (
            f"{command} --index-url https://download.pytorch.org/whl/{local} torch=={version}",
            f"{remedies.python(facts)} -m pip install torch=={version}",
        ),
        recipe="cuda-build",
    )


@check("TOR003", "torch-requirements-missing", needs=("torch", "cuda", "python"), strikes=LOAD)
def torch_requirements_missing(facts: Facts) -> Iterator[Judgement]:
    """Packages that torch requires are not installed

    What it finds:
        nvidia-* packages that torch's metadata requires for this platform, and that are not there.
    Why it breaks:
        torch's libraries need cuBLAS, cuDNN and others, which come in those packages. It happens after `--no-deps`.
    Example:
        UnboundLocalError: local variable 'cublas_path' referenced before assignment
        ImportError: libcublas.so.12: cannot open shared object file: No such file or directory
    What to do:
        Install them; pip adds what is missing.
    Sources:
        measured with PyPI torch 1.13.1 without its requirements
    """
    missing = facts.torch.missing_requirements
    if not isinstance(facts.torch.version, Known):
        yield NO_TORCH
    elif missing:
        version = facts.torch.version.value
        public, plus, _ = version.partition("+")
        wanted = " ".join(shlex.quote(name) for name in missing) if plus else f"torch=={public}"
        offered = sorted({library.name for library in facts.cuda.in_library_path})
        yield Finding(
            # Libraries of the same names on LD_LIBRARY_PATH serve instead.
            state="warn" if offered else "fail",
            title=f"torch {version} requires {len(missing)} packages that are not installed: {', '.join(missing[:4])}"
            + (", ..." if len(missing) > 4 else ""),
            why="Its libraries need those that come in these packages, and are not loaded without them.",
            evidence=(
                Evidence("required and missing", " ".join(missing), "metadata of torch"),
                Evidence("on LD_LIBRARY_PATH instead", " ".join(offered[:8]) or "none", "variable LD_LIBRARY_PATH"),
            ),
            remedy=Remedy("Install them.", (f"{remedies.python(facts)} -m pip install{_index(version)} {wanted}",)),
            explains=("SYM002", "DNN002"),
        )


@check("TOR004", "torch-does-not-support-this-python", needs=("torch", "python"), strikes=LOAD + 4)
def torch_does_not_support_this_python(facts: Facts) -> Iterator[Judgement]:
    """torch is installed for another Python

    What it finds:
        A torch that lies in the directory of another Python, or whose release has no wheel for this one.
    Why it breaks:
        torch/_C is an extension module of one Python; another one does not see it.
    Example:
        ModuleNotFoundError: No module named 'torch._C'
    What to do:
        Install torch with the interpreter that is to use it, or use the one that it was installed for.
    Sources:
        wheel tags of the PyPI releases of torch
    """
    root, torch, python = facts.torch.root, facts.torch.version, facts.python.version
    if not isinstance(root, Known) or not isinstance(torch, Known) or not isinstance(python, Known):
        yield NO_TORCH
        return
    here = series(python.value) or python.value
    place = re.search(r"/python(\d\.\d{1,2})/", root.value)
    row = release(torch.value)
    if place is not None and place[1] != here:
        yield _unsupported(
            facts, "fail", f"torch lies in a directory of Python {place[1]}, the interpreter is {here}", ""
        )
    elif row is not None and here not in row.python.split() and value_of(facts.python.kind) != "conda":
        title = f"torch {torch.value} has no wheel for Python {here}: only for {', '.join(row.python.split())}"
        yield _unsupported(facts, "warn", title, row.source)


def _unsupported(facts: Facts, state: cuda_use.Severity, title: str, source: str) -> Finding:
    fitting = releases_for(value_of(facts.python.version) or "")
    commands = (f"{remedies.python(facts)} -m pip install torch=={fitting[0].version}",) if fitting else ()
    return Finding(
        state=state,
        title=title,
        why="torch's compiled module is made for one Python, and another does not see it.",
        evidence=(seen("torch", facts.torch.root), seen("Python", facts.python.version))
        + ((Evidence("wheels", "by release", source),) if source else ()),
        remedy=Remedy("Install a torch for this interpreter, or use the interpreter it was installed for.", commands),
    )


@check("TOR005", "companion-without-compiled-part", needs=("torch", "python"), strikes=LOAD + 6)
def companion_without_compiled_part(facts: Facts) -> Iterator[Judgement]:
    """torchvision, detectron2 or mmcv was installed without its compiled operators

    What it finds:
        The package's Python files, and no compiled module beside them.
    Why it breaks:
        Its operators are in that module. It is missing after an installation from sources that left out the
        compilation, and where a source directory hides the installed package.
    Example:
        RuntimeError: operator torchvision::nms does not exist
        ModuleNotFoundError: No module named 'mmcv._ext'
    What to do:
        Install the built package, or build it.
    Sources:
        https://mmcv.readthedocs.io/en/latest/get_started/installation.html (mmcv and mmcv-lite)
    """
    companions = [companion for companion in facts.torch.companions if companion.name in COMPILED]
    if not companions:
        yield NotApplicable("no torchvision, detectron2 or mmcv")
    for companion in companions:
        if isinstance(companion.extension, Absent):
            fitting = matching_torchvision(value_of(facts.torch.version) or "")
            known = companion.name == "torchvision" and fitting is not None
            wanted = f"torchvision=={fitting.torchvision}" if known and fitting is not None else ""
            command = f"{remedies.python(facts)} -m pip install --force-reinstall --no-deps {wanted}"
            yield Finding(
                state="warn" if companion.name == "mmcv" else "fail",
                title=f"{companion.name} {companion.version} has no compiled part",
                why="Its operators are in a compiled module that is not there.",
                evidence=(seen("compiled part", companion.extension), Evidence("package", companion.path, "sys.path")),
                remedy=Remedy("Install the built package, or build it.", (command,) if wanted else ()),
                subject=companion.name,
            )


@check("TOR006", "several-torch", needs=("torch",), strikes=BEFORE + 51)
def several_torch(facts: Facts) -> Iterator[Judgement]:
    """Several torch packages; the first hides the others

    What it finds:
        More than one torch on sys.path, such as one in the user's site directory and one in the environment.
    Why it breaks:
        The first is imported. A torchvision beside a hidden one was built for that, not for the one that is imported.
    Example:
        torch.__version__ is not what pip show says.
    What to do:
        Remove those that are not wanted, or set PYTHONNOUSERSITE=1.
    Sources:
        https://docs.python.org/3/library/site.html
    """
    others, root = facts.torch.others, facts.torch.root
    if not isinstance(root, Known):
        yield NO_TORCH
        return
    for other in others:
        beside = [one.name for one in facts.torch.companions if dirname(one.path) == dirname(other)]
        title = f"{root.value} hides another torch in {other}"
        yield Finding(
            state="warn" if beside else "note",
            title=f"{title}, to which {' and '.join(beside)} may belong" if beside else title,
            why="The first on sys.path is imported.",
            evidence=(seen("imported", root), Evidence("hidden", other, "sys.path")),
            remedy=Remedy("Remove the one that is not wanted, or keep the user's site directory off sys.path.")
            if beside
            else None,
            subject=other,
        )


@check("TOR007", "torch-missing", needs=("torch", "project", "python"), strikes=BEFORE + 20)
def torch_missing(facts: Facts) -> Iterator[Judgement]:
    """An extension of torch is to be built, and this interpreter has no torch

    What it finds:
        A project that builds an extension of torch, and no torch package on the interpreter's sys.path.
    Why it breaks:
        Its setup.py imports torch. An isolated build of pip hides an installed one as well.
    Example:
        ModuleNotFoundError: No module named 'torch'
    What to do:
        Install torch with this interpreter, and build with --no-build-isolation.
    Sources:
        https://pip.pypa.io/en/stable/reference/build-system/ (build isolation)
    """
    version = facts.torch.version
    if isinstance(version, Unreadable):
        yield undetermined("it is not known which torch is installed", version, "torch")
    elif not building.builds_extension(facts):
        yield NotApplicable("no extension of torch is built here")
    elif isinstance(version, Absent):
        yield Finding(
            state="fail",
            title="the project builds an extension of torch, and torch is not installed",
            why="Its build imports torch and compiles against torch's headers.",
            evidence=(seen("torch", version), seen("interpreter", facts.python.executable)),
            remedy=Remedy("Install it with this interpreter.", (f"{remedies.python(facts)} -m pip install torch",)),
            explains=("CC004",),
        )
