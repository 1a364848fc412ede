"""What the site is told, and how its answers come through, over sockets."""

import asyncio

import pytest

from proxy.testing.mix_site import DONE, FINISH, START, Cut, Event, Raw, Script, Stall, delta
from tests.e2e.wire import ask, connected, request
from tests.upstreams.mix.world import MODEL, world

STREAMED = pytest.mark.parametrize("stream", [True, False])
FORMS = pytest.mark.parametrize("form", ["sse", "json"])


@STREAMED
@FORMS
async def test_the_form_is_judged_by_what_comes_and_not_by_what_was_asked(stream, form):
    async with world(Script(form=form), upstream={"upstream_stream": "match"}) as (caller, site):
        assert await caller.says("Hi.", stream=stream) == "Hello."
        assert site.turns[0].body["stream"] is stream


async def test_a_turn_as_it_is_sent():
    upstream = {
        "persona": "p-1", "referer": "https://ref.example/", "extra_headers": {"x-app": "secret-app"},
        "extra_body": {"request": {"modes": {"deep": True}}, "tag": "t"},
        "credential": {"mode": "static", "token": "tok-static"},
    }  # fmt: skip
    async with world(upstream=upstream) as (caller, site):
        await caller.says("Hi.", temperature=0.5, top_p=0.9, max_tokens=77, seed=7)
        (turn,) = site.turns

    assert turn.body == {
        "request": {
            "agent_slug": "web-general", "model_slug": "demo-large", "modes": {"search": True, "deep": True},
            "locale": {"location": "Asia/Shanghai", "language": "zh-CN"}, "query": "Hi.", "persona_id": "p-1",
        },
        "is_personalized": True, "stream": True, "messages": [{"role": "user", "content": "Hi."}],
        "max_tokens": 77, "temperature": 0.5, "top_p": 0.9, "tag": "t",
    }  # fmt: skip
    sent = turn.headers
    assert sent["accept"] == "text/event-stream, application/json;q=0.9"
    assert (sent["cache-control"], sent["content-type"]) == ("no-cache", "application/json")
    assert (sent["authorization"], sent["x-app"], sent["referer"]) == (
        "Bearer tok-static",
        "secret-app",
        "https://ref.example/",
    )
    assert sent["accept-language"] == "zh-CN,zh;q=0.9,en;q=0.8"
    assert caller.answer.headers["x-ignored-params"] == "seed"
    assert sent["x-request-id"] == caller.answer.headers["x-request-id"]


async def test_nothing_of_the_callers_is_forwarded():
    headers = {"Authorization": "Bearer sk-caller", "Cookie": "a=b", "X-Exchange-Id": "exch-x", "User-Agent": "curl/8"}
    async with world() as (caller, site):
        await caller.says("Hi.", headers=headers, exchange_id="exch-y", session_id="mine")
        (turn,) = site.turns

    assert not {"authorization", "cookie", "x-exchange-id", "user-agent"} & {name.lower() for name in turn.headers}
    assert not {"session_id", "exchange_id"} & turn.body.keys()


async def test_a_limit_of_output_is_always_told_and_is_not_small():
    """Answers cut at 1,024 tokens because the caller asked for no number would look like the model's fault."""
    async with world() as (caller, site):
        await caller.says("Hi.")

    assert site.turns[0].body["max_tokens"] == 8192


@pytest.mark.parametrize("text_in", ["query", "messages", "both"])
async def test_which_field_carries_the_turn(text_in):
    async with world(upstream={"text_in": text_in}) as (caller, site):
        caller.messages = [{"role": "system", "content": "Be brief."}]
        await caller.says("Hi.")
        (turn,) = site.turns

    assert ("messages" in turn.body) == (text_in != "query")
    assert turn.query == ("Hi." if text_in == "messages" else "[Instructions]\nBe brief.\n\n[Current question]\nHi.")


