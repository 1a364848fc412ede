"""The one way to start a task: named, kept until it is done, its failure reported."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger("turnstile.tasks")
_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Run *work* beside everything else.  The caller need not keep the task."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251 - this is the wrapper
    _running.add(task)
    task.add_done_callback(_done)
    return task


def running() -> frozenset[asyncio.Task[Any]]:
    """The tasks that have not ended yet."""
    return frozenset(_running)


def _done(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task failed", task=task.get_name(), exc_info=error)


async def settled(limit_s: float) -> None:
    """Wait for the tasks of this loop that have not ended yet, *limit_s* seconds at most."""
    loop = asyncio.get_running_loop()
    unfinished = [task for task in _running if task.get_loop() is loop and task is not asyncio.current_task()]
    if unfinished:
        await asyncio.wait(unfinished, timeout=limit_s)
