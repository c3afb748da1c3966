#include "pool_points_interp_op.h"

#include "bilinear.h"

namespace caffe2 {

namespace {

void CheckShapes(const Tensor& X, const Tensor& R) {
  CAFFE_ENFORCE_EQ(X.dim(), 4, "the feature map must be (N, C, H, W)");
  CAFFE_ENFORCE_EQ(R.dim(), 2, "the points must be (P, 3)");
  CAFFE_ENFORCE_EQ(R.dim32(1), 3, "a point is a batch index, x and y");
}

// The plane of channel 0 that a point refers to; throws where the batch has no such element.
int FirstPlane(const float* point, int batch, int channels) {
  const int n = static_cast<int>(point[0]);
  CAFFE_ENFORCE(n >= 0 && n < batch, "batch index ", n, " is outside 0 .. ", batch - 1);
  return n * channels;
}

} // namespace

template <>
bool PoolPointsInterpOp<float, CPUContext>::RunOnDevice() {
  const auto& X = Input(0);
  const auto& R = Input(1);
  auto* Y = Output(0);
  CheckShapes(X, R);
  const int channels = X.dim32(1), height = X.dim32(2), width = X.dim32(3);
  const int points = R.dim32(0);

  Y->Resize(points, channels);
  const float* map = X.template data<float>();
  const float* point = R.template data<float>();
  float* out = Y->template mutable_data<float>();
  for (int p = 0; p < points; ++p, point += 3, out += channels) {
    const int plane = FirstPlane(point, X.dim32(0), channels);
    const auto corners = CornersAround(point[1] * spatial_scale_, point[2] * spatial_scale_, height, width);
    for (int c = 0; c < channels; ++c) {
      const float* from = map + (plane + c) * height * width;
      out[c] = 0.f;
      for (int k = 0; corners.inside && k < 4; ++k) {
        out[c] += corners.weight[k] * from[corners.offset[k]];
      }
    }
  }
  return true;
}

template <>
bool PoolPointsInterpGradientOp<float, CPUContext>::RunOnDevice() {
  const auto& X = Input(0);
  const auto& R = Input(1);
  const auto& dY = Input(2);
  auto* dX = Output(0);
  CheckShapes(X, R);
  const int channels = X.dim32(1), height = X.dim32(2), width = X.dim32(3);
  const int points = R.dim32(0);
  CAFFE_ENFORCE_EQ(dY.numel(), static_cast<int64_t>(points) * channels, "one gradient for each point and channel");

  dX->ResizeLike(X);
  math::Set<float, CPUContext>(dX->numel(), 0.f, dX->template mutable_data<float>(), &context_);
  const float* point = R.template data<float>();
  const float* in = dY.template data<float>();
  float* map = dX->template mutable_data<float>();
  for (int p = 0; p < points; ++p, point += 3, in += channels) {
    const int plane = FirstPlane(point, X.dim32(0), channels);
    const auto corners = CornersAround(point[1] * spatial_scale_, point[2] * spatial_scale_, height, width);
    for (int c = 0; c < channels; ++c) {
      float* to = map + (plane + c) * height * width;
      for (int k = 0; corners.inside && k < 4; ++k) {
        to[corners.offset[k]] += corners.weight[k] * in[c];
      }
    }
  }
  return true;
}

REGISTER_CPU_OPERATOR(PoolPointsInterp, PoolPointsInterpOp<float, CPUContext>);
REGISTER_CPU_OPERATOR(PoolPointsInterpGradient, PoolPointsInterpGradientOp<float, CPUContext>);

OPERATOR_SCHEMA(PoolPointsInterp)
    .NumInputs(2)
    .NumOutputs(1)
    .SetDoc("Samples a feature map at points by bilinear interpolation.")
    .Arg("spatial_scale", "(float, default 1.0) from image coordinates to those of the map")
    .Input(0, "X", "feature map (N, C, H, W)")
    .Input(1, "R", "points (P, 3): batch index, x, y")
    .Output(0, "Y", "samples (P, C)");

OPERATOR_SCHEMA(PoolPointsInterpGradient)
    .NumInputs(3)
    .NumOutputs(1)
    .Input(0, "X", "see PoolPointsInterp")
    .Input(1, "R", "see PoolPointsInterp")
    .Input(2, "dY", "gradient of the samples")
    .Output(0, "dX", "gradient of the feature map");

class GetPoolPointsInterpGradient : public GradientMakerBase {
  using GradientMakerBase::GradientMakerBase;
  std::vector<OperatorDef> GetGradientDefs() override {
    return SingleGradientDef(
        "PoolPointsInterpGradient",
        "",
        std::vector<std::string>{I(0), I(1), GO(0)},
        std::vector<std::string>{GI(0)});
  }
};

REGISTER_GRADIENT(PoolPointsInterp, GetPoolPointsInterpGradient);

} // namespace caffe2
