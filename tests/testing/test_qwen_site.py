"""The fake site keeps its rules by itself: without them, the tests over it would prove nothing."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from proxy.testing.qwen import QwenSite, Refuses, Says

Json = dict[str, Any]


class Browser:
    """Somebody who calls the site by hand."""

    def __init__(self, site: QwenSite, http: aiohttp.ClientSession, account: str = "a") -> None:
        self.site = site
        self.http = http
        self.headers = {"bx-umidtoken": account, "Cookie": "c=1"}

    async def post(self, path: str, body: Json) -> str:
        async with self.http.post(self.site.url + path, json=body, headers=self.headers) as answer:
            return await answer.text()

    async def create(self) -> str:
        told = json.loads(await self.post("/api/v2/chats/new", {"title": "x", "models": ["m"]}))
        chat_id: str = told["data"]["id"]
        return chat_id

    async def say(self, chat_id: str, text: Any, parent_id: str | None = None, *, system: str = "") -> str:
        config = {"thinking_enabled": False}
        messages = [{"role": "system", "content": system, "feature_config": config}] if system else []
        messages.append({"role": "user", "content": text, "feature_config": config})
        body = {"chat_id": chat_id, "parent_id": parent_id, "stream": True, "messages": messages}
        return await self.post(f"/api/v2/chat/completions?chat_id={chat_id}", body)


@pytest.fixture
async def browser():
    async with QwenSite() as site, aiohttp.ClientSession() as http:
        yield Browser(site, http)


async def test_both_ids_of_an_answer_can_be_gone_on_from_but_one_forgets_it(browser):
    for chain in ("parent_id", "response_id"):
        browser.site.chain = chain
        chat_id = await browser.create()
        await browser.say(chat_id, "One?")
        (first,) = browser.site.chat.exchanges
        for name in ("parent_id", "response_id"):
            await browser.say(chat_id, "Two?", getattr(first, name))
            remembered = ("assistant", "Answer 1.") in browser.site.contexts[-1]
            assert remembered == (name == chain)


async def test_the_context_is_that_of_the_branch_alone(browser):
    chat_id = await browser.create()
    await browser.say(chat_id, "One?", system="Be brief.")
    (first,) = browser.site.chat.exchanges
    await browser.say(chat_id, "Two?", first.parent_id)
    await browser.say(chat_id, "Other?", first.parent_id)

    assert browser.site.contexts[-1] == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "Answer 1."),
        ("user", "Other?"),
    ]
    assert browser.site.chat.branches() == [["One?", "Two?"], ["One?", "Other?"]]


async def test_unknown_nodes_unknown_chats_and_those_of_others_are_refused(browser):
    chat_id, other = await browser.create(), await browser.create()
    await browser.say(other, "One?")
    theirs = browser.site.chats[other].exchanges[0].parent_id

    assert "The parent_id" in await browser.say(chat_id, "Two?", theirs)
    assert "The chat is not exist" in await browser.say("nowhere", "Hi.")
    stranger = Browser(browser.site, browser.http, account="another")
    assert "The chat is not exist" in await stranger.say(chat_id, "Hi.")


@pytest.mark.parametrize("late", [True, False])
async def test_content_that_is_no_string_and_late_system_text_give_an_empty_answer(browser, late):
    chat_id = await browser.create()
    await browser.say(chat_id, "One?")
    node = browser.site.chat.exchanges[0].parent_id
    told = await browser.say(
        chat_id, "Two?" if late else [{"type": "text", "text": "Two?"}], node, system="S" if late else ""
    )

    assert "finished" in told
    assert browser.site.chat.exchanges[-1].answer == ""


async def test_a_turn_that_was_left_alone_keeps_the_chat_busy_until_it_is_stopped(browser):
    chat_id = await browser.create()
    browser.site.answers(Says(ends="stall", after=2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await browser.say(chat_id, "Hi.")

    assert "in progress" in await browser.say(chat_id, "Hi.")
    await browser.post("/api/v2/chat/completions/stop", {"chat_id": chat_id, "response_id": "r"})
    assert "finished" in await browser.say(chat_id, "Hi.")


async def test_refusals_come_in_their_order_and_are_no_turns(browser):
    chat_id = await browser.create()
    browser.site.answers(Refuses.busy(), "Yes.")

    assert "in progress" in await browser.say(chat_id, "Hi.")
    assert "Yes." in await browser.say(chat_id, "Hi.")
    assert len(browser.site.chat.exchanges) == 1
