"""Triton's interpreter, in which kernels run on any CPU, wherever no GPU answers."""

import os

import torch

if not torch.accelerator.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported
