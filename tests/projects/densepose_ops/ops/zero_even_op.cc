#include "zero_even_op.h"

namespace caffe2 {

template <>
bool ZeroEvenOp<float, CPUContext>::RunOnDevice() {
  const auto& X = Input(0);
  auto* Y = Output(0);
  CAFFE_ENFORCE_EQ(X.dim(), 1, "ZeroEven takes a vector");

  Y->ResizeLike(X);
  const float* from = X.template data<float>();
  float* to = Y->template mutable_data<float>();
  for (int64_t i = 0; i < X.numel(); ++i) {
    to[i] = i % 2 == 0 ? 0.f : from[i];
  }
  return true;
}

REGISTER_CPU_OPERATOR(ZeroEven, ZeroEvenOp<float, CPUContext>);

OPERATOR_SCHEMA(ZeroEven)
    .NumInputs(1)
    .NumOutputs(1)
    .SetDoc("Sets the elements of a vector at even indices to zero.")
    .Input(0, "X", "vector of float")
    .Output(0, "Y", "vector of the same length");

NO_GRADIENT(ZeroEven);

} // namespace caffe2
