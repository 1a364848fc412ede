"""How a stream travels: when its headers leave, how its frames are cut, what fills a silence, how it ends."""

import asyncio
import json
import re
from itertools import pairwise
from typing import Any

import pytest

from proxy.testing.frames import read_stream, text_of_stream
from proxy.testing.process import Daemon
from tests.e2e.configs import script_config
from tests.e2e.wire import ask, chat, connected, request

COMMIT_S = 0.15
HEARTBEAT_S = 0.1
EVERY_S = 0.06
PAUSE_S = 0.6
TEXT = "abcdef"
ODD = 'one\u2028two\u2029three\x85four \U0001f600 \x00\x1f\x7f "quoted" back\\slash </script>'
LONG_CHARS = 40_000
SCRIPTS: dict[str, list[Any]] = {
    "paced": [{"say": TEXT, "chunk": 1, "every_ms": EVERY_S * 1000}],
    "slow": [{"pause_ms": PAUSE_S * 1000}, {"say": "Hi"}],
    "pausing": [{"say": "A", "chunk": 0}, {"pause_ms": 350}, {"say": "B", "chunk": 0}],
    "flaky": [
        [{"pause_ms": 250}, {"fail": "upstream_error"}],
        [{"pause_ms": 250}, {"fail": "upstream_busy"}],
        [{"say": "Third time lucky"}],
    ],
    "tool": [
        {"call": "now", "arguments": {"zone": "UTC"}, "chunk": 0},
        {"usage": {"prompt_tokens": 31, "completion_tokens": 12}},
    ],
    "everything": [
        {"think": "Hmm, let me see.", "every_ms": 1},
        {"say": "First this. ", "every_ms": 1},
        {"call": "one", "arguments": {"a": [1, {"b": "ü"}]}, "chunk": 3, "every_ms": 1},
        {"call": "two", "chunk": 0},
        {"usage": {"prompt_tokens": 5, "completion_tokens": 7}},
    ],
    "declining": [{"refuse": "I will not.", "every_ms": 1}],
    "cut short": [{"say": "Once upon", "every_ms": 1}, {"finish": "length"}],
    "empty": [{"finish": "stop"}],
    "odd": [{"say": ODD, "chunk": 7, "every_ms": 0}],
    "long": [{"say": "é" * LONG_CHARS, "chunk": 0}],
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    clocks = {"commit_headers_after": COMMIT_S, "heartbeat": HEARTBEAT_S}
    return script_config(SCRIPTS, clocks=clocks, retry={"base_s": 0.01})


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_frames_leave_as_they_are_made_one_write_for_each(gateway: Daemon) -> None:
    """A client shows a token when it comes; a buffer anywhere on the way would make it wait for the next."""
    answer = await ask(gateway.url, "POST", "/", chat(model="paced", stream=True))
    first, *others, last = answer.pieces
    assert text_of_stream(first[1]) == TEXT[0]
    assert [text_of_stream(data) for _, data in others] == list(TEXT[1:])
    assert all(data.count(b"data: ") == 1 for _, data in others)
    came_s = [when_s for when_s, _ in [first, *others]]
    gaps_s = [after_s - before_s for before_s, after_s in pairwise(came_s)]
    assert sum(gap_s > EVERY_S / 2 for gap_s in gaps_s) > len(gaps_s) / 2, "they came one by one"
    assert last[1].endswith(b"data: [DONE]\n\n")


async def test_headers_are_held_back_until_the_first_delta(gateway: Daemon) -> None:
    """As long as nothing has come, a failure can still have its status."""
    async with connected(gateway.url) as connection:
        began_s = now_s()
        await connection.send(request("POST", "/", chat(model="slow", stream=True)))
        status, headers = await connection.head()
        assert COMMIT_S * 0.8 < now_s() - began_s < PAUSE_S * 0.95, "then they leave, and heartbeats begin"
        assert status == 200
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert await connection.chunk() == b": ping\n"


async def test_silence_is_filled_with_heartbeats_between_frames(gateway: Daemon) -> None:
    """A comment and one line feed: some clients take a blank line after a comment for an event."""
    answer = await ask(gateway.url, "POST", "/", chat(model="pausing", stream=True))
    pings = [data for _, data in answer.pieces if b"ping" in data]
    assert 2 <= len(pings) <= 4
    assert set(pings) == {b": ping\n"}
    stream = read_stream(answer.body)
    assert stream.done
    assert text_of_stream(answer.body) == "AB"


async def test_no_heartbeat_follows_the_end(gateway: Daemon) -> None:
    async with connected(gateway.url) as connection:
        await connection.send(request("POST", "/", chat(model="pausing", stream=True)))
        assert (await connection.answer()).body.endswith(b"data: [DONE]\n\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.reader.read(1), 2 * HEARTBEAT_S)


async def test_a_retry_is_still_made_after_the_headers_have_left(gateway: Daemon) -> None:
    """Nothing of an answer was in them, so nothing can be told twice."""
    answer = await ask(gateway.url, "POST", "/", chat(model="flaky", stream=True))
    assert text_of_stream(answer.body) == "Third time lucky"
    stream = read_stream(answer.body)
    assert stream.done
    assert stream.pings >= 2
    line = await gateway.logged(answer.headers["x-request-id"])
    assert line["attempts"] == 3
    assert line["path"].count("upstream>backoff") == 2


async def test_a_stream_has_no_lines_but_data_and_pings(gateway: Daemon) -> None:
    """After `id:` or `retry:` an official client takes the next blank line for an event without data, and dies."""
    for model in SCRIPTS.keys() - {"flaky", "slow"}:
        answer = await ask(gateway.url, "POST", "/", chat(model=model, stream=True))
        assert read_stream(answer.body).done, model
        for frame in re.sub(rb"^: ping\n", b"", answer.body, flags=re.MULTILINE).split(b"\n\n")[:-1]:
            assert re.fullmatch(rb"data: (\[DONE\]|\{.*\})", frame), model
            assert frame.decode().splitlines() == [frame.decode()], "a client splits where str.splitlines does"
            data = frame.removeprefix(b"data: ")
            if data != b"[DONE]":
                assert json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":")) == _plain(data)


