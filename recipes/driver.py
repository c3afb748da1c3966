"""The NVIDIA driver: root's business, on the host."""

from posixpath import dirname, normpath

from envdoctor.facts import DriverLibrary, Facts, Known, Unreadable, value_of
from envdoctor.knowledge.cuda_driver import judge_runtime
from envdoctor.knowledge.versions import compare
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Refusal, recipe

from .machine_settings import for_this_machine

NEEDS = ("driver", "host", "environment", "torch", "caffe2", "python")
VARIABLE = "LD_LIBRARY_PATH"
# As the distributions' own pages on the driver have it; tried on none of them.
INSTALL = {
    "debian": ("sudo apt-get install nvidia-driver",),
    "ubuntu": ("sudo ubuntu-drivers install",),
    "fedora": ("sudo dnf install akmod-nvidia",),
    "rhel": ("sudo dnf module install nvidia-driver:latest-dkms",),
    "rocky": ("sudo dnf module install nvidia-driver:latest-dkms",),
    "almalinux": ("sudo dnf module install nvidia-driver:latest-dkms",),
}


@recipe("driver", cures=("DRV001", "DRV002", "DRV003"), needs=NEEDS)
def driver(facts: Facts, options: Options) -> Answer:
    """Install, load or match the NVIDIA driver

    What it does:
        Says which driver is needed and prints the commands of this machine that install it, load its kernel module, or
        bring module and libraries to one release. A libcuda of another driver that comes by LD_LIBRARY_PATH is taken
        off it in the overlay.
    What it changes:
        Nothing by itself but that entry of LD_LIBRARY_PATH: a driver needs root, and a container gets it from its host.
    When it is not enough:
        A GPU that the needed driver no longer supports; a torch for an older CUDA then remains.
    Sources:
        https://docs.nvidia.com/deploy/cuda-compatibility/; the distributions' own pages on the driver. No machine with
        a driver took part: the answers are shown on recorded facts
    """
    found = facts.driver
    library, module = value_of(found.library), value_of(found.kernel_module)
    real = library if library is not None and not library.stub else None
    if real is not None and module is not None and _differ(real, module):
        entry = _entry_of(facts, real.path)
        if entry is not None:
            return for_this_machine("driver", options, Setting(VARIABLE, "without", entry))
        return _restart(facts, f"kernel module {module} and libcuda {real.version} are of two releases")
    if isinstance(found.nvml, Unreadable) and "mismatch" in found.nvml.reason.lower():
        return _restart(facts, "kernel module and libraries of the driver are of two releases")
    if isinstance(found.nvml, Unreadable) and "not loaded" in found.nvml.reason.lower() and real is not None:
        return Manual(
            "The driver is installed and its kernel module is not loaded; the kernel's log tells why.",
            ("sudo modprobe nvidia", "sudo dmesg | grep -i nvidia"),
        )
    if real is None and module is not None:
        return _install(facts, f"The kernel module {module} is loaded, and its libcuda.so.1 is not here")
    return _newer(facts)


def _differ(library: DriverLibrary, module: str) -> bool:
    """Whether libcuda is of another release than the kernel module; a cuda-compat library may be newer."""
    order = compare(library.version, module) if library.version else 0
    return order != 0 and not (order > 0 and "/compat/" in library.path)


def _newer(facts: Facts) -> Manual | Refusal:
    version = value_of(facts.driver.nvml) or value_of(facts.driver.kernel_module)
    wanted = _runtime(facts)
    if wanted is None:
        return Refusal("nothing here needs a driver")
    if version is None:
        return _install(facts, "There is no NVIDIA driver here")
    judged = judge_runtime(wanted, version, value_of(facts.driver.cuda))
    if judged.verdict != "too-old":
        return Refusal(f"driver {version} runs CUDA {wanted}")
    needed = f"{judged.needed} or newer" if judged.needed else f"one of CUDA {wanted}"
    return _install(facts, f"Driver {version} is too old for CUDA {wanted}: it takes {needed}, or a torch for less")


def _runtime(facts: Facts) -> str | None:
    installation = facts.caffe2.first()
    of_caffe2 = value_of(installation.cuda) if installation is not None else None
    return value_of(facts.torch.cuda) or of_caffe2


def _install(facts: Facts, text: str) -> Manual:
    if isinstance(facts.host.container, Known):
        return Manual(
            f"{text}. A container gets the driver from its host: start it with its GPUs.",
            ("docker run --gpus all --env NVIDIA_DRIVER_CAPABILITIES=compute,utility ...",),
        )
    return Manual(f"{text}. Install it, and restart.", INSTALL.get(value_of(facts.host.distribution_id) or "", ()))


def _restart(facts: Facts, text: str) -> Manual:
    if isinstance(facts.host.container, Known):
        return Manual(f"In this container {text}: start it anew, since the host has changed its driver.")
    return Manual(f"The {text}: restart, so that the module of the installed release is loaded.", ("sudo reboot",))


def _entry_of(facts: Facts, path: str) -> str | None:
    for entry in (facts.environment.get(VARIABLE) or "").split(":"):
        if entry and normpath(entry) == normpath(dirname(path)):
            return entry
    return None
