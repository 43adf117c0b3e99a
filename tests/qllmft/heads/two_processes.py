"""One of two processes that train a model together; `test_layer_in_torch.py` starts them.

Run: python two_processes.py RANK STORE FOLDER
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn

from qllmft import QuantumEncoder, QuantumHead


def model() -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(
        QuantumEncoder(6, 3, 3, 2), nn.Linear(3, 3), QuantumHead(3, 2), nn.Linear(3, 2)
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return layers.double()


def gradients(layers: nn.Module, part: slice) -> list[np.ndarray]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(8, 6, generator=generator).double()
    y = torch.arange(8) % 2
    nn.functional.cross_entropy(layers(x[part]), y[part]).backward()
    return [parameter.grad.numpy() for parameter in layers.parameters()]


def main(rank: int, store: Path, folder: Path) -> None:
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    # gives up when the other process has failed
    patience = timedelta(seconds=120)
    distributed.init_process_group(
        "gloo", init_method=store.as_uri(), rank=rank, world_size=2, timeout=patience
    )
    wrapped = nn.parallel.DistributedDataParallel(model())
    np.savez(folder / f"{rank}.npz", *gradients(wrapped, slice(4 * rank, 4 * rank + 4)))
    distributed.barrier()
    os._exit(0)  # gloo's own threads may outlive the group, and then abort an interpreter that ends


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