def _plain(data: bytes) -> str:
    """JSON with the line ends that are escaped beyond what JSON asks for."""
    return re.sub(r"\\u(0085|2028|2029|007f)", lambda match: chr(int(match[1], 16)), data.decode())


async def test_characters_that_clients_trip_over_arrive_whole(gateway: Daemon) -> None:
    answer = await ask(gateway.url, "POST", "/", chat(model="odd", stream=True))
    assert text_of_stream(answer.body) == ODD
    assert not re.search("[\x85\u2028\u2029]", answer.body.decode())


async def test_a_long_text_comes_in_deltas_that_any_client_can_read(gateway: Daemon) -> None:
    """Some read lines of 64 KiB at most."""
    answer = await ask(gateway.url, "POST", "/", chat(model="long", stream=True))
    assert text_of_stream(answer.body) == "é" * LONG_CHARS
    assert max(map(len, answer.body.split(b"\n"))) < 20_000


async def test_a_streamed_tool_call_has_the_documented_frames(gateway: Daemon) -> None:
    """Byte for byte, but for the ids and the time."""
    asked = chat(model="tool", stream=True, stream_options={"include_usage": True})
    tools = [{"type": "function", "function": {"name": "now"}}]
    answer = await ask(gateway.url, "POST", "/", {**asked, "tools": tools})
    first = read_stream(answer.body).chunks[0]
    call_id = read_stream(answer.body).chunks[1]["choices"][0]["delta"]["tool_calls"][0]["id"]
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", first["id"])
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", call_id)
    head = (
        f'data: {{"id":"{first["id"]}","object":"chat.completion.chunk","created":{first["created"]},"model":"tool",'
        '"choices":['
    )

    def chunk(delta: str, finish: str = "null") -> str:
        choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}'
        return f'{head}{choice}],"usage":null}}\n\n'

    start = f'{{"index":0,"id":"{call_id}","type":"function","function":{{"name":"now","arguments":""}}}}'
    assert answer.body.decode() == "".join(
        [
            chunk('{"role":"assistant","content":null,"refusal":null}'),
            chunk(f'{{"tool_calls":[{start}]}}'),
            chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"zone\\":\\"UTC\\"}"}}]}'),
            chunk("{}", '"tool_calls"'),
            f'{head}],"usage":{{"prompt_tokens":31,"completion_tokens":12,"total_tokens":43}}}}\n\n',
            "data: [DONE]\n\n",
        ]
    )


def joined(body: bytes) -> dict[str, Any]:
    """What a client makes of a stream of one choice: the message of an answer that is not streamed."""
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, Any]] = {}
    finish = None
    for choice in (choice for chunk in read_stream(body).chunks for choice in chunk["choices"]):
        for call in choice["delta"].pop("tool_calls", ()):
            known = calls.setdefault(call.pop("index"), {"function": {"arguments": ""}})
            function = call.pop("function", {})
            known["function"]["arguments"] += function.pop("arguments", "")
            known["function"].update(function)
            known.update(call)
        for key, value in choice["delta"].items():
            message[key] = value if message.get(key) is None else message[key] + (value or "")
        finish = choice["finish_reason"] or finish
    return {"message": message, "calls": list(calls.values()), "finish": finish}


async def test_streamed_and_whole_answers_say_the_same(gateway: Daemon) -> None:
    """One sequence of events has one meaning."""
    for model in ("everything", "declining", "cut short", "empty", "odd", "tool"):
        asked = chat(model=model, stream_options={"include_usage": True}, stream=True)
        streamed = await ask(gateway.url, "POST", "/", asked)
        whole = (await ask(gateway.url, "POST", "/", chat(model=model))).json
        told, (choice,) = joined(streamed.body), whole["choices"]
        message = {key: value for key, value in choice["message"].items() if key not in ("tool_calls", "annotations")}
        assert {"refusal": None, **told["message"]} == message
        assert told["finish"] == choice["finish_reason"]
        calls = choice["message"].get("tool_calls", [])
        assert [call["function"] for call in told["calls"]] == [call["function"] for call in calls]
        usage = read_stream(streamed.body).chunks[-1]
        assert (usage["choices"], usage["usage"]) == ([], whole["usage"])


async def test_a_stream_leaves_its_connection_open_for_the_next_request(gateway: Daemon) -> None:
    async with connected(gateway.url) as connection:
        for _ in range(3):
            await connection.send(request("POST", "/", chat(model="tool", stream=True)))
            answer = await connection.answer()
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert "connection" not in answer.headers
