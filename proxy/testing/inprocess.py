"""Plays scripts in process, behind the port that the states talk to: no socket, no wait that a clock does not make."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import assert_never

import orjson
from multidict import CIMultiDict, MultiMapping

from proxy.deadline import Clock
from proxy.errors import UpstreamDisconnected, UpstreamTruncated, UpstreamUnreachable
from proxy.ports import EventSink, Keeps, Node, Turn
from proxy.testing.script import (
    Breaks,
    Calls,
    Declines,
    Fails,
    Finishes,
    Opens,
    Pings,
    Reports,
    Says,
    Sends,
    Stalls,
    Step,
    Thinks,
    Upstream,
    Waits,
)
from proxy.wire.events import (
    Finished,
    Opened,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from proxy.wire.request import ChatRequest
from proxy.wire.upstream import fault_of
from proxy.wire.upstream.reading import CredentialMode

NOTHING_SAID = (Fails, Breaks, Stalls, Waits)
"""Steps that an answer has not begun with: they are played before the call is there."""


class InProcessUpstream:
    """A `proxy.ports.Upstream` that plays one script per call, in turn; the last one repeats.

    *calls* are those made so far.  *connects* = False: no connection ever comes about, and none is refused.
    """

    def __init__(
        self,
        name: str,
        scripts: Sequence[Upstream],
        clock: Clock,
        *,
        kind: str = "scripted",
        credential: CredentialMode = "static",
        connects: bool = True,
        keeps: Keeps = "nothing",
    ) -> None:
        self.name = name
        self.kind = kind
        self.keeps = keeps
        self.calls: list[InProcessCall] = []
        self._scripts = tuple(scripts)
        self._clock = clock
        self._credential = credential
        self._connects = connects

    @property
    def turns(self) -> list[Turn]:
        """What each call was asked for."""
        return [call.turn for call in self.calls]

    @property
    def live(self) -> int:
        """How many calls were not let go of."""
        return sum(call.open for call in self.calls)

    def scope(self, _request: ChatRequest, _caller_headers: MultiMapping[str]) -> str:
        """Caller and model say it all."""
        return ""

    async def open(self, turn: Turn) -> "InProcessCall":
        """Begin the next script; returns when the answer has begun."""
        script = self._scripts[min(len(self.calls), len(self._scripts) - 1)]
        call = InProcessCall(turn, script.steps, self._clock, self._credential)
        self.calls.append(call)
        try:
            if not self._connects:
                await asyncio.Event().wait()
            await call.connect()
        except BaseException:
            call.open = False
            raise
        return call

    async def close(self) -> None:
        """Nothing is held."""


class InProcessCall:
    """One script being played: each `receive` gives what one step brings."""

    def __init__(self, turn: Turn, steps: tuple[Step, ...], clock: Clock, credential: CredentialMode) -> None:
        self.turn = turn
        self.request_id: str | None = None
        self.complete = False
        self.open = True
        self.closed = 0
        self._clock = clock
        self._credential = credential
        self._steps: Iterator[Step] = iter(steps)
        self._first: Step | None = next(self._steps, None)
        self._call_count: dict[int, int] = {0: 0}
        self._finishes: dict[int, str] = {}
        self._usage: Usage | None = None
        self._begun = False

    @property
    def finishing(self) -> bool:
        """Whether there is a finish reason, and the end has not come."""
        return bool(self._finishes) and not self.complete

    @property
    def node(self) -> Node | None:
        """A node of its own for every whole answer."""
        return {"node": self.turn.request_id} if self.complete else None

    async def connect(self) -> None:
        """Play what comes before an answer."""
        await self._clock.sleep(0)
        if isinstance(self._first, Fails) and isinstance(self._first.error, UpstreamUnreachable):
            raise self._first.error
        self.turn.on_connected()
        while isinstance(self._first, NOTHING_SAID):
            await self._play(self._first)
            self._first = next(self._steps, None)

    async def receive(self) -> Sequence[StreamEvent]:
        """The next events; after the last step usage and finish."""
        await self._clock.sleep(0)
        step, self._first = self._first or next(self._steps, None), None
        if step is None:
            return self.settle()
        events = await self._play(step)
        if not self._begun:
            self._begun = True
            self.request_id = f"up-{self.turn.request_id}"
            return [Opened({"id": self.request_id}), *events]
        return events

    async def flow(self, sink: EventSink) -> None:
        """Give what the steps bring to *sink*, one after the other."""
        while not (self.complete or self.finishing) and sink(await self.receive()):
            pass

    def settle(self) -> Sequence[StreamEvent]:
        """Usage, if there is any, and the end of each choice."""
        self.complete = True
        ends: list[StreamEvent] = [self._usage] if self._usage else []
        for choice, calls in sorted(self._call_count.items()):
            ends.append(Finished(self._finishes.get(choice, "tool_calls" if calls else "stop"), choice))
        return ends

    def close(self) -> None:
        """Let go of it."""
        self.closed += 1
        self.open = False

    async def _play(self, step: Step) -> list[StreamEvent]:
        match step:
            case Says() | Thinks() | Declines() | Calls():
                return self._deltas(step)
            case Reports(prompt_tokens, completion_tokens):
                self._usage = Usage(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens)
            case Finishes(reason, choice):
                self._finishes[choice] = reason
                self._call_count.setdefault(choice, 0)
            case Waits(seconds):
                await self._clock.sleep(seconds)
            case Stalls():
                await asyncio.Event().wait()
            case Breaks():
                return list(self._broken())
            case Fails():
                raise self._failure(step)
            case Opens() | Pings():
                pass
            case Sends():
                raise TypeError("bytes are sent over a socket only")
            case _:
                assert_never(step)
        return []

    def _deltas(self, step: Says | Thinks | Declines | Calls) -> list[StreamEvent]:
        match step:
            case Says(text, choice):
                self._call_count.setdefault(choice, 0)
                return [TextDelta(text, choice)]
            case Thinks(text, choice):
                self._call_count.setdefault(choice, 0)
                return [ReasoningDelta(text, choice)]
            case Declines(text):
                return [RefusalDelta(text)]
            case Calls(tool, arguments, choice):
                index = self._call_count.get(choice, 0)
                self._call_count[choice] = index + 1
                start = ToolCallDelta(index, f"call_{choice}_{index}", tool, "", choice)
                return [start, ToolCallDelta(index, None, None, arguments, choice)] if arguments else [start]
            case _:
                assert_never(step)

    def _broken(self) -> Sequence[StreamEvent]:
        if self._finishes:
            return self.settle()  # the end mark is missed by nobody
        raise UpstreamTruncated if self._begun else UpstreamDisconnected

    def _failure(self, step: Fails) -> Exception:
        if step.error is not None:
            return step.error.with_traceback(None)  # a script may be played twice
        error = fault_of(
            step.status,
            "application/json",
            orjson.dumps(step.body),
            CIMultiDict(step.headers),
            now_s=self._clock.wall(),
            credential=self._credential,
        )
        error.upstream_status = step.status
        return error
