"""The losses of Detectron, from their papers, with the normalisers of Detectron's operators.

Smooth L1: Girshick, Fast R-CNN, ICCV 2015, equation 3, with the switch at `beta` in place of 1 and weights inside and
outside. Focal loss: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 5 over sigmoids, one for
each class; its gradient by the chain rule. All inputs are nested lists; logarithms are taken so that none overflows.
"""

from __future__ import absolute_import, division

from math import exp, log1p

MYPY = False
if MYPY:
    from collections.abc import Iterator, Sequence
    from typing import Any, List, Tuple

    Rows = Sequence[Sequence[float]]


def smooth_l1(got, want, inside, outside, beta=1.0, scale=1.0):
    # type: (Rows, Rows, Rows, Rows, float, float) -> float
    """The sum over all elements, by the number of rows, times `scale`."""
    total = 0.0
    for row in zip(got, want, inside, outside):
        for value, target, weight_in, weight_out in zip(*row):
            difference = abs(weight_in * (value - target))
            near = difference < beta
            total += weight_out * (difference * difference / (2 * beta) if near else difference - beta / 2)
    return scale * total / len(want)


def smooth_l1_gradient(above, got, want, inside, outside, beta=1.0, scale=1.0):
    # type: (float, Rows, Rows, Rows, Rows, float, float) -> List[List[float]]
    """The gradient at the values `got`."""
    result = []
    for row in zip(got, want, inside, outside):
        slopes = []
        for value, target, weight_in, weight_out in zip(*row):
            difference = weight_in * (value - target)
            slope = difference / beta if abs(difference) < beta else (1.0 if difference > 0 else -1.0)
            slopes.append(above * scale / len(want) * weight_out * weight_in * slope)
        result.append(slopes)
    return result


def log_sigmoid(logit):
    # type: (float) -> float
    return min(logit, 0.0) - log1p(exp(-abs(logit)))


def focal_term(logit, positive, gamma):
    # type: (float, bool, float) -> float
    """-(1 - p)^gamma * log p, where p is the probability given to what is true."""
    right = logit if positive else -logit
    return -exp(gamma * log_sigmoid(-right)) * log_sigmoid(right)


def focal_slope(logit, positive, gamma):
    # type: (float, bool, float) -> float
    """The derivative of `focal_term` by the logit."""
    right = logit if positive else -logit
    p, log_p, weight = exp(log_sigmoid(right)), log_sigmoid(right), exp(gamma * log_sigmoid(-right))
    slope = weight * (gamma * p * log_p - (1 - p))
    return slope if positive else -slope


def _places(logits, labels, classes):
    # type: (Any, Any, int) -> Iterator[Tuple[Tuple[int, int, int, int], float, int, int]]
    """(image, channel, row, column), logit, class of the channel from 1 on, and the label there.

    logits[image][anchor * classes + class - 1][row][column], labels[image][anchor][row][column].
    """
    for image, channels in enumerate(logits):
        for channel, plane in enumerate(channels):
            for y, row in enumerate(plane):
                for x, logit in enumerate(row):
                    its = labels[image][channel // classes][y][x]
                    yield (image, channel, y, x), logit, channel % classes + 1, its


def sigmoid_focal_loss(logits, labels, positives, classes, gamma=1.0, alpha=0.25, scale=1.0):
    # type: (Any, Any, float, int, float, float, float) -> float
    """The sum over all elements, by the number of positives (at least 1), times `scale`. Label -1 is left out."""
    total = 0.0
    for _, logit, its_class, label in _places(logits, labels, classes):
        if label != -1:
            weight = alpha if label == its_class else 1 - alpha
            total += weight * focal_term(logit, label == its_class, gamma)
    return scale * total / max(positives, 1.0)


def sigmoid_focal_loss_gradient(above, logits, labels, positives, classes, gamma=1.0, alpha=0.25, scale=1.0):
    # type: (float, Any, Any, float, int, float, float, float) -> Any
    """The gradient at the logits."""
    result = [[[[0.0 for _ in row] for row in plane] for plane in image] for image in logits]
    for (image, channel, y, x), logit, its_class, label in _places(logits, labels, classes):
        if label != -1:
            weight = alpha if label == its_class else 1 - alpha
            slope = weight * focal_slope(logit, label == its_class, gamma)
            result[image][channel][y][x] = above * scale * slope / max(positives, 1.0)
    return result
