"""The command in a process of its own, its page in a browser, and Ctrl-C."""

import asyncio
import json
import re

import pytest
from browser import require_driven_browser

TEXT = '<img src=x onerror="document.title=1"> a good film & <b>plot</b>'


@pytest.mark.slow
def test_a_person_types_a_text_and_sees_answer_and_explanation(trained_run, tmp_path):
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    require_driven_browser()
    from driven_browser import serving

    with serving(trained_run, "--backend", "aer_statevector", "--shots", "500") as address:
        asyncio.run(visit(address, tmp_path))


async def give(page, content, name):
    """Choose a file on the page."""
    await page.value(
        f"(() => {{ const files = new DataTransfer(); files.items.add(new File([{json.dumps(content)}], '{name}')); "
        "const input = document.querySelector('#file'); input.files = files.files; "
        "input.dispatchEvent(new Event('change')); })()"
    )


async def visit(address, folder):
    from driven_browser import open_page

    async with open_page(address, folder / "profile") as page:
        await page.until("document.title === 'quantum head on texts.tsv'")
        facts = await page.value("document.querySelector('#facts').innerText")
        assert "accuracy on 40 test texts" in facts
        verdict = await page.value("document.querySelector('#verdict').innerText")
        headline, sentences = verdict.split("\n")
        assert "40 test texts" in headline or " baseline" in headline
        assert "One split, one seed" in sentences
        assert "if it returns pure noise" in sentences
        assert await page.value("document.querySelector('#second')") is None
        await page.type("#text", TEXT)
        await page.click("#predict")
        await page.until("!document.querySelector('#answer').hidden")
        answer_text = await page.value("document.querySelector('#answer').innerText")
        probabilities = re.findall(r"(\d+\.\d\d)(?: ± (\d+\.\d\d))? %", answer_text)
        assert answer_text.split("\n")[0] in ("0", "1", "bad", "good", "negative", "positive")
        assert sum(float(value) for value, _ in probabilities) == pytest.approx(100, abs=0.02)
        assert sum(bool(error) for _, error in probabilities) == 1
        assert "500 shots per circuit" in answer_text
        await page.click("#explain")
        await page.until("!document.querySelector('#explanation').hidden")
        explained = await page.value("document.querySelector('#explanation').innerText")
        assert "Nearest training texts" in explained
        assert 'onerror="document.title=1">' in explained
        assert await page.value("document.querySelectorAll('img, b').length") == 0
        await page.type("#text", " x")
        await page.until("document.querySelector('#answer').hidden")
        await page.value(
            "document.querySelector('#text').dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'Enter', ctrlKey: true, bubbles: true}))"
        )
        await page.until("!document.querySelector('#answer').hidden")
        await give(page, "id;review\n1;good", "reviews.csv")
        await page.until("!document.querySelector('#fault').hidden")
        fault = await page.value("document.querySelector('#fault').innerText")
        assert "reviews.csv: there is no column 'text'. Its columns are 'id', 'review'" in fault
        await give(page, 'id;text\n1;"a good, lovely film"\n2;=1+1\n', "texts.csv")
        await page.until("document.querySelector('#answer a') !== null")
        answers = await page.value("document.querySelector('#answer').innerText")
        assert "Download the answers to 2 texts" in answers
        assert "a good, lovely film" in answers
        assert (await page.value("document.querySelector('#answer a').href")).startswith("blob:")
        assert await page.value("cell('=1+1')") == '"\'=1+1"', "no formula of a spreadsheet"
        await page.picture(folder / "desk.png")
        await page.picture(folder / "phone.png", 390)
        assert await page.value("document.documentElement.scrollWidth") <= 390
        await page.type("#text", " ")
        await page.click("#predict")
        await page.until("!document.querySelector('#fault').hidden")
        assert "a text is empty" in await page.value("document.querySelector('#fault').innerText")
        # no script's error
        assert all(problem["entry"].get("networkRequestId") for problem in page.problems)
        assert (await page.value("document.title")) == "quantum head on texts.tsv"
