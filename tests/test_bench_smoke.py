"""The benchmark is worth its numbers only while it notices every answer that is not the upstream's."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.bench import load, upstream

ROOT = Path(__file__).parents[1]
PLAN = upstream.StreamPlan(chunks=3, every_ms=0)
FRAMES = [  # of a whole stream that follows the plan
    upstream.ROLE,
    *map(upstream.content_frame, range(PLAN.chunks)),
    upstream.FINISH,
    upstream.frame([], usage=upstream.usage(PLAN.chunks)),
    upstream.DONE,
    upstream.BODY_END,
]
Spoil: TypeAlias = Callable[[list[bytes]], list[bytes]]


@asynccontextmanager
async def answering(response: bytes) -> AsyncIterator[int]:
    """Answer every connection with *response* and close it; gives the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


STREAM_FAULTS: dict[str, tuple[Spoil, str]] = {
    "a chunk is missing": (lambda f: f[:2] + f[3:], "content lost, repeated or out of order"),
    "the last chunk is missing": (lambda f: f[:3] + f[4:], "content cut short"),
    "a chunk comes twice": (lambda f: [*f[:2], f[1], *f[2:]], "content lost, repeated or out of order"),
    "two chunks change places": (lambda f: [f[0], f[2], f[1], *f[3:]], "content lost, repeated or out of order"),
    "content after the finish": (lambda f: [*f[:3], f[4], f[3], *f[5:]], "content lost, repeated or out of order"),
    "no finish reason": (lambda f: f[:4] + f[5:], "no finish_reason"),
    "no usage": (lambda f: f[:5] + f[6:], "no usage, or a wrong one"),
    "no [DONE]": (lambda f: f[:6] + f[7:], "no [DONE]"),
    "an event after [DONE]": (lambda f: [*f[:7], f[1], f[7]], "an event after [DONE]"),
    "the body does not end": (lambda f: f[:7], "the body was cut"),
    "cut in the middle": (lambda f: f[:2], "the body was cut"),
    "no JSON": (lambda f: [f[0], upstream.http_chunk(b"data: {"), *f[1:]], "a malformed event"),
    "an error frame": (lambda f: [f[0], upstream.http_chunk(b'data: {"error": {}}'), *f[1:]], "an error frame"),
    "no chunked body": (lambda f: [b"1\r\nxyz\r\n", *f], "not HTTP"),
}


async def outcome_of(plan: upstream.StreamPlan | None, response: bytes) -> tuple[int, list[str]]:
    """How many answers are good, and what faults there are, when the server's one answer is *response*."""
    async with answering(response) as port:
        tally = await load.run(port, plan, count=1, concurrency=1, limit_s=5)
    return tally.good, list(tally.faults)


async def test_a_stream_that_follows_the_plan_is_good() -> None:
    """So the faults below are those of what was done to it."""
    assert await outcome_of(PLAN, upstream.STREAM_HEAD + b"".join(FRAMES)) == (1, [])


@pytest.mark.parametrize("case", STREAM_FAULTS)
async def test_a_stream_that_differs_from_the_plan_is_a_fault(case: str) -> None:
    spoil, expected = STREAM_FAULTS[case]

    good, [fault] = await outcome_of(PLAN, upstream.STREAM_HEAD + b"".join(spoil(FRAMES)))

    assert good == 0
    assert fault.startswith(expected)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}", "status 503"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "a malformed completion"),
        (upstream.COMPLETION.replace(b"textbook", b"notebook"), "another answer than the upstream's"),
        (upstream.COMPLETION[:-1], "the body was cut"),
        (b"", "closed without an answer"),
    ],
)
async def test_another_completion_than_the_upstreams_is_a_fault(response: bytes, expected: str) -> None:
    good, [fault] = await outcome_of(None, response)

    assert good == 0
    assert fault.startswith(expected)


async def test_a_server_that_hangs_does_not_hold_the_run() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tally = await load.run(port, None, count=9, concurrency=2, limit_s=0.1)

    assert dict(tally.faults) == {"not over after 0.1 s": 1}


async def test_the_fake_upstream_keeps_to_the_plan() -> None:
    """In bursts, paced and not streamed, with more requests than connections."""
    async with await upstream.listen() as server:
        port = server.sockets[0].getsockname()[1]
        burst = await load.run(port, upstream.StreamPlan(50, 0), count=40, concurrency=8)
        paced = await load.run(port, upstream.StreamPlan(5, 10), count=4, concurrency=4)
        plain = await load.run(port, None, count=40, concurrency=8)

    assert (burst.good, paced.good, plain.good) == (40, 4, 40)
    assert not burst.faults + paced.faults + plain.faults
    assert len(paced.jitters_s) == 4 * 4
    assert paced.wall_s >= 0.05


@pytest.mark.real
def test_the_benchmark_runs_and_every_answer_is_good(tmp_path: Path) -> None:
    """A smoke run against the daemon, and beside it nginx where there is one."""
    report = tmp_path / "result.json"

    done = subprocess.run(  # noqa: S603  a command of ours
        [sys.executable, "-m", "tests.bench", "--quick", "--json", str(report)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(report.read_text())
    assert {sample["workload"] for sample in result["samples"] if sample["target"] == "turnstile"} == set("APBC")
    assert result["faults"] == []
