#include "caffe2/core/context_gpu.h"

#include "zero_even_op.h"

namespace caffe2 {

namespace {

__global__ void ZeroEvenKernel(const int n, const float* from, float* to) {
  CUDA_1D_KERNEL_LOOP(i, n) {
    to[i] = i % 2 == 0 ? 0.f : from[i];
  }
}

} // namespace

template <>
bool ZeroEvenOp<float, CUDAContext>::RunOnDevice() {
  const auto& X = Input(0);
  auto* Y = Output(0);
  CAFFE_ENFORCE_EQ(X.dim(), 1, "ZeroEven takes a vector");

  Y->ResizeLike(X);
  const int n = X.numel();
  if (n > 0) {
    ZeroEvenKernel<<<CAFFE_GET_BLOCKS(n), CAFFE_CUDA_NUM_THREADS, 0, context_.cuda_stream()>>>(
        n, X.template data<float>(), Y->template mutable_data<float>());
  }
  return true;
}

REGISTER_CUDA_OPERATOR(ZeroEven, ZeroEvenOp<float, CUDAContext>);

} // namespace caffe2
