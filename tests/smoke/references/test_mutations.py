"""Mutants of the references: each changes one thing in a definition, and the cases of the suites must tell.

The mutant stands for an op with that fault. What the suites hand to an op is handed to it, and its values are compared
with those of the unchanged reference, with the tolerance of float32.
"""

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from envdoctor.smoke import envdoctor_child
from envdoctor.smoke.envdoctor_child.comparison import compare
from envdoctor.smoke.envdoctor_child.inputs import Numbers
from envdoctor.smoke.envdoctor_child.references import boxes, rotated
from envdoctor.smoke.envdoctor_child.suites import torch_boxes, torch_deform, torch_pooling

CHILD = Path(envdoctor_child.__file__).parent
# One fault each: the module of references, the text that is replaced, and what by.
POOLING = [
    ("ROI_ALIGN", "roi_align", "(index + (place + 0.5) / count)", "(index + place / count)"),
    ("ROI_ALIGN", "roi_align", "shift = 0.5 if aligned else 0.0", "shift = 0.0"),
    ("ROI_ALIGN", "roi_align", "shift = 0.5 if aligned else 0.0", "shift = 0.5"),
    ("ROI_ALIGN", "roi_align", "max(wide, 1.0), max(high, 1.0)", "wide, high"),
    ("ROI_ALIGN", "roi_align", "if not aligned:", "if True:"),
    ("ROI_ALIGN", "roi_align", "int(ceil(side / bins))", "max(int(side / bins), 1)"),
    ("ROI_ALIGN", "roi_align", "int(ceil(side / bins))", "2"),
    ("ROI_ALIGN", "roi_align", "weight / len(points)", "weight"),
    ("ROI_ALIGN", "roi_align", "coordinate * scale", "coordinate"),
    ("ROI_ALIGN", "roi_align", "features[int(region[0])]", "features[0]"),
    ("ROI_ALIGN", "bilinear", "-1 <= y <= height", "0 <= y <= height - 1"),
    ("ROI_ALIGN", "bilinear", "-1 <= x <= width", "-9 <= x"),
    ("ROI_ALIGN", "bilinear", "min(max(y, 0.0), height - 1.0)", "min(max(y, 0.0), height - 2.0)"),
    ("ROI_ALIGN", "bilinear", "(index, 1 - abs(point - index))", "(index, 1.0 if index == before else 0.0)"),
    ("ROI_POOL", "roi_pool", "floor(number + 0.5)", "floor(number)"),
    ("ROI_POOL", "roi_pool", "return int(floor(number + 0.5)) if number >= 0 else", "return round(number) if 1 else"),
    ("ROI_POOL", "roi_pool", "right - left + 1", "right - left"),
    ("ROI_POOL", "roi_pool", "int(ceil((index + 1) * step))", "int(floor((index + 1) * step))"),
    ("ROI_POOL", "roi_pool", "int(floor(index * step))", "int(ceil(index * step))"),
    ("ROI_POOL", "roi_pool", "yield max(", "yield min("),
    ("ROI_POOL", "roi_pool", "range(min(max(first, 0), length)", "range(min(max(first, 1), length)"),
    ("PS_ROI_ALIGN", "ps_roi", "(channel * rows + i) * columns + j", "(j * rows + i) * 2 + channel"),
    ("PS_ROI_ALIGN", "ps_roi", "coordinate * scale - 0.5", "coordinate * scale"),
    ("PS_ROI_POOL", "ps_roi", "max(bottom - top, 1)", "max(bottom - top + 1, 1)"),
    ("PS_ROI_POOL", "ps_roi", "pooled[0], height - 1", "pooled[0], height"),
    ("PS_ROI_POOL", "ps_roi", "1.0 / (len(its) * len(those))", "1.0 / len(its)"),
    (
        "ROI_ALIGN_ROTATED",
        "rotated",
        "down * cos(angle) - right * sin(angle)",
        "down * cos(angle) + right * sin(angle)",
    ),
    ("ROI_ALIGN_ROTATED", "rotated", "region[3] * scale, region[4] * scale", "region[4] * scale, region[3] * scale"),
    ("ROI_ALIGN_ROTATED", "rotated", "region[1] * scale - 0.5", "region[1] * scale"),
]
DEFORM = [
    ("moved = [self.offset[batch][2 * channel + axis]", "moved = [self.offset[batch][2 * channel + 1 - axis]"),
    ("i * self.dilation[0] + moved[0]", "i + moved[0]"),
    ("j * self.dilation[1] + moved[1]", "j * self.dilation[0] + moved[1]"),
    ("column * self.stride[1]", "column * self.stride[0]"),
    ("row * self.stride[0] - self.padding[0]", "row - self.padding[0]"),
    ("- self.padding[1]", "+ self.padding[1]"),
    ("source * self.offset_groups // channels", "0"),
    ("out // outputs_a_group * inner_channels + inner", "inner"),
    ("if self.mask is not None else 1.0", "if False else 1.0"),
    ("number + addend", "number"),
    ("zero_padded(y, x, self.height, self.width))", "zero_padded(y, x, self.height - 1, self.width))"),
]
# Faults in gradients alone.
SLOPES = [
    ('found["mask"][batch][channel][row][column] += above * weight * read', "pass"),
    ("above * weight * mask * slope_down(plane, y, x)", "above * weight * slope_down(plane, y, x)"),
    ("above * weight * mask * slope_right", "above * weight * mask * slope_down"),
    ("above * weight * mask * share", "above * weight * share"),
    ("above * mask * read", "above * read"),
]
BOXES = [
    ("nms", "boxes", "<= threshold for better in kept", "< threshold for better in kept"),
    ("nms", "boxes", "<= threshold for better in kept", "<= threshold + 0.15 for better in kept"),
    ("nms", "boxes", "<= threshold for better in kept", "<= threshold - 0.15 for better in kept"),
    ("nms", "boxes", "key=lambda index: -scores[index]", "key=lambda index: scores[index]"),
    ("nms", "boxes", "for better in kept", "for better in range(index)"),
    ("nms", "boxes", "area(one, extra) + area(other, extra) - common", "area(one, extra) + area(other, extra)"),
    ("nms", "boxes", "width * height if width > 0 and height > 0 else 0.0", "width * height"),
    ("batched_nms", "boxes", "if its == group", "if True"),
    ("batched_nms", "boxes", "return sorted(kept, key=lambda index: (-scores[index], index))", "return kept"),
    ("rotated_iou", "rotated", "y - across * sin(angle)", "y + across * sin(angle)"),
    ("rotated_iou", "rotated", "x + across * cos(angle) + along * sin(angle)", "x + across * cos(angle)"),
    ("rotated_iou", "rotated", "areas[0] + areas[1] - common", "areas[0] + areas[1]"),
    ("rotated_iou", "rotated", "share = former / (former - distance)", "share = 0.5"),
    ("rotated_iou", "rotated", "if distance >= 0", "if distance >= 0.5"),
]

