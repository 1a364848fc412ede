"""A decoder with a bug: the answer is told as it was written, and that is all."""

import pytest

from proxy.clock import LoopClock
from proxy.dialects.json.scanner import JsonScanner
from proxy.testing.inprocess import InProcessUpstream
from proxy.testing.script import Upstream
from tests.contract.gateway import MAIN, answer_text, proves, serving
from tests.contract.table import Row

TEXT = {"tools": "text", "dialect": "json"}
TOOLS = [{"type": "function", "function": {"name": "ping"}}]
WRITTEN = 'Sure. {"tool_call":{"name":"ping"}} Done.'


def bug(*_args: object) -> None:
    raise RuntimeError("a bug")


@proves("G5")
@pytest.mark.parametrize("stream", [True, False])
async def test_what_a_decoder_fails_at_stays_text(row: Row, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JsonScanner, "candidate", bug)
    main = InProcessUpstream(MAIN, (Upstream.answers(WRITTEN[:12], WRITTEN[12:]),), LoopClock())
    async with serving({MAIN: main}, model=TEXT) as gateway:
        answer, x = await gateway.ask(stream=stream, tools=TOOLS)

    assert (answer_text(answer), x.state) == (WRITTEN, row.ends)
