"""Extensions of torch built for the tests of ops: some of mmcv's own sources, and ops of the tests' own."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.real import components
from tests.real.environments import (
    BuildError,
    Environment,
    cache_root,
    environment,
    find_python,
    made_once,
    pip,
    run_step,
)

MMCV = "mmcv==2.2.0"
PROJECT = Path(__file__).resolve().parent.parent / "projects" / "smoke_ops"
BUILD_SECONDS = 600
# Without optimisation a build takes half as long, and the values are the same.
FLAGS = ["-O0", "-g0", "-w"]

SETUP = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension
setup(
    name="{name}",
    ext_modules=[CppExtension("{name}", {sources!r}, include_dirs={include!r}, extra_compile_args={flags!r})],
    cmdclass={{"build_ext": BuildExtension}},
)
"""

# Files of mmcv/ops/csrc/pytorch whose ops have kernels for the CPU, and the functions that its module has for them.
# Compiled in two pieces, since every file by itself reads all of torch's headers and two of them define one name.
MMCV_PIECES = {
    "one.cpp": (
        *("nms", "bbox_overlaps", "nms_rotated", "box_iou_rotated", "roi_align", "roi_pool", "roi_align_rotated"),
        *("deform_conv", "modulated_deform_conv", "cpu/nms", "cpu/bbox_overlaps_cpu", "cpu/nms_rotated"),
        *("cpu/box_iou_rotated", "cpu/roi_align", "cpu/deform_conv", "cpu/modulated_deform_conv"),
    ),
    "two.cpp": ("cpu/roi_align_rotated",),
}
MMCV_FUNCTIONS = (
    *("nms", "bbox_overlaps", "nms_rotated", "box_iou_rotated", "roi_pool_forward", "roi_pool_backward"),
    *("roi_align_forward", "roi_align_backward", "roi_align_rotated_forward", "roi_align_rotated_backward"),
    *("deform_conv_forward", "deform_conv_backward_input", "deform_conv_backward_parameters"),
    *("modulated_deform_conv_forward", "modulated_deform_conv_backward"),
)


def built(name: str, torch: Environment, sources: Mapping[str, str], include: tuple[Path, ...] = ()) -> Path:
    """The extension module `name` of sources by file name, built with the setup tools of a real torch, once."""
    script = SETUP.format(name=name, sources=sorted(sources), include=[str(folder) for folder in include], flags=FLAGS)

    def make(root: Path) -> None:
        (root / "setup.py").write_text(script)
        for file, text in sources.items():
            (root / file).write_text(text)
        command = (torch.python, "setup.py", "--quiet", "build_ext", "--build-lib", root / "lib")
        run_step(command, BUILD_SECONDS, cwd=root, variables={"MAX_JOBS": "1"})

    digest = "\n".join([components.cxx_version(), torch.name, script, *(sources[file] for file in sorted(sources))])
    root = made_once(cache_root() / f"ops-{name.strip('_')}-{torch.name}", digest, make)
    return next((root / "lib").glob(f"{name}*.so"))


def mmcv_sources() -> Path:
    """The folder `mmcv/ops/csrc` of mmcv's source distribution."""

    def make(root: Path) -> None:
        # Before pip keeps the archive it asks the source for its metadata, with tools that mmcv can still work with.
        run_step([find_python(("3.11", "3.12", "3.10", "3.9")), "-m", "venv", root / "tools"], BUILD_SECONDS)
        python = root / "tools" / "bin" / "python"
        pip(python, "install", "--quiet", "setuptools<81", "wheel")
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-binary=mmcv", "--dest", str(root))
        pip(python, "download", *options, MMCV)
        shutil.rmtree(root / "tools")
        archive = next(root.glob("mmcv-*.tar.gz"))
        run_step(["tar", "-xzf", archive, "-C", root, "--strip-components=1"], BUILD_SECONDS)
        archive.unlink()

    return made_once(cache_root() / "mmcv-sources", MMCV, make) / "mmcv" / "ops" / "csrc"


def mmcv_extension() -> Path:
    """mmcv's `_ext` with a part of its functions, bound by the lines of mmcv's own pybind.cpp."""
    csrc = mmcv_sources()
    pieces = {
        file: "".join(f'#include "{csrc}/pytorch/{name}.cpp"\n' for name in names)
        for file, names in MMCV_PIECES.items()
    }
    bindings = f"PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {{\n{_mmcv_bindings(csrc)}\n}}\n"
    pieces["one.cpp"] = f"#include <torch/extension.h>\n{pieces['one.cpp']}{bindings}"
    return built("_ext", environment("torch-cpu"), pieces, (csrc / "common",))


def _mmcv_bindings(csrc: Path) -> str:
    text = (csrc / "pytorch" / "pybind.cpp").read_text()
    found = {name: re.search(rf'm\.def\("{name}",.*?;', text, re.DOTALL) for name in MMCV_FUNCTIONS}
    missing = [name for name, binding in found.items() if binding is None]
    if missing:
        raise BuildError(f"{MMCV} binds no {', '.join(missing)}")
    return "\n".join(binding.group(0) for binding in found.values() if binding is not None)


def detectron2_extension() -> Path:
    """A module `_C` with names and arguments of detectron2's, over the kernels that mmcv has from it."""
    csrc = mmcv_sources()
    names = ("nms_rotated", "box_iou_rotated", "roi_align_rotated", "cpu/nms_rotated", "cpu/box_iou_rotated")
    includes = "".join(f'#include "{csrc}/pytorch/{name}.cpp"\n' for name in (*names, "cpu/roi_align_rotated"))
    source = f"#include <torch/extension.h>\n{includes}{(PROJECT / 'detectron2_kernels.cpp').read_text()}"
    return built("_C", environment("torch-cpu"), {"one.cpp": source}, (csrc / "common",))


def smoke_ops(name: str) -> Path:
    """The extension of tests/projects/smoke_ops whose one source is `name`.cpp."""
    source = (PROJECT / f"{name}.cpp").read_text()
    return built(name, environment("torch-cpu"), {f"{name}.cpp": source})
