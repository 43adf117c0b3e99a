"""A body of many modules, and files that do harm when they are unpickled or imported."""

import json
import shutil

import pytest
import torch

from qllmft.config import BodyConfig
from qllmft.embed import Body
from qllmft_base.errors import UserError

EVIL = "import pathlib\npathlib.Path({!r}).touch()\nclass Evil: pass\n"


class TouchesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def load(folder):
    return Body(BodyConfig(model=str(folder), device="cpu"))


def refused(folder, *parts):
    """The error about a body's folder names what is wrong, and what to give."""
    with pytest.raises(UserError) as caught:
        load(folder)
    message = str(caught.value)
    assert message.startswith(f"the language model in {folder} is not loaded because of ")
    assert message.endswith("Give a folder that sentence-transformers saved, or 'minilm'.")
    for part in parts:
        assert part in message
    assert "Traceback" not in message


def link(path, target):
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("no links on this system")


def change(file, edit):
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(edit(content) or content))


def pickled_weights(body, written):
    """Put weights into a pickle that an index names, and let the configuration allow pickles."""
    torch.save(TouchesAFile(written), body / "weights.dat")
    (body / "model.safetensors").unlink(missing_ok=True)
    (body / "model.safetensors.index.json").write_text(
        json.dumps(
            {
                "metadata": {"total_size": 8},
                "weight_map": {"embeddings.word_embeddings.weight": "weights.dat"},
            }
        )
    )
    change(
        body / "sentence_bert_config.json",
        lambda content: content.update(model_args={"weights_only": False}),
    )


def large_body(tiny_bert, folder):
    """A body with modules of five kinds, as sentence-transformers saves it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize

    body = SentenceTransformer(str(tiny_bert), device="cpu")
    modules = [*body, Dense(8, 8, activation_function=torch.nn.ReLU()), LayerNorm(8), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


def copy_with_evil(body, folder, written):
    """A copy of a body next to a module that touches a file when it is imported, and a pickle that does so."""
    shutil.copytree(body, folder)
    (folder / "evil.py").write_text(EVIL.format(str(written)))
    torch.save(TouchesAFile(written), folder / "weights.dat")
    return folder