async def test_native_tools_are_told_on_every_turn():
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
    async with world(model={"tools": "native"}) as (caller, site):
        for text in ("One?", "Two?", "Three?"):
            await caller.says(text, tools=[tool], tool_choice="auto")

    assert [turn.body["tools"] for turn in site.turns] == [[tool]] * 3
    assert [turn.body["tool_choice"] for turn in site.turns] == ["auto"] * 3


@pytest.mark.parametrize("last", [{"role": "assistant", "content": "x"}, {"role": "user", "content": " "}])
async def test_without_anything_to_answer_nothing_is_sent(last):
    async with world() as (caller, site):
        caller.messages = [{"role": "user", "content": " "}, last]
        answer = await caller.sends()

    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", "messages")
    assert site.turns == []


@STREAMED
async def test_bytes_one_by_one(stream):
    async with world(Script(byte_by_byte=True)) as (caller, _):
        assert await caller.says("Hi.", stream=stream) == "Hello."


@STREAMED
async def test_a_socket_left_open_after_the_finish_is_closed_by_us(stream):
    steps = (START, delta("Hello."), FINISH)
    async with world(Script(steps=steps, holds_open=True)) as (caller, _):
        assert await caller.says("Hi.", stream=stream) == "Hello."


@pytest.mark.parametrize("cut", range(5))
@STREAMED
async def test_a_cut_at_any_event_is_never_told_as_the_end(cut, stream):
    whole = (START, delta("Hel"), delta("lo."), Event({"type": "text-end"}), FINISH)
    async with world(Script(steps=(*whole[:cut], Cut()))) as (caller, _):
        caller.messages = [{"role": "user", "content": "Hi."}]
        answer = await caller.sends(stream=stream)

    if stream and cut >= 2:
        assert b"upstream_truncated" in answer.body
        assert b"[DONE]" not in answer.body
    else:
        assert (answer.status, answer.error["code"]) == (
            502,
            "upstream_disconnected" if not cut else "upstream_truncated",
        )


@pytest.mark.parametrize(
    ("script", "clocks"),
    [(Script(stalls_before=True), {"first_event": 0.1}), (Script(steps=(START, Stall())), {"first_event": 0.1}),
     (Script(body={"text": "Hello."}, steps=(Stall(),)), {"first_event": 0.1}),
     (Script(steps=(START, delta("x"), Stall())), {"idle": 0.1})],
    ids=["before headers", "in the stream", "in a JSON body", "after a delta"],
)  # fmt: skip
async def test_a_stall_ends_by_its_clock(script, clocks):
    async with world(script, clocks=clocks) as (caller, _):
        caller.messages = [{"role": "user", "content": "Hi."}]
        answer = await caller.sends(stream=False)

    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")


@STREAMED
async def test_an_error_in_the_stream_is_told(stream):
    steps = (START, delta("Hel"), Event({"type": "error", "errorText": "too many requests"}), FINISH, DONE)
    async with world(Script(steps=steps)) as (caller, _):
        caller.messages = [{"role": "user", "content": "Hi."}]
        answer = await caller.sends(stream=stream)

    assert b"upstream_rate_limited" in answer.body
    assert b"[DONE]" not in answer.body


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (Script(status=500, body={"error": "kaputt"}), 502, "upstream_error"),
        (Script(status=429, body={"error": "slow down"}), 429, "upstream_rate_limited"),
        (Script(status=404, body={"error": "no such path"}), 404, "model_not_found"),
        (Script(status=302, headers={"Location": "http://127.0.0.1:9/"}, body=b""), 502, "upstream_protocol"),
        (Script(body=b"<html>log in", headers={"Content-Type": "text/html"}), 502, "upstream_challenge"),
        (Script(body=b"hello", headers={"Content-Type": "text/plain"}), 502, "upstream_protocol"),
        (Script(body={"answer": "x"}), 502, "upstream_protocol"),
        (Script(body={"success": False, "message": "prompt too long"}), 400, "context_length_exceeded"),
        (Script(steps=(START, Raw(b'data: {"type":"text-del\n\n'))), 502, "upstream_protocol"),
    ],
)  # fmt: skip
async def test_what_fails_is_told_as_what_it_is(script, status, code):
    async with world(script) as (caller, site):
        caller.messages = [{"role": "user", "content": "Hi."}]
        answer = await caller.sends()

    assert (answer.status, answer.error["code"]) == (status, code)
    assert len(site.turns) == 1


