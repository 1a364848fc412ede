"""The turns on one codex process: how they begin, wait, go on, and end."""

from collections.abc import Callable, Iterator
from functools import partial

import structlog

from proxy.deadline import TimerHandle
from proxy.errors import TurnstileError
from proxy.tasks import spawn
from proxy.upstreams.child import Child, Failure, RpcId, RpcRefused, within
from proxy.upstreams.codex.faults import text_in
from proxy.upstreams.codex.policy import NO_TOOL
from proxy.upstreams.codex.threads import Threads
from proxy.upstreams.codex.turns import CodexCall, RunningTurn, Thread
from proxy.upstreams.codex.ways import Ways
from proxy.wire.events import StreamEvent
from proxy.wire.request import JsonObject

LATE_CALLS_S = 1.0  # the calls of a response come before its end, or just after

log = structlog.get_logger("turnstile.codex")


class RunningTurns:
    """Those that run, and those that wait for results of the caller's tools; at most one per thread."""

    def __init__(self, child: Child, ways: Ways) -> None:
        self.child = child
        self.ways = ways
        self.threads = Threads(
            child.clock, most=ways.entry.max_threads, idle_s=ways.entry.thread_idle_s, on_evicted=self._let_go
        )
        self._threads_started = 0
        self._turns: dict[str, RunningTurn] = {}  # by thread
        self._touched: set[RunningTurn] = set()
        self._timers: dict[RunningTurn, TimerHandle] = {}

    def __iter__(self) -> Iterator[RunningTurn]:
        return iter(list(self._turns.values()))

    @property
    def count(self) -> int:
        """Those that have begun and run, without those that wait."""
        return sum(turn.id is not None and not turn.parked for turn in self._turns.values())

    @property
    def ending(self) -> int:
        """Those of them that were interrupted, and are not over yet."""
        return sum(turn.interrupted for turn in self._turns.values())

    def on(self, thread_id: str) -> RunningTurn | None:
        """The turn on that thread."""
        return self._turns.get(thread_id)

    # --- begin, go on, give up

    def count_thread(self) -> None:
        """One more thread was begun; a process that has begun very many is replaced."""
        self._threads_started += 1
        if self._threads_started >= self.ways.entry.max_threads_started:
            self.child.wear_out("threads")

    def begin(self, turn: RunningTurn) -> None:
        """A turn is about to be started."""
        turn.thread.turn = turn
        self._turns[turn.thread.id] = turn

    def started(self, turn: RunningTurn, turn_id: str) -> None:
        """Its id is known: what came before that is told now."""
        turn.id = turn_id
        if turn.answer is not None:
            turn.answer.open(turn.thread.id, turn_id)
            self._touched.add(turn)
        if turn.interrupted:  # before its id was known
            spawn(self._tell_interrupt(turn), name="tell an interrupt")
        early, turn.early = turn.early, []
        for rpc_id, method, params in early:
            if rpc_id is None:
                self.tell(turn, method, params)
            else:
                self.call_tool(turn, rpc_id, params)
        self.flush()

    def not_started(self, turn: RunningTurn) -> None:
        """Its start was refused, or not answered; if it has begun nevertheless, it is interrupted."""
        turn.id = next((turn_id_in(params) for _, method, params in turn.early if method == "turn/started"), None)
        turn.answer = None
        if turn.id is None:
            self._end(turn)
            self.drop(turn.thread)
        else:
            self.abandon(turn)

    def resume(self, turn: RunningTurn, answer: CodexCall, results: dict[str, list[JsonObject]]) -> None:
        """Give the turn the results that it waits for, by codex's ids of the calls; it goes on in *answer*."""
        self._stop_timer(turn)
        turn.reducer.resume()
        turn.answer = answer
        answer.open(turn.thread.id, turn.id or "")
        rpc_ids, turn.rpc_ids = turn.rpc_ids, {}
        for call_id, items in results.items():
            self.child.peer.answer(rpc_ids[call_id], {"contentItems": items, "success": True})

    def abandon(self, turn: RunningTurn) -> None:
        """Nobody listens to a turn any more, or it must not go on: interrupt it, and never continue its thread.

        Calls that wait are left without an answer: codex puts its own words in place of each result, and a second one
        for the same call would follow.
        """
        if turn.interrupted or turn.ended.done():
            return
        turn.interrupted = True
        turn.rpc_ids.clear()
        self._stop_timer(turn)
        self.threads.forget(turn.thread)
        spawn(self._interrupt(turn), name="interrupt a turn")

    def drop(self, thread: Thread) -> None:
        """Continue a thread no more."""
        self.threads.forget(thread)
        self._let_go(thread)

    def _let_go(self, thread: Thread) -> None:
        if thread.turn is not None:
            self.abandon(thread.turn)
        elif not self.child.lost:
            spawn(self._unsubscribe(thread), name="let go of a thread")

    async def _interrupt(self, turn: RunningTurn) -> None:
        """Until the turn is over; a process that does not honour an interrupt is replaced."""
        spawn(self._tell_interrupt(turn), name="tell an interrupt")
        if await within(self.child.clock, turn.ended, self.ways.entry.interrupt_s):
            await self._unsubscribe(turn.thread)
            return
        log.warning("codex.interrupt_not_honoured", slot=self.child.slot)
        self._end(turn)
        self.child.wear_out("interrupt")

    async def _tell_interrupt(self, turn: RunningTurn) -> None:
        try:
            await self.child.peer.call("turn/interrupt", {"threadId": turn.thread.id, "turnId": turn.id})
        except RpcRefused:  # no active turn to interrupt
            self._end(turn)
        except TurnstileError as error:
            log.debug("codex.interrupt_failed", reason=error.detail)

    async def _unsubscribe(self, thread: Thread) -> None:
        kept = self.ways.entry.persist
        for method in ("thread/unsubscribe", "thread/delete") if kept else ("thread/unsubscribe",):
            try:
                await self.child.peer.call(method, {"threadId": thread.id})
            except (RpcRefused, TurnstileError) as error:
                log.debug("codex.thread_not_let_go", method=method, reason=str(error))

    def _end(self, turn: RunningTurn) -> None:
        """A turn is over, in one way or another."""
        self._stop_timer(turn)
        if self._turns.get(turn.thread.id) is turn:
            del self._turns[turn.thread.id]
        if turn.thread.turn is turn:
            turn.thread.turn = None
        if not turn.ended.done():
            turn.ended.set_result(None)

    # --- what happens to them

    def tell(self, turn: RunningTurn, method: str, params: JsonObject) -> None:
        """A notification about the turn; what is about another turn of its thread is dropped."""
        if turn.id is None:
            turn.early.append((None, method, params))
        elif turn_id_in(params) == turn.id:
            waited = turn.parked
            events = turn.reducer.notified(method, params)
            if not waited or turn.reducer.over:
                self._settle(turn, events)

    def call_tool(self, turn: RunningTurn, rpc_id: RpcId, params: JsonObject) -> None:
        """A call of a tool of the caller, who is to bring the result; nobody will where nobody listens any more."""
        if turn.id is None:
            turn.early.append((rpc_id, "item/tool/call", params))
            return
        if turn.interrupted or turn.parked or text_in(params, "turnId") != turn.id:
            self.child.peer.answer(rpc_id, NO_TOOL)
            return
        call_id = text_in(params, "callId")
        turn.rpc_ids[call_id] = rpc_id
        self._stop_timer(turn)
        self._settle(turn, turn.reducer.tool_called(call_id, text_in(params, "tool"), params.get("arguments")))

    def flush(self) -> None:
        """What one read has brought is given on, in one piece for each answer."""
        touched, self._touched = self._touched, set()
        for turn in touched:
            if turn.answer is not None:
                turn.answer.flush()

    def lose(self, failure: Failure) -> None:
        """The process is gone: every answer that is under way has broken off, and no thread can be continued."""
        self.threads.clear()
        for turn in self:
            answer, turn.answer = turn.answer, None
            self._end(turn)
            if answer is not None:
                answer.lose(failure())

    def _settle(self, turn: RunningTurn, events: list[StreamEvent]) -> None:
        reducer, answer = turn.reducer, turn.answer
        self._touched.add(turn)
        while reducer.notes:
            log.warning("builtin_tool_ran", slot=self.child.slot, item=reducer.notes.pop())
        if answer is not None:
            answer.take_in(events)
        if reducer.over:
            self._over(turn)
        elif reducer.failure is not None:
            self.fail(turn, reducer.failure)
        elif reducer.parked:
            self._park(turn)
        elif reducer.waits_for and turn not in self._timers:
            wait_s = LATE_CALLS_S if reducer.waits_for == "calls" else self.ways.tool_grace_s
            self._start_timer(turn, wait_s, self._waited)

    def _over(self, turn: RunningTurn) -> None:
        reducer, thread = turn.reducer, turn.thread
        fit = reducer.completed and not reducer.dirty and not turn.interrupted
        self._end(turn)
        if reducer.mismatches:
            log.warning("codex.text_mismatch", slot=self.child.slot, messages=reducer.mismatches)
        if fit:
            thread.head = turn.id
            self.threads.keep(thread)
        elif not turn.interrupted:
            self.drop(thread)
        if reducer.failure is not None:
            self._fail_answer(turn, reducer.failure)
        elif turn.answer is not None:
            turn.answer.finish(self.node_of(turn) if fit else None)
        self.child.check_memory()

    def _park(self, turn: RunningTurn) -> None:
        """The caller is to bring results; until then the turn waits, for so long, and with so many others."""
        entry = self.ways.entry
        turn.thread.head = turn.id
        self.threads.keep(turn.thread)
        self._start_timer(turn, entry.park_s, self.abandon)
        if turn.answer is not None:
            turn.answer.finish(self.node_of(turn))
        parked = [each for each in self._turns.values() if each.parked]
        if len(parked) > entry.max_parked:
            self.abandon(parked[0])

    def fail(self, turn: RunningTurn, error: TurnstileError) -> None:
        """Its answer has failed, and it must not go on."""
        self._fail_answer(turn, error)
        self.abandon(turn)

    def _fail_answer(self, turn: RunningTurn, error: TurnstileError) -> None:
        if turn.answer is not None:
            turn.answer.fail(error)
            self._touched.add(turn)

    def node_of(self, turn: RunningTurn) -> dict[str, str | int | bool | None]:
        """The ids by which the turn can be continued."""
        return {
            "inst": self.ways.inst,
            "slot": self.child.slot,
            "generation": self.child.generation,
            "thread_id": turn.thread.id,
            "turn_id": turn.id,
            "fingerprint": str(turn.thread.fingerprint),
            "ephemeral": not self.ways.entry.persist,
        }

    # --- timers

    def _start_timer(self, turn: RunningTurn, seconds: float, run: Callable[[RunningTurn], None]) -> None:
        self._stop_timer(turn)
        self._timers[turn] = self.child.clock.call_at(self.child.clock.now() + seconds, partial(self._ring, turn, run))

    def _stop_timer(self, turn: RunningTurn) -> None:
        timer = self._timers.pop(turn, None)
        if timer is not None:
            timer.cancel()

    def _ring(self, turn: RunningTurn, run: Callable[[RunningTurn], None]) -> None:
        self._timers.pop(turn, None)
        run(turn)
        self.flush()

    def _waited(self, turn: RunningTurn) -> None:
        self._settle(turn, turn.reducer.waited())


def turn_id_in(params: JsonObject) -> str | None:
    """The turn that a notification is about."""
    turn = params.get("turn")
    found = turn.get("id") if isinstance(turn, dict) else params.get("turnId")
    return found if isinstance(found, str) else None
