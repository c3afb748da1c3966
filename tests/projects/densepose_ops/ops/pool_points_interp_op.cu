#include "caffe2/core/context_gpu.h"

#include "bilinear.h"
#include "pool_points_interp_op.h"

namespace caffe2 {

namespace {

// One thread a sample: index = point * channels + channel. A batch index outside the batch samples nothing.
__global__ void PoolPointsKernel(
    const int samples,
    const float* map,
    const float* points,
    const float spatial_scale,
    const int batch,
    const int channels,
    const int height,
    const int width,
    float* out) {
  CUDA_1D_KERNEL_LOOP(index, samples) {
    const float* point = points + index / channels * 3;
    const int n = static_cast<int>(point[0]);
    const BilinearCorners corners = CornersAround(point[1] * spatial_scale, point[2] * spatial_scale, height, width);
    float sample = 0.f;
    if (corners.inside && n >= 0 && n < batch) {
      const float* from = map + (n * channels + index % channels) * height * width;
      for (int k = 0; k < 4; ++k) {
        sample += corners.weight[k] * from[corners.offset[k]];
      }
    }
    out[index] = sample;
  }
}

__global__ void PoolPointsGradientKernel(
    const int samples,
    const float* gradient,
    const float* points,
    const float spatial_scale,
    const int batch,
    const int channels,
    const int height,
    const int width,
    float* map) {
  CUDA_1D_KERNEL_LOOP(index, samples) {
    const float* point = points + index / channels * 3;
    const int n = static_cast<int>(point[0]);
    const BilinearCorners corners = CornersAround(point[1] * spatial_scale, point[2] * spatial_scale, height, width);
    if (corners.inside && n >= 0 && n < batch) {
      float* to = map + (n * channels + index % channels) * height * width;
      for (int k = 0; k < 4; ++k) {
        atomicAdd(to + corners.offset[k], corners.weight[k] * gradient[index]);
      }
    }
  }
}

} // namespace

template <>
bool PoolPointsInterpOp<float, CUDAContext>::RunOnDevice() {
  const auto& X = Input(0);
  const auto& R = Input(1);
  auto* Y = Output(0);
  CAFFE_ENFORCE_EQ(X.dim(), 4, "the feature map must be (N, C, H, W)");
  CAFFE_ENFORCE(R.dim() == 2 && R.dim32(1) == 3, "the points must be (P, 3)");

  Y->Resize(R.dim32(0), X.dim32(1));
  const int samples = Y->numel();
  if (samples > 0) {
    PoolPointsKernel<<<CAFFE_GET_BLOCKS(samples), CAFFE_CUDA_NUM_THREADS, 0, context_.cuda_stream()>>>(
        samples,
        X.template data<float>(),
        R.template data<float>(),
        spatial_scale_,
        X.dim32(0),
        X.dim32(1),
        X.dim32(2),
        X.dim32(3),
        Y->template mutable_data<float>());
  }
  return true;
}

template <>
bool PoolPointsInterpGradientOp<float, CUDAContext>::RunOnDevice() {
  const auto& X = Input(0);
  const auto& R = Input(1);
  const auto& dY = Input(2);
  auto* dX = Output(0);
  CAFFE_ENFORCE_EQ(X.dim(), 4, "the feature map must be (N, C, H, W)");
  CAFFE_ENFORCE(R.dim() == 2 && R.dim32(1) == 3, "the points must be (P, 3)");
  CAFFE_ENFORCE_EQ(
      dY.numel(), static_cast<int64_t>(R.dim32(0)) * X.dim32(1), "one gradient for each point and channel");

  dX->ResizeLike(X);
  math::Set<float, CUDAContext>(dX->numel(), 0.f, dX->template mutable_data<float>(), &context_);
  const int samples = dY.numel();
  if (samples > 0) {
    PoolPointsGradientKernel<<<CAFFE_GET_BLOCKS(samples), CAFFE_CUDA_NUM_THREADS, 0, context_.cuda_stream()>>>(
        samples,
        dY.template data<float>(),
        R.template data<float>(),
        spatial_scale_,
        X.dim32(0),
        X.dim32(1),
        X.dim32(2),
        X.dim32(3),
        dX->template mutable_data<float>());
  }
  return true;
}

REGISTER_CUDA_OPERATOR(PoolPointsInterp, PoolPointsInterpOp<float, CUDAContext>);
REGISTER_CUDA_OPERATOR(PoolPointsInterpGradient, PoolPointsInterpGradientOp<float, CUDAContext>);

} // namespace caffe2
