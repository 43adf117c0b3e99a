"""Answers of a server: those of the model, in the form that its OpenAPI document promises."""

import json

import jsonschema
import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp, Statevector
from sklearn.metrics.pairwise import cosine_similarity

import qllmft
from qllmft.inference.run_texts import texts_of_run
from qllmft_backends import create
from qllmft_machines.trust import model_circuits

TEXTS = ["a good film", "an awful plot", "the very dull ending", "<b>great</b> & fine"]


def post_checked(client, path, body):
    """The answer to a request, after request and answer were held against the document."""
    document = client.get("/openapi.json").json()
    operation = document["paths"][path]["post"]
    shared = {"components": document["components"]}
    request, answer = (part["content"]["application/json"]["schema"] | shared for part in
                       (operation["requestBody"], operation["responses"]["200"]))  # fmt: skip
    jsonschema.validate(body, request)
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    jsonschema.validate(response.json(), answer)
    return response.json()


def test_the_document_has_the_limits_the_labels_and_the_errors(serve_model, client):
    model = serve_model()
    with client(model) as page:
        document = page.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    predict = document["paths"]["/predict"]["post"]
    assert schemas["Texts"]["properties"]["texts"]["maxItems"] == 64
    assert schemas["Texts"]["properties"]["text"]["maxLength"] == 10_000
    names = list(model.predictor.model.label_names)
    assert schemas["Prediction"]["properties"]["label"]["enum"] == names
    refusals = {"400", "402", "403", "408", "413", "415", "422", "500", "502", "503"}
    assert refusals <= set(predict["responses"])
    refusal = predict["responses"]["422"]["content"]["application/json"]["schema"]
    assert refusal == {"$ref": "#/components/schemas/Refusal"}
    assert "/page.js" not in document["paths"]


def test_answers_are_those_of_the_model_for_one_text_and_for_many(serve_model, client, trained_run):
    expected = [answer.as_dict() for answer in qllmft.load(trained_run).predict(TEXTS)]
    with client(serve_model()) as page:
        assert post_checked(page, "/predict", {"texts": TEXTS})["predictions"] == expected
        for text, answer in zip(TEXTS, expected, strict=True):
            (single,) = post_checked(page, "/predict", {"text": text})["predictions"]
            assert single["label"] == answer["label"]
            assert single["probabilities"] == pytest.approx(answer["probabilities"], abs=2e-6)


def test_a_backend_with_shots_gives_the_standard_error_of_each_answer(serve_model, client):
    pytest.importorskip("qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'")
    model = serve_model(create("aer_statevector", {"shots": 4000, "seed": 1}))
    with client(model) as page:
        answers = post_checked(page, "/predict", {"texts": TEXTS})["predictions"]
        assert page.get("/health").json()["model"]["shots"] == 4000
    # second route: the variance of the difference of the two logits in Qiskit's own state vector
    classifier = model.predictor.model.classifier
    circuits = model_circuits(classifier, model.predictor.embed(TEXTS))
    gap = SparsePauliOp.sum(
        [
            w * o
            for w, o in zip(np.subtract(*circuits.weights[:, 0]), circuits.observables, strict=True)
        ]
    )
    for answer, row in zip(answers, circuits.parameters, strict=True):
        state = Statevector(circuits.circuit.assign_parameters(row))
        variance = (state.expectation_value(gap @ gap) - state.expectation_value(gap) ** 2).real
        p = answer["probabilities"][answer["label"]]
        expected = p * (1 - p) * np.sqrt(variance / 4000)
        assert answer["standard_error"] == pytest.approx(expected, rel=0.1)
        assert answer["decided"] is True


def test_real_values_and_pairs(serve_model, client):
    real = serve_model(task="regression", label_names=("stars", "length"))
    with client(real) as page:
        answers = post_checked(page, "/predict", {"texts": TEXTS})["predictions"]
        assert "/explain" not in page.get("/openapi.json").json()["paths"]
    assert answers == [{"values": answer.values} for answer in real.predictor.values(TEXTS)]
    pairs = serve_model(pair="difference")
    with client(pairs) as page:
        (answer,) = post_checked(page, "/predict", {"text": TEXTS[:2]})["predictions"]
        assert page.post("/predict", json={"text": "alone"}).status_code == 422
        assert page.post("/explain", json={"text": "alone"}).status_code == 404
    assert answer == pairs.predictor.predict([tuple(TEXTS[:2])])[0].as_dict()


def test_an_explanation_has_words_and_the_nearest_training_texts(serve_model, client, trained_run):
    text = "a very good plot"
    model = serve_model()
    with client(model) as page:
        explanation = post_checked(page, "/explain", {"text": text})
    train = texts_of_run(trained_run)[2].train.texts
    cosines = cosine_similarity(model.predictor.embed([text]), model.predictor.embed(train))[0]
    nearest = [neighbour["cosine"] for neighbour in explanation["neighbours"]]
    assert nearest == pytest.approx(sorted(cosines)[::-1][:5], abs=1e-6)
    without = model.predictor.predict(["a very plot"])[0].probabilities[explanation["label"]]
    (good,) = [word for word in explanation["words"] if word["word"] == "good"]
    effect = explanation["probabilities"][explanation["label"]] - without
    assert good["effect"] == pytest.approx(effect, abs=1e-6)


def test_without_its_texts_a_run_explains_by_words_and_names_no_path(
    serve_model, client, trained_run, monkeypatch
):
    from qllmft_base.errors import UserError
    from qllmft_doors.serving.model import TrainingTexts

    def missing(*_):
        raise UserError(f"there is no file in {trained_run}.")

    monkeypatch.setattr(TrainingTexts, "load", missing)
    with client(serve_model()) as page:
        explanation = post_checked(page, "/explain", {"text": "a good film"})
        facts = page.get("/health").text
    assert (len(explanation["words"]), explanation["neighbours"]) == (3, [])
    assert "cannot be read" in explanation["note"]
    assert str(trained_run.parent) not in json.dumps(explanation) + facts


def test_the_numbers_of_the_queue_are_those_of_the_requests(serve_model, client):
    from prometheus_client.parser import text_string_to_metric_families

    with client(serve_model()) as connected:
        connected.post("/predict", json={"texts": TEXTS})
        connected.post("/predict", json={"text": TEXTS[0]})
        answer = connected.get("/metrics")
    families = text_string_to_metric_families(answer.text)
    metrics = {sample.name: sample.value for family in families for sample in family.samples}
    assert metrics["qllmft_texts_total"] == len(TEXTS) + 1
    assert metrics["qllmft_batches_total"] == 2
    assert metrics["qllmft_up"] == 1
    assert metrics["qllmft_model_seconds_total"] >= 0
    assert not any(text in answer.text for text in TEXTS)


def test_the_health_has_the_verdict_that_training_printed(serve_model, client, trained_run):
    from qllmft.run import RunFolder
    from qllmft.run.verdict import verdict_as_dict

    folder = RunFolder(trained_run)
    models = folder.read_result().with_differences(folder.read_predictions()).models
    expected = verdict_as_dict(models)
    del expected["next_step"]  # it names a folder of the server
    with client(serve_model()) as page:
        facts = page.get("/health").json()["model"]
    assert facts["verdict"] == expected
    assert expected["comparisons"]
