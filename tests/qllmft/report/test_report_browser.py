"""The page in a real browser: nothing missing, no error, no request, no sideways scroll on a phone."""

import html as escaping
import json
import re
import shutil
import subprocess

import pytest

from qllmft.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: the page is not seen in a browser")

# the page stands in frames of a phone's and a desk's width, and is asked what it looks like
LOOK = """<!DOCTYPE html><meta charset="utf-8"><body>%s<pre id="seen"></pre><script>
addEventListener('load', () => {
  const seen = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    const boxes = [...page.querySelectorAll('section, table, figure svg, pre')].filter(e => !e.closest('details'));
    return {
      width: frame.clientWidth,
      scrollWidth: root.scrollWidth,
      requests: frame.contentWindow.performance.getEntriesByType('resource').map(e => e.name),
      empty: boxes.filter(e => { const b = e.getBoundingClientRect(); return b.width < 20 || b.height < 10; }).length,
      boxes: boxes.length,
      headings: [...page.querySelectorAll('h1, h2')].map(e => e.textContent),
      scripts: page.scripts.length,
      color: getComputedStyle(page.body).color,
      background: getComputedStyle(page.body).backgroundColor,
      label: getComputedStyle(page.querySelector('figure svg text')).fontSize,
    };
  });
  document.getElementById('seen').textContent = JSON.stringify(seen);
});
</script></body>"""


def browse(tmp_path, file, *more):
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", *more, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_page_in_a_browser(make_run, tmp_path):
    page = write_report(make_run().path)
    done = browse(tmp_path, page, "--dump-dom")
    dom = done.stdout
    assert "CONSOLE" not in done.stderr, done.stderr  # no error, no refused request
    for piece in ("</html>", 'id="verdict"', "loses to the SVC", "Ry(theta[0])", "n_qubits = 4", "&lt;script&gt;alert"):
        assert piece in dom, piece
    assert dom.count("<svg") == page.read_text(encoding="utf-8").count("<svg") == 4  # two curves, two bars
    assert "<script" not in dom
    assert "<img" not in dom

    content = escaping.escape(page.read_text(encoding="utf-8"), quote=True)
    frames = "".join(
        f'<iframe srcdoc="{content}" style="border:0;width:{w}px;height:900px"></iframe>' for w in (380, 1280)
    )
    look = tmp_path / "look.html"
    look.write_text(LOOK % frames, encoding="utf-8")
    dom = browse(tmp_path, look, "--dump-dom", "--window-size=1400,1000").stdout
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom, flags=re.DOTALL)
    phone, desk = json.loads(escaping.unescape(found.group(1)))
    assert (phone["width"], desk["width"]) == (380, 1280)
    for seen in (phone, desk):
        assert seen["scrollWidth"] <= seen["width"]  # only tables and the circuit scroll, inside their boxes
        assert seen["requests"] == []
        assert seen["scripts"] == 0
        assert seen["empty"] == 0
        assert seen["boxes"] >= 15
        assert seen["headings"][1:] == [
            "Results",
            "Training",
            "What it confuses",
            "Configuration",
            "The head's circuit",
            "Run it again",
        ]
        assert (seen["color"], seen["background"]) == ("rgb(31, 41, 55)", "rgb(255, 255, 255)")


def test_a_page_that_reaches_out_would_be_noticed(make_run, tmp_path):
    """The probe above is not blind: the same page with a picture from elsewhere is refused, and says so."""
    page = write_report(make_run().path)
    html = page.read_text(encoding="utf-8").replace("<main>", '<main><img src="http://127.0.0.1:9/x.png" alt="">')
    page.write_text(html, encoding="utf-8")
    assert "Content Security Policy" in browse(tmp_path, page, "--dump-dom").stderr
