"""Distance of texts from the training texts, the mark of distant ones, and the calibration texts of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from qllmft.run.folder import NOVELTY_FILE as FILE
from qllmft.run.vectors import Vectors
from qllmft_base.errors import UserError
from qllmft_base.files import open_regular, write_bytes
from qllmft_base.randomness import draw_indices

MAX_REFERENCES = 1_000  # training texts that are kept, drawn by the run's seed
MAX_DISTANCES = 2_000  # of validation texts that are kept
_BODY_KEY = "body_identity"


@dataclass(frozen=True)
class Novelty:
    """Directions of training texts, the distances of the validation texts from them, and the calibration texts.

    Calibration texts are validation texts, or texts that a run kept apart. None of them was trained on, because a model
    is surer of its training texts than of new ones, and after tuning the language model much surer.
    """

    references: NDArray[np.float32]  # (M, D) of length 1
    distances: NDArray[np.float32]  # (V,) ascending, see `distance`
    body_identity: str  # of the body of the embeddings
    calibration: NDArray[np.float32]  # (K, D) embeddings of calibration texts

    @classmethod
    def from_vectors(cls, vectors: Vectors, seed: int) -> Self:
        """Return the directions of a run's training texts, and its calibration texts, at most `MAX_REFERENCES` each."""
        train = vectors.train.x.numpy()
        validation = vectors.validation.x.numpy()
        calibration = validation if vectors.calibration is None else vectors.calibration
        reference_rows = draw_indices(len(train), MAX_REFERENCES, seed, "novelty")
        calibration_rows = draw_indices(len(calibration), MAX_REFERENCES, seed, "calibration texts")
        references = cls(
            _directions(train[reference_rows]),
            np.zeros(0, np.float32),
            vectors.identity,
            calibration[calibration_rows],
        )
        return references.with_distances(np.sort(references.distance(validation)))

    def with_distances(self, distances: NDArray[np.float32]) -> Self:
        """Return the same texts with these distances of other ones, ascending, at most `MAX_DISTANCES` of them."""
        rows = np.linspace(0, len(distances) - 1, min(MAX_DISTANCES, len(distances)))
        return replace(self, distances=distances[rows.round().astype(np.int64)])

    def distance(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return 1 - the largest cosine similarity of embeddings (N, D) to a training text, (N,)."""
        return np.asarray(1.0 - (_directions(x) @ self.references.T).max(axis=1), np.float32)

    def out_of_distribution(self, x: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
        """Return whether embeddings (N, D) are further than all but a share of the validation texts, (N,)."""
        return np.asarray(self.distance(x) > self.distance_limit(share))

    def distance_limit(self, share: float) -> float:
        """Return the distance that at most ``share`` of the validation texts exceed."""
        if not 0.0 < share < 1.0:
            raise UserError(
                f"the share of --novelty is {share:g}, expected one above 0 and below 1."
            )
        above = int(share * len(self.distances))
        return float(self.distances[len(self.distances) - 1 - above])

    def marked_share(self, share: float) -> float:
        """Return the share of the validation texts that are marked."""
        return float((self.distances > self.distance_limit(share)).mean())

    def save(self, run: Path) -> None:
        """Write the file of a run."""
        parts = {
            "references": self.references,
            "distances": self.distances,
            "calibration": self.calibration,
        }
        tensors = {name: torch.from_numpy(part).contiguous() for name, part in parts.items()}
        write_bytes(run / FILE, save(tensors, {_BODY_KEY: self.body_identity}))

    @classmethod
    def load(
        cls, run: Path, body_identity: str, dimension: int, remedy: str = "leave --novelty out"
    ) -> Self:
        """Read the file of a run, or raise UserError if there is none, or it is of another body.

        Args:
            run: folder of the run.
            body_identity: of the model's body.
            dimension: D, of its embeddings.
            remedy: what else than training again mends a missing file.
        """
        path = run / FILE
        if not path.is_file():
            raise UserError(
                f"{run} has no {FILE}: texts are compared with those of a run of this version, and a shared model has "
                f"none. Train again, or {remedy}."
            )
        try:
            with open_regular(path, None), safe_open(path, framework="pt") as file:
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
                identity = (file.metadata() or {}).get(_BODY_KEY, "")
            m, d = shapes["references"]
            (v,) = shapes["distances"]
            k, calibration_d = shapes["calibration"]
            if not (
                shapes.keys() == {"references", "distances", "calibration"}
                and 0 < m <= MAX_REFERENCES
                and d == calibration_d == dimension
                and 0 < v <= MAX_DISTANCES
                and k <= MAX_REFERENCES
            ):
                raise ValueError(f"its shapes are {shapes}")
            tensors = load_file(path)
        except (ValueError, KeyError, SafetensorError, OSError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path} cannot be read: {error}. Train the run again.") from error
        if identity != body_identity:
            raise UserError(
                f"{path} belongs to another language model. Take the run's head, or {remedy}."
            )
        parts = {name: tensor.numpy() for name, tensor in tensors.items()}
        return cls(parts["references"], parts["distances"], identity, parts["calibration"])


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths == 0, 1, lengths), np.float32)
