"""Pages of the site in a browser: at a desk nothing scrolls sideways, on a phone only tables and figures, full size."""

import asyncio

import pytest
from browser import CHROMIUM
from test_site import ROOT

DESK = 1400
PHONE = 400
LOADED = "document.readyState === 'complete' && !!document.querySelector('.md-content')"
WIDER = """
[document.documentElement, ...document.querySelectorAll('.md-typeset__scrollwrap')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => `${box.className || 'page'}: ${box.scrollWidth} in ${box.clientWidth}`)
"""
SMALLER = """
[...document.querySelectorAll('.md-content img')]
    .filter(figure => figure.getBoundingClientRect().width < Math.min(figure.naturalWidth, 1000) - 1)
    .map(figure => figure.src)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site without the output of its examples, which takes minutes."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the pages are not seen in a browser")
    for package in ("aiohttp", "material", "mkdocstrings"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[dev]'")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder))
    (hooks,) = config.hooks.values()
    hooks._run = lambda *_: f"no output\n{hooks._NEXT_CELL}\n" * 100
    hooks.FIGURES = {}
    build(config)
    return folder


async def look(site, profile):
    """Return what is wider than its box at both widths, and the figures that a phone shrinks, by page."""
    from driven_browser import open_page

    wide_boxes = {DESK: {}, PHONE: {}}
    smaller = {}
    pages = sorted(file for file in site.rglob("*.html") if file.name != "404.html")
    async with open_page("about:blank", profile) as browser:
        for width in wide_boxes:
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            await browser.call("Emulation.setDeviceMetricsOverride", **size)
            for page in pages:
                await browser.call("Page.navigate", url=page.as_uri())
                await browser.until(f"location.href === {page.as_uri()!r} && {LOADED}")
                name = page.relative_to(site).as_posix()
                wide_boxes[width][name] = await browser.value(WIDER)
                smaller[name] = await browser.value(SMALLER)
    return wide_boxes, smaller


@pytest.mark.slow
def test_nothing_scrolls_sideways_at_a_desk_and_only_tables_and_figures_on_a_phone(site, tmp_path):
    wide_boxes, smaller = asyncio.run(look(site, tmp_path / "profile"))
    assert len(wide_boxes[DESK]) > 40
    assert {page: boxes for page, boxes in wide_boxes[DESK].items() if boxes} == {}
    phone = {
        page: [box for box in boxes if box.startswith("page")]
        for page, boxes in wide_boxes[PHONE].items()
    }
    assert {page: boxes for page, boxes in phone.items() if boxes} == {}
    assert {page: figures for page, figures in smaller.items() if figures} == {}