Mutate = Callable[[str, str, str], ModuleType]
count = iter(range(1000))


@pytest.fixture
def mutate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mutate:
    """Copy the target's side under another name with one text replaced, and give its package."""

    def mutated(module: str, old: str, new: str) -> ModuleType:
        name = f"mutant_{next(count)}"
        shutil.copytree(CHILD, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        file = tmp_path / name / "references" / f"{module}.py"
        text = file.read_text()
        assert old in text, f"{module} no longer says {old!r}"
        file.write_text(text.replace(old, new))
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(name)

    return mutated


def part(mutant: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{mutant.__name__}.{name}")


def told(pairs: Iterator[tuple[Any, Any]]) -> bool:
    return any(not compare("mutant", "float32", got, want).right for got, want in pairs)


@pytest.mark.parametrize(("kind", "module", "old", "new"), POOLING)
def test_a_fault_in_pooling_is_told(mutate: Mutate, kind: str, module: str, old: str, new: str) -> None:
    mine, its = getattr(torch_pooling, kind), getattr(part(mutate(module, old, new), "suites.torch_pooling"), kind)

    def pairs() -> Iterator[tuple[Any, Any]]:
        for number, setting in enumerate(mine.settings):
            features = mine.features(setting, number)
            yield its.reference(features, mine.regions, setting), mine.reference(features, mine.regions, setting)

    assert told(pairs())


@pytest.mark.parametrize("kind", ["ROI_ALIGN", "ROI_POOL", "PS_ROI_ALIGN", "PS_ROI_POOL", "ROI_ALIGN_ROTATED"])
def test_a_fault_in_the_gradient_of_pooling_is_told(kind: str) -> None:
    mine = getattr(torch_pooling, kind)
    setting = mine.settings[0]
    features, regions = mine.features(setting, 0), mine.sloped
    above = Numbers(1).block((len(regions), 2, *setting.pooled))
    want = mine.gradient(above, features, regions, setting)

    for faulty in (regions[:-1] + regions[:1], [(1 - region[0], *region[1:]) for region in regions]):
        assert told(iter([(mine.gradient(above, features, faulty, setting), want)]))


@pytest.mark.parametrize(("old", "new"), DEFORM)
def test_a_fault_in_deformable_convolution_is_told(mutate: Mutate, old: str, new: str) -> None:
    its = part(mutate("deform_conv", old, new), "suites.torch_deform")

    assert told(
        (its.inputs(setting, 10 * number).forward(), torch_deform.inputs(setting, 10 * number).forward())
        for number, setting in enumerate(torch_deform.SETTINGS)
    )


@pytest.mark.parametrize(("old", "new"), SLOPES)
def test_a_fault_in_the_gradients_of_deformable_convolution_is_told(mutate: Mutate, old: str, new: str) -> None:
    its = part(mutate("deform_conv", old, new), "suites.torch_deform")

    def pairs() -> Iterator[tuple[Any, Any]]:
        for number, setting in enumerate(torch_deform.SETTINGS):
            above = Numbers(number).block((2, setting.outputs, *torch_deform.output_size(setting)))
            got, want = (side.inputs(setting, number).gradients(above) for side in (its, torch_deform))
            for name in want:
                yield got[name], want[name]

    assert told(pairs())


@pytest.mark.parametrize(("op", "module", "old", "new"), BOXES)
def test_a_fault_with_boxes_is_told(mutate: Mutate, op: str, module: str, old: str, new: str) -> None:
    its = part(mutate(module, old, new), f"references.{module}")

    assert _results(op, its) != _results(op, boxes if module == "boxes" else rotated)


def _results(op: str, side: ModuleType) -> list[Any]:
    """What an op makes of the suite's boxes; of overlaps four digits, where two kernels differ in the seventh."""
    cases = torch_boxes
    if op == "rotated_iou":
        turned = cases.turned(cases.ROTATED, 0.017453292519943295)
        return [round(side.rotated_iou(one, other), 4) for one in turned for other in turned]
    if op == "batched_nms":
        return [side.batched_nms(cases.BOXES, cases.SCORES, cases.GROUPS, cases.THRESHOLD)]
    return [
        side.nms(cases.BOXES, cases.SCORES, cases.THRESHOLD),
        side.nms(cases.AT_THRESHOLD, cases.AT_THRESHOLD_SCORES, cases.THRESHOLD),
    ]
