"""What the suites of torch hand to ops, as far as it can be known without a torch."""

import ast
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import pytest

from envdoctor.smoke import envdoctor_child
from envdoctor.smoke.envdoctor_child.case import AbsentError
from envdoctor.smoke.envdoctor_child.comparison import flattened, shape
from envdoctor.smoke.envdoctor_child.references.boxes import iou, suppression_faults
from envdoctor.smoke.envdoctor_child.references.rotated import rotated_iou
from envdoctor.smoke.envdoctor_child.suites import torch_boxes, torch_deform, torch_loading, torch_pooling
from envdoctor.smoke.envdoctor_child.suites.torch_extension import on_its_devices
from envdoctor.smoke.envdoctor_child.suites.torch_known import KNOWN, lenient, types_of_docstring, types_of_schema
from envdoctor.smoke.envdoctor_child.suites.torch_values import usable
from envdoctor.smoke.envdoctor_child.suites.torchvision_ops import takes

CHILD = Path(envdoctor_child.__file__).parent
PI_180 = 0.017453292519943295


def test_no_overlap_is_so_near_the_threshold_that_rounding_decides() -> None:
    for boxes in (torch_boxes.BOXES, torch_boxes.TIES):
        for extra in (0, 1):
            near = [abs(iou(one, other, extra) - torch_boxes.THRESHOLD) for one, other in combinations(boxes, 2)]
            assert min(near) > 0.015
    turned = torch_boxes.turned(torch_boxes.ROTATED, PI_180)
    near = [abs(rotated_iou(*pair) - torch_boxes.ROTATED_THRESHOLD) for pair in combinations(turned, 2)]
    assert min(near) > 0.015


def test_the_overlaps_at_the_threshold_are_at_it_exactly() -> None:
    first, *others = torch_boxes.AT_THRESHOLD

    assert [iou(first, other) for other in others[:2]] == [torch_boxes.THRESHOLD] * 2


def test_ties_leave_a_choice_and_other_scores_do_not() -> None:
    boxes, scores = torch_boxes.TIES, torch_boxes.TIED_SCORES
    orders = [sorted(range(len(boxes)), key=lambda index: (-scores[index], way * index)) for way in (1, -1)]
    kept = []
    for order in orders:
        chosen: list[int] = []
        for index in order:
            if all(iou(boxes[index], boxes[better]) <= torch_boxes.THRESHOLD for better in chosen):
                chosen.append(index)
        kept.append(chosen)

    assert kept[0] != kept[1]
    assert [suppression_faults(each, boxes, scores, torch_boxes.THRESHOLD) for each in kept] == [[], []]
    for distinct in (torch_boxes.SCORES, torch_boxes.AT_THRESHOLD_SCORES, torch_boxes.ROTATED_SCORES):
        assert len(set(distinct)) == len(distinct)


@pytest.mark.parametrize("name", ["ROI_ALIGN", "PS_ROI_ALIGN"])
def test_no_sample_lies_where_a_map_ends(name: str) -> None:
    """One element beyond the edge a sample counts in full, and a hair farther not at all."""
    kind = getattr(torch_pooling, name)
    for setting in kind.settings:
        shift = 0.5 if setting.aligned else 0.0
        for region in kind.regions:
            corners = [edge * setting.scale - shift for edge in region[1:]]
            for start, end, bins, length in (
                (corners[0], corners[2], setting.pooled[1], torch_pooling.WIDTH),
                (corners[1], corners[3], setting.pooled[0], torch_pooling.HEIGHT),
            ):
                side = end - start if setting.aligned else max(end - start, 1.0)
                count = setting.ratio or -int(-side / bins // 1)
                samples = [start + (place + 0.5) * side / bins / count for place in range(bins * count)]
                assert all(abs(sample - limit) > 0.02 for sample in samples for limit in (-1, length))


@pytest.mark.parametrize("setting", torch_deform.SETTINGS, ids=lambda setting: setting.label)
def test_no_read_lies_where_a_derivative_breaks(setting: torch_deform.Setting) -> None:
    fractions = {offset % 1 for offset in flattened(torch_deform.inputs(setting, 1).offset)}

    assert min(fractions) >= 0.125
    assert max(fractions) <= 0.875


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("nms(arg0: torch.Tensor, arg1: torch.Tensor, arg2: float) -> torch.Tensor\n\nKeeps", "TTf"),
        ("nms(boxes: at::Tensor, scores: at::Tensor, iou_threshold: float = 0.5) -> at::Tensor", "TTf"),
        ("f(a: torch.Tensor, b: typing.SupportsInt | typing.SupportsIndex, c: bool) -> None", "Tib"),
        ("f() -> int", ""),
        ("f(a: List[torch.Tensor]) -> None", "?"),
        ("f(*args, **kwargs)\nOverloaded function.", "?"),
        ("", "?"),
        ("Sets the elements of a vector", "?"),
    ],
)
def test_the_signature_in_a_docstring_is_read(text: str, want: str) -> None:
    assert types_of_docstring(text) == want


