"""The picture of the chain from driver to GPU: one link a part, marked with the worst finding about it."""

from collections.abc import Sequence

from envdoctor.checking.check import State
from envdoctor.checking.judge import severity
from envdoctor.checking.report import ChainLink, ReportedFinding
from envdoctor.facts import Absent, Fact, Facts, Known, Unreadable, value_of

# What the picture shows; gathered besides what the checks need, so that it is whole.
CHAIN_AREAS = ("driver", "cuda", "cudnn", "compilers", "protobuf", "caffe2", "torch", "extensions")

LINK_OF_AREA = {
    "driver": "driver",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "compiler": "compiler",
    "protobuf": "protobuf",
    "caffe2": "framework",
    "mkl": "framework",
    "ops": "framework",
    "torch": "framework",
    "python": "framework",
    "abi": "extension",
    "symbols": "extension",
    "smoke": "extension",
}
LINK_OF_CODE = {"SMK004": "GPU", "DRV006": "GPU", "CUDA006": "GPU", "CUDA007": "GPU"}


def draw_chain(facts: Facts, findings: Sequence[ReportedFinding]) -> tuple[ChainLink, ...]:
    """The links whose facts were gathered, in the order in which a build rests on them."""
    worst: dict[str, State] = {}
    for finding in findings:
        link = LINK_OF_CODE.get(finding.code) or LINK_OF_AREA.get(finding.area)
        if link is not None and severity(finding.state) > severity(worst.get(link, "ok")):
            worst[link] = finding.state
    return tuple(
        ChainLink(name, text, worst.get(key, "ok")) for key, area, name, text in _links(facts) if area in facts.probed
    )


def _links(facts: Facts) -> list[tuple[str, str, str, str]]:
    framework_area, framework_name, framework = _framework(facts)
    cxx = value_of(facts.compilers.cxx)
    return [
        ("driver", "driver", "driver", _driver(facts)),
        ("CUDA", "cuda", "CUDA", _cuda(facts)),
        ("cuDNN", "cudnn", "cuDNN", _cudnn(facts)),
        ("compiler", "compilers", cxx.kind if cxx else "compiler", _version(cxx.version) if cxx else "none"),
        ("protobuf", "protobuf", "protobuf", _protobuf(facts)),
        ("framework", framework_area, framework_name, framework),
        ("extension", "extensions", "extensions", _extensions(facts)),
        ("GPU", "driver", "GPU", _gpus(facts)),
    ]


def _driver(facts: Facts) -> str:
    for fact in (facts.driver.nvml, facts.driver.kernel_module):
        if isinstance(fact, Known):
            return fact.value
    return "?" if isinstance(facts.driver.nvml, Unreadable) else "none"


def _cuda(facts: Facts) -> str:
    toolkit = facts.cuda.toolkit()
    return _version(toolkit.version) if toolkit is not None else "none"


def _protobuf(facts: Facts) -> str:
    headers = value_of(facts.protobuf.default_headers)
    found = (headers.version or "?") if headers is not None else "none"
    wanted = next((code.minimum for code in facts.protobuf.generated if code.owner == "caffe2"), None)
    return found if wanted is None else f"{found} (Caffe2: {wanted})"


def _framework(facts: Facts) -> tuple[str, str, str]:
    project_is_caffe2 = value_of(facts.project.profile) == "caffe2-ops"
    installation = facts.caffe2.first()
    torch = value_of(facts.torch.version)
    if installation is not None and (project_is_caffe2 or torch is None):
        return "caffe2", "Caffe2", _version(installation.version)
    return "torch", "torch", _version(facts.torch.version)


def _extensions(facts: Facts) -> str:
    nothing_seen = facts.extensions.unreadable or isinstance(facts.torch.root, Unreadable)
    built_on_it = [extension for extension in facts.extensions.found if extension.owner != "torch"]
    return str(len(built_on_it) or ("?" if nothing_seen else "none"))


def _gpus(facts: Facts) -> str:
    gpus = facts.driver.gpus
    if isinstance(gpus, Known) and gpus.value:
        first = gpus.value[0]
        more = f" x{len(gpus.value)}" if len(gpus.value) > 1 else ""
        return f"{first.name}{more}"
    return "?" if isinstance(gpus, Unreadable) else "none"


def _cudnn(facts: Facts) -> str:
    loaded = facts.cudnn.loaded
    if isinstance(loaded, Known):
        return loaded.value.version or "?"
    return "none" if isinstance(loaded, Absent) else "?"


def _version(fact: Fact[str]) -> str:
    if isinstance(fact, Known):
        return fact.value
    return "none" if isinstance(fact, Absent) else "?"
