"""One child process: its three pipes, its process group, its end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, Self, cast

from proxy.deadline import Clock
from proxy.upstreams.child.lines import Line, LineSplitter
from proxy.upstreams.child.stderr import StderrLog

STDIN, STDOUT, STDERR = 0, 1, 2
LAST_WORDS_S = 0.05  # what was written before the end may still be in the pipe when the end is known
STOP_STEP_S = 2.0  # between the end of its input, SIGTERM and SIGKILL
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Command:
    """How a child is started: *env* is its whole environment, *secrets* are never logged."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    secrets: tuple[str, ...] = ()


class PipeListener(Protocol):
    """Who hears of a child's output, and of its end."""

    def heard(self, lines: Sequence[Line]) -> None:
        """The lines that one read has completed, maybe none."""

    def ended(self, reason: str) -> None:
        """Nothing more will come; told once."""


class ChildProcess(asyncio.SubprocessProtocol):
    """The process, from `start` to `stop`; it leads a process group of its own, which ends with it."""

    def __init__(self, listener: PipeListener, stderr: StderrLog, clock: Clock, max_line_bytes: int) -> None:
        self._listener = listener
        self._stderr = stderr
        self._clock = clock
        self._lines = LineSplitter(max_line_bytes)
        self._transport: asyncio.SubprocessTransport | None = None
        self._told = False
        self.pid = 0
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(
        cls, command: Command, listener: PipeListener, stderr: StderrLog, clock: Clock, *, max_line_bytes: int
    ) -> Self:
        """Start it.  Raises OSError when it can't be."""
        _transport, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: cls(listener, stderr, clock, max_line_bytes),
            *command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            start_new_session=True,
        )
        return process

    # --- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's is not derived from it
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It has written."""
        if fd == STDERR:
            self._stderr.feed(data)
        elif not self._told:
            self._listener.heard(self._lines.feed(data))

    def pipe_connection_lost(self, fd: int, _exc: Exception | None) -> None:
        """It has closed a pipe.  Without its output it is of no use any more."""
        if fd == STDOUT:
            cut = " inside a line" if self._lines.unfinished else ""
            self._tell_end(f"it closed its output{cut}")

    def process_exited(self) -> None:
        """It has ended; whoever it started ends as well."""
        if not self.exited.done():
            self.exited.set_result(None)
        self.kill()
        status = self._transport.get_returncode() if self._transport else None
        reason = f"it ended with status {status}"
        self._clock.call_at(self._clock.now() + LAST_WORDS_S, partial(self._tell_end, reason))

    def _tell_end(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self.kill()
            self._listener.ended(reason)

    # --- what we do

    def write(self, data: bytes) -> None:
        """Write to its input; what can't be written any more is lost, as the end is about to be told."""
        pipe = cast("asyncio.WriteTransport | None", self._transport and self._transport.get_pipe_transport(STDIN))
        if pipe is not None and not pipe.is_closing():
            pipe.write(data)

    async def stop(self, step_s: float = STOP_STEP_S) -> None:
        """End it: its input, then SIGTERM, then SIGKILL, with *step_s* seconds after each."""
        pipe = self._transport and self._transport.get_pipe_transport(STDIN)
        if pipe is not None:
            pipe.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await within(self._clock, self.exited, step_s):
                break
            self._signal(number)
        else:
            await within(self._clock, self.exited, step_s)
        self._tell_end("it was stopped")
        if self._transport is not None:
            self._transport.close()

    def kill(self) -> None:
        """End it and its group at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def rss_bytes(self) -> int:
        """Memory that it holds, 0 if that can't be known; proc(5)."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
        except (OSError, IndexError, ValueError):
            return 0


async def within(clock: Clock, waited_for: "asyncio.Future[None]", seconds: float) -> bool:
    """Whether *waited_for* is done within *seconds*; it is left alone either way."""
    alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.call_at(clock.now() + seconds, lambda: None if alarm.done() else alarm.set_result(None))
    try:
        await asyncio.wait({waited_for, alarm}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return waited_for.done()
