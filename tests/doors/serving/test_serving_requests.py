"""Requests that are refused: too much, no texts, other content, or made by a page of another site."""

import asyncio
import json

import pytest

from qllmft_doors.bounds import RequestLimits

LIMITS = RequestLimits(texts=3, characters=20, body_bytes=200, words=4)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def page(serve_model, client):
    """A client of a served model; no request changes either of them."""
    with client(serve_model(), LIMITS, names=["reviews.example"]) as page_client:
        yield page_client


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ("", 400, "not JSON"),
        ("{", 400, "not JSON"),
        (b'{"text": "\xff"}', 400, "not JSON"),
        ('{"text": "\\ud800"}', 400, "surrogate"),
        ("[" * 150, 400, "not JSON"),
        ('["a"]', 422, "list, expected an object"),
        ("{}", 422, "got nothing"),
        ('{"text": "a", "texts": ["a"]}', 422, "either text or texts"),
        ('{"txt": "a"}', 422, "got txt"),
        ('{"texts": []}', 422, "one text or more"),
        ('{"texts": "a"}', 422, "one text or more"),
        ('{"texts": ["a", 3]}', 422, "expected a string"),
        ('{"text": " \\n"}', 422, "empty"),
        ('{"text": ["a", "b"]}', 422, "expected"),
        (json.dumps({"texts": ["a"] * 4}), 422, "4 texts, expected at most 3"),
        (json.dumps({"text": "a" * 21}), 422, "21 characters, expected at most 20"),
        (json.dumps({"text": "a" * 200}), 413, "200 bytes"),
    ],
)
def test_a_body_without_texts_is_refused(page, content, status, words):
    answer = page.post("/predict", content=content, headers=JSON)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})
    assert words in answer.json()["error"]


def test_an_explanation_is_of_one_text_of_some_words(page):
    assert page.post("/explain", json={"texts": ["a"]}).status_code == 422
    assert "4 words" in page.post("/explain", json={"text": "a b c d e"}).json()["error"]
    for method in ("GET", "OPTIONS", "DELETE", "PUT"):
        assert page.request(method, "/predict").status_code == 405
    assert page.get("/docs").status_code == 404


@pytest.mark.parametrize("path", ["/", "/health", "/metrics"])
def test_probes_may_ask_for_the_headers_alone(page, path):
    answer = page.head(path)
    assert answer.status_code == page.get(path).status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "Reviews.Example:80", "Origin": "https://reviews.example:80"}, 200),
        ({"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
    ],
)
def test_requests_that_a_page_of_another_site_can_make_are_refused(page, headers, status):
    answer = page.post("/predict", content='{"text": "a good film"}', headers={**JSON, **headers})
    assert answer.status_code == status, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


def test_the_page_loads_its_own_files_alone(page):
    response = page.get("/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'; script-src 'self'" in response.headers["content-security-policy"]
    assert page.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert "innerHTML" not in page.get("/page.js").text
    assert page.get("/page.css").headers["content-type"] == "text/css; charset=utf-8"


def test_a_body_that_does_not_arrive_in_time_is_refused():
    pytest.importorskip("starlette", reason="starlette is not installed: pip install '.[serve]'")
    from qllmft_doors.serving.guard import Guard

    messages = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        messages.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers}
    asyncio.run(Guard(None, RequestLimits(seconds=0.01), ())(scope, receive, send))
    assert messages[0]["status"] == 408
    assert b"the body did not arrive in 0.01 s" in messages[1]["body"]
