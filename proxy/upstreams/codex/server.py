"""One codex process: who hears what it says, and what it is answered."""

import re

import structlog

from proxy.errors import TurnstileError, UpstreamDisconnected
from proxy.upstreams.child import METHOD_NOT_FOUND, Child, Failure, RpcId, Unsupported
from proxy.upstreams.codex.faults import text_in
from proxy.upstreams.codex.handshake import greet
from proxy.upstreams.codex.policy import ANSWERS, NO_TOOL
from proxy.upstreams.codex.running import RunningTurns
from proxy.upstreams.codex.ways import Ways
from proxy.wire.request import JsonObject

TOO_BASIC = "codex_too_basic"
SAID = frozenset({"warning", "configWarning", "model/rerouted"})

_THREAD_ID = re.compile(rb'"threadId"\s*:\s*"([^"\\]{1,128})"')

log = structlog.get_logger("turnstile.codex")


class CodexServer:
    """Who attends to one process."""

    def __init__(self, child: Child, ways: Ways) -> None:
        self.child = child
        self.ways = ways
        self.basic = False
        self.opening = 0  # turns that are about to begin
        self.running = RunningTurns(child, ways)

    @property
    def turns(self) -> int:
        """Turns that run or are about to, without those that wait for results."""
        return self.running.count + self.opening

    @property
    def full(self) -> bool:
        """Whether it has as many turns as it takes; those that were interrupted have given their place back."""
        return self.turns - self.running.ending >= self.ways.entry.max_turns

    def opened(self, _opening: object) -> None:
        """A turn that was about to begin has begun, or not."""
        self.opening -= 1

    async def greet(self) -> None:
        """Handshake and probe.  Raises `Unsupported`."""
        able = await greet(self.child.peer, self.ways.work)
        if not able and not self.ways.entry.allow_basic:
            raise Unsupported(TOO_BASIC)
        self.basic = not able
        if self.basic:
            log.warning("codex.basic", slot=self.child.slot, means="built-in tools stay, history is told as one text")

    def drain(self) -> None:
        """Turns that only wait are given up."""
        for turn in self.running:
            if turn.parked:
                self.running.abandon(turn)

    def cut(self) -> None:
        """Turns that run are interrupted."""
        for turn in self.running:
            self.running.fail(turn, UpstreamDisconnected(detail="the process is being replaced"))
        self.rest()

    # --- what it says

    def notified(self, method: str, params: JsonObject) -> None:
        """Tell it to the turn that it is about."""
        turn = self.running.on(text_in(params, "threadId"))
        if method in SAID:
            log.debug("codex.said", method=method, text=text_in(params, "message") or text_in(params, "summary"))
        elif turn is not None and method == "serverRequest/resolved":
            gone = params.get("requestId")
            turn.rpc_ids = {call_id: rpc_id for call_id, rpc_id in turn.rpc_ids.items() if rpc_id != gone}
        elif turn is not None:
            self.running.tell(turn, method, params)

    def asked(self, rpc_id: RpcId, method: str, params: JsonObject) -> None:
        """Answer it at once, unless it is a call of a tool of the caller: that is handed over."""
        if method == "item/tool/call":
            turn = self.running.on(text_in(params, "threadId"))
            if turn is None:
                self.child.peer.answer(rpc_id, NO_TOOL)
            else:
                self.running.call_tool(turn, rpc_id, params)
        elif method in ANSWERS:
            wall_s = self.child.clock.wall()
            self.child.peer.answer(rpc_id, ANSWERS[method](self.ways.entry.approvals, params, wall_s))
        else:
            self.child.peer.refuse(rpc_id, METHOD_NOT_FOUND, "method not found")

    def unreadable(self, head: bytes, error: TurnstileError) -> bool:
        """A line is lost, and maybe text with it: the turn of the thread that it names has failed."""
        found = _THREAD_ID.search(head)
        turn = self.running.on(found[1].decode("utf-8", "replace")) if found else None
        if turn is None:
            return False
        self.running.fail(turn, error)
        return True

    def rest(self) -> None:
        """One read has been told."""
        self.running.flush()

    def lost(self, failure: Failure) -> None:
        """The process is gone."""
        self.running.lose(failure)
