"""A real codex process under kill -9, and over many turns."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.testing.responses_endpoint import Reply, Text
from tests.real.codex_world import codex_world, needs_codex, user

pytestmark = [pytest.mark.real, needs_codex]

KILL_EVERY_S = 2.0
WHOLE_AGAIN_S = 5.0
CALLERS = 8
AFTER_ERROR_S = 0.2
MANY_TURNS = 500
KIB = 1024


def echo(body):
    """The last words of the user, letter by letter."""
    last = body["input"][-1]["content"][0]["text"]
    return Reply((Text(tuple(f"echo {last}"), every_s=0.02),))


async def converse(world, name, until_s):
    """A caller who goes on with a conversation as long as that is answered, streamed and not by turns."""
    loop = asyncio.get_running_loop()
    outcomes, history, number = [], [], 0
    while loop.time() < until_s:
        number += 1
        asked = f"{name}.{number}"
        history = [*history[-6:], user(asked)]
        if number % 2:
            frames = await world.stream(history)
            assert frames.done != (frames.error is not None), "one ending"
            said = "".join(c["delta"].get("content") or "" for f in frames.chunks for c in f["choices"])
            error = frames.error
        else:
            _status, told = await world.ask(history)
            error, said = told.get("error"), "" if "error" in told else told["choices"][0]["message"]["content"]
        if error is None:
            assert said == f"echo {asked}", "nothing is lost, and nothing is told twice"
            history.append({"role": "assistant", "content": said})
        else:
            assert f"echo {asked}".startswith(said)
            assert error["code"].startswith("upstream_"), error
            history.pop()
            await asyncio.sleep(AFTER_ERROR_S)
        outcomes.append(error["code"] if error else "done")
    return outcomes


async def kill_again_and_again(world, until_s):
    """Kill -9, every two seconds."""
    loop = asyncio.get_running_loop()
    kills = 0
    while loop.time() + KILL_EVERY_S < until_s:
        await asyncio.sleep(KILL_EVERY_S)
        child = world.slot.ready
        if child is not None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
    return kills


@pytest.mark.parametrize(
    "seconds", [10, pytest.param(60, marks=[pytest.mark.deep, pytest.mark.timeout(300)])], ids=["short", "a minute"]
)
async def test_kill_9_every_two_seconds_leaves_each_request_with_one_right_ending(seconds):
    circuit = {"breaker": {"failures": 0}}  # which would open, and hide what the supervision does
    async with codex_world(choose=echo, tables=circuit) as world:
        until_s = asyncio.get_running_loop().time() + seconds
        callers = (converse(world, f"c{n}", until_s) for n in range(CALLERS))
        kills, *outcomes = await asyncio.gather(kill_again_and_again(world, until_s), *callers)

        async with asyncio.timeout(WHOLE_AGAIN_S):
            status, _ = await world.ask("still there?")
        told = [each for caller in outcomes for each in caller]
        assert kills >= seconds / KILL_EVERY_S / 4
        assert status == 200
        assert told.count("done") > len(told) / 2, told
        assert len(world.gateway.ended) == len(told) + 1
        assert world.server.turns == 0


def vitals(pid):
    """Open files and resident KiB of a process; proc(5)."""
    process = Path("/proc", str(pid))
    pages = int((process / "statm").read_text().split()[1])
    return len(list((process / "fd").iterdir())), pages * os.sysconf("SC_PAGE_SIZE") // KIB


@pytest.mark.deep
@pytest.mark.timeout(600)
async def test_memory_and_files_are_flat_over_many_turns():
    """Ours; and the files of codex, whose memory grows with each thread that it keeps."""
    async with codex_world(Reply.says("ok"), max_threads=8) as world:
        own = []
        for number in range(MANY_TURNS):
            message = await world.say(f"turn {number}")
            await world.say([user(f"turn {number}"), message, user("more")])
            if number % 100 == 99:
                world.model.received.clear()
                world.gateway.ended.clear()
                own.append((*vitals(os.getpid()), vitals(world.slot.ready.pid)[0], len(asyncio.all_tasks())))

        files, kib, codex_files, tasks = zip(*own, strict=True)
        assert max(files) - files[1] <= 4
        assert max(codex_files) - codex_files[1] <= 4
        assert max(tasks) - tasks[1] <= 4
        assert kib[-1] - kib[1] < 12 * KIB, own
