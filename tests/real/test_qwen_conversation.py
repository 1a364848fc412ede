"""The official client holds a long conversation with a site that keeps it, and the site's tree has what it should."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from proxy.testing.process import Daemon
from proxy.testing.qwen import QwenSite

pytestmark = pytest.mark.real

TURNS, RESTARTS_AFTER, EDITED, REGENERATED = 20, 10, 7, 12


class Talk:
    """One client's side of a conversation, over a daemon that may be another each time."""

    def __init__(self) -> None:
        self.history: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief."}]

    async def ask(self, daemon: Daemon, text: str, *, stream: bool) -> None:
        asked: list[ChatCompletionMessageParam] = [*self.history, {"role": "user", "content": text}]
        async with AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="sk-ann", timeout=30, max_retries=0) as client:
            if stream:
                pieces = await client.chat.completions.create(model="qwen3-max", messages=asked, stream=True)
                said = "".join([piece.choices[0].delta.content or "" async for piece in pieces if piece.choices])
            else:
                answer = await client.chat.completions.create(model="qwen3-max", messages=asked)
                said = answer.choices[0].message.content or ""
        self.history = [*asked, {"role": "assistant", "content": said}]

    def up_to(self, turn: int) -> "Talk":
        """The same conversation as it stood before a turn."""
        other = Talk()
        other.history = self.history[: 1 + 2 * (turn - 1)]
        return other


@pytest.fixture
async def site() -> AsyncIterator[QwenSite]:
    async with QwenSite() as listening:
        yield listening


def config(site: QwenSite) -> dict[str, Any]:
    credential = {"mode": "static", "token": "umid-token-1", "cookies": "cna=abcdef12"}
    return {
        "auth": {"keys": [{"name": "ann", "key": "sk-ann"}]},
        "upstreams": [{"name": "site", "kind": "qwen", "base_url": site.url, "credential": credential}],
        "models": [{"id": "qwen3-max", "upstream": "site"}],
    }


async def test_twenty_turns_an_edit_and_a_regeneration_over_a_restart_are_one_tree(
    site: QwenSite, tmp_path: Path
) -> None:
    talk = Talk()
    questions = [f"Question {turn}?" for turn in range(1, TURNS + 1)]
    with Daemon(config(site), folder=tmp_path) as daemon:
        for number, question in enumerate(questions[:RESTARTS_AFTER]):
            await talk.ask(daemon, question, stream=bool(number % 2))
    with Daemon(config(site), folder=tmp_path) as daemon:
        for number, question in enumerate(questions[RESTARTS_AFTER:]):
            await talk.ask(daemon, question, stream=bool(number % 2))
        await asyncio.gather(
            talk.up_to(EDITED).ask(daemon, "Another question?", stream=True),
            talk.up_to(REGENERATED).ask(daemon, questions[REGENERATED - 1], stream=False),
        )

    assert len(site.chats) == 1
    assert sorted(site.chat.branches()) == sorted(
        [
            questions,
            [*questions[: EDITED - 1], "Another question?"],
            questions[:REGENERATED],
        ]
    )
    assert [text for _role, text in site.contexts[TURNS - 1]] == [str(each["content"]) for each in talk.history[:-1]]
