"""A C++ extension of torch, with CUDA where torch was built with it and a toolkit is there."""

import os

import torch
from setuptools import setup
from torch.utils.cpp_extension import CUDA_HOME, BuildExtension, CppExtension, CUDAExtension

with_cuda = os.environ.get("FORCE_CUDA") == "1" or (torch.version.cuda is not None and CUDA_HOME is not None)
Extension = CUDAExtension if with_cuda else CppExtension

setup(
    name="torch-extension",
    version="0.1.0",
    ext_modules=[Extension("torch_extension", ["zero_even.cpp"])],
    cmdclass={"build_ext": BuildExtension},
)
