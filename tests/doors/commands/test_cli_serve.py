"""`qllmft serve`: what ends it before it listens, and a ceiling on the cost of its whole life."""

import asyncio
import json
import socket
import sys

import pytest
from browser import require_driven_browser
from sandbox_job import TOKEN, option_arguments

# of a text, 1000 shots at the mock server's prices
EACH = 1000 * ((4 * 4 + 5 * 4) * 1e-6 + 5 * 4 * 1e-5)
FORTE = ("--backend", "ionq_forte", *option_arguments())


def test_a_server_without_its_packages_names_the_command_that_installs_them(
    run, cli, visit_server, monkeypatch
):
    visit_server(pytest.fail)
    monkeypatch.delitem(sys.modules, "qllmft_doors.serving.app", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    _, messages = cli("serve", run.path, code=2)
    assert "the package fastapi" in messages
    assert "pip install 'qllmft[serve]'" in messages


def test_bad_options_end_before_the_server_listens(run, cli, visit_server, tmp_path):
    visit_server(pytest.fail)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert f"port {port}" in cli.refused("serve", run.path, "--port", port)
    assert "--max-texts (64)" in cli.refused("serve", run.path, "--port 0 --queue 5")
    assert "no trained model" in cli.refused("serve", tmp_path, "--port 0")
    assert "one --backend" in cli.refused("serve", run.path, "--backend adjoint --dry-run")


def test_other_machines_are_let_in_only_if_asked_for_and_see_no_training_texts(
    run, cli, visit_server
):
    facts = {}

    def calls(client):
        facts.update(client.get("/health").json()["model"])

    visit_server(calls)
    output, messages = cli("serve", run.path, "--port 0")
    assert "Serving" in output
    assert "http://127.0.0.1:" in output
    assert (messages, facts["explains"]) == ("", True)
    visit_server(
        lambda client: facts.update(
            client.get("/health", headers={"Host": "localhost"}).json()["model"]
        )
    )
    assert "There is no password" in cli("serve", run.path, "--port 0 --host 0.0.0.0")[1]
    assert facts["explains"] is False


def test_circuits_that_cost_money_need_a_ceiling_and_consent(job, visit_server):
    visit_server(pytest.fail)
    assert "--max-cost" in job("serve", job.path, "--port 0", *FORTE, "--yes", code=2)[1]
    assert "Add --yes" in job("serve", job.path, "--port 0", *FORTE, "--max-cost 1", code=2)[1]
    assert "submit" not in job.totals["requests"]


def test_the_ceiling_is_on_all_that_a_server_sends(job, visit_server):
    seen = []

    def calls(client):
        for texts in (
            ["a good film", "a bad film"],
            ["a fine film", "a dull film"],
            ["a fine film"],
            ["a bad film"],
        ):
            answer = client.post("/predict", json={"texts": texts})
            seen.append(answer.status_code)
            assert (
                answer.status_code == 402 or answer.json()["predictions"][0]["standard_error"] > 0
            )

    visit_server(calls)
    _, messages = job("serve", job.path, "--port 0", *FORTE, "--yes --max-cost", 3.5 * EACH)
    assert seen == [200, 402, 200, 200]
    assert job.totals["circuits_paid"] == 3
    assert "above max_cost" in messages
    assert "a fine film" not in messages
    assert TOKEN not in messages
    # a second life of the server
    job("serve", job.path, "--port 0", *FORTE, "--yes --max-cost", 3.5 * EACH)
    assert seen[4:] == [200, 402, 200, 200]
    assert job.totals["circuits_paid"] == 3


def test_known_texts_and_rounds_are_those_of_the_options(calibrated_job, run, visit_server):
    job = calibrated_job

    def calls(client):
        assert client.post("/predict", json={"text": "a good film"}).status_code == 200

    visit_server(calls)
    forte = ["--backend ionq_forte", *option_arguments("circuits_per_job=25")]
    job("serve", job.path, "--port 0", *forte, "--yes --max-cost 9 --known-texts 20")
    assert job.totals["circuits_paid"] == 1 + 20 + 1, (
        "a text, calibration texts and a check circuit"
    )
    job("serve", job.path, "--port 0", *FORTE, "--yes --max-cost 9 --shots 400 --rounds 2")
    assert next(reversed(job.box.store.jobs.values())).payload["shots"] == 200
    visit_server(pytest.fail)
    noisy = "--port 0 --backend adjoint --shots 100 --backend-option readout_error=0.01"
    for option, message in {
        "--known-texts 7": "--known-texts is 7, expected 19",
        "--known-texts 20": "has 6 calibration texts, expected 19 or more",
        "--rounds 2 --mitigation readout": "--rounds does not work with --mitigation",
    }.items():
        assert message in job("serve", run.path, noisy, option, code=2)[1]


@pytest.mark.slow
def test_the_page_is_about_the_model_that_is_chosen(run, tmp_path):
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    require_driven_browser()
    from driven_browser import open_page, serving

    async def choose(address):
        async with open_page(address, tmp_path / "profile") as page:
            await page.until("document.title === 'quantum head on reviews.tsv'")
            await page.value(f"document.querySelector('#row').value = {json.dumps(name)}")
            await page.value("document.querySelector('#row').dispatchEvent(new Event('input'))")
            await page.type("#text", "a good and lovely film")
            await page.click("#explain")
            await page.until("!document.querySelector('#explanation').hidden")
            assert await page.value("document.title") == f"{name} on reviews.tsv"
            page_text = await page.value("document.querySelector('main').innerText")
            assert f"by the model “{name}”" in page_text
            assert "only noise" not in page_text
            assert not page.problems

    name = run.result["models"][-1]["name"]
    with serving(run.path) as address:
        asyncio.run(choose(address))


def test_a_queue_limits_the_texts_that_wait_and_no_file(run, cli, visit_server, tmp_path):
    texts = [f"a good film, number {i}" for i in range(20)]
    file = "\n".join(["text", *texts]).encode()
    assert len(file) > 300

    def calls(client):
        assert client.get("/health").json()["model"]["limits"]["file_bytes"] == 20_000_000
        answer = client.post(
            "/texts?name=f.csv",
            content=file,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 200
        assert texts[0] in answer.text

    visit_server(calls)
    cli("serve", run.path, "--port 0 --queue 300")
