"""The GPUs that a framework sees, and whether one of them runs anything at all.

Written from the documentation of both frameworks. Never run on a GPU by the authors; the tests imitate the answers.
"""

from __future__ import absolute_import

MYPY = False
if MYPY:
    from typing import Any, Dict, List, Tuple

CAFFE2 = "caffe2"
TORCH = "torch"


def framework_of(suite):
    # type: (str) -> str
    """The framework that loads what a suite tests."""
    return CAFFE2 if suite.startswith(CAFFE2) else TORCH


def gpus(framework):
    # type: (str) -> Tuple[List[Dict[str, str]], str]
    """Name and compute capability of each GPU, in the framework's own order; or none and the reason."""
    return _of_caffe2() if framework == CAFFE2 else _of_torch()


def _of_torch():
    # type: () -> Tuple[List[Dict[str, str]], str]
    import torch

    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return [], "this torch is built for the CPU alone"
    if not torch.cuda.is_available():
        return [], _reason_of_torch(torch)
    found = []
    for index in range(torch.cuda.device_count()):
        capability = "%d.%d" % torch.cuda.get_device_capability(index)
        found.append({"name": torch.cuda.get_device_name(index), "capability": capability})
    return found, "" if found else "torch counts no GPU"


def _reason_of_torch(torch):
    # type: (Any) -> str
    """The error of CUDA's own start; `is_available` keeps it to itself."""
    try:
        torch.cuda.init()
    except Exception as error:
        return "torch sees no GPU: %s" % str(error).strip().split("\n")[0]
    return "torch sees no GPU"


def _of_caffe2():
    # type: () -> Tuple[List[Dict[str, str]], str]
    from caffe2.python import workspace

    if not workspace.has_gpu_support:
        return [], "this Caffe2 runs on the CPU alone: its GPU module is not there or does not load"
    # Later releases name the function after GPUs of any maker.
    count = getattr(workspace, "NumGpuDevices", getattr(workspace, "NumCudaDevices", int))()
    if not count:
        return [], "Caffe2 sees no GPU"
    return [_caffe2_gpu(workspace, index) for index in range(count)], ""


def _caffe2_gpu(workspace, index):
    # type: (Any, int) -> Dict[str, str]
    told = workspace.GetDeviceProperties(index) if hasattr(workspace, "GetDeviceProperties") else {}
    capability = "%d.%d" % (told["major"], told["minor"]) if "major" in told else ""
    return {"name": str(told.get("name", "")), "capability": capability}


def run_first_kernel(framework, device):
    # type: (str, str) -> None
    """The smallest thing that runs on the device. Raises what the framework raises.

    When this fails no op is to blame: the driver, or no machine code for this GPU, is.
    """
    if framework == CAFFE2:
        _caffe2_kernel(int(device.partition(":")[2]))
    else:
        _torch_kernel(device)


def _torch_kernel(device):
    # type: (str) -> None
    import torch

    one = torch.ones(3, device=device)
    torch.cuda.synchronize(device)
    if (one + one).tolist() != [2.0, 2.0, 2.0]:
        raise RuntimeError("1 + 1 on %s is not 2" % device)


def _caffe2_kernel(index):
    # type: (int) -> None
    from caffe2.proto import caffe2_pb2
    from caffe2.python import core, workspace

    option = core.DeviceOption(getattr(caffe2_pb2, "CUDA", 1), index)
    name = "envdoctor_first_kernel"
    workspace.RunOperatorOnce(
        core.CreateOperator("ConstantFill", [], [name], shape=[3], value=2.0, device_option=option)
    )
    if list(workspace.FetchBlob(name)) != [2.0, 2.0, 2.0]:
        raise RuntimeError("a constant filled on GPU %d is another one" % index)
