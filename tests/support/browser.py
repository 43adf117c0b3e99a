"""A page in a real browser: what it shows at a phone's and a desk's width, and what the browser says of it."""

import html as escaping
import json
import re
import shutil
import subprocess

import pytest

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


def require_driven_browser():
    """Skip the test unless Chromium and the package that drives it are installed."""
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: the browser is not driven")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the page is not seen in a browser")


# the page stands in frames of a phone's and a desk's width, and is asked what it looks like
LOOK = """<!DOCTYPE html><meta charset="utf-8"><body>%s<pre id="seen"></pre><script>
addEventListener('load', () => {
  const seen = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    page.querySelectorAll('details').forEach(e => e.open = true);
    const boxes = [...page.querySelectorAll('section, table, figure svg, pre')];
    return {
      width: frame.clientWidth,
      scrollWidth: root.scrollWidth,
      scrolled: [...page.querySelectorAll('.scroll')]
        .filter(e => e.scrollWidth > e.clientWidth).map(e => e.getAttribute('aria-label')),
      requests: frame.contentWindow.performance.getEntriesByType('resource').map(e => e.name),
      empty: boxes.filter(e => { const b = e.getBoundingClientRect(); return b.width < 20 || b.height < 10; }).length,
      boxes: boxes.length,
      headings: [...page.querySelectorAll('h1, h2')].map(e => e.textContent),
      scripts: page.scripts.length,
      color: getComputedStyle(page.body).color,
      background: getComputedStyle(page.body).backgroundColor,
      textWidth: page.querySelector('.wrong tbody td')?.getBoundingClientRect().width,
      label: getComputedStyle(page.querySelector('figure svg text')).fontSize,
    };
  });
  document.getElementById('seen').textContent = JSON.stringify(seen);
});
</script></body>"""


def browse(tmp_path, file, *more):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the page is not seen in a browser")
    process = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            *more,
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process


def look(tmp_path, page):
    """What a page looks like in frames of 380 and 1280 pixels."""
    content = escaping.escape(page.read_text(encoding="utf-8"), quote=True)
    frames = "".join(
        f'<iframe srcdoc="{content}" style="border:0;width:{w}px;height:900px"></iframe>'
        for w in (380, 1280)
    )
    file = tmp_path / "look.html"
    file.write_text(LOOK % frames, encoding="utf-8")
    dom = browse(tmp_path, file, "--dump-dom", "--window-size=1400,1000").stdout
    report = re.search(r'<pre id="seen">(.*?)</pre>', dom, flags=re.DOTALL)
    phone, desk = json.loads(escaping.unescape(report.group(1)))
    assert (phone["width"], desk["width"]) == (380, 1280)
    return phone, desk


def assert_sound(tmp_path, page, pieces, headings):
    """The page is whole, without errors, requests and scripts, and no phone scrolls it sideways.

    Returns the page as the browser has it, and what it looks like in both frames.
    """
    process = browse(tmp_path, page, "--dump-dom")
    assert "CONSOLE" not in process.stderr, process.stderr  # no error, no refused request
    for piece in ("</html>", *pieces):
        assert piece in process.stdout, piece
    seen = look(tmp_path, page)
    for frame in seen:
        # only tables and circuits scroll, inside their boxes
        assert frame["scrollWidth"] <= frame["width"]
        assert not {"Table of results", "Table of comparisons"}.intersection(frame["scrolled"])
        assert (frame["requests"], frame["scripts"], frame["empty"]) == ([], 0, 0)
        assert frame["headings"][1:] == headings
    return process.stdout, seen
