"""Callers who ask at a gentle pace, check every answer against the text that is theirs, and at times leave midway."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from proxy.testing.frames import finish_of_stream, read_stream, text_of_stream
from tests.e2e.wire import Answer, Connection, chat, error_of, request
from tests.soak.upstream import prompt, text_of

CALLERS = 24
THINKING_S = (0.1, 0.3)  # between an answer and the next request: some 100 requests per second in all
LEAVING_SHARE = 0.05
LEAVING_AFTER_S = (0.005, 0.06)  # a whole answer takes some 45 ms

WHOLE = "done"


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller who stayed was told: the code of an error, or that the answer is whole."""

    request_id: str
    outcome: str
    took_s: float


@dataclass
class Load:
    """All callers together.  *wrong*: what no caller may ever see, in words."""

    url: str
    seed: int
    asked: int = 0
    left: int = 0
    told: list[Told] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Ask for so long; every answer that is under way then is waited for."""
        end_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for caller in range(CALLERS):
                group.create_task(self._call_until(end_s, random.Random(f"{self.seed}/{caller}")))

    async def _call_until(self, end_s: float, chance: random.Random) -> None:
        """One caller, who keeps the connection for as long as that goes well."""
        connection: Connection | None = None
        while time.monotonic() < end_s:
            await asyncio.sleep(chance.uniform(*THINKING_S))
            self.asked += 1
            number = self.asked
            try:
                connection = connection or await connect(self.url)
                goes_on = await self._ask(connection, number, chance)
            except (AssertionError, LookupError, ValueError, OSError, EOFError, TimeoutError) as fault:
                self.wrong.append(f"request {number}: {fault!r}")
                goes_on = False
            if connection is not None and not goes_on:
                await close(connection)
                connection = None
        if connection is not None:
            await close(connection)

    async def _ask(self, connection: Connection, number: int, chance: random.Random) -> bool:
        """One request; gives whether the connection may carry another."""
        stream = number % 3 != 0
        began_s = time.monotonic()
        await connection.send(
            request("POST", "/v1/chat/completions", chat(prompt(number), model="soaked", stream=stream))
        )
        if chance.random() < LEAVING_SHARE:
            await asyncio.sleep(chance.uniform(*LEAVING_AFTER_S))
            self.left += 1
            if chance.random() < 0.5:
                connection.reset()
            return False
        answer = await connection.answer()
        took_s = time.monotonic() - began_s
        outcome = outcome_of(answer, text_of(number), stream=stream)
        self.told.append(Told(answer.headers["x-request-id"], outcome, took_s))
        if stream and answer.status == 200 and outcome != WHOLE:
            assert await connection.ended(), "a byte after the error frame"
            return False
        return True


def outcome_of(answer: Answer, text: str, *, stream: bool) -> str:
    """What *answer* tells its caller, who must get *text*.  Raises AssertionError, ValueError, LookupError."""
    if answer.status != 200:
        return str(answer.error["code"])
    if not stream:
        [choice] = answer.json["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, "stop"), (
            f"not the whole answer: {choice}"
        )
        return WHOLE
    told, has = read_stream(answer.body), text_of_stream(answer.body)
    finish = finish_of_stream(answer.body)
    if told.error is None:
        assert (told.done, has, finish) == (True, text, "stop"), f"not the whole answer: {has!r}, {finish}"
        return WHOLE
    assert text.startswith(has), "text that is not the upstream's"
    assert (told.done, finish) == (False, None), "a failure that looks complete"
    return str(error_of({"error": told.error})["code"])


async def connect(url: str) -> Connection:
    """Open a connection."""
    parts = urlsplit(url)
    return Connection(*await asyncio.open_connection(parts.hostname, parts.port))


async def close(connection: Connection) -> None:
    """Close it, and wait until it is."""
    connection.writer.close()
    with suppress(OSError):
        await connection.writer.wait_closed()
