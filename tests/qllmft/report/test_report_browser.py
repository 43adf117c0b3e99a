"""The page in a real browser: nothing missing, no error, no request, no sideways scroll on a phone."""

from browser import assert_sound, browse

from qllmft.report import write_report

HEADINGS = [
    "Results",
    "Training",
    "Confusion matrix",
    "Configuration",
    "The head's circuit",
    "Run it again",
]


def test_the_page_in_a_browser(make_run, tmp_path):
    page = write_report(make_run().path)
    pieces = (
        'id="verdict"',
        "loses to the SVC",
        "Ry(theta[0])",
        "n_qubits = 4",
        "&lt;script&gt;alert",
    )
    dom, frames = assert_sound(tmp_path, page, pieces, HEADINGS)
    # two curves, two bars
    assert dom.count("<svg") == page.read_text(encoding="utf-8").count("<svg") == 4
    assert "<script" not in dom
    assert "<img" not in dom
    for seen in frames:
        assert seen["boxes"] >= 15
        assert (seen["color"], seen["background"]) == ("rgb(31, 41, 55)", "rgb(255, 255, 255)")


def test_a_page_that_reaches_out_would_be_noticed(make_run, tmp_path):
    """Check the test above: the same page with an external picture is refused with a message."""
    page = write_report(make_run().path)
    html = page.read_text(encoding="utf-8").replace(
        "<main>", '<main><img src="http://127.0.0.1:9/x.png" alt="">'
    )
    page.write_text(html, encoding="utf-8")
    assert "Content Security Policy" in browse(tmp_path, page, "--dump-dom").stderr