def test_the_arguments_of_a_schema_are_read() -> None:
    arguments = [SimpleNamespace(type=name) for name in ("Tensor", "float", "SymInt", "int", "bool", "Tensor?")]

    assert types_of_schema(SimpleNamespace(arguments=arguments)) == "Tfiib?"


def test_an_unread_signature_matches_no_known_op() -> None:
    assert all("?" not in types for types, _ in KNOWN.values())


class FakeTensor:
    """A tensor that is told apart from its dense copy."""

    def __init__(self, dense: bool) -> None:
        self.dense = dense

    def contiguous(self) -> "FakeTensor":
        return self if self.dense else FakeTensor(dense=True)


def refusing(tensor: FakeTensor) -> str:
    if not tensor.dense:
        raise RuntimeError("must be contiguous")
    return "values"


def failing(_: FakeTensor) -> str:
    raise RuntimeError("not for this device")


def test_an_op_may_refuse_gaps_in_memory_and_nothing_else() -> None:
    assert lenient(refusing)(FakeTensor(dense=False)) == "values"
    with pytest.raises(RuntimeError, match="not for this device"):
        lenient(failing)(FakeTensor(dense=True))
    with pytest.raises(RuntimeError, match="not for this device"):
        lenient(failing)(FakeTensor(dense=False))


def test_a_type_that_an_op_refuses_is_left_out_unless_it_must_have_it() -> None:
    def double_alone(dtype: str) -> str:
        if dtype != "float64":
            raise RuntimeError(f"not implemented for {dtype}")
        return dtype

    assert list(usable("cpu", double_alone, ("float32",))) == ["float32", "float64"]
    assert list(usable("cuda:0", double_alone, ("float32",))) == ["float32", "float64"]
    assert list(usable("cuda:0", str, ("float32", "float64"))) == ["float32", "float64", "float16"]


def test_arguments_that_an_older_release_lacks_are_seen() -> None:
    def older(sampling_ratio: int = -1) -> int:
        aligned = sampling_ratio + 1
        return aligned + 1

    assert takes(older, "sampling_ratio")
    assert not takes(older, "aligned")
    assert takes(len, "aligned")
    assert takes(lambda **named: named, "aligned")
    assert takes(lambda *, aligned: aligned, "aligned")


@pytest.mark.parametrize(
    ("content", "want"),
    [
        (b"\0PyInit__C\0", True),
        (b"\0PyInit__C2\0", False),
        (b"\0XPyInit__C\0", False),
        (b"PyInit", False),
        (b"", False),
    ],
)
def test_a_module_is_known_by_the_function_that_imports_it(tmp_path: Path, content: bytes, want: bool) -> None:
    (tmp_path / "_C.so").write_bytes(content)

    assert torch_loading.has_module(str(tmp_path / "_C.so"), "_C") == want


def test_code_for_gpus_is_known_by_its_section(tmp_path: Path) -> None:
    for name, section in (("gpu", ".nv_fatbin"), ("cpu", ".comment")):
        source = f'__attribute__((section("{section}"))) const char code[] = "code";\n'
        command = ["cc", "-shared", "-x", "c", "-", "-o", str(tmp_path / f"{name}.so")]
        subprocess.run(command, input=source, text=True, check=True, timeout=60)

    assert torch_loading.has_gpu_code(str(tmp_path / "gpu.so"))
    assert not torch_loading.has_gpu_code(str(tmp_path / "cpu.so"))


def for_gpus_alone(_: object) -> None:
    raise RuntimeError("boxes must be a CUDA tensor")


