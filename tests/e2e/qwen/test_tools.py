"""Tools at a site that has none: told as text, called as text, answered as text."""

import json
from typing import Any

import pytest

from proxy.dialects import DIALECTS, PastCall, PastResult
from proxy.testing.qwen import Says
from tests.e2e.wire import Answer

DIALECT = "json"
CALL = DIALECTS[DIALECT].call_text(PastCall("weather", '{"city":"Porto"}'))


def tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "description": f"The {name}.", "parameters": parameters}}


TOOLS = [tool("weather")]
ASKED = {"role": "user", "content": "Porto?"}


def told(answer: Answer) -> dict[str, Any]:
    """The message of an answer that is well, as a client keeps it."""
    assert answer.status == 200, answer.body
    message: dict[str, Any] = answer.json["choices"][0]["message"]
    return message


def results(message: dict[str, Any], *contents: str) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": content}
        for call, content in zip(message["tool_calls"], contents, strict=True)
    ]


async def test_tools_are_told_once_called_in_text_and_answered_in_the_next_turn(start):
    daemon = await start(model={"dialect": DIALECT})
    daemon.site.answers(Says(CALL), Says("Sunny."))
    called = told(await daemon.ask(ASKED, tools=TOOLS))
    (call,) = called["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("weather", {"city": "Porto"})

    answer = told(await daemon.ask(ASKED, called, *results(called, "sun"), tools=TOOLS))
    first, second = daemon.site.completions
    assert answer["content"] == "Sunny."
    assert [each["role"] for each in first["messages"]] == ["system", "user"]
    assert "weather" in first["messages"][0]["content"]
    (user,) = second["messages"]
    assert user["content"] == DIALECTS[DIALECT].result_text(PastResult("weather", 1, 1, "sun"))
    assert len(daemon.site.chats) == 1


async def test_every_result_is_told_in_order_and_then_the_users_words(start):
    daemon = await start(model={"dialect": DIALECT})
    daemon.site.answers(Says(f"{CALL}\n{CALL}"), Says("Sunny."))
    called = told(await daemon.ask(ASKED, tools=TOOLS))
    assert len(called["tool_calls"]) == 2
    await daemon.ask(ASKED, called, *results(called, "sun", "rain"), {"role": "user", "content": "So?"}, tools=TOOLS)

    content = daemon.site.completions[-1]["messages"][0]["content"]
    assert content.index("sun") < content.index("rain") < content.index("So?")
    assert content.endswith("\n\nSo?")
    assert daemon.session == "hit"


@pytest.mark.parametrize(("tools", "word"), [([tool("clock")], "clock"), ([], "No tools are available now.")])
async def test_changed_tools_are_announced_in_the_same_chat(start, tools, word):
    daemon = await start(model={"dialect": DIALECT})
    first = told(await daemon.ask(ASKED, tools=TOOLS))
    await daemon.ask(ASKED, first, {"role": "user", "content": "And now?"}, **({"tools": tools} if tools else {}))

    content = daemon.site.completions[-1]["messages"][0]["content"]
    assert content.index(word) < content.index("And now?")
    assert len(daemon.site.chats) == 1


async def test_a_replay_tells_calls_and_results_in_the_words_of_the_dialect(start):
    daemon = await start(model={"dialect": DIALECT})
    daemon.site.answers(Says(CALL), Says("Sunny."), Says("Still."))
    called = told(await daemon.ask(ASKED, tools=TOOLS))
    history = [ASKED, called, *results(called, "sun")]
    answer = told(await daemon.ask(*history, tools=TOOLS))
    daemon.site.forget()
    await daemon.ask(*history, answer, {"role": "user", "content": "And now?"}, tools=TOOLS)

    system, user = daemon.site.completions[-1]["messages"]
    assert "weather" in system["content"]
    for words in (f"[Assistant]\n{CALL}", "sun", "[Assistant]\nSunny.", "And now?"):
        assert words in user["content"]


async def test_after_a_single_call_the_site_is_stopped_unless_it_ends_by_itself(start):
    daemon = await start(model={"dialect": DIALECT})
    daemon.site.answers(Says((CALL, "\n")), Says("Sunny."))
    called = told(await daemon.ask(ASKED, tools=TOOLS, parallel_tool_calls=False))
    await daemon.ask(ASKED, called, *results(called, "sun"), tools=TOOLS, parallel_tool_calls=False)

    assert (daemon.site.stops, daemon.session) == ([], "hit")
