"""A library of a few lines, built against torch by CMake, as a project does that asks for Torch with find_package."""

from envdoctor.facts import Facts, value_of
from envdoctor.knowledge.versions import at_least
from envdoctor.smoke.toolchain.cmake import CMakeBuild, Package, links_named, stages_with
from envdoctor.smoke.toolchain.stages import Stage
from envdoctor.smoke.toolchain.torch import LIGHT_SINCE
from envdoctor.smoke.toolchain.workplace import Workplace

LINKED = ("${TORCH_LIBRARIES}", "torch", "torch_cpu", "torch_library")
LIGHT_HEADERS = "#include <ATen/core/Tensor.h>\n#include <ATen/ops/ones.h>"
WHOLE_HEADERS = "#include <ATen/ATen.h>"
BY_SETUP = ("CppExtension", "CUDAExtension", "SyclExtension")

SOURCE = """\
%(headers)s

#include <string>

// A tensor, a string and an error cross the border to torch's libraries.
extern "C" double envdoctor_doubled() {
  at::Tensor vector = at::ones({3});
  TORCH_CHECK(vector.dim() == 1, "no vector: ", vector.toString(), std::string(" of other form"));
  return vector.add(vector).sum().item<double>();
}
"""


def built_by_cmake(facts: Facts) -> bool:
    """Whether the project's extension is built by CMake, and not by torch's own build tools."""
    project = value_of(facts.project.cmake)
    by_setup = any(extension.kind in BY_SETUP for extension in facts.project.setup_extensions)
    extension = value_of(facts.project.profile) == "torch-extension"
    return extension and project is not None and "Torch" in project.packages and not by_setup


def stages_of(workplace: Workplace) -> tuple[Stage, ...]:
    """Configure, compile, link, load and run against Torch."""
    facts = workplace.facts
    version = value_of(facts.torch.version)
    light = version is not None and at_least(version, LIGHT_SINCE)
    source = SOURCE % {"headers": LIGHT_HEADERS if light else WHOLE_HEADERS}
    links = tuple(name for name in links_named(facts) if name in LINKED) or LINKED[:1]
    return stages_with(CMakeBuild(workplace, Package("Torch", source, links, "torch_library_toolchain")))
