"""Deformable convolution: held against plain convolution, and its gradients against differences."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import flattened
from envdoctor.smoke.envdoctor_child.inputs import Numbers, zeros
from envdoctor.smoke.envdoctor_child.references.deform_conv import DeformConv
from envdoctor.smoke.envdoctor_child.suites.torch_deform import NAMES, SETTINGS, WIDTH, Setting, inputs, output_size
from tests.smoke.references.properties import SLOW
from tests.smoke.references.test_roi_align import SEED, dot

PAIR = st.tuples(st.integers(1, 2), st.integers(1, 2))
SIZES = st.builds(
    lambda kernel, stride, padding, dilation, groups, offset_groups, modulated: Setting(
        "any",
        2 * groups * offset_groups,
        2 * groups,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        offset_groups,
        modulated,
        2,
    ),
    st.tuples(st.integers(1, 3), st.integers(1, 2)),
    PAIR,
    st.tuples(st.integers(1, 2), st.integers(0, 2)),
    PAIR,
    st.integers(1, 2),
    st.integers(1, 2),
    st.booleans(),
)


def convolved(setting: Setting, features: Any, weight: Any) -> Any:
    """A plain convolution in the words of its definition, over a map that zeros were put around."""
    down, across = setting.padding
    wide = [0.0] * (WIDTH + 2 * across)
    padded = [
        [[wide] * down + [[0.0] * across + row + [0.0] * across for row in plane] + [wide] * down for plane in image]
        for image in features
    ]
    rows, columns = output_size(setting)
    inner, outputs = len(weight[0]), len(weight) // setting.groups
    return [
        [
            [
                [
                    sum(
                        weight[out][channel][i][j]
                        * image[out // outputs * inner + channel][y * setting.stride[0] + i * setting.dilation[0]][
                            x * setting.stride[1] + j * setting.dilation[1]
                        ]
                        for channel in range(inner)
                        for i in range(setting.kernel[0])
                        for j in range(setting.kernel[1])
                    )
                    for x in range(columns)
                ]
                for y in range(rows)
            ]
            for out in range(len(weight))
        ]
        for image in padded
    ]


def changed(conv: DeformConv, **values: Any) -> DeformConv:
    parts = {name: getattr(conv, name) for name in (*NAMES, "stride", "padding", "dilation")} | values
    return DeformConv(**parts)


def scaled(values: Any, factor: float) -> Any:
    return [scaled(each, factor) for each in values] if isinstance(values, list) else values * factor


def stepped(values: Any, place: int, step: float) -> Any:
    """Nested lists with `step` added to the element at a place in their order."""
    if not isinstance(values, list):
        return values + step
    size = len(flattened(values[0]))
    index = place // size
    return [*values[:index], stepped(values[index], place % size, step), *values[index + 1 :]]


@given(setting=SIZES, seed=SEED)
@SLOW
def test_without_offsets_and_with_a_full_mask_it_is_a_convolution(setting: Setting, seed: int) -> None:
    conv = inputs(setting, seed)
    taps, size = setting.kernel[0] * setting.kernel[1] * setting.offset_groups, output_size(setting)
    full = [[[[1.0] * size[1]] * size[0]] * taps] * 2

    plain = changed(conv, offset=zeros((2, 2 * taps, *size)), mask=full, bias=None)
    assert flattened(plain.forward()) == pytest.approx(
        flattened(convolved(setting, conv.features, conv.weight)), abs=1e-9
    )


@given(seed=SEED, down=st.integers(-2, 2), right=st.integers(-2, 2))
@SLOW
def test_whole_offsets_read_a_map_that_was_moved(seed: int, down: int, right: int) -> None:
    features, weight = Numbers(seed).block((1, 1, 4, 5)), [[[[1.0]]]]
    offset = [[[[float(down)] * 5] * 4, [[float(right)] * 5] * 4]]

    assert DeformConv(features, weight, offset).forward()[0][0] == [
        [features[0][0][y + down][x + right] if 0 <= y + down < 4 and 0 <= x + right < 5 else 0.0 for x in range(5)]
        for y in range(4)
    ]


def test_an_offset_moves_its_own_tap_down_first_then_right() -> None:
    features = [[[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0], [20.0, 21.0, 22.0]]]]
    # Two taps beside one another: the first goes down by one and a half, the second right by one.
    offset = [[[[1.5]], [[0.0]], [[0.0]], [[1.0]]]]

    assert DeformConv(features, [[[[1.0, 100.0]]]], offset, stride=(3, 3)).forward() == [[[[15.0 + 200.0]]]]


def test_a_group_of_offsets_moves_its_own_channels() -> None:
    features = [[[[1.0, 2.0]], [[10.0, 20.0]]]]
    offset = [[[[0.0, 0.0]], [[1.0, 1.0]], [[0.0, 0.0]], [[0.0, 0.0]]]]

    assert DeformConv(features, [[[[1.0]], [[1.0]]]], offset).forward() == [[[[2.0 + 10.0, 0.0 + 20.0]]]]


@given(setting=st.sampled_from(SETTINGS), seed=SEED, factor=st.floats(-3, 3))
@SLOW
def test_it_is_linear_in_features_weight_and_mask(setting: Setting, seed: int, factor: float) -> None:
    conv = changed(inputs(setting, seed), bias=None)
    want = [factor * value for value in flattened(conv.forward())]

    for name in ("features", "weight", *(["mask"] if setting.modulated else [])):
        larger = scaled(getattr(conv, name), factor)
        assert flattened(changed(conv, **{name: larger}).forward()) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.label)
def test_gradients_are_differences_over_a_short_way(setting: Setting) -> None:
    conv, step, numbers = inputs(setting, 3), 1e-4, Numbers(8)
    above = numbers.block((2, setting.outputs, *output_size(setting)))
    slopes = conv.gradients(above)

    for name in NAMES:
        values = getattr(conv, name)
        if values is None:
            continue
        found = flattened(slopes[name])
        for place in {numbers.below(len(found)) for _ in range(8)}:
            ahead, behind = (
                dot(above, changed(conv, **{name: stepped(values, place, way)}).forward()) for way in (step, -step)
            )
            assert found[place] == pytest.approx((ahead - behind) / (2 * step), abs=1e-6), (name, place)
