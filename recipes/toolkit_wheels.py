"""A CUDA toolkit out of NVIDIA's wheels, in a folder of its own: from CUDA 13 on they hold a whole nvcc."""

import os
from dataclasses import dataclass

from envdoctor.knowledge.versions import numbers, series
from envdoctor.repair.steps import Hands, Step, StepError

from . import wheels_in_folder

PARTS = ("nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm", "nvidia-cuda-runtime", "nvidia-cuda-cccl")
OLDEST_MAJOR = 13


@dataclass(frozen=True)
class InstallToolkit(Step):
    """Put the wheels of a CUDA release (`13.0`) into a folder, and give libcudart the name that the linker seeks."""

    kind = "pip"
    python: str
    folder: str
    cuda: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.folder,)

    @property
    def root(self) -> str:
        """What CUDA_HOME is then."""
        return f"{self.folder}/nvidia/cu{numbers(self.cuda)[0]}"

    @property
    def command(self) -> tuple[str, ...]:
        return wheels_in_folder.command(self.python, self.folder, self._wanted())

    def perform(self, hands: Hands) -> None:
        hands.say(self.summary, None)
        wheels_in_folder.install(hands, self.python, self.folder, self._wanted())
        libraries = f"{self.root}/lib"
        try:
            runtime = next(name for name in sorted(os.listdir(libraries)) if name.startswith("libcudart.so."))
        except (OSError, StopIteration) as error:
            raise StepError(f"the wheels of CUDA {self.cuda} brought no libcudart to {libraries}") from error
        if not os.path.lexists(f"{libraries}/libcudart.so"):
            os.symlink(runtime, f"{libraries}/libcudart.so")

    def _wanted(self) -> tuple[str, ...]:
        return tuple(f"{part}=={series(self.cuda)}.*" for part in PARTS)


def on_the_index(cuda: str) -> bool:
    """Whether wheels hold an nvcc of this release."""
    return series(cuda) is not None and numbers(cuda)[0] >= OLDEST_MAJOR
