"""codex: an agent process as a chat model; a turn on a thread is an answer."""

import asyncio
import os
import secrets
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, Self

from multidict import MultiMapping

from proxy.config import CodexUpstream as Configured
from proxy.config import Settings
from proxy.deadline import Clock
from proxy.errors import ConversationLost, TurnstileError, UpstreamBusy, UpstreamRefused
from proxy.ports import Keeps, Node, Turn, UpstreamCall
from proxy.tasks import spawn
from proxy.upstreams.child import Child, ChildKind, ChildLimits, Pool, RpcRefused
from proxy.upstreams.codex.asking import Ask, ask_of, canonical
from proxy.upstreams.codex.faults import fault_of_call, text_in
from proxy.upstreams.codex.handshake import start_thread
from proxy.upstreams.codex.home import Homes
from proxy.upstreams.codex.items import items_of, result_items, split_last_input
from proxy.upstreams.codex.reducer import Manner, TurnReducer
from proxy.upstreams.codex.server import CodexServer
from proxy.upstreams.codex.turns import CodexCall, RunningTurn, Thread
from proxy.upstreams.codex.ways import Ways
from proxy.wire.request import ChatRequest, JsonObject

MIB = 1024 * 1024
NODE_LOST = "the thread can't be continued"


class CodexUpstream:
    """An `Upstream` for one configured program; must be made inside a running event loop."""

    kind = "codex"
    keeps: Keeps = "line"

    def __init__(
        self, entry: Configured, *, limits: ChildLimits, max_answer_bytes: int, tool_grace_s: float, clock: Clock
    ) -> None:
        self.name = entry.name
        self._entry = entry
        self._max_answer_bytes = max_answer_bytes
        self._tool_grace_s = tool_grace_s
        self._inst = secrets.token_hex(8)
        self._homes = Homes(entry)
        self._manner = Manner(entry.reasoning, entry.message_joiner, entry.on_compaction)
        kind = ChildKind(entry.name, self._homes.command, self._attend)
        self._limits = limits
        self._pool = Pool(kind, limits, clock, Random(os.urandom(16)))  # noqa: S311 - jitter
        self._begin_soon = clock.call_at(clock.now(), self._pool.begin)

    @classmethod
    def configured(cls, entry: Configured, settings: Settings, clock: Clock) -> Self:
        """The upstream that a configuration entry describes; its processes are started at once."""
        server = settings.server
        return cls(
            entry,
            limits=ChildLimits(
                processes=entry.processes,
                min_ready=entry.min_ready,
                handshake_s=settings.clocks_for(None, entry).connect or entry.rpc_s,
                rpc_s=entry.rpc_s,
                max_in_flight=entry.max_inflight_rpc,
                max_line_bytes=max(server.max_event_bytes, 2 * server.max_body_bytes),
                max_rss_bytes=entry.max_rss_mb * MIB,
                drain_s=server.drain_s,
            ),
            max_answer_bytes=server.max_answer_bytes,
            tool_grace_s=settings.controls_for(None, entry).tool_grace_ms / 1000,
            clock=clock,
        )

    def scope(self, _request: ChatRequest, _caller_headers: MultiMapping[str]) -> str:
        """Caller and model say it all."""
        return ""

    async def open(self, turn: Turn) -> UpstreamCall:
        """Begin a turn, on a thread of its own or on the one that it continues.

        Once something was asked of the process the rest is done whoever leaves: only then can it be undone.
        """
        ask = ask_of(turn, self._entry)
        ids = turn.plan.ids
        child = await self._pool.free_child() if ids is None else self._child_of(ids)
        server = server_of(child)
        if server.full:
            raise UpstreamBusy(detail="every turn of the process is taken")
        turn.on_connected()
        work = self._afresh(server, ask) if ids is None else self._go_on(server, ids, turn, ask)
        server.opening += 1
        opening: asyncio.Task[CodexCall | TurnstileError] = spawn(outcome_of(work), name="open a turn")
        opening.add_done_callback(server.opened)
        try:
            outcome = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(let_go)
            raise
        if isinstance(outcome, TurnstileError):
            raise outcome
        return outcome

    def inherit(self, before: object) -> None:
        """Take over the processes of the upstream *before*, where nothing has changed that they depend on."""
        if not isinstance(before, CodexUpstream):
            return
        if (before._entry, before._limits) == (self._entry, self._limits):  # noqa: SLF001 - one of us
            self._begin_soon.cancel()
            self._pool, self._homes, self._inst = before._pool, before._homes, before._inst  # noqa: SLF001 - the same
        else:
            spawn(before.retire(), name="retire an upstream")

    async def retire(self) -> None:
        """Let what runs run on for a while, then end the processes."""
        await self._pool.close(self._limits.drain_s)

    async def close(self) -> None:
        """End the processes, and take their folders away."""
        self._begin_soon.cancel()
        await self._pool.close()
        self._homes.remove()

    def _attend(self, child: Child) -> CodexServer:
        return CodexServer(child, Ways(self._entry, self._inst, self._homes.work(child.slot), self._tool_grace_s))

    # --- a fresh thread

    async def _afresh(self, server: CodexServer, ask: Ask) -> CodexCall:
        """The whole history in a new thread: what is last as the turn's input, what came before as what it was."""
        server.running.count_thread()
        started = await start_thread(
            server.child.peer,
            server.ways.work,
            model=ask.model,
            instructions=ask.instructions,
            tools=ask.tools,
            ephemeral=not self._entry.persist,
        )
        thread = Thread(text_in(started, "id"), ask.fingerprint)
        if server.basic:
            return await self._begin(server, thread, ask, flattened(ask))
        before, asked = split_last_input(ask.messages)
        return await self._inject_and_begin(server, thread, ask, before, asked)

    async def _inject_and_begin(
        self, server: CodexServer, thread: Thread, ask: Ask, before: Sequence[JsonObject], asked: list[JsonObject]
    ) -> CodexCall:
        items = items_of(before)
        if items:
            try:
                await server.child.peer.call("thread/inject_items", {"threadId": thread.id, "items": items})
            except (RpcRefused, TurnstileError):
                server.running.drop(thread)
                raise
        return await self._begin(server, thread, ask, asked)

    async def _begin(self, server: CodexServer, thread: Thread, ask: Ask, asked: list[JsonObject]) -> CodexCall:
        loop = asyncio.get_running_loop()
        running = RunningTurn(thread, TurnReducer(self._manner, ask.names, make_call_id), loop.create_future())
        running.answer = CodexCall(server.running, running, self._max_answer_bytes)
        answer = running.answer
        server.running.begin(running)
        try:
            result = await server.child.peer.call("turn/start", self._turn_params(thread, ask, asked))
        except (RpcRefused, TurnstileError):
            server.running.not_started(running)
            raise
        begun = result.get("turn")
        server.running.started(running, text_in(begun, "id") if isinstance(begun, dict) else "")
        return answer

    def _turn_params(self, thread: Thread, ask: Ask, asked: list[JsonObject]) -> JsonObject:
        """Model and effort stick to a thread, and the environment comes back with one that is resumed: all are said."""
        params: JsonObject = {
            "threadId": thread.id,
            "input": asked,
            "environments": [],
            "model": ask.model,
            "summary": "none" if self._entry.reasoning == "off" else "auto",
        }
        if ask.effort is not None:
            params["effort"] = ask.effort
        if ask.output_schema is not None:
            params["outputSchema"] = ask.output_schema
        return params

    # --- a thread that is continued

    def _child_of(self, ids: Node) -> Child:
        """The process that has the thread, or can take it up from where it was kept."""
        slot, generation = ids.get("slot"), ids.get("generation")
        if not isinstance(slot, int) or not isinstance(generation, int):
            raise ConversationLost(detail="ids of another kind")
        kept = self._entry.persist and ids.get("ephemeral") is False
        child = self._pool.child_at(slot, generation) if ids.get("inst") == self._inst else None
        if child is None and kept:
            child = self._pool.child_in(slot)
        if child is None:
            raise ConversationLost(detail="its process is gone")
        return child

    async def _go_on(self, server: CodexServer, ids: Node, turn: Turn, ask: Ask) -> CodexCall:
        thread = server.running.threads.get(ids.get("thread_id"))
        if thread is None and self._entry.persist and ids.get("ephemeral") is False:
            thread = await self._take_up(server, ids, ask)
        if thread is None or thread.head != ids.get("turn_id"):
            raise ConversationLost(detail=NODE_LOST)
        new = turn.request.messages[turn.plan.tail :]
        fits = ask.fingerprint.fits(ids.get("fingerprint"), history_told=turn.plan.tail > 0)
        if thread.turn is not None:
            return self._hand_in(server, thread.turn, new, fits=fits)
        if not fits or not new or any(message["role"] == "tool" for message in new):
            server.running.drop(thread)
            raise ConversationLost(detail="the thread is made for another request")
        before, asked = split_last_input(new)
        return await self._inject_and_begin(server, thread, ask, before, asked)

    def _hand_in(self, server: CodexServer, parked: RunningTurn, new: Sequence[JsonObject], *, fits: bool) -> CodexCall:
        """Results for all the calls that a turn waits for let it go on; anything else ends it."""
        results = results_for(parked.reducer.asked, new) if fits and parked.parked else None
        if results is None or not results.keys() <= parked.rpc_ids.keys():
            server.running.abandon(parked)
            raise ConversationLost(detail="a turn waits for something else")
        answer = CodexCall(server.running, parked, self._max_answer_bytes)
        server.running.resume(parked, answer, results)
        return answer

    async def _take_up(self, server: CodexServer, ids: Node, ask: Ask) -> Thread:
        """A thread that was kept on disk.  Its instructions, tools and items come back with it."""
        thread = Thread(str(ids.get("thread_id")), ask.fingerprint, str(ids.get("turn_id")))
        await server.child.peer.call(
            "thread/resume",
            {
                "threadId": thread.id,
                "excludeTurns": True,
                "cwd": server.ways.work,
                "approvalPolicy": "never",
                "sandbox": "read-only",
            },
        )
        server.running.threads.keep(thread)
        return thread


