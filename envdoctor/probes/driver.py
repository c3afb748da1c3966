"""The NVIDIA driver: kernel module, libcuda, what NVML says, device nodes, GPUs."""

import re

from envdoctor.facts import Absent, Driver, DriverLibrary, Fact, Facts, Gpu, Known, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.knowledge import gpu as products
from envdoctor.knowledge.cuda_driver import newest_cuda_of_driver
from envdoctor.probes.driver_answer import Answer, ask_nvidia_smi, ask_nvml, silent
from envdoctor.probes.driver_library import all_libraries, compat_library, is_compat, loaded_library
from envdoctor.probes.library_search import DRIVER_DIRECTORIES, LibrarySearch, library_search
from envdoctor.probes.reading import names_in, text_of
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ()

NVML = "libnvidia-ml.so.1"
MODULE = "/proc/driver/nvidia/version"
MODULE_PARAMETER = "/sys/module/nvidia/version"
GPU_DIRECTORY = "/proc/driver/nvidia/gpus"
GPUS_AT_MOST = 256
SMALL = 65_536


def probe(target: Target, _known: Facts) -> Driver:
    files = target.files
    search = library_search(target)
    module = _kernel_module(files)
    library = loaded_library(files, search)
    answer = _ask(target, search, module)
    return Driver(
        kernel_module=module,
        library=library,
        libraries=all_libraries(target, search),
        nvml=answer.driver,
        cuda=_native_cuda(files, module, library, answer),
        gpus=_gpus(files, module, answer),
        device_nodes=_device_nodes(files),
        compat=compat_library(target),
    )


def _kernel_module(files: FileView) -> Fact[str]:
    text = text_of(files, MODULE, SMALL)
    if isinstance(text, Known):
        # The raw text ends at the version: the rest of the line names who built the module, and where.
        line = re.search(r"^NVRM version:.*?\s(\d{2,}\.\d+(?:\.\d+)*)\b", text.value, re.MULTILINE)
        return Known(line[1], MODULE, line[0]) if line else Unreadable("it tells no version", MODULE)
    if isinstance(text, Unreadable):
        return text
    parameter = text_of(files, MODULE_PARAMETER, 64)
    if isinstance(parameter, Known) and parameter.value.strip():
        return Known(parameter.value.strip(), MODULE_PARAMETER)
    if isinstance(parameter, Unreadable):
        return parameter
    return Absent("no NVIDIA kernel module", (MODULE, MODULE_PARAMETER))


def _device_nodes(files: FileView) -> tuple[str, ...]:
    names = names_in(files, "/dev", SMALL)
    wanted = [name for name in names if name == "dxg" or (name.startswith("nvidia") and name != "nvidia-caps")]
    return tuple(f"/dev/{name}" for name in wanted[:GPUS_AT_MOST])


def _ask(target: Target, search: LibrarySearch, module: Fact[str]) -> Answer:
    """NVML where the loader finds it, or might: a loaded kernel module is reason enough to try."""
    found = search.first(NVML)
    answer = _without_library(target.files, search)
    if found is not None or not isinstance(module, Absent):
        if target.programs is None:
            return silent(Unreadable("needs a live target", found.path if found else ""))
        asked = ask_nvml(target, target.programs, found.path if found else None)
        if not isinstance(asked.driver, Absent):
            return asked
    smi = ask_nvidia_smi(target, target.programs) if target.programs is not None else None
    return smi or answer


def _without_library(files: FileView, search: LibrarySearch) -> Answer:
    elsewhere = next((place for place in DRIVER_DIRECTORIES if files.is_file(f"{place}/{NVML}")), None)
    reason = f"{NVML} lies in {elsewhere}, where the loader does not look" if elsewhere else f"no {NVML}"
    return silent(Absent(reason, search.looked(NVML)))


def _native_cuda(files: FileView, module: Fact[str], library: Fact[DriverLibrary], answer: Answer) -> Fact[str]:
    """NVML asks the libcuda that the loader takes; one of cuda-compat tells its own CUDA, not the driver's."""
    loaded = value_of(library)
    by_compat = loaded is not None and is_compat(files, loaded)
    if isinstance(answer.cuda, Known) and not by_compat:
        return answer.cuda
    versions = (value_of(module), value_of(answer.driver), None if by_compat or loaded is None else loaded.version)
    version = next(filter(None, versions), None)
    if version is None:
        return answer.cuda if isinstance(answer.cuda, Unreadable) else Absent("no driver to ask")
    row = newest_cuda_of_driver(version)
    if row is not None:
        return Known(row.newest_cuda, f"driver {version}, by the table of branches ({row.source})")
    if isinstance(answer.cuda, Unreadable):
        return answer.cuda
    return Unreadable(f"no table knows the CUDA of driver {version}")


def _gpus(files: FileView, module: Fact[str], answer: Answer) -> Fact[tuple[Gpu, ...]]:
    """NVML's list. Where NVML did not start, the kernel's: names, and capabilities of the products that are known.

    A driver that hung is not asked again: the kernel's files wait for the same locks.
    """
    if isinstance(answer.driver, Known) or not answer.spoke:
        return answer.gpus
    if isinstance(module, Absent) and "dxg" not in names_in(files, "/dev", SMALL):
        return Absent("no NVIDIA kernel module", module.looked)
    names = [_product_name(files, directory) for directory in names_in(files, GPU_DIRECTORY, GPUS_AT_MOST)]
    if not names or None in names:
        return answer.gpus
    return Known(tuple(_gpu(index, name) for index, name in enumerate(names) if name), GPU_DIRECTORY)


def _product_name(files: FileView, directory: str) -> str | None:
    text = value_of(text_of(files, f"{GPU_DIRECTORY}/{directory}/information", SMALL)) or ""
    line = next((line for line in text.splitlines() if line.startswith("Model:")), "")
    return line.partition(":")[2].strip() or None


def _gpu(index: int, name: str) -> Gpu:
    product = products.find(name)
    return Gpu(index, name, product.cc if product else None, None)
