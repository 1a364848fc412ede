"""A long conversation of a real client, over restarts of everything: the site's tree shows what was meant to be there.

The daemons are processes, the store is a real Redis or Valkey, the client is OpenAI's own package, and the site keeps
its chats as trees.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from proxy.testing.process import Daemon
from proxy.testing.qwen import QwenSite, Says
from proxy.testing.redis_server import RedisServer, valkey
from tests.e2e.wire import Json

pytestmark = pytest.mark.real

MODEL = "qwen3-max"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
CALL = "<weather><city>Lisbon</city></weather>"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(valkey(), folder=tmp_path / "redis", durable=True) as server:
        yield server


def config(site: QwenSite, redis: RedisServer) -> Json:
    return {
        "auth": {"keys": [{"name": "dev", "key": "sk-dev"}]},
        "session": {"store": redis.url, "redis_timeout_s": 2.0},
        "upstreams": [
            {
                "name": "site",
                "kind": "qwen",
                "base_url": site.url,
                "credential": {"mode": "static", "token": "t", "cookies": "c=1"},
            }
        ],
        "models": [{"id": MODEL, "upstream": "site"}],
    }


class Talk:
    """A client that keeps the history, as clients do."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.session_ids: set[str] = set()

    @asynccontextmanager
    async def over(self, *daemons: Daemon) -> AsyncIterator[None]:
        """Talk to daemons, which take turns."""
        async with AsyncExitStack() as open_ones:
            clients = [AsyncOpenAI(base_url=f"{each.url}/v1", api_key="sk-dev", max_retries=0) for each in daemons]
            for client in clients:
                await open_ones.enter_async_context(client)
            self._clients = cycle(clients)
            yield

    async def say(self, text: str, *, stream: bool = False) -> str:
        """One turn of the user's."""
        self.messages.append({"role": "user", "content": text})
        return await self.ask(stream=stream)

    async def ask(self, *, stream: bool = False) -> str:
        """Ask with the history as it is, and add the answer to it."""
        chat = next(self._clients).chat.completions
        asked: dict[str, Any] = {"model": MODEL, "messages": self.messages, "tools": TOOLS}
        if stream:
            raw = await chat.with_raw_response.create(**asked, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in raw.parse()])
            self.messages.append({"role": "assistant", "content": text})
        else:
            raw = await chat.with_raw_response.create(**asked)
            message = raw.parse().choices[0].message
            self.messages.append(message.model_dump(exclude_none=True))
            text = message.content or ""
        self.session_ids.add(raw.headers["x-session-id"])
        return text

    def result(self, text: str) -> None:
        """What the tool says to the calls of the last answer."""
        for call in self.messages[-1]["tool_calls"]:
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})


async def test_twenty_turns_with_tools_an_edit_and_a_regenerate_over_restarts(
    tmp_path: Path, redis: RedisServer
) -> None:
    """The chat has one way of twenty turns, and a branch where a turn was edited, and one where it was asked again."""
    talk = Talk()
    async with QwenSite() as site:
        with Daemon(config(site, redis), folder=tmp_path / "a") as daemon:
            async with talk.over(daemon):
                await eight_turns_with_a_tool(talk, site)
        redis.kill()
        redis.start()
        with Daemon(config(site, redis), folder=tmp_path / "b") as daemon:
            async with talk.over(daemon):
                first_answer = await edited_asked_again_and_gone_on_with(talk, site)
            sessions = {line["session"] for line in daemon.lines(event="request.completed")}
        (chat,) = site.chats.values()
        ways = [[said.splitlines()[0] for said in way] for way in chat.branches()]

    assert sessions == {"hit"}
    assert len(talk.session_ids) == 1
    start = [f"Question {turn}." for turn in range(1, 5)]
    tool = ["Question 5: is it warm?", "Result of tool weather (call 1 of 1):", "Question 6."]
    rest = [f"Question {turn}." for turn in range(7, 21)]
    assert sorted(ways, key=len) == [
        [*start, *tool, "Question 7, put otherwise."],
        [*start, *tool, *rest[:6]],
        [*start, *tool, *rest],
    ]
    assert ("assistant", "Another answer 12.") in site.contexts[-1]
    assert ("assistant", first_answer) not in site.contexts[-1]


async def eight_turns_with_a_tool(talk: Talk, site: QwenSite) -> None:
    """The fifth turn calls a tool, in the text of its answer."""
    for turn in range(1, 5):
        assert await talk.say(f"Question {turn}.", stream=turn % 2 == 0) == f"Answer {turn}."
    site.answers(Says(f"Let me see.\n{CALL}"), "It is warm.")
    assert await talk.say("Question 5: is it warm?") == "Let me see."
    assert talk.messages[-1]["tool_calls"][0]["function"]["arguments"] == '{"city":"Lisbon"}'
    talk.result("23 degrees")
    assert await talk.ask() == "It is warm."
    for turn in range(6, 9):
        await talk.say(f"Question {turn}.", stream=turn % 2 == 0)


async def edited_asked_again_and_gone_on_with(talk: Talk, site: QwenSite) -> str:
    """The seventh turn is edited, and that left again; the twelfth is asked again: its first answer."""
    whole = list(talk.messages)
    seventh = next(index for index, each in enumerate(whole) if each.get("content") == "Question 7.")
    talk.messages = whole[:seventh]
    await talk.say("Question 7, put otherwise.")

    talk.messages = whole
    for turn in range(9, 13):
        await talk.say(f"Question {turn}.")
    first_answer = str(talk.messages.pop()["content"])
    site.answers("Another answer 12.")
    assert await talk.ask() == "Another answer 12."
    for turn in range(13, 21):
        await talk.say(f"Question {turn}.", stream=turn % 2 == 0)
    return first_answer


async def test_two_daemons_on_one_redis_go_on_with_each_others_conversations(
    tmp_path: Path, redis: RedisServer
) -> None:
    """Turn by turn from one to the other, and both come back to it after a restart."""
    async with QwenSite() as site:
        folders = [tmp_path / name for name in ("a", "b")]
        talk = Talk()
        for first in (1, 7):
            with ExitStack() as running:
                daemons = [running.enter_context(Daemon(config(site, redis), folder=folder)) for folder in folders]
                async with talk.over(*daemons):
                    for turn in range(first, first + 6):
                        assert await talk.say(f"Question {turn}.", stream=turn % 3 == 0) == f"Answer {turn}."
                for daemon in daemons:
                    await daemon.line(3, event="request.completed")

        (chat,) = site.chats.values()
        assert [len(way) for way in chat.branches()] == [12]
    assert len(talk.session_ids) == 1
