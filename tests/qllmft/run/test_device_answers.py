"""Labels of a device beside the exact ones: what `evaluate` keeps of a paid call, and the page that shows it."""

import json
import re

import pytest

from qllmft.run.device_answers import DeviceAnswers, read_device_answers

TEXTS = [
    ("first text", "good", "good", 0.8, "good", 0.9, True),
    ("second text", "bad", "good", 0.55, "bad", 0.45, False),
    ("third text", "bad", "bad", 0.7, "bad", 0.75, True),
]
FIELDS = ("text", "label", "answer", "probability", "exact_answer", "exact_probability", "reliable")


def record(**changes):
    texts = [dict(zip(FIELDS, row, strict=True)) | {"standard_error": 0.02} for row in TEXTS]
    columns = {"backend": "ionq_forte", "source": "texts.csv", "date": "2026-01-02T03:04:05+00:00"}
    return {**columns, "agreement": "1 label differs", "texts": texts, **changes}


def test_accuracies_are_of_the_same_texts_and_labels_that_differ_come_first():
    answers = DeviceAnswers.model_validate(record())
    assert (answers.accuracy.right, answers.exact_accuracy.right) == (2, 3)
    assert [text.text for text in answers.by_interest] == [
        "second text",
        "third text",
        "first text",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps(record(texts=[])), "at least 1 item"),
        (json.dumps(record(price=3)), "Extra inputs"),
        (json.dumps(record(texts=[{**record()["texts"][0], "probability": 2}])), "less than or equal to 1"),
        ("[", "ionq_forte.json cannot be read"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_named_with_its_remedy(tmp_path, content, message):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "ionq_forte.json").write_text(content)
    from qllmft_base.errors import UserError

    with pytest.raises(UserError, match=f"(?s){re.escape(message)}.*Delete it") as error:
        read_device_answers(tmp_path)
    assert "ionq_forte.json" in str(error.value)
