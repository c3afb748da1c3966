"""Asks the NVIDIA driver through NVML and prints what it says as one line of JSON.

`python -m envdoctor.probes.nvml` asks the driver of this machine. The driver probe starts this file as a program of its
own, `python -I -S nvml.py DIRECTORY_OF_PYNVML`, because a damaged driver hangs or crashes whoever asks it. It imports
nothing of envdoctor.
"""

import ctypes
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

MARK = '{"nvml_answer": '
DEVICES_AT_MOST = 256


def ask() -> dict[str, Any]:
    """The driver's version, its newest CUDA and the GPUs. `error` holds NVML's code and text where it refuses."""
    pynvml: Any = import_module("pynvml")
    try:
        _start(pynvml)
    except pynvml.NVMLError as error:
        return {"error": _refusal(pynvml, error)}
    return {
        "driver": _or_none(pynvml, pynvml.nvmlSystemGetDriverVersion),
        "nvml": _or_none(pynvml, pynvml.nvmlSystemGetNVMLVersion),
        "cuda": _cuda(pynvml),
        **_devices(pynvml),
    }


def _refusal(pynvml: Any, error: Any) -> dict[str, Any]:
    """In the words of the library, which users search for; in pynvml's where there is no library."""
    try:
        text = pynvml.nvmlErrorString(error.value)
    except pynvml.NVMLError:
        text = error
    return {"code": int(error.value), "text": str(text)}


def _start(pynvml: Any) -> None:
    """pynvml starts NVML by nvmlInitWithFlags, which drivers before branch 390 do not have."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        _old(pynvml, "nvmlInit_v2", "nvmlInit")()


def _old(pynvml: Any, *names: str) -> Callable[..., None]:
    """The first of several functions that the library has, for drivers that lack those that pynvml calls."""
    library = ctypes.CDLL("libnvidia-ml.so.1")
    for name in names:
        function = getattr(library, name, None)
        if function is not None:
            return lambda *arguments: _checked(pynvml, function(*arguments))
    raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)


def _checked(pynvml: Any, code: int) -> None:
    if code != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(code)


def _or_none(pynvml: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def _cuda(pynvml: Any) -> int | None:
    """As cuDriverGetVersion counts: 12020 for 12.2."""
    number = _or_none(pynvml, pynvml.nvmlSystemGetCudaDriverVersion_v2)
    if number is None:
        number = _or_none(pynvml, pynvml.nvmlSystemGetCudaDriverVersion)
    return number if isinstance(number, int) else None


def _devices(pynvml: Any) -> dict[str, Any]:
    try:
        count = min(_count(pynvml), DEVICES_AT_MOST)
        return {"gpus": [_device(pynvml, index) for index in range(count)]}
    except pynvml.NVMLError as error:
        return {"gpus_error": _refusal(pynvml, error)}


def _count(pynvml: Any) -> int:
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        count = ctypes.c_uint()
        _old(pynvml, "nvmlDeviceGetCount")(ctypes.byref(count))
        return count.value


def _handle(pynvml: Any, index: int) -> Any:
    try:
        return pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        handle = pynvml.c_nvmlDevice_t()
        _old(pynvml, "nvmlDeviceGetHandleByIndex")(ctypes.c_uint(index), ctypes.byref(handle))
        return handle


def _device(pynvml: Any, index: int) -> dict[str, Any]:
    """One GPU; `error` where it cannot be reached, such as one that has fallen off the bus."""
    try:
        handle = _handle(pynvml, index)
        name = pynvml.nvmlDeviceGetName(handle)
    except pynvml.NVMLError as error:
        return {"index": index, "error": _refusal(pynvml, error)}
    capability = _or_none(pynvml, pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    memory = _or_none(pynvml, pynvml.nvmlDeviceGetMemoryInfo, handle)
    return {
        "index": index,
        "name": name,
        "compute_capability": None if capability is None else f"{capability[0]}.{capability[1]}",
        "memory": None if memory is None else int(memory.total),
    }


def main(arguments: list[str]) -> int:
    """Prints the answer. The only argument, if any, is the directory that holds pynvml."""
    sys.path.extend(arguments[:1])
    answer = json.dumps(ask(), ensure_ascii=True)
    # A stub of NVML writes a warning to standard output, so the line starts with a mark of its own.
    sys.stdout.write(f"\n{MARK}{answer}}}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
