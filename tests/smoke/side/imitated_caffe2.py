"""The little of Caffe2 that finding GPUs and a first kernel ask for; one file stands for its four modules."""

import os

GPUS = os.environ.get("FAKE_GPUS", "").split()
CUDA = 1
CPU = 0
has_gpu_support = bool(GPUS)


def NumCudaDevices():  # noqa: N802 - Caffe2's name
    return len(GPUS)


def GetDeviceProperties(_index):  # noqa: N802 - Caffe2's name
    return {"name": "Pretended GPU", "major": 7, "minor": 0}


def DeviceOption(kind, index=0):  # noqa: N802 - Caffe2's name
    return kind, index


def CreateOperator(_name, _inputs, _outputs, value, device_option, **_arguments):  # noqa: N802 - Caffe2's name
    return value, device_option


def RunOperatorOnce(operator):  # noqa: N802 - Caffe2's name
    _, (kind, index) = operator
    if kind == CUDA and GPUS[index] == "no-image":
        raise RuntimeError("no kernel image is available for execution on the device")


def FetchBlob(_name):  # noqa: N802 - Caffe2's name
    return [2.0, 2.0, 2.0]
