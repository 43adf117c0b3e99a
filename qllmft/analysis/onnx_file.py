"""Surrogates as ONNX files, which run without this package, torch and Qiskit."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from qllmft.errors import UserError
from qllmft.files import write_bytes
from qllmft.model.store import StoredModel

OPSET = 17


def check_onnx(bond: int | None) -> None:
    """Raise UserError if the package onnx is not installed, or the head is truncated."""
    if bond is not None:
        raise UserError(
            f"got --bond {bond} with --onnx; ONNX has no singular value decomposition. Give one of both."
        )
    if find_spec("onnx") is None:
        raise UserError(
            "an ONNX file is written with the package onnx, which is not installed: pip install 'qllmft[export]'"
        )


def write_onnx(model: StoredModel, file: Path) -> None:
    """Write a surrogate as ONNX: input ``embedding`` (float32, N x D), output ``logits`` (float32, N x k)."""
    example = torch.eye(2, model.dimension)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        content = Path(folder) / "model.onnx"
        # torch announces the end of this exporter; the newer one needs onnxscript
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.classifier.eval(),
            (example,),
            content,
            input_names=["embedding"],
            output_names=["logits"],
            dynamic_axes={"embedding": {0: "n"}, "logits": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
        write_bytes(file, content.read_bytes())
