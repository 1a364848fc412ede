"""Clients that nobody made for this: curl, and two HTTP libraries, each with its own idea of a stream."""

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon, StartDaemon
from tests.e2e.configs import script_config
from tests.e2e.wire import chat

pytestmark = pytest.mark.real

WORDS = "A turnstile lets one person through at a time."
EVERY_S = 0.05
WHOLE_S = EVERY_S * (len(WORDS) / 5 - 1)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return script_config(
        {
            "words": [{"say": WORDS, "chunk": 5, "every_ms": EVERY_S * 1000}],
            "stalled": [{"say": "Hel", "chunk": 0}, {"stall": True}],
            "breaking": [{"say": "Hel", "chunk": 0}, {"fail": "upstream_error"}],
        }
    )


async def curl(*arguments: str) -> tuple[int | None, str, str]:
    """Run curl: its exit code, what it printed, what it complained of."""
    command = shutil.which("curl")
    assert command is not None, "curl is not installed"
    process = await asyncio.create_subprocess_exec(
        command, "--silent", "--show-error", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


def json_arguments(body: dict[str, Any]) -> list[str]:
    return ["--header", "Content-Type: application/json", "--data", json.dumps(body)]


async def test_curl_gets_an_answer(gateway: Daemon) -> None:
    code, out, errors = await curl(f"{gateway.url}/v1/chat/completions", *json_arguments(chat(model="words")))
    assert (code, errors) == (0, "")
    assert json.loads(out)["choices"][0]["message"]["content"] == WORDS


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
async def test_curl_gets_a_stream_to_its_good_end(gateway: Daemon, version: str) -> None:
    asked = json_arguments(chat(model="words", stream=True))
    code, out, errors = await curl(version, "--no-buffer", f"{gateway.url}/", *asked)
    assert (code, errors) == (0, ""), "the chunked body ended in good order"
    assert text_of_stream(out.encode()) == WORDS
    assert read_stream(out.encode()).done


async def test_a_stream_that_breaks_ends_in_good_order_for_curl(gateway: Daemon) -> None:
    """Or else a proxy on the way would drop the error frame."""
    code, out, errors = await curl(f"{gateway.url}/", *json_arguments(chat(model="breaking", stream=True)))
    assert (code, errors) == (0, "")
    error = read_stream(out.encode()).error
    assert error is not None
    assert error["code"] == "upstream_error"


async def test_curl_fails_on_a_refusal_with_its_status(gateway: Daemon) -> None:
    code, out, _ = await curl("--write-out", "\n%{http_code}", f"{gateway.url}/", *json_arguments(chat(model="none")))
    body, status = out.rsplit("\n", 1)
    assert (code, status, json.loads(body)["error"]["code"]) == (0, "404", "model_not_found")


async def test_curl_sends_a_large_body_after_asking(gateway: Daemon, tmp_path: Path) -> None:
    """With `Expect: 100-continue`."""
    (tmp_path / "body").write_text(json.dumps(chat("x" * 2_000_000, model="words")))
    began_s = time.monotonic()
    code, out, errors = await curl(
        f"{gateway.url}/", "--header", "Content-Type: application/json", "--data", f"@{tmp_path / 'body'}"
    )
    assert (code, errors) == (0, "")
    assert json.loads(out)["object"] == "chat.completion"
    assert time.monotonic() - began_s < WHOLE_S + 0.9, "curl waits a second for the word to go on"


async def test_curl_over_a_unix_socket(daemon: StartDaemon, config: dict[str, Any], tmp_path: Path) -> None:
    running = daemon(config, args=["--unix", "turnstile.sock"])
    path = running.folder / "turnstile.sock"
    code, out, errors = await curl("--unix-socket", str(path), "http://localhost/v1/models")
    assert (code, errors) == (0, "")
    assert [model["id"] for model in json.loads(out)["data"]] == ["words", "stalled", "breaking"]


async def test_httpx_reads_a_stream_line_by_line_as_it_comes(gateway: Daemon) -> None:
    began_s = time.monotonic()
    came_s, lines = [], []
    async with (
        httpx2.AsyncClient() as client,
        client.stream("POST", f"{gateway.url}/", json=chat(model="words", stream=True)) as answer,
    ):
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            came_s.append(time.monotonic() - began_s)
            lines.append(line)
    assert text_of_stream("".join(f"{line}\n" for line in lines).encode()) == WORDS
    assert came_s[0] < WHOLE_S / 3 < WHOLE_S * 0.95 < came_s[-1]


async def test_aiohttp_reads_a_stream_chunk_by_chunk_as_it_comes(gateway: Daemon) -> None:
    began_s = time.monotonic()
    chunks, came_s = [], []
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{gateway.url}/", json=chat(model="words", stream=True)) as answer,
    ):
        async for data, _ in answer.content.iter_chunks():
            came_s.append(time.monotonic() - began_s)
            chunks.append(data)
    assert text_of_stream(b"".join(chunks)) == WORDS
    assert read_stream(b"".join(chunks)).done
    assert came_s[0] < WHOLE_S / 3 < WHOLE_S * 0.95 < came_s[-1]


async def test_a_client_that_is_killed_is_a_client_abort(gateway: Daemon) -> None:
    command = shutil.which("curl")
    assert command is not None, "curl is not installed"
    for stream in (False, True):
        request_id = f"killed-{stream}"
        process = await asyncio.create_subprocess_exec(
            command,
            *("--silent", "--no-buffer", "--header", f"x-request-id: {request_id}", f"{gateway.url}/"),
            *json_arguments(chat(model="stalled", stream=stream)),
            stdout=subprocess.PIPE,
        )
        if stream:
            assert process.stdout is not None
            assert await process.stdout.readline()
        else:
            await asyncio.sleep(0.2)
        process.kill()
        await process.wait()
        line = await gateway.logged(request_id)
        assert (line["end_reason"], line["http_status"]) == ("client_abort", 499)
