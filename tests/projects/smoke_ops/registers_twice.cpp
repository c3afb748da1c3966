// Two definitions of one namespace: torch refuses the second while the library is being loaded.

#include <torch/extension.h>

TORCH_LIBRARY(twice_registered, m) { m.def("first(Tensor values) -> Tensor"); }

namespace again {
TORCH_LIBRARY(twice_registered, m) { m.def("second(Tensor values) -> Tensor"); }
}  // namespace again
