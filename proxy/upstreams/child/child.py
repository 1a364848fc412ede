"""A child: one process, the peer that it is, and who attends to it."""

import asyncio
from collections.abc import Sequence
from random import Random

import structlog

from proxy.deadline import Clock
from proxy.errors import TurnstileError, UpstreamDisconnected, UpstreamOversize, UpstreamProtocolError
from proxy.upstreams.child.kind import Attendant, ChildKind, ChildLimits
from proxy.upstreams.child.lines import Line, TooLong
from proxy.upstreams.child.process import STOP_STEP_S, ChildProcess
from proxy.upstreams.child.rpc import RpcPeer
from proxy.upstreams.child.stderr import StderrLog

MOST_SILENCES = 3  # calls in a row without a reply

log = structlog.get_logger("turnstile.child")


class Child:
    """One process, and the peer that it is; *over* is done when it has ended or is worn out."""

    def __init__(
        self, kind: ChildKind, limits: ChildLimits, *, slot: int, generation: int, clock: Clock, random: Random
    ) -> None:
        self._kind = kind
        self.slot = slot
        self.generation = generation
        self.clock = clock
        self.random = random
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.worn: str | None = None
        self.lost = False
        self._limits = limits
        self._process: ChildProcess | None = None
        self.attendant: Attendant = kind.attend(self)
        self.peer = RpcPeer(
            self._write,
            self.attendant,
            clock,
            random,
            deadline_s=limits.rpc_s,
            max_in_flight=limits.max_in_flight,
            on_silence=self._silence,
        )

    @property
    def pid(self) -> int:
        """Its process id, 0 before it runs."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start the process.  Raises OSError."""
        command = self._kind.command(self.slot)
        stderr = StderrLog(f"{self._kind.name}#{self.slot}", self.clock, command.secrets)
        self._process = await ChildProcess.start(
            command, self, stderr, self.clock, max_line_bytes=self._limits.max_line_bytes
        )

    def wear_out(self, reason: str) -> None:
        """Have it replaced; what runs on it may run on for a while."""
        if self.worn is None:
            self.worn = reason
            self._finish()

    def check_memory(self) -> None:
        """Have it replaced when it holds too much memory."""
        if self._process is not None and self._process.rss_bytes() > self._limits.max_rss_bytes:
            self.wear_out("memory")

    async def stop(self, step_s: float = STOP_STEP_S) -> None:
        """End the process, in steps of *step_s* seconds."""
        if self._process is not None:
            await self._process.stop(step_s)

    # --- the process's side

    def heard(self, lines: Sequence[Line]) -> None:
        """Lines have come; one that can't be read and is nobody's costs the child."""
        for line in lines:
            if self.lost:
                return
            if isinstance(line, TooLong):
                self._unreadable(line.head, UpstreamOversize(detail="a line of a child process"))
                continue
            try:
                self.peer.receive(line)
            except UpstreamProtocolError as error:
                self._unreadable(line, error)
        self.attendant.rest()

    def ended(self, reason: str) -> None:
        """It is gone."""
        self._lose(reason, UpstreamDisconnected)

    def _unreadable(self, head: bytes, error: TurnstileError) -> None:
        if not self.attendant.unreadable(head, error):
            log.warning("child.unreadable", slot=self.slot, reason=error.detail)
            self._lose(error.detail or "", type(error))

    def _lose(self, reason: str, error: type[TurnstileError]) -> None:
        if self.lost:
            return
        self.lost = True
        if self._process is not None:
            self._process.kill()

        def failure() -> TurnstileError:
            return error(detail=f"child process: {reason}")

        self.peer.fail(failure)
        self.attendant.lost(failure)
        self._finish()

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _write(self, data: bytes) -> None:
        if self._process is not None:
            self._process.write(data)

    def _silence(self, in_a_row: int) -> None:
        if in_a_row >= MOST_SILENCES:
            self.wear_out("silent")
