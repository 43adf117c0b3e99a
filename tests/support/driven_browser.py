"""A headless Chromium that types, clicks and looks, over its DevTools protocol."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager

import aiohttp
from browser import CHROMIUM, FLAGS


class Page:
    """The browser's one page."""

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self.problems = []

    async def call(self, method, **parameters):
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async for message in self._socket:
            response = json.loads(message.data)
            if response.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.problems.append(response["params"])
            if response.get("id") == self._number:
                assert "error" not in response, response
                return response["result"]
        raise AssertionError("the browser has ended")

    async def value(self, expression):
        response = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in response, response
        return response["result"].get("value")

    async def until(self, expression, seconds=30.0):
        async with asyncio.timeout(seconds):
            while not await self.value(expression):
                await asyncio.sleep(0.05)

    async def type(self, selector, text):
        await self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.value(f"document.querySelector({json.dumps(selector)}).select()")
        await self.call("Input.insertText", text=text)

    async def click(self, selector):
        await self.value(f"document.querySelector({json.dumps(selector)}).click()")

    async def picture(self, file, width=1000):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        screenshot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(screenshot["data"]))


@asynccontextmanager
async def open_page(address, profile):
    """Open a page in a new browser."""
    command = [
        CHROMIUM,
        *FLAGS,
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = ""
        while "DevTools listening on" not in line:
            line = process.stderr.readline()
            assert line, "the browser did not start"
        place = re.search(r"ws://([^/]+)/", line)[1]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{place}/json") as answer:
                (target,) = [entry for entry in await answer.json() if entry["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


@contextmanager
def serving(run, *options):
    """Serve a run in a process of its own, and end it with Ctrl-C, without a message. Gives the address."""
    command = [sys.executable, "-m", "qllmft", "serve", str(run), "--port", "0", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    server = subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **pipes)
    try:
        line = server.stdout.readline()
        assert line, server.stderr.read()
        yield re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        server.send_signal(signal.SIGINT)
        output, messages = server.communicate(timeout=30)
        assert (server.returncode, output, messages) == (0, "", "")
    finally:
        server.kill()
        server.wait()
