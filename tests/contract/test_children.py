"""Child processes as upstreams: whatever one of them does, its callers get what they would of any other upstream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.exchange import Exchange
from proxy.testing.gateway import GatewayServer
from tests.contract.gateway import CLOCKS, answer_text, expect_envelope, expect_frame, proves
from tests.contract.table import Row
from tests.e2e.wire import Answer, Json, ask, chat, connected, request
from tests.upstreams.codex.program import fake_program

HELLO = [["delta", "Hello."], ["usage"], ["end"]]
SOON_S = 0.3
LIMIT_S = 5.0
GARBLED = ["raw", '{"method":"item/agentMessage/delta","params":{"threadId":"THREAD","delta":"ha']
ASKS = ["ask", 0, "item/commandExecution/requestApproval", {"command": "rm -rf /"}]
FAILED = ["end", "failed", {"message": "no", "codexErrorInfo": "internalServerError"}]

BEFORE: dict[str, Json] = {
    "P1a": {"stillborn": True},
    "P1b": {"mute": True, "clocks": {"connect": SOON_S}},
    "P2a": {"turns": [[["sleep", 0.05], ["exit"]]]},
    "P3a": {"turns": [[["sleep", 0.05], GARBLED, ["silence"]]]},
    "P4a": {"turns": [[FAILED]]},
    "P5a": {"unanswered": ["turn/start"], "rpc_s": SOON_S},
    "P5b": {"turns": [[["silence"]]], "clocks": {"first_event": SOON_S}},
}
"""What goes wrong before anything of the answer has come: the scenario of the process, and settings of the upstream."""

AFTER: dict[str, Json] = {
    "P2b": {"turns": [[["delta", "Hel"], ["sleep", 0.1], ["exit"]]]},
    "P3b": {"turns": [[["delta", "Hel"], ["sleep", 0.1], GARBLED, ["silence"]]]},
    "P4b": {"turns": [[["delta", "Hel"], ["sleep", 0.1], FAILED]]},
}
"""What goes wrong when "Hel" has left."""

SCENARIO = {"turns", "stillborn", "mute", "unanswered"}


class Children:
    """A gateway before one such process."""

    def __init__(self, gateway: GatewayServer, log: Path) -> None:
        self.gateway = gateway
        self.log = log

    async def ask(self, *, stream: bool = True) -> tuple[Answer, Exchange]:
        """One request to its end."""
        answer = await ask(self.gateway.url, "POST", "/", chat(model="m", stream=stream))
        return answer, self.gateway.ended[-1]

    async def until_told(self, method: str) -> Json:
        """The first message of that method; waits for it."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                told = [json.loads(line) for line in self.log.read_text().splitlines()]
                found = [each for each in told if each.get("method") == method]
                if found:
                    return dict(found[0])
                await asyncio.sleep(0.005)


@asynccontextmanager
async def children(folder: Path, *, turns: Any = (HELLO,), **fault: Any) -> AsyncIterator[Children]:
    scenario = {"turns": list(turns)} | {name: value for name, value in fault.items() if name in SCENARIO}
    program = fake_program(folder, scenario)
    settings = {name: value for name, value in fault.items() if name not in SCENARIO}
    upstream = {"name": "cx", "kind": "codex", "bin": str(program), "base_url": "http://127.0.0.1:9/v1", **settings}
    config: Json = {
        "auth": {"mode": "none"},
        "upstreams": [upstream],
        "models": [{"id": "m", "upstream": "cx"}],
        "clocks": CLOCKS,
        "retry": {"attempts": 1},
    }
    async with GatewayServer(config) as gateway:
        yield Children(gateway, folder / "log.jsonl")


@proves(*BEFORE)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_fails_before_an_answer_is_told_as_of_any_upstream(row: Row, stream: bool, tmp_path: Path) -> None:
    fault = BEFORE[row.id]
    if row.id == "P5b" and not stream:
        pytest.skip("an answer in one piece has the clock `total`")
    async with children(tmp_path, **fault) as gateway:
        answer, x = await gateway.ask(stream=stream)

    expect_envelope(row, answer)
    assert x.state == row.ends


@proves(*AFTER)
async def test_what_fails_in_mid_stream_is_told_in_a_frame(row: Row, tmp_path: Path) -> None:
    async with children(tmp_path, **AFTER[row.id]) as gateway:
        answer, x = await gateway.ask()

    expect_frame(row, answer, text="Hel")
    assert x.state == row.ends


@proves("P2a")
async def test_the_next_turn_finds_a_process_that_is_whole(row: Row, tmp_path: Path) -> None:
    """Whatever its predecessor has died of; there is no budget of restarts."""
    async with children(tmp_path, turns=[[["delta", "Hi."], ["end"]], [["exit"]]]) as gateway:
        texts = [answer_text((await gateway.ask())[0])]
        broken, _ = await gateway.ask()
        texts.append(answer_text((await gateway.ask())[0]))

    expect_envelope(row, broken)
    assert texts == ["Hi.", "Hi."]


@proves("P6")
@pytest.mark.parametrize("stream", [True, False])
async def test_what_a_process_asks_for_is_answered_at_once(row: Row, stream: bool, tmp_path: Path) -> None:
    """Nobody is there to be asked; a wait would be without end."""
    async with children(tmp_path, turns=[[ASKS, *HELLO]]) as gateway:
        answer, x = await gateway.ask(stream=stream)
        told = [json.loads(line) for line in gateway.log.read_text().splitlines()]

    assert (answer_text(answer), x.state) == ("Hello.", row.ends)
    assert {"id": 0, "result": {"decision": "decline"}} in [
        {name: each[name] for name in ("id", "result") if name in each} for each in told
    ]


@proves("P7")
async def test_a_process_that_does_not_heed_an_interrupt_is_replaced(row: Row, tmp_path: Path) -> None:
    hung = [["delta", "Hel"], ["silence"]]
    async with children(tmp_path, turns=[hung], unanswered=["turn/interrupt"], interrupt_s=0.2) as gateway:
        async with connected(gateway.gateway.url) as connection:
            await connection.send(request("POST", "/", chat(model="m", stream=True)))
            await connection.head()
            await connection.chunk()
        await gateway.until_told("turn/interrupt")
        pool = gateway.gateway.gateway.upstreams["cx"]._pool  # type: ignore[attr-defined]  # it is a codex upstream
        async with asyncio.timeout(LIMIT_S):
            while pool.slots[0].generation < 2:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.005)
        x = gateway.gateway.ended[-1]

    assert (x.state, row.told) == (row.ends, "-")
