"""Stream controls, and answers that finish without their caller, through the whole walk."""

import asyncio
import json

import aiohttp
import pytest

from proxy.testing.frames import calls_of_stream, finish_of_stream, text_of_stream
from proxy.testing.gateway import GatewayServer

LIMIT_S = 10.0
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
TWO_CALLS = [
    {"say": "Let me see. "},
    {"call": "f", "arguments": '{"a": 1}', "chunk": 3},
    {"say": "And "},
    {"call": "g", "arguments": "{}"},
    {"say": "so."},
]


def config(script, *, allow=True, upstream=None, model=None, **tables):
    return {
        "auth": {"mode": "none"},
        "server": {"allow_header_overrides": allow},
        "upstreams": [{"name": "up", "kind": "scripted", "script": script, **(upstream or {})}],
        "models": [{"id": "m", "upstream": "up", **(model or {})}],
        **tables,
    }


async def told(gateway, *, headers=None):
    """Text, calls and finish of the answer, streamed and collected, which must be the same."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": TOOLS}
    url = f"{gateway.base_url}/chat/completions"
    async with aiohttp.ClientSession() as http, asyncio.timeout(LIMIT_S):
        async with http.post(url, json={**body, "stream": True}, headers=headers) as answer:
            stream = await answer.read()
        async with http.post(url, json=body, headers=headers) as answer:
            [choice] = (await answer.json())["choices"]
    message = choice["message"]
    calls = [(each["function"]["name"], each["function"]["arguments"]) for each in message.get("tool_calls", ())]
    whole = (message["content"] or "", calls, choice["finish_reason"])
    assert (text_of_stream(stream), calls_of_stream(stream), finish_of_stream(stream)) == whole
    assert stream.endswith(b"data: [DONE]\n\n")
    return whole


FIRST = ("Let me see. ", [("f", '{"a": 1}')], "tool_calls")
BOTH = ("Let me see. ", [("f", '{"a": 1}'), ("g", "{}")], "tool_calls")
ALL = ("Let me see. And so.", BOTH[1], "tool_calls")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ALL),
        ({"x-stop-after-tools": "first"}, FIRST),
        ({"x-stop-after-tools": "burst"}, ALL),
        ({"x-stop-after-tools": "burst", "x-suppress-tail": "1"}, BOTH),
        ({"x-suppress-tail": "1"}, BOTH),
        ({"x-tool-block-max": "1"}, ("Let me see. And ", FIRST[1], "tool_calls")),
        ({"x-tool-block-max": "2"}, ALL),
    ],
    ids=str,
)
async def test_headers_say_how_an_answer_is_told(headers, expected):
    async with GatewayServer(config(TWO_CALLS)) as gateway:
        assert await told(gateway, headers=headers) == expected
        assert {x.path.split(">")[-1] for x in gateway.ended} == {"done"}


async def test_headers_do_nothing_unless_they_may():
    async with GatewayServer(config(TWO_CALLS, allow=False)) as gateway:
        assert await told(gateway, headers={"x-stop-after-tools": "nonsense"}) == ALL


async def test_a_bad_header_is_refused():
    async with GatewayServer(config(TWO_CALLS)) as gateway, aiohttp.ClientSession() as http:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"x-tool-block-max": "many"}
        async with http.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers) as answer:
            error = (await answer.json())["error"]

    assert (answer.status, error["param"], error["code"]) == (400, "x-tool-block-max", "invalid_value")


@pytest.mark.parametrize(
    "where",
    [
        {"controls": {"stop_after_tools": "first"}},
        {"upstream": {"stop_after_tools": "first"}},
        {"model": {"stop_after_tools": "first"}},
        {
            "controls": {"stop_after_tools": "burst"},
            "upstream": {"stop_after_tools": "off"},
            "model": {"stop_after_tools": "first"},
        },
    ],
    ids=["globally", "upstream", "model", "the model wins"],
)
async def test_controls_can_be_configured(where):
    async with GatewayServer(config(TWO_CALLS, **where)) as gateway:
        assert await told(gateway) == FIRST


async def test_a_burst_is_cut_when_nothing_follows_in_time():
    script = [
        {"call": "f", "arguments": "{}"},
        {"say": "tail"},
        {"pause_ms": 20},
        {"call": "g", "arguments": "{}"},
        {"stall": True},
    ]
    upstream = {"stop_after_tools": "burst", "tool_grace_ms": 150}
    async with GatewayServer(config(script, upstream=upstream)) as gateway:
        assert await told(gateway) == ("", [("f", "{}"), ("g", "{}")], "tool_calls")
        assert {x.controls.reason for x in gateway.ended} == {"burst"}


# --- on_disconnect

SLOW = [{"say": "one two three", "chunk": 4, "every_ms": 60}]


async def leave_midway(gateway, messages, **headers):
    body = {"model": "m", "messages": messages, "stream": True}
    async with aiohttp.ClientSession() as http, asyncio.timeout(LIMIT_S):
        async with http.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers) as answer:
            await answer.content.readuntil(b"one")
            answer.close()
        while not gateway.ended:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("on_disconnect", "status"), [("finish", "hit"), ("interrupt", "replay")])
async def test_an_answer_without_its_caller_finishes_where_that_is_wanted(on_disconnect, status):
    upstream = {"on_disconnect": on_disconnect, "max_parallel": 1}
    asked = [{"role": "user", "content": "hi"}]
    async with GatewayServer(config(SLOW, upstream=upstream)) as gateway:
        await leave_midway(gateway, asked)
        assert gateway.ended[0].path.endswith("stream>client_abort")

        history = [*asked, {"role": "assistant", "content": "one two three"}, {"role": "user", "content": "more"}]
        body = {"model": "m", "messages": history}
        await asyncio.sleep(0.4)
        url = f"{gateway.base_url}/chat/completions"
        async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
            said = json.loads(await answer.read())["choices"][0]["message"]["content"]

        assert said == "one two three"
        assert gateway.ended[1].conversation.status == status


async def test_an_answer_without_its_caller_gives_back_its_slot_and_has_an_end():
    upstream = {"on_disconnect": "finish", "finish_s": 0.1, "max_parallel": 1}
    script = [{"say": "one"}, {"stall": True}]
    async with GatewayServer(config(script, upstream=upstream, clocks={"queue": 5})) as gateway:
        await leave_midway(gateway, [{"role": "user", "content": "hi"}])
        gateway.ended.clear()

        await leave_midway(gateway, [{"role": "user", "content": "again"}])

        assert gateway.ended[0].path.endswith("stream>client_abort")