def test_a_function_for_gpus_is_not_at_fault_on_the_cpu() -> None:
    with pytest.raises(AbsentError, match="boxes must be a CUDA tensor"):
        on_its_devices(for_gpus_alone, "cpu", for_gpus=True)(None)
    for device, for_gpus in (("cpu", False), ("cuda:0", True)):
        with pytest.raises(RuntimeError, match="boxes must be a CUDA tensor"):
            on_its_devices(for_gpus_alone, device, for_gpus)(None)


def test_a_function_of_a_library_without_code_for_gpus_is_given_no_memory_of_theirs() -> None:
    with pytest.raises(AbsentError, match="its library has no code for GPUs"):
        on_its_devices(len, "cuda:0", for_gpus=False)
    assert on_its_devices(len, "cpu", for_gpus=False)([1, 2]) == 2


def test_a_module_has_the_name_of_its_packages(tmp_path: Path) -> None:
    for folder in ("outer", "outer/inner"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()

    assert torch_loading.dotted_name(str(tmp_path / "outer" / "inner" / "_C.so"), "_C") == "outer.inner._C"
    assert torch_loading.dotted_name(str(tmp_path / "_C.so"), "_C") == "_C"


def test_an_extension_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "_ext.cpython-311.so").touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert torch_loading.installed("package_of_this_test", "_ext") == str(package / "_ext.cpython-311.so")
    for absent in ("_C", "_extra"):
        with pytest.raises(ImportError, match=f"no package_of_this_test.{absent} is installed"):
            torch_loading.installed("package_of_this_test", absent)
    with pytest.raises(ImportError, match="no package_that_is_absent"):
        torch_loading.installed("package_that_is_absent", "_C")


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from envdoctor_child.comparison import compare
from envdoctor_child.suites import detectron2_ops, mmcv_ops, torch_boxes, torch_deform, torch_extension, torch_pooling
from envdoctor_child.suites import torchvision_ops
from envdoctor_child.references.boxes import batched_nms, nms
from envdoctor_child.references.rotated import rotated_iou
found = {}
for name in ("ROI_ALIGN", "ROI_POOL", "PS_ROI_ALIGN", "PS_ROI_POOL", "ROI_ALIGN_ROTATED"):
    kind = getattr(torch_pooling, name)
    features = kind.features(kind.settings[0], 0)
    found[name] = kind.reference(features, kind.regions, kind.settings[0])
    found[name + " slope"] = kind.gradient(found[name], features, kind.regions, kind.settings[0])
conv = torch_deform.inputs(torch_deform.SETTINGS[2], 0)
found["deform_conv"] = conv.forward()
found.update(conv.gradients(conv.forward()))
found["nms"] = nms(torch_boxes.BOXES, torch_boxes.SCORES, 0.5)
found["batched_nms"] = batched_nms(torch_boxes.BOXES, torch_boxes.SCORES, torch_boxes.GROUPS, 0.5)
turned = torch_boxes.turned(torch_boxes.ROTATED, 0.017)
found["iou"] = [rotated_iou(one, other) for one in turned for other in turned]
found["compared"] = [compare("same", "float32", found["iou"], found["iou"]).right, len(torchvision_ops.ops())]
sys.stdout.write(json.dumps(found, sort_keys=True))
"""


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.9", "3.13"])
def test_an_old_and_a_new_interpreter_compute_the_same(version: str) -> None:
    pythons = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python{version}"))
    if not pythons:
        pytest.skip(f"no CPython {version} of pyenv")
    here, there = (
        subprocess.run(
            [python, "-B", "-c", PROGRAM, str(CHILD.parent)], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for python in (sys.executable, pythons[-1])
    )

    want, got = json.loads(here), json.loads(there)
    assert set(got) == set(want)
    # From 3.12 on, sum() is more exact in the last digits than it was.
    for name, values in want.items():
        assert shape(got[name]) == shape(values), name
        assert flattened(got[name]) == pytest.approx(flattened(values), abs=1e-9), name


def test_nothing_of_torch_computes_an_expectation() -> None:
    for file in (CHILD / "references").glob("*.py"):
        imported = {
            name.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        assert not {name for name in imported if name and name.split(".")[0] in ("torch", "numpy", "torchvision")}
