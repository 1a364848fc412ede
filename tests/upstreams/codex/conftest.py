"""A codex upstream in front of a fake process."""

import asyncio
import json
from itertools import count
from pathlib import Path

import pytest
from multidict import CIMultiDict

from proxy.clock import LoopClock
from proxy.config import load
from proxy.ports import Plan, Turn
from proxy.upstreams import build_upstreams
from proxy.wire.events import TextDelta
from proxy.wire.request import check_chat
from tests.upstreams.codex.program import fake_program

RECORDINGS = Path(__file__).with_name("recordings")
LIMIT_S = 10.0  # nothing that a test waits for takes so long


class Codex:
    """The upstream, and what its processes were told."""

    def __init__(self, folder, scenario, settings):
        self.log_path = folder / "log.jsonl"
        program = fake_program(folder, scenario)
        server = settings.pop("server", {})
        config = {
            "auth": {"mode": "none"},
            "server": server,
            "upstreams": [
                {"name": "cx", "kind": "codex", "bin": str(program), "base_url": "http://127.0.0.1:9/v1", **settings}
            ],
            "models": [{"id": "m", "upstream": "cx"}],
        }
        self.settings = load(None, {}, config)
        self.adapter = build_upstreams(self.settings, LoopClock(), {})["cx"]
        self.rules = self.settings.upstreams[0].rules
        self.connected = 0

    @property
    def pool(self):
        return self.adapter._pool

    @property
    def server(self):
        """Who attends to the one process."""
        return self.pool.slots[0].ready.attendant

    def turn(self, messages="hi", **options):
        return turn_of(self.rules, messages, on_connected=self._on_connected, **options)

    def _on_connected(self):
        self.connected += 1

    async def open(self, *args, **options):
        async with asyncio.timeout(LIMIT_S):
            return await self.adapter.open(self.turn(*args, **options))

    async def ask(self, *args, **options):
        """The events of one answer, and its call."""
        call = await self.open(*args, **options)
        return await events_of(call), call

    # --- what the processes were told

    def told(self, method=None):
        """The messages of that method, or all, without those of the handshake."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        probed = [line for line in lines if not is_handshake(line)]
        return [line for line in probed if method is None or line.get("method") == method]

    async def until_told(self, method, number=1):
        """The *number*-th message of that method; waits for it."""
        async with asyncio.timeout(LIMIT_S):
            while len(found := self.told(method)) < number:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.005)
        return found[number - 1]


def turn_of(rules, messages="hi", *, on_connected=lambda: None, ids=None, tail=0, effort=None, **body):
    """A turn as the states give it; *body* is more of the request's."""
    if isinstance(messages, str):
        messages = [user(messages)]
    return Turn(
        request=check_chat({"model": "m", "messages": messages, **body}, rules),
        upstream_model="big",
        request_id="req_1",
        stream=True,
        on_connected=on_connected,
        caller_headers=CIMultiDict(),
        plan=Plan(ids, tail),
        effort=effort,
    )


def is_handshake(line):
    params = line.get("params") or {}
    tools = params.get("dynamicTools") or [{}]
    probing = params.get("threadId") == "probe" or tools[0].get("name") == "probe"
    return probing or line.get("method") in ("initialize", "initialized")


async def events_of(call, *, close=True):
    """All the events of an answer, pulled."""
    events = []
    try:
        async with asyncio.timeout(LIMIT_S):
            while not call.complete:
                events += await call.receive()
    finally:
        if close:
            call.close()
    return events


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def failure_of(codex, **options):
    """What an answer fails with, and what came of it before."""
    call = await codex.open(**options)
    events = []
    try:
        async with asyncio.timeout(LIMIT_S):
            while not call.complete:
                events += await call.receive()
    except Exception as error:  # noqa: BLE001 - is looked at by the test
        return error, events
    finally:
        call.close()
    raise AssertionError(events)


def user(text):
    return {"role": "user", "content": text}


def assistant(text, *calls):
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ]
    return message


def tool(call_id, text):
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def declared(*names):
    return [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]


@pytest.fixture
async def codex(tmp_path):
    """Make upstreams; they are closed after the test."""
    made = []
    numbers = count(1)

    def make(*turns, **options):
        folder = tmp_path / f"codex-{next(numbers)}"
        folder.mkdir()
        names = ("recording", "chunk", "tier", "refusals", "unanswered", "stillborn", "mute")
        scenario = {name: options.pop(name) for name in names if name in options}
        if "recording" not in scenario:
            scenario["turns"] = list(turns) or [[["delta", "Hello."], ["usage"], ["end"]]]
        made.append(Codex(folder, scenario, options))
        return made[-1]

    yield make
    await asyncio.gather(*(each.adapter.close() for each in made))