def results_for(asked: dict[str, str], new: Sequence[JsonObject]) -> dict[str, list[JsonObject]] | None:
    """The results of all the calls that were *asked*, by codex's ids; None if the messages are anything else.

    A result is found by its id, else by its place.
    """
    if len(new) != len(asked) or any(message["role"] != "tool" for message in new):
        return None
    by_id = {message["tool_call_id"]: message for message in new}
    if by_id.keys() == set(asked.values()):
        return {call_id: result_items(by_id[told_id]) for call_id, told_id in asked.items()}
    return {call_id: result_items(message) for call_id, message in zip(asked, new, strict=True)}


def flattened(ask: Ask) -> list[JsonObject]:
    """A history as one text, a line of JSON for each message, for a process that can't be told one."""
    if ask.tools:
        raise UpstreamRefused(
            "Invalid 'tools': expected none with this model, got some.", code="unsupported_parameter", param="tools"
        )
    if len(ask.messages) == 1:
        return split_last_input(ask.messages)[1]
    return [{"type": "text", "text": "\n".join(map(canonical, ask.messages))}]


async def outcome_of(work: Coroutine[Any, Any, CodexCall]) -> CodexCall | TurnstileError:
    """What *work* gives, or the typed error that it raises."""
    try:
        return await work
    except RpcRefused as refused:
        return fault_of_call(refused)
    except TurnstileError as error:
        return error


def let_go(opening: "asyncio.Task[CodexCall | TurnstileError]") -> None:
    """Whoever opened a turn has left before it began."""
    if not opening.cancelled() and isinstance(call := opening.result(), CodexCall):
        call.close()


def make_call_id() -> str:
    """An id for a tool call whose own is not fit to be told."""
    return f"call_{secrets.token_hex(12)}"


def server_of(child: Child) -> CodexServer:
    """Who attends to a process of ours."""
    assert isinstance(child.attendant, CodexServer)  # noqa: S101 - narrows the type
    return child.attendant
