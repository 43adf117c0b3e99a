"""Clients of `qllmft serve` that send too much, or nonsense: others are answered, in little memory."""

import http.client
import json
import re
import resource
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import forked_commands
import pytest

pytestmark = pytest.mark.slow
TEXT = "a good and lovely film"
MORE_MB = 200


@contextmanager
def serving(reference, folder, *options):
    """Serve the undisturbed run on a free port; give the command and the address."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    arguments = ["serve", str(reference.run), "--port", "0", *options]
    command = forked_commands.start(
        arguments, folder, {"QLLMFT_CACHE": str(folder / "cache")}, (usual_files,)
    )
    give_up = time.monotonic() + 60
    while not (match := re.search(r"Serving .* at http://([\d.]+):(\d+)", command.transcript)):
        assert command.process.exitcode is None, command.transcript
        assert time.monotonic() < give_up, command.transcript
        time.sleep(0.05)
    try:
        yield command, (match[1], int(match[2]))
    finally:
        command.strike(signal.SIGINT)
        command.wait()


def usual_files():
    """Limit the open files to 1,024, as a shell does."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


def connect(address, source="127.0.0.1"):
    return socket.create_connection(address, timeout=60, source_address=(source, 0))


def predict(address, texts, seconds=60.0):
    """Return the status and the number of predictions of a request by a well-behaved client."""
    connection = http.client.HTTPConnection(*address, timeout=seconds)
    try:
        connection.request(
            "POST", "/predict", json.dumps({"texts": texts}), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, len(json.loads(answer.read()).get("predictions", ()))
    finally:
        connection.close()


def memory(command):
    """Return the resident memory of the server in MB."""
    state = Path(f"/proc/{command.process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", state)[1]) // 1024


def note_memory(row, command, memory_before):
    """Keep the greatest growth, which has a bound."""
    growth_mb = max(memory(command) - memory_before, 0)
    row.met["MB more at most"] = max(row.met["MB more at most"], growth_mb)
    assert growth_mb <= MORE_MB, f"{growth_mb} MB more"


def test_floods(table, reference, tmp_path):
    row = table.begin(
        "serve, floods", "`qllmft serve`, 60 clients with 20 requests of up to 64 texts each"
    )
    with serving(reference, tmp_path) as (command, address):
        memory_before = memory(command)
        for _ in table.tries(5):
            with row.attempt() as rng, ThreadPoolExecutor(60) as pool:
                counts = [[rng.randint(1, 64) for _ in range(20)] for _ in range(60)]

                def flood(numbers):
                    return [(predict(address, [TEXT] * n), n) for n in numbers]

                for responses in pool.map(flood, counts):
                    for (status, predictions), texts in responses:
                        assert (status, predictions) in {(200, texts), (503, 0)}
                        row.met[f"status {status}"] += 1
                assert predict(address, [TEXT]) == (200, 1)
                note_memory(row, command, memory_before)
    row.assert_survived()


def test_long_texts(table, reference, tmp_path):
    row = table.begin(
        "serve, long texts",
        "`qllmft serve`, requests of 1 to 100 texts with up to 30,000 characters of any kind",
    )
    with serving(reference, tmp_path) as (command, address):
        memory_before = memory(command)
        for _ in table.tries(60):
            with row.attempt() as rng:
                alphabet = rng.choice(["a", "a ", "\u0301", "😀 ", "\u202e\x00", "字"])
                length = int(10 ** rng.uniform(0, 4.5))
                texts = [(alphabet * length)[:length]] * int(10 ** rng.uniform(0, 2))
                status, predictions = predict(address, texts)
                expected = {200: len(texts), 413: 0, 422: 0}
                assert predictions == expected[status], (status, predictions)
                row.met[f"status {status}"] += 1
                assert predict(address, [TEXT]) == (200, 1)
                note_memory(row, command, memory_before)
    row.assert_survived()


def test_damaged_requests(table, reference, tmp_path):
    row = table.begin("serve, damaged requests", "`qllmft serve`, bytes of a request changed")
    body = json.dumps({"text": TEXT}).encode()
    request = (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    )
    with serving(reference, tmp_path) as (_, address):
        for _ in table.tries(1000):
            with row.attempt() as rng, connect(address) as client:
                damaged = bytearray(request)
                for _ in range(rng.randint(1, 5)):
                    place = rng.randrange(len(damaged))
                    damaged[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
                client.sendall(damaged)
                client.shutdown(socket.SHUT_WR)
                response = b""
                try:
                    while part := client.recv(1 << 16):
                        response += part
                except ConnectionResetError:
                    pass
                status = response[9:12].decode() if response else "none"
                assert status in {"none", "200", "400", "403", "404", "405", "413", "415", "422"}
                row.met[f"status {status}"] += 1
        with row.attempt():
            assert predict(address, [TEXT]) == (200, 1)
    row.assert_survived()


def test_ctrl_c_in_mid_request(table, reference, tmp_path):
    row = table.begin(
        "serve, Ctrl-C",
        "`qllmft serve`, Ctrl-C or SIGTERM at a random moment of requests by 20 clients",
    )
    for number in table.tries(15):
        with (
            row.attempt() as rng,
            serving(reference, tmp_path / str(number)) as (
                command,
                address,
            ),
        ):
            kind = rng.choice([signal.SIGINT, signal.SIGTERM])

            def ask(texts):
                endings = Counter()
                try:
                    while True:
                        status, predictions = predict(address, [TEXT] * texts)
                        assert (status, predictions) in {(200, texts), (503, 0)}
                        endings[f"status {status}"] += 1
                except (OSError, http.client.HTTPException):
                    endings["no answer"] += 1
                return endings

            with ThreadPoolExecutor(20) as pool:
                clients = [pool.submit(ask, rng.randint(1, 64)) for _ in range(20)]
                time.sleep(rng.uniform(0.05, 1.0))
                command.strike(kind)
                begun = time.monotonic()
                code = command.wait()
                assert time.monotonic() < begun + 15
                for client in clients:
                    row.met.update(client.result())
            assert code in {0, 130, 143, -signal.SIGTERM}, command.transcript
            row.met[f"exit code {code} after {kind.name}"] += 1
    row.assert_survived()
