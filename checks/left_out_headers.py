"""Headers that a Caffe2 package leaves out, and where they can be had."""

from envdoctor.checking.check import Remedy
from envdoctor.facts import Caffe2Installation, Facts, Known, value_of
from envdoctor.knowledge.versions import at_least

from . import remedies

# Of these PyPI wheels the class and its header were compared: 1.0.1 to 1.3.1 leave it out, 1.4.0 has it.
THREAD_POOL_HEADERS = ("caffe2/utils/threadpool/ThreadPool.h", "caffe2/utils/threadpool/ThreadPoolCommon.h")
FRAMEWORK_HEADERS = ("caffe2/", "c10/", "ATen/")


def missing_headers(facts: Facts, installation: Caffe2Installation) -> tuple[tuple[str, ...], str]:
    """What the compiler misses, or what the package is known to lack where none could be asked; and what told it.

    Reads `headers`.
    """
    told = facts.headers.missing
    if isinstance(told, Known):
        return tuple(name for name in told.value if name.startswith(FRAMEWORK_HEADERS)), told.found_via
    return installation.headers_missing, value_of(installation.include) or installation.root


def headers_remedy(facts: Facts, installation: Caffe2Installation, missing: tuple[str, ...]) -> Remedy:
    version = value_of(installation.version) or ""
    same_class = at_least(version, "1.0.1") and not at_least(version, "1.4.0")
    if not same_class or not set(missing) <= set(THREAD_POOL_HEADERS):
        text = f"Copy them from the source tree of this release ({version or 'its version is not known'})."
        return Remedy(text, recipe="threadpool-headers")
    return Remedy(
        "Take them from the torch 1.4.0 wheel, which has the same class.",
        remedies.thread_pool_headers(facts),
        recipe="threadpool-headers",
    )
