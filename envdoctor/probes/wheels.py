"""NVIDIA's wheels in the interpreter's site directories, by the names of their dist-info directories."""

from collections.abc import Iterable

import msgspec

from envdoctor.facts import Facts
from envdoctor.files import FileView
from envdoctor.probes.reading import names_in

NAMES_AT_MOST = 65_536

# Which wheel brings a library, where they share one folder. Others are named like the library.
_WHEEL_OF_LIBRARY = {
    "cudart": "cuda-runtime",
    "nvrtc": "cuda-nvrtc",
    "cupti": "cuda-cupti",
    "cublasLt": "cublas",
    "nvblas": "cublas",
    "nvJitLink": "nvjitlink",
    "nvToolsExt": "nvtx",
}


class Wheel(msgspec.Struct, frozen=True):
    """`name` is without `nvidia-` and without the CUDA major: `cudnn`, `cuda-runtime`. `site` is its site directory."""

    name: str
    version: str
    path: str
    site: str


class Wheels(msgspec.Struct, frozen=True):
    """All of them, in the order of the site directories."""

    found: tuple[Wheel, ...]

    def of_directory(self, directory: str) -> Wheel | None:
        """The wheel that brought `<site>/nvidia/<name>` and what is below; none for the folder that all share."""
        for wheel in self.found:
            place = f"{wheel.site}/nvidia/{wheel.name.replace('-', '_')}"
            if directory == place or directory.startswith(f"{place}/"):
                return wheel
        return None

    def inside(self, directory: str, name: str) -> Wheel | None:
        """The wheel of that name in the site directory that holds `directory`."""
        for wheel in self.found:
            if wheel.name == name and directory.startswith(f"{wheel.site}/nvidia/"):
                return wheel
        return None

    def of_library(self, directory: str, stem: str) -> Wheel | None:
        """The wheel that brought a library: `stem` is `cudart` for libcudart.so.12."""
        return self.of_directory(directory) or self.inside(directory, _WHEEL_OF_LIBRARY.get(stem, stem))


def nvidia_wheels(files: FileView, known: Facts) -> Wheels:
    """Reads directory names only."""
    return Wheels(tuple(wheel for site in known.python.site_packages for wheel in _in_site(files, site)))


def _in_site(files: FileView, site: str) -> Iterable[Wheel]:
    for name in names_in(files, site, NAMES_AT_MOST):
        if name.startswith("nvidia_") and name.endswith(".dist-info"):
            package, _, version = name.removesuffix(".dist-info").partition("-")
            yield Wheel(_plain(package), version, f"{site}/{name}", site)


def _plain(package: str) -> str:
    words = package.split("_")[1:]
    if words and words[-1].startswith("cu") and words[-1][2:].isdecimal():
        words = words[:-1]
    return "-".join(words)
