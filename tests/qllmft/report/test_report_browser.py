"""The page in a real browser: nothing missing, no error, no request, no sideways scroll on a phone."""

import asyncio
import json
from dataclasses import replace

import numpy as np
from browser import assert_sound, browse, look, require_driven_browser
from matplotlib.image import imread

from qllmft.data import Table
from qllmft.report import write_report
from qllmft.run.predictions import Predictions
from qllmft.tasks import CLASSIFICATION
from qllmft.tasks.accuracy import Accuracy

HEADINGS = [
    "Results",
    "Comparisons",
    "Errors",
    "Training",
    "Configuration",
    "The head's circuit",
    "Run it again",
    "Data and software",
]


def test_the_page_of_a_run_in_a_browser(make_run, tmp_path):
    page = write_report(make_run().path)
    pieces = (
        'id="verdict"',
        "SVC is better than the quantum head",
        "Ry(theta[0])",
        "n_qubits = 4",
        "&lt;script&gt;alert",
    )
    dom, frames = assert_sound(tmp_path, page, pieces, HEADINGS)
    # scores and two curves
    assert dom.count("<svg") == page.read_text(encoding="utf-8").count("<svg") == 3
    assert "<script" not in dom
    assert "<img" not in dom
    for seen in frames:
        assert seen["boxes"] >= 15
        assert (seen["color"], seen["background"]) == ("rgb(31, 41, 55)", "rgb(255, 255, 255)")


def test_nine_labels_fit_a_desk_and_texts_of_errors_a_phone(make_run, tmp_path):
    names = tuple(
        f"{first} {second}"
        for first in ("refund", "delivery", "password")
        for second in ("question", "complaint", "requested")
    )
    labels = np.arange(90) % 9
    answers = np.where(np.arange(90) % 4, labels, (labels + 1) % 9)
    texts = tuple(f"text {i} " + "of the customer about an order " * 3 for i in range(90))
    folder = make_run()
    by_model = {"quantum head": answers, "SVC": labels}
    table = Table(texts, labels)
    folder.write_predictions(Predictions.from_answers(CLASSIFICATION, names, table, by_model))
    record = folder.read_result()
    scores = [Accuracy(int((given == labels).sum()), 90) for given in by_model.values()]
    models = tuple(replace(m, test=s) for m, s in zip(record.models, scores, strict=True))
    data = replace(record.data, labels=names, sizes=record.data.sizes | {"test": 90})
    folder.write_result(replace(record, data=data, models=models))
    page = write_report(folder.path)
    for frame in look(tmp_path, page):
        assert frame["scrollWidth"] <= frame["width"]
        is_desk = frame["width"] == 1280
        assert ("Confusion matrix" in frame["scrolled"]) == (not is_desk)
        assert frame["textWidth"] > (500 if is_desk else 300)


def test_a_page_that_reaches_out_would_be_noticed(make_run, tmp_path):
    """Check the test above: the same page with an external picture is refused with a message."""
    page = write_report(make_run().path)
    html = page.read_text(encoding="utf-8").replace(
        "<main>", '<main><img src="http://127.0.0.1:9/x.png" alt="">'
    )
    page.write_text(html, encoding="utf-8")
    assert "Content Security Policy" in browse(tmp_path, page, "--dump-dom").stderr


def test_figures_in_the_dark_are_light_lines_on_the_colour_of_the_page(make_run, tmp_path):
    require_driven_browser()
    from driven_browser import open_page

    async def look(address):
        async with open_page(address, tmp_path / "profile") as page:
            dark = {"name": "prefers-color-scheme", "value": "dark"}
            await page.call("Emulation.setEmulatedMedia", features=[dark])
            await page.until("document.querySelectorAll('figure svg').length === 3")
            for width in (1400, 390):
                await page.picture(tmp_path / f"{width}.png", width)
                box = "JSON.stringify(document.querySelector('figure svg').getBoundingClientRect())"
                yield width, json.loads(await page.value(box))

    async def seen():
        return [box async for box in look(write_report(make_run().path).as_uri())]

    for width, box in asyncio.run(seen()):
        image = (255 * imread(tmp_path / f"{width}.png")[..., :3]).round()
        left_edge = int(box["x"])
        top = int(box["y"])
        figure = image[
            top + 2 : top + int(box["height"]) - 2,
            left_edge + 2 : left_edge + int(box["width"]) - 2,
        ]
        colours, counts = np.unique(figure.reshape(-1, 3), axis=0, return_counts=True)
        assert colours[counts.argmax()].tolist() == image[2, 2].tolist() == [17, 24, 39]
        assert (figure.min(axis=2) > 180).mean() > 0.003
