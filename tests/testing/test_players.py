"""The harness itself: a script means the same in process and over a socket, and readers of answers are strict."""

import asyncio
import dataclasses

import aiohttp
import pytest

from proxy.testing.frames import error_of, finish_of_stream, read_stream, text_of_stream
from proxy.testing.play import Play
from proxy.testing.plugin import StartGateway, StartUpstream
from proxy.testing.script import Upstream
from proxy.testing.walk import path

CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"m","type":"t","param":null,"code":"c"}}\n\n'

SCRIPTS = {
    "text": Upstream.answers("Hel", "lo."),
    "reasoning": Upstream.thinks("Hm.").then_says("Yes."),
    "refusal": Upstream.declines("No."),
    "calls": Upstream.answers("One moment.").then_calls("now", {"zone": "UTC"}).then_calls("place"),
    "length": Upstream.answers("Hel").then_finishes("length"),
    "usage": Upstream.answers("Hello.").then_reports_usage(3, 4),
    "empty": Upstream.finishes("stop"),
    "ids and pings": Upstream.opens().then_pings(2).then_says("Hello."),
    "no end mark": Upstream.answers("Hello.").then_finishes().then_ends(),
    "a break": Upstream.answers("Hel").then_waits(0.01).then_breaks(),
    "an early end": Upstream.answers("Hel").then_ends(),
    "a break before a delta": Upstream.opens().then_waits(0.01).then_breaks(),
    "a break before anything": Upstream.breaks(),
    "a call that was cut": Upstream.calls("now", '{"zo').then_waits(0.01).then_breaks(),
    "a limit": Upstream.fails(429, headers={"Retry-After": "90"}),
    "a refused request": Upstream.fails(400, code="weird", message="Too odd."),
    "an error in mid-stream": Upstream.answers("Hel").then_fails(503),
    "a first event that is an error": Upstream.opens().then_fails(429),
}
ONCE = {"attempts": 1}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_script_means_the_same_in_process_and_over_a_socket(
    play: Play, upstream_server: StartUpstream, gateway_server: StartGateway, *, name: str, stream: bool
) -> None:
    upstream = await upstream_server(SCRIPTS[name])
    gateway = await gateway_server(
        {
            "auth": {"mode": "none"},
            "retry": ONCE,
            "upstreams": [{"name": "main", "kind": "openai", "base_url": upstream.base_url}],
            "models": [{"id": "demo", "upstream": "main"}],
        }
    )
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi."}], "stream": stream}
    async with aiohttp.ClientSession() as session:
        response = await session.post(f"{gateway.base_url}/chat/completions", json=body)
        heard = await response.read()
    x = await play(SCRIPTS[name], kind="openai", stream=stream, retry=ONCE)

    assert path(gateway.ended[0]) == path(x) or not stream, "in one piece nothing comes before all has"
    assert (response.status, error_of(heard)) == (x.status, x.error or None)
    if response.headers["Content-Type"].startswith("text/event-stream"):
        assert (text_of_stream(heard), finish_of_stream(heard)) == (x.text, x.finish)
    elif response.status == 200:
        told = await response.json()
        assert told["choices"] == [
            {**choice, "message": {**choice["message"], **calls_of(told)}} for choice in x.json["choices"]
        ]


def calls_of(told: dict[str, list[dict[str, dict[str, object]]]]) -> dict[str, object]:
    """The calls as they were told: their ids are each upstream's own."""
    return {name: value for name, value in told["choices"][0]["message"].items() if name == "tool_calls"}


async def test_a_server_remembers_what_came_and_who_left(upstream_server: StartUpstream) -> None:
    upstream = await upstream_server(Upstream.answers("Hel").then_stalls())
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nX-Team: blue\r\nContent-Length: 15\r\n\r\n{"stream":true}')
    await reader.readuntil(b"Hel")
    writer.close()
    received = await (await upstream.request()).end()

    assert (received.method, received.path, received.headers["x-team"]) == ("POST", "/v1/chat/completions", "blue")
    assert received.json == {"stream": True}
    assert received.gone_s is not None
    assert received.gone_s >= received.seen_s
    assert not received.answered
    assert received.sent_bytes > 100


async def test_a_server_that_is_waited_for_in_vain_says_so(upstream_server: StartUpstream) -> None:
    upstream = await upstream_server()
    with pytest.raises(TimeoutError):
        await upstream.request(limit_s=0.01)


async def test_a_walk_that_nothing_ends_is_found(play: Play) -> None:
    """A test fails; it does not hang."""
    walk = play.begin(Upstream.stalls(), clocks={"first_event": 0, "total": 0, "commit_headers_after": 0})
    with pytest.raises(AssertionError, match="no clock ends it: validate>auth>session>upstream"):
        await walk.end()


async def test_a_state_that_is_never_rested_in_is_found(play: Play) -> None:
    walk = play.begin()
    with pytest.raises(AssertionError, match="never rests in backoff"):
        await walk.until("backoff")
    await walk.end()


async def test_what_is_left_behind_is_found(play: Play) -> None:
    walk = play.begin()
    walk.clock.call_at(walk.clock.now() + 1_000_000, lambda: None)
    with pytest.raises(AssertionError, match="a timer runs"):
        await walk.end()


def test_a_script_is_a_value() -> None:
    first = Upstream.answers("Hel")
    second = first.then_breaks()

    assert first == Upstream.answers("Hel")
    assert second != first
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.steps = ()  # type: ignore[misc]  # that is the promise


def test_a_whole_stream_is_read() -> None:
    stream = read_stream(b": ping\n" + CHUNK + FINISH + DONE)

    assert (len(stream.chunks), stream.error, stream.done, stream.pings) == (2, None, True, 1)
    assert text_of_stream(CHUNK + FINISH + DONE) == "Hel"


@pytest.mark.parametrize(
    "body",
    [
        CHUNK[:-2],
        b"event: message\n" + CHUNK,
        DONE + CHUNK,
        DONE + DONE,
        ERROR + DONE,
        ERROR + CHUNK,
        b"id: 1\n" + CHUNK,
        b"<html>\n",
    ],
)
def test_what_no_stream_may_hold_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"line|end|data"):
        read_stream(body)


def test_two_finish_reasons_are_refused() -> None:
    with pytest.raises(ValueError, match="more than one finish reason"):
        finish_of_stream(FINISH + FINISH + DONE)
