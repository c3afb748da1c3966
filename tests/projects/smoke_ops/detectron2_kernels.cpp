// The module `_C` of detectron2 by its names and arguments, over kernels that mmcv has from detectron2.
// mmcv's angles are radians and go with the clock; detectron2's are degrees and go against it.

#include <cmath>

namespace {

const double RADIANS = -M_PI / 180;

Tensor turned(const Tensor& boxes, int64_t column) {
  Tensor result = boxes.clone();
  result.select(1, column).mul_(RADIANS);
  return result;
}

Tensor box_iou_rotated_d2(const Tensor& one, const Tensor& other) {
  Tensor overlaps = at::zeros({one.size(0) * other.size(0)}, one.options());
  box_iou_rotated(turned(one, 4).contiguous(), turned(other, 4).contiguous(), overlaps, 0, false);
  return overlaps.reshape({one.size(0), other.size(0)});
}

Tensor nms_rotated_d2(const Tensor& boxes, const Tensor& scores, double threshold) {
  const Tensor order = std::get<1>(scores.sort(0, true));
  const Tensor dense = turned(boxes, 4).contiguous();
  return nms_rotated(dense, scores.contiguous(), order, dense.index_select(0, order), scores, threshold, 0);
}

Tensor roi_align_rotated_forward_d2(
    const Tensor& input, const Tensor& rois, double scale, int64_t rows, int64_t columns, int64_t ratio) {
  Tensor output = at::zeros({rois.size(0), input.size(1), rows, columns}, input.options());
  roi_align_rotated_forward(
      input.contiguous(), turned(rois, 5).contiguous(), output, rows, columns, scale, ratio, true, true);
  return output;
}

Tensor roi_align_rotated_backward_d2(
    const Tensor& grad, const Tensor& rois, double scale, int64_t rows, int64_t columns, int64_t batches,
    int64_t channels, int64_t height, int64_t width, int64_t ratio) {
  Tensor found = at::zeros({batches, channels, height, width}, grad.options());
  roi_align_rotated_backward(
      grad.contiguous(), turned(rois, 5).contiguous(), found, rows, columns, scale, ratio, true, true);
  return found;
}

}  // namespace

// Releases differ in where an op is found: both places are tried.
TORCH_LIBRARY(detectron2, m) {
  m.def("nms_rotated", &nms_rotated_d2);
  m.def("box_iou_rotated", &box_iou_rotated_d2);
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("roi_align_rotated_forward", &roi_align_rotated_forward_d2);
  m.def("roi_align_rotated_backward", &roi_align_rotated_backward_d2);
}
