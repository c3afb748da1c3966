#ifndef DENSEPOSE_OPS_ZERO_EVEN_OP_H_
#define DENSEPOSE_OPS_ZERO_EVEN_OP_H_

#include "caffe2/core/context.h"
#include "caffe2/core/operator.h"

namespace caffe2 {

// Copies a vector and sets its elements 0, 2, 4, ... to zero.
template <typename T, class Context>
class ZeroEvenOp final : public Operator<Context> {
 public:
  USE_OPERATOR_CONTEXT_FUNCTIONS;

  ZeroEvenOp(const OperatorDef& operator_def, Workspace* ws)
      : Operator<Context>(operator_def, ws) {}

  bool RunOnDevice() override;
};

} // namespace caffe2

#endif // DENSEPOSE_OPS_ZERO_EVEN_OP_H_
