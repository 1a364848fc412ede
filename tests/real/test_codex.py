"""A real codex process behind the gateway: what must hold of it as a chat model."""

import asyncio
import os
import signal
import socket

import pytest

from proxy.testing.responses_endpoint import Call, Cut, End, Pause, Reply, Stall, Text, Thought
from proxy.upstreams.codex.names import alias_of
from tests.real.codex_world import codex_world, compact, needs_codex, noise, results, tools, user
from tests.upstreams.child.conftest import until

pytestmark = [pytest.mark.real, needs_codex]

PIECES = ["ha", " ha", " ha", " \n", "\n", "10", "0", ' "<"']
LONG = Reply((Text(("word ",) * 200, every_s=0.05),))
TWO_CALLS = Reply((Text(("Let me ", "look.")), Call("look", '{"id": "0"}', "call_A"), Call("find", "{}", "call_B")))
TOOLS = tools("look", "find")


def deltas(frames):
    found = (choice["delta"].get("content") for frame in frames.chunks for choice in frame["choices"])
    return [text for text in found if text]


async def test_deltas_come_byte_for_byte_streamed_and_whole():
    async with codex_world(Reply((Thought("hm"), Text(tuple(PIECES))))) as world:
        frames = await world.stream("hi", stream_options={"include_usage": True})
        whole = await world.say("hello")

        assert deltas(frames) == PIECES
        assert whole["content"] == "".join(PIECES)
        assert whole["reasoning_content"] == "hm"
        assert frames.chunks[-1]["usage"]["total_tokens"] == 18
        assert frames.done


async def test_a_process_killed_before_an_answer_is_not_noticed():
    async with codex_world(Reply((Stall(),)), Reply.says("fine")) as world:
        asking = asyncio.ensure_future(world.ask("hi"))  # noqa: TID251 - a test's own
        await world.model.call()

        os.kill(world.slot.ready.pid, signal.SIGKILL)

        status, told = await asking
        assert (status, told["choices"][0]["message"]["content"]) == (200, "fine")
        assert world.model.received[1].texts == ["hi"]
        assert world.paths() == [
            "validate>auth>session>upstream>backoff>upstream>read>tool_parse>render>done",
        ]


async def test_a_process_killed_in_an_answer_breaks_it_off_and_another_is_ready_soon():
    async with codex_world(LONG) as world:
        async with world.post("hi", stream=True) as answer:
            await answer.content.readuntil(b"word")
            pid = world.slot.ready.pid
            os.kill(pid, signal.SIGKILL)
            rest = (await answer.content.read()).decode()

        assert rest.count('"error"') == 1
        assert "upstream_truncated" in rest
        assert "[DONE]" not in rest
        await until(lambda: world.slot.ready is not None and world.slot.ready.pid != pid)


async def test_a_caller_who_leaves_is_seen_by_the_model_within_a_second():
    async with codex_world(LONG, Reply.says("after")) as world:
        async with world.post("first", stream=True) as answer:
            await answer.content.readuntil(b"word")
            left_s = asyncio.get_running_loop().time()
            answer.close()

        asked = await world.model.call()
        assert await asked.left() - left_s < 1.0

        await until(lambda: world.server.turns == 0)
        await world.say("first")
        assert world.model.received[1].texts == ["first"]
        assert "abort" not in compact(world.model.received[1].body["input"])


async def test_a_turn_after_an_interrupt_knows_nothing_of_it():
    """Codex leaves a note in a thread that was interrupted, and loses what was said."""
    async with codex_world(Reply.says("one"), LONG, Reply.says("two")) as world:
        history = [user("a"), await world.say("a"), user("b")]
        async with world.post(history, stream=True) as answer:
            await answer.content.readuntil(b"word")
            answer.close()
        await (await world.model.call(2)).left()

        await world.say(history)

        assert [item["content"][0]["text"] for item in world.model.received[2].items] == ["a", "one", "b"]


async def test_a_model_that_is_not_there_is_told_at_once():
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{placeholder.getsockname()[1]}/v1"
        async with codex_world(tables={"retry": {"attempts": 1}}, base_url=url) as world:
            async with asyncio.timeout(5):
                status, told = await world.ask("hi")

    assert (status, told["error"]["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "reversed"])
async def test_each_result_reaches_the_model_once(turned):
    async with codex_world(TWO_CALLS, Reply.says("done")) as world:
        message = await world.say("go", tools=TOOLS)
        assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"id": "0"}', "{}"]
        brought = results(message, "Ada", "Bob")
        history = [user("go"), message, *(reversed(brought) if turned else brought)]

        assert (await world.say(history, tools=TOOLS))["content"] == "done"

        assert world.model.received[1].outputs() == {"call_A": ["Ada"], "call_B": ["Bob"]}
        assert len(world.model.received) == 2


@pytest.mark.parametrize("how", ["expiry", "restart"])
async def test_results_that_come_too_late_are_told_in_a_new_thread_once(how):
    async with codex_world(TWO_CALLS, Reply.says("done"), park_s=0.2 if how == "expiry" else 300) as world:
        message = await world.say("go", tools=TOOLS)
        if how == "expiry":
            await until(lambda: len(world.server.running.threads) == 0)
        else:
            pid = world.slot.ready.pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda: world.slot.ready is None)

        history = [user("go"), message, *results(message, "Ada", "Bob")]
        assert (await world.say(history, tools=TOOLS))["content"] == "done"

        sent = world.model.received[1]
        assert sent.outputs() == {"call_A": ["Ada"], "call_B": ["Bob"]}
        assert [item["type"] for item in sent.items].count("function_call") == 2
        assert sent.texts == ["go"]


