#ifndef DENSEPOSE_OPS_POOL_POINTS_INTERP_OP_H_
#define DENSEPOSE_OPS_POOL_POINTS_INTERP_OP_H_

#include "caffe2/core/context.h"
#include "caffe2/utils/math.h"

#include "caffe2/core/operator.h"

namespace caffe2 {

// Samples a feature map X (N, C, H, W) at points R (P, 3), each a row of batch index, x and y in image coordinates, which
// spatial_scale turns into those of the map. Y (P, C) holds the bilinear interpolation of the four elements around a point.
// A point further than one element outside the map gives zero; one nearer is moved onto its border.
template <typename T, class Context>
class PoolPointsInterpOp final : public Operator<Context> {
 public:
  USE_OPERATOR_CONTEXT_FUNCTIONS;

  PoolPointsInterpOp(const OperatorDef& operator_def, Workspace* ws)
      : Operator<Context>(operator_def, ws),
        spatial_scale_(this->template GetSingleArgument<float>("spatial_scale", 1.f)) {
    CAFFE_ENFORCE_GT(spatial_scale_, 0.f, "spatial_scale must be positive");
  }

  bool RunOnDevice() override;

 private:
  float spatial_scale_;
};

// From X, R and the gradient of Y: the gradient of X. The points get none.
template <typename T, class Context>
class PoolPointsInterpGradientOp final : public Operator<Context> {
 public:
  USE_OPERATOR_CONTEXT_FUNCTIONS;

  PoolPointsInterpGradientOp(const OperatorDef& operator_def, Workspace* ws)
      : Operator<Context>(operator_def, ws),
        spatial_scale_(this->template GetSingleArgument<float>("spatial_scale", 1.f)) {
    CAFFE_ENFORCE_GT(spatial_scale_, 0.f, "spatial_scale must be positive");
  }

  bool RunOnDevice() override;

 private:
  float spatial_scale_;
};

} // namespace caffe2

#endif // DENSEPOSE_OPS_POOL_POINTS_INTERP_OP_H_