async def test_a_caller_who_leaves_closes_the_connection():
    async with world(Script(steps=(START, delta("Hel"), Stall()))) as (caller, _):
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "Hi."}]}
        async with connected(caller.gateway.url) as connection:
            await connection.send(request("POST", "/v1/chat/completions", body))
            await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            while not caller.gateway.ended:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
    assert caller.gateway.ended[0].state == "client_abort"


async def test_a_large_json_answer_does_not_hang():
    """Where an answer is copied to be looked at first, nobody reads the copy."""
    async with world(Script(body={"text": "x" * 3_000_000})) as (caller, _):
        assert len(await caller.says("Hi.")) == 3_000_000


async def test_over_the_budget_no_call_is_made():
    async with world(model={"max_input_tokens": 100}) as (caller, site):
        caller.messages = [{"role": "user", "content": "word " * 500}]
        answer = await caller.sends()

    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert site.turns == []


async def test_trimmed_turns_are_summed_up_in_their_own_section():
    model = {
        "max_input_tokens": 120,
        "budget": {"trim": "oldest", "keep_messages": 1, "summary": True, "summary_max_chars": 80},
    }
    async with world(model=model) as (caller, site):
        caller.messages = [{"role": "user", "content": "old " * 200}, {"role": "assistant", "content": "Yes, old."}]
        await caller.says("New?")

    assert site.turns[0].query == "[Summary of earlier turns]\nAssistant: Yes, old.\n\n[Current question]\nNew?"
    assert caller.answer.headers["x-trimmed-messages"] == "2"


async def test_without_any_base_nobody_is_asked():
    async with world(upstream={"base_url": ""}) as (caller, _):
        caller.messages = [{"role": "user", "content": "Hi."}]
        answer = await caller.sends()

    assert (answer.status, answer.error["code"]) == (503, "upstream_unavailable")


async def test_the_models_of_a_prefix_are_one_entry():
    """A model's name there is what follows the last slash."""
    async with world(model={"upstream_model": None}) as (caller, site):
        body = {"model": "mix/team/demo-any", "messages": [{"role": "user", "content": "Hi."}]}
        answer = await ask(caller.gateway.url, "POST", "/v1/chat/completions", body)

    assert site.turns[0].body["request"]["model_slug"] == "demo-any"
    assert answer.status == 200


TOOL = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object"}}}


@STREAMED
async def test_tools_are_told_as_text_on_every_turn_and_calls_come_back_as_calls(stream):
    """Told every n-th turn only, a model forgets them."""
    call = Script(steps=(START, delta('{"tool_calls": [{"name": "now", "arg'), delta('uments": {}}]}'), FINISH, DONE))
    async with world(call, Script()) as (caller, site):
        caller.messages = [{"role": "user", "content": "What time is it?"}]
        answer = await caller.sends(stream=False, tools=[TOOL])
        message = answer.json["choices"][0]["message"]
        made = message["tool_calls"][0]
        assert (made["function"]["name"], made["function"]["arguments"]) == ("now", "{}")

        result = {"role": "tool", "tool_call_id": made["id"], "content": "12:00"}
        caller.messages += [{"role": "assistant", "content": None, "tool_calls": message["tool_calls"]}, result]
        await caller.says("And now?", stream=stream, tools=[TOOL])
    first, second = site.turns

    assert "tools" not in first.body
    assert all("now" in turn.query and turn.query.count("The time.") == 1 for turn in site.turns)
    assert second.body["session_id"] == "sess-1"
    assert second.query.startswith("[Tool results]\n")
    assert "12:00" in second.query
    assert "[Current question]\nAnd now?" in second.query