async def test_a_retry_after_a_failure_of_the_provider_says_everything_once():
    async with codex_world(Reply.fails(500), Reply.says("fine")) as world:
        assert (await world.say("only once"))["content"] == "fine"

        assert [request.texts for request in world.model.received] == [["only once"], ["only once"]]


async def test_a_stream_that_breaks_off_is_not_taken_up_by_codex_itself():
    async with codex_world(Reply((Text(("half",)), Cut()))) as world:
        frames = await world.stream("hi")

        assert deltas(frames) == ["half"]
        assert frames.error["code"] in ("upstream_truncated", "upstream_disconnected")
        assert len(world.model.received) == 1


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (Reply.fails(401), 502, "upstream_auth_failed"),
        (Reply.fails(429), 429, "upstream_rate_limited"),
        (Reply.fails(500), 502, "upstream_error"),
        (Reply.fails(503), 502, "upstream_error"),
        (
            Reply.fails(400, {"error": {"message": "no such field", "type": "invalid_request_error"}}),
            400,
            "invalid_value",
        ),
        (
            Reply((End("failed", {"error": {"code": "context_length_exceeded", "message": "too long"}}),)),
            400,
            "context_length_exceeded",
        ),
        (
            Reply((End("failed", {"error": {"code": "insufficient_quota", "message": "none"}}),)),
            429,
            "insufficient_quota",
        ),
        (Reply((Cut(),)), 502, "upstream_disconnected"),
    ],
    ids=["401", "429", "500", "503", "400", "context", "quota", "cut"],
)
async def test_failures_of_the_provider_are_told_as_what_they_are(reply, status, code):
    async with codex_world(reply, tables={"retry": {"attempts": 1}}) as world:
        async with asyncio.timeout(8):
            told = await world.ask("hi")

        assert (told[0], told[1]["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
async def test_an_answer_that_the_provider_ends_early(reason, finish):
    reply = Reply((Text(("half",)), End("incomplete", {"incomplete_details": {"reason": reason}})))
    async with codex_world(reply) as world:
        _, told = await world.ask("hi")

        assert told["choices"][0]["message"]["content"] == "half"
        assert told["choices"][0]["finish_reason"] == finish


async def test_what_is_large_arrives_whole():
    result, answer = "r" * 200_000, "a" * 2_000_000
    image = noise(1000)
    assert len(image) > 3_000_000
    tables = {"server": {"max_body_bytes": 20_000_000}}
    async with codex_world(TWO_CALLS, Reply.says(answer), tables=tables) as world:
        pictured = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": image}}]
        asked = {"role": "user", "content": pictured}
        message = await world.say([asked], tools=TOOLS)
        assert world.model.received[0].items[0]["content"][-1]["image_url"] == image

        whole = await world.say([asked, message, *results(message, result, "x")], tools=TOOLS)

        assert whole["content"] == answer
        assert world.model.received[1].outputs()["call_A"] == [result]


async def test_tools_whose_names_codex_refuses_work_under_an_alias():
    names = ["mcp__fs__read", "a.b", "x" * 90]
    reply = Reply.calls(*(Call(alias_of(name), "{}", f"c{number}") for number, name in enumerate(names)))
    async with codex_world(reply, Reply.says("done")) as world:
        message = await world.say("go", tools=tools(*names))
        assert [call["function"]["name"] for call in message["tool_calls"]] == names

        await world.say([user("go"), message, *results(message, "1", "2", "3")], tools=tools(*names))
        assert world.model.received[1].outputs() == {"c0": ["1"], "c1": ["2"], "c2": ["3"]}


async def test_a_schema_that_is_strict_is_asked_of_the_model():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    async with codex_world() as world:
        await world.say("hi", response_format=wanted)

        told = world.model.received[0].body["text"]["format"]
        assert (told["type"], told["strict"], told["schema"]) == ("json_schema", True, schema)


async def test_a_conversation_that_is_kept_on_disk_outlives_its_process(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with codex_world(Reply.says("one"), Reply.says("two"), persist=True) as world:
        history = [{"role": "system", "content": "Be terse."}, user("a")]
        history += [await world.say(history), user("b")]
        os.kill(world.slot.ready.pid, signal.SIGKILL)
        await until(lambda: world.slot.ready is None)
        await until(lambda: world.slot.ready is not None)

        await world.say(history)

        sent = [(item["role"], item["content"][0]["text"]) for item in world.model.received[1].items]
        assert sent == [("developer", "Be terse."), ("user", "a"), ("assistant", "one"), ("user", "b")]
        assert world.model.received[1].body["tools"] == []
        assert [x.conversation.status for x in world.gateway.ended] == ["new", "hit"]


async def test_turns_at_once_do_not_mix():
    def choose(body):
        asked = body["input"][-1]["content"][0]["text"]
        return Reply((Text((asked, " ", asked), every_s=0.02), Pause(0.02)))

    async with codex_world(choose=choose) as world:
        said = await asyncio.gather(*(world.say(f"n{number}") for number in range(16)))

        assert [message["content"] for message in said] == [f"n{number} n{number}" for number in range(16)]


async def test_a_stop_string_ends_the_answer_and_the_turn():
    async with codex_world(LONG) as world:
        message = await world.say("hi", stop="word word")

        assert message["content"] == ""
        await (await world.model.call()).left()
