"""An operator of a few lines, built against Caffe2 as the project's own operators will be."""

from collections.abc import Sequence

from envdoctor.facts import Facts, SourceUse
from envdoctor.smoke.toolchain.cmake import CMakeBuild, Package, links_named, stages_with
from envdoctor.smoke.toolchain.stages import Stage
from envdoctor.smoke.toolchain.workplace import Workplace

# What find_package(Caffe2) offers to link with, over its releases.
FRAMEWORK = ("caffe2_library", "caffe2", "torch", "torch_cpu", "torch_library")

OPERATOR = """\
%(includes)s

namespace caffe2 {

template <class Context>
class EnvdoctorToolchainOp final : public Operator<Context> {
 public:
  USE_OPERATOR_CONTEXT_FUNCTIONS;

  template <class... Args>
  explicit EnvdoctorToolchainOp(Args&&... args) : Operator<Context>(std::forward<Args>(args)...) {}

  bool RunOnDevice() override {
    const auto& X = Input(0);
    auto* Y = Output(0);
    Y->ResizeLike(X);
    const float* from = X.template data<float>();
    float* to = Y->template mutable_data<float>();
    for (int i = 0; i < 3; ++i) {
      to[i] = from[i] + from[i];
    }
    return true;
  }
};

REGISTER_CPU_OPERATOR(EnvdoctorToolchain, EnvdoctorToolchainOp<CPUContext>);

OPERATOR_SCHEMA(EnvdoctorToolchain).NumInputs(1).NumOutputs(1).SetDoc("Doubles three numbers.");

NO_GRADIENT(EnvdoctorToolchain);

} // namespace caffe2
"""


def stages_of(workplace: Workplace) -> tuple[Stage, ...]:
    """Configure, compile, link, load and run against Caffe2."""
    facts = workplace.facts
    package = Package("Caffe2", operator_source(facts.project.includes), linked(facts), "caffe2_toolchain")
    return stages_with(CMakeBuild(workplace, package))


def operator_source(includes: Sequence[SourceUse]) -> str:
    """The operator, with the headers of Caffe2 that the project's own C++ sources include."""
    names = ["caffe2/core/context.h", "caffe2/core/operator.h"]
    for use in includes:
        # What needs a CUDA compiler is tried with nvcc.
        gpu = "gpu" in use.name or "cuda" in use.name.lower() or use.path.endswith((".cu", ".cuh"))
        if use.name.startswith("caffe2/") and use.name.endswith(".h") and not gpu and '"' not in use.name:
            names.append(use.name)
    return OPERATOR % {"includes": "\n".join(f'#include "{name}"' for name in dict.fromkeys(names))}


def linked(facts: Facts) -> tuple[str, ...]:
    """What the project's libraries link with of Caffe2, by the names that they use, whether they exist or not."""
    named = tuple(name for name in links_named(facts) if name in FRAMEWORK)
    installation = facts.caffe2.built_against()
    offered = installation.cmake_targets if installation is not None else ()
    return named or tuple(name for name in FRAMEWORK if name in offered)[:1] or FRAMEWORK[:1]
