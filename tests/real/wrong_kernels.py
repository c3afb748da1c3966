"""The project's operators with one change each, built as the correct ones are: a wrong kernel, or an unknown one."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.real import build_variants, components
from tests.real.environments import BuildError, cache_root, clean_environment, made_once


@dataclass(frozen=True)
class Edit:
    """`wrong` stands in place of every `right` in a source file."""

    source: str
    right: str
    wrong: str


RENAMED = Edit("ops/zero_even_op.cc", "(ZeroEven", "(KeepOdd")
CONSTRUCTOR = ": Operator<Context>(operator_def, ws) {}"
NEEDS_SCALE = 'this->template HasSingleArgumentOfType<float>("scale")'

CHANGES: Mapping[str, tuple[Edit, ...]] = {
    "off-by-one": (
        Edit(
            "ops/pool_points_interp_op.cc",
            "CornersAround(point[1] * spatial_scale_,",
            "CornersAround(point[1] * spatial_scale_ + 1.f,",
        ),
    ),
    "wrong-threshold": (Edit("ops/bilinear.h", "x >= -1.f && x <= width", "x >= 0.f && x <= width"),),
    "wrong-parity": (Edit("ops/zero_even_op.cc", "i % 2 == 0", "i % 2 == 1"),),
    "gradient-overwritten": (
        Edit(
            "ops/pool_points_interp_op.cc",
            "to[corners.offset[k]] += corners.weight[k] * in[c];",
            "to[corners.offset[k]] = corners.weight[k] * in[c];",
        ),
    ),
    "unknown-op": (RENAMED,),
    "unknown-op-that-throws": (
        RENAMED,
        Edit("ops/zero_even_op.h", CONSTRUCTOR, f'{CONSTRUCTOR[:-1]} CAFFE_ENFORCE({NEEDS_SCALE}, "no scale"); }}'),
    ),
    "unknown-op-that-aborts": (
        RENAMED,
        Edit("ops/zero_even_op.h", CONSTRUCTOR, f"{CONSTRUCTOR[:-1]} CHECK({NEEDS_SCALE}); }}"),
    ),
}


def library(name: str) -> Path:
    """The operators' library with that change, built now if the project or the way to build it has changed.

    Raises UnavailableError where a component cannot be had on this machine, BuildError where the build fails.
    """
    edits = CHANGES[name]
    cures = build_variants.VARIANTS["correct"]()
    digest = hashlib.sha256(repr((edits, cures, components.cxx_version())).encode())
    for path in build_variants.project_files():
        digest.update(path.read_bytes())

    def make(root: Path) -> None:
        project = root / "project"
        shutil.copytree(build_variants.PROJECT, project, ignore=shutil.ignore_patterns("build", "__pycache__"))
        for edit in edits:
            text = (project / edit.source).read_text()
            if edit.right not in text:
                raise BuildError(f"{edit.source} holds no `{edit.right}` to change")
            (project / edit.source).write_text(text.replace(edit.right, edit.wrong))
        variables = {"CMAKE_POLICY_VERSION_MINIMUM": "3.5", "CMAKE_TOOLCHAIN_FILE": str(cures.toolchain(root))}
        built = subprocess.run(
            ["make", "ops"],
            cwd=project,
            env=clean_environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=build_variants.BUILD_SECONDS,
        )
        if built.returncode:
            raise BuildError(f"make ops, status {built.returncode}:\n{built.stdout[-2000:]}{built.stderr[-2000:]}")

    root = made_once(cache_root() / f"ops-wrong-{name}", digest.hexdigest(), make)
    return root / "project" / "build" / build_variants.LIBRARY
