"""Headers of safetensors with random changes, for every loader of tensors: an error, in little memory."""

import json
import resource
import struct
from dataclasses import replace

import pytest
import torch
from safetensors import SafetensorError

from qllmft.config import ModelConfig
from qllmft.embed.adapter import ADAPTER_WEIGHTS
from qllmft.heads import build_classifier
from qllmft.model import load_model
from qllmft.run.novelty import FILE, Novelty
from qllmft.tensors import WrongTensorsError, read_tensors
from qllmft.training.checkpoint import Checkpoint, State
from qllmft_base.errors import UserError

pytestmark = pytest.mark.slow
MAX_MORE_MB = 200
LARGE = (
    -1,
    0,
    1,
    2**16,
    2**31,
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    10**30,
    1.5,
    "1",
    None,
    [],
)
TYPES = ("F32", "F64", "BF16", "F8_E5M2", "I64", "BOOL", "U8", "X9", 7)


def split_header(content):
    """Return the header and the rest of a file."""
    (size,) = struct.unpack("<Q", content[:8])
    return content[8 : 8 + size], content[8 + size :]


def with_header(header, rest, size=None):
    return struct.pack("<Q", (len(header) if size is None else size) % 2**64) + header + rest


def bytes_changed(rng, header, rest):
    header = bytearray(header)
    for _ in range(rng.randint(1, 8)):
        header[rng.randrange(len(header))] = rng.randrange(256)
    return with_header(bytes(header), rest)


def length_changed(rng, header, rest):
    size = rng.choice(
        [0, 1, len(header) - 1, len(header) + 1, rng.getrandbits(31), rng.getrandbits(64)]
    )
    return with_header(header, rest, size)


def file_cut_or_longer(rng, header, rest):
    content = with_header(header, rest)
    return (
        content[: rng.randrange(len(content))]
        if rng.random() < 0.7
        else content + bytes(rng.randint(1, 99))
    )


def entry_changed(rng, header, rest):
    """Change the type, the shape or the place of a tensor, or add, drop or rename one."""
    parts = json.loads(header)
    name = rng.choice([key for key in parts if key != "__metadata__"])
    part = parts[name]
    kind = rng.randrange(7)
    if kind == 0:
        part["dtype"] = rng.choice(TYPES)
    elif kind == 1:
        part["shape"] = [rng.choice(LARGE) for _ in range(rng.randint(0, 4))]
    elif kind == 2:
        part["data_offsets"][rng.randrange(2)] = rng.choice([*LARGE, rng.randrange(1 + len(rest))])
    elif kind == 3:
        size = 4 * rng.choice([2**20, 2**30, 2**40, 2**61])
        parts["more"] = {
            "dtype": "F32",
            "shape": [size // 4],
            "data_offsets": [len(rest), len(rest) + size],
        }
    elif kind == 4:
        parts[rng.choice(["", "a/b", "../x", "\u202e", "a" * 10_000])] = parts.pop(name)
    elif kind == 5:
        parts["__metadata__"] = rng.choice(
            [{}, {"a": "b" * 10_000}, {"progress": "[" * 9_000}, {"a": 1}, []]
        )
    else:
        parts[name] = rng.choice([None, [], {}, "x", {**part, "more": 1}])
    return with_header(json.dumps(parts).encode(), rest)


CHANGES = (bytes_changed, length_changed, file_cut_or_longer, entry_changed, entry_changed)


def as_an_adapter(path, expected):
    """Read a file as `load_adapter` does, which makes a UserError of these errors."""
    try:
        read_tensors(path, expected, any_type=True)
    except (WrongTensorsError, SafetensorError) as error:
        raise UserError(str(error)) from None


@pytest.fixture
def loaders(reference, tmp_path):
    """Return the file and the loader of each kind."""
    torch.manual_seed(0)
    model = load_model(reference.run)
    classifier = build_classifier(
        ModelConfig(n_qubits=3, encoder_qubits=4, encoder_layers=2), 16, 2
    )
    optimizer = torch.optim.Adam(classifier.parameters())
    classifier(torch.randn(3, 16)).sum().backward()
    optimizer.step()
    checkpoint = Checkpoint(tmp_path / "state.safetensors")
    state = replace(State.initial(classifier), epoch=1, best_epoch=1, best_score=0.5, best_loss=0.5)
    checkpoint.save(state, classifier, optimizer)
    adapter = tmp_path / ADAPTER_WEIGHTS
    adapter.write_bytes((reference.run / "model" / "model.safetensors").read_bytes())
    weights = model.classifier.state_dict()
    return {
        "model": (
            reference.run / "model" / "model.safetensors",
            lambda: load_model(reference.run),
        ),
        "adapter": (adapter, lambda: as_an_adapter(adapter, weights)),
        "checkpoint": (checkpoint.path, lambda: checkpoint.load(classifier, optimizer)),
        "novelty": (
            reference.run / FILE,
            lambda: Novelty.load(reference.run, model.body_identity, model.dimension),
        ),
    }


def test_headers_are_changed_at_random(table, loaders):
    row = table.begin(
        "headers of tensors",
        "headers of safetensors with random changes, of a model, an adapter, a checkpoint and a run's training texts",
    )
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in table.tries(10_000):
        name = list(loaders)[number % len(loaders)]
        path, load = loaders[name]
        sound_content = path.read_bytes()
        with row.attempt() as rng:
            try:
                path.write_bytes(rng.choice(CHANGES)(rng, *split_header(sound_content)))
                load()
                row.met[f"{name}: read"] += 1
            except UserError:
                row.met[f"{name}: refused"] += 1
            except Exception as error:
                raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
            finally:
                path.write_bytes(sound_content)
    growth_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kb) // 1024
    row.met["MB more at most"] = growth_mb
    row.assert_survived()
    assert growth_mb < MAX_MORE_MB
