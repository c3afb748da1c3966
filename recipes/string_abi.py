"""The flag by which a library takes the std::string of the framework that loads it."""

from posixpath import basename

from envdoctor.facts import Facts, value_of

FLAG = "-D_GLIBCXX_USE_CXX11_ABI="


def framework_flag(facts: Facts) -> str | None:
    """The flag that Caffe2, for a project of operators, or torch was built with; None where that is not known.

    Reads `project`, `caffe2`, `torch`.
    """
    installation = facts.caffe2.built_against()
    builds_ops = value_of(facts.project.profile) == "caffe2-ops" and installation is not None
    flavour = value_of(installation.cxx11_abi if builds_ops and installation is not None else facts.torch.cxx11_abi)
    return f"{FLAG}{int(flavour)}" if flavour is not None else None


def cxx_compiler(facts: Facts) -> str | None:
    """The C++ compiler that a build takes. Reads `compilers`."""
    compiler = value_of(facts.compilers.cxx)
    return compiler.path if compiler is not None and basename(compiler.path) else None
