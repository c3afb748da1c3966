"""The ThreadPool headers that Caffe2's wheels leave out."""

from envdoctor.facts import Caffe2Installation, Facts, Known, value_of
from envdoctor.knowledge.versions import at_least
from envdoctor.repair.recipe import Answer, Manual, Options, Refusal, recipe
from envdoctor.repair.steps import MakeLink

from .header_search import searched
from .pip_download import interpreter
from .wheel_headers import HeadersOfWheel

DIRECTORY = "caffe2/utils/threadpool"
NAMES = ("ThreadPool.h", "ThreadPoolCommon.h")
# Of these PyPI wheels the class and its header were compared: 1.0.1 to 1.3.1 leave it out, 1.4.0 has it. Of 1.4.0 the
# wheel for macOS is by far the smallest, and its headers are the same.
FIRST, WITH_HEADERS = "1.0.1", "1.4.0"
REQUIREMENT = f"torch=={WITH_HEADERS}"
OPTIONS = ("--only-binary=:all:", "--python-version=3.7", "--platform=macosx_10_9_x86_64")
INSIDE = f"torch/include/{DIRECTORY}"


@recipe("threadpool-headers", cures=("C2005",), needs=("project", "caffe2", "headers", "python"))
def threadpool_headers(facts: Facts, options: Options) -> Answer:
    """Bring the ThreadPool headers that the Caffe2 package leaves out

    What it does:
        Links to the headers of a source or build tree of the same release where CMake or a variable leads to one. Else
        takes ThreadPool.h and ThreadPoolCommon.h out of the torch 1.4.0 wheel, whose class is that of 1.0.1 to 1.3.1:
        pip fetches the wheel for macOS (81 MB, the smallest) and verifies the hash that the index states; the two
        headers are kept in the user's cache.
    What it changes:
        The overlay: .envdoctor/prefix/include and its environment. With --in-place CMakeLists.txt names the directory
        in a marked block.
    When it is not enough:
        A release outside of 1.0.1 to 1.3.1, or another header that is left out: the commands to copy it from the source
        tree are printed.
    Sources:
        Measured with PyPI torch 1.0.1 and 1.4.0: compared symbol by symbol, compiled, linked, run
    """
    installation = facts.caffe2.built_against()
    if installation is None:
        return Refusal("Caffe2 is not installed")
    missing = _missing(facts, installation)
    include = f"{options.overlay}/prefix/include"
    source = _same_release_with_headers(facts, installation)
    if not {f"{DIRECTORY}/{name}" for name in NAMES} >= set(missing):
        return _by_hand(installation, missing, include)
    if source is not None:
        link = f"{include}/{DIRECTORY}"
        step = MakeLink(f"Link {link} to the headers of the same release", link, f"{source}/{DIRECTORY}")
        return searched("threadpool-headers", include, facts, options, before=(step,))
    version = value_of(installation.version) or ""
    if not at_least(version, FIRST) or at_least(version, WITH_HEADERS):
        return _by_hand(installation, missing, include)
    fetch = HeadersOfWheel(
        f"Download {REQUIREMENT} and put {' and '.join(NAMES)} into {include}/{DIRECTORY}",
        python=interpreter(facts),
        requirement=REQUIREMENT,
        options=OPTIONS,
        inside=INSIDE,
        folder=f"{include}/{DIRECTORY}",
        names=NAMES,
    )
    return searched("threadpool-headers", include, facts, options, before=(fetch,))


def _missing(facts: Facts, installation: Caffe2Installation) -> tuple[str, ...]:
    told = facts.headers.missing
    if isinstance(told, Known):
        return tuple(name for name in told.value if name.startswith(("caffe2/", "c10/", "ATen/")))
    return installation.headers_missing


def _same_release_with_headers(facts: Facts, installation: Caffe2Installation) -> str | None:
    """The include directory of another installation of this release that has them."""
    version = value_of(installation.version)
    for other in facts.caffe2.installations:
        include = value_of(other.include)
        same = version is not None and value_of(other.version) == version
        if include is not None and same and other.root != installation.root and not other.headers_missing:
            return include
    return None


def _by_hand(installation: Caffe2Installation, missing: tuple[str, ...], include: str) -> Manual | Refusal:
    version = value_of(installation.version)
    if version is None or not missing:
        return Refusal("which release this Caffe2 is, whose source tree has its headers, is not known")
    tree = f"pytorch-{version}"
    clone = f"git clone --depth 1 --branch v{version} https://github.com/pytorch/pytorch {tree}"
    copies = tuple(f"install -D -m 644 {tree}/{name} {include}/{name}" for name in missing[:16])
    text = f"Copy {', '.join(missing[:4])} from the source tree of PyTorch {version}, and put {include} first in CPATH."
    return Manual(text, (clone, *copies, f'export CPATH={include}"${{CPATH:+:$CPATH}}"'))
