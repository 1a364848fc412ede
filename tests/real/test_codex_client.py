"""The official client, through the daemon as a process, on a real codex process: streaming, with tools."""

import json

import pytest
from openai import AsyncOpenAI

from proxy.testing.responses_endpoint import Call, Reply, ResponsesEndpoint, Text
from tests.real.codex_world import codex_config, needs_codex, tools

pytestmark = [pytest.mark.real, needs_codex]

STEPS = (
    Reply((Text(("First, ", "find her.")), Call("find", '{"id": "ada"}', "call_1"))),
    Reply((Call("look", '{"id": "1"}', "call_2"), Call("look", '{"id": "2"}', "call_3"))),
    Reply((Text(("Now ", "write.")), Call("write", '{"id": "note"}', "call_4"))),
    Reply.says("All ", "done."),
)


async def test_a_loop_of_three_tool_steps_is_one_turn_of_codex(daemon):
    async with ResponsesEndpoint(*STEPS) as model:
        running = daemon(codex_config(model.base_url))
        messages = [{"role": "system", "content": "Use tools."}, {"role": "user", "content": "Write to Ada."}]
        texts, called = [], []
        async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="sk", timeout=30, max_retries=0) as client:
            for _ in range(len(STEPS)):
                async with client.chat.completions.stream(
                    model="m", messages=messages, tools=tools("find", "look", "write")
                ) as stream:
                    completion = await stream.get_final_completion()
                [choice] = completion.choices
                texts.append(choice.message.content)
                if choice.finish_reason != "tool_calls":
                    break
                messages.append(choice.message.model_dump(exclude_none=True, exclude={"parsed"}))
                for call in choice.message.tool_calls:
                    called.append((call.function.name, json.loads(call.function.arguments)["id"]))
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": f"result of {call.id}"})

        await running.line(len(STEPS), event="request.completed")
        lines = running.lines(event="request.completed")
        assert texts == ["First, find her.", None, "Now write.", "All done."]
        assert called == [("find", "ada"), ("look", "1"), ("look", "2"), ("write", "note")]
        assert [line["session"] for line in lines] == ["new", "hit", "hit", "hit"]
        assert model.received[-1].outputs() == {f"call_{n}": [f"result of call_{n}"] for n in range(1, 5)}
        assert len(model.received) == 4
        assert model.strays == []
