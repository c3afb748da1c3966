"""The little of torch that finding GPUs and a first kernel ask for. FAKE_GPUS names how each GPU behaves."""

import os

GPUS = os.environ.get("FAKE_GPUS", "").split()


class version:  # noqa: N801 - torch's name
    cuda = "13.0"


class Tensor:
    def __init__(self, values):
        self.values = values

    def __add__(self, other):
        return Tensor([one + another for one, another in zip(self.values, other.values)])

    def tolist(self):
        return self.values


class cuda:  # noqa: N801 - torch's name
    spoilt = False

    @staticmethod
    def is_available():
        return bool(GPUS)

    @staticmethod
    def init():
        raise RuntimeError("Found no NVIDIA driver on your system.\nPlease check")

    @staticmethod
    def device_count():
        return len(GPUS)

    @staticmethod
    def get_device_capability(index):
        return (9, 0)

    @staticmethod
    def get_device_name(index):
        return "Pretended GPU"

    @staticmethod
    def synchronize(device):
        pass


def ones(count, device):
    behaviour = GPUS[int(device.split(":")[1])]
    if behaviour == "crashing":
        os.abort()
    if behaviour == "no-image" or cuda.spoilt:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
    return Tensor([1.0] * count)
