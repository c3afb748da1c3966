// Ops under well-known names: right ones, and ones that are broken each in its own way.

#include <torch/extension.h>

#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

using torch::Tensor;

namespace {

double iou(const double* one, const double* other) {
  const double wide = std::min(one[2], other[2]) - std::max(one[0], other[0]);
  const double high = std::min(one[3], other[3]) - std::max(one[1], other[1]);
  const double common = wide > 0 && high > 0 ? wide * high : 0;
  const double areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]);
  return areas > common ? common / (areas - common) : 0;
}

// With `drop_equal` a box is dropped at the threshold too.
Tensor suppress(const Tensor& boxes, const Tensor& scores, double threshold, bool drop_equal) {
  const Tensor exact = boxes.to(torch::kDouble).contiguous();
  const Tensor order = std::get<1>(scores.sort(/*stable=*/true, 0, /*descending=*/true)).contiguous();
  const double* corners = exact.data_ptr<double>();
  std::vector<int64_t> kept;
  for (int64_t place = 0; place < order.numel(); ++place) {
    const int64_t box = order.data_ptr<int64_t>()[place];
    bool stays = true;
    for (const int64_t better : kept) {
      const double overlap = iou(corners + 4 * box, corners + 4 * better);
      stays = stays && (overlap < threshold || (overlap == threshold && !drop_equal));
    }
    if (stays) {
      kept.push_back(box);
    }
  }
  return torch::tensor(kept, torch::kLong);
}

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return suppress(boxes, scores, iou_threshold, false);
}

Tensor nms_at_threshold(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return suppress(boxes, scores, iou_threshold, true);
}

Tensor nms_without_end(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

Tensor nms_of_nowhere(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  volatile int* nowhere = nullptr;
  *nowhere = 1;
  return boxes;
}

Tensor nms_that_aborts(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  std::abort();
}

Tensor nms_that_leaves(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  std::_Exit(0);
}

Tensor nms_of_illegal_code(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  std::raise(SIGILL);
  return boxes;
}

Tensor nms_of_all_memory(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  std::vector<Tensor> taken;
  for (;;) {
    taken.push_back(torch::ones({64, 1024, 1024}));
  }
}

Tensor nms_that_raises(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  TORCH_CHECK(false, "not for this device");
}

Tensor zero_even(const Tensor& vector) {
  Tensor result = vector.clone();
  result.slice(0, 0, c10::nullopt, 2).zero_();
  return result;
}

Tensor zero_odd(const Tensor& vector) {
  Tensor result = vector.clone();
  result.slice(0, std::min<int64_t>(1, vector.numel()), c10::nullopt, 2).zero_();
  return result;
}

Tensor in_place(const Tensor& vector) {
  return vector.slice(0, 0, c10::nullopt, 2).zero_(), vector;
}

Tensor twice(const Tensor& values) {
  return values * 2;
}

}  // namespace

const char* const NMS = "nms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor";

TORCH_LIBRARY(right, m) {
  m.def(NMS, &nms);
  m.def("zero_even(Tensor vector) -> Tensor", &zero_even);
  m.def("twice(Tensor values) -> Tensor", &twice);
}
TORCH_LIBRARY(wrong, m) {
  m.def(NMS, &nms_at_threshold);
  m.def("zero_even(Tensor vector) -> Tensor", &zero_odd);
}
TORCH_LIBRARY(overwrites, m) { m.def("zero_even(Tensor vector) -> Tensor", &in_place); }
TORCH_LIBRARY(headless, m) { m.def(NMS); }
TORCH_LIBRARY(hangs, m) { m.def(NMS, &nms_without_end); }
TORCH_LIBRARY(crashes, m) { m.def(NMS, &nms_of_nowhere); }
TORCH_LIBRARY(aborts, m) { m.def(NMS, &nms_that_aborts); }
TORCH_LIBRARY(leaves, m) { m.def(NMS, &nms_that_leaves); }
TORCH_LIBRARY(illegal, m) { m.def(NMS, &nms_of_illegal_code); }
TORCH_LIBRARY(grows, m) { m.def(NMS, &nms_of_all_memory); }
TORCH_LIBRARY(raises, m) { m.def(NMS, &nms_that_raises); }

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("nms", &nms, "Keeps the best of boxes that overlap");
  m.def("zero_even", &zero_odd, "Sets the elements of a vector at the wrong indices to zero");
  m.def("twice", &twice, "Doubles values");
}
