"""What an upstream does with a call, as one line of a test.

    Upstream.answers("Hel").then_says("lo").then_calls("now", {"zone": "UTC"}).then_breaks()

A script is a value: every method gives a new one.  What is not said is done properly: an answer that nothing cuts short
ends with a finish reason and the end mark.  Several scripts stand for successive calls.  `proxy.testing.inprocess`
plays them behind the port that the states talk to, `proxy.testing.server` over a socket.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias

from proxy.errors import UpstreamUnreachable

Form = Literal["as asked", "sse", "json"]
"""How an answer is told over a socket: as the call asked for it, or in one of the two forms whatever it asked for."""

NO_HEADERS: Mapping[str, str] = {}
MADE_UP = "made up by a test"


@dataclass(frozen=True, slots=True)
class Opens:
    """Ids and role come: nothing of an answer."""


@dataclass(frozen=True, slots=True)
class Pings:
    """A comment comes, which keeps the connection alive and says nothing."""


@dataclass(frozen=True, slots=True)
class Says:
    """A piece of text."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Thinks:
    """A piece of reasoning."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Declines:
    """A piece of a refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class Calls:
    """A tool call; *arguments* is JSON text, which need not be whole."""

    tool: str
    arguments: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Reports:
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Finishes:
    """A finish reason."""

    reason: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Waits:
    """Silence, for a time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stalls:
    """Silence without end; the connection stays open."""


@dataclass(frozen=True, slots=True)
class Breaks:
    """The connection ends: broken off, or with *cleanly* in good order, as if that were all."""

    cleanly: bool = False


@dataclass(frozen=True, slots=True)
class Fails:
    """A failure: an HTTP *status* (in mid-answer one inside the stream), or in process any *error* at all."""

    status: int = 500
    error: Exception | None = None
    code: str | None = None
    message: str = MADE_UP
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The error as an upstream tells it."""
        told = {"message": self.message, "type": "made_up", "param": None, "code": self.code}
        return {"error": told}


@dataclass(frozen=True, slots=True)
class Sends:
    """Bytes of the body exactly as they are; over a socket only."""

    raw: bytes


Step: TypeAlias = (
    Opens | Pings | Says | Thinks | Declines | Calls | Reports | Finishes | Waits | Stalls | Breaks | Fails | Sends
)


@dataclass(frozen=True, slots=True)
class Upstream:
    """One call's script: *steps* in order, and how they are told over a socket.

    *form*, *status* and *headers* are those of the response.  *piece_bytes* cuts its body into reads of that size,
    *done* says whether `[DONE]` is sent, *raw* stands for the whole response, HTTP or not.
    """

    steps: tuple[Step, ...] = ()
    form: Form = "as asked"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    piece_bytes: int = 0
    done: bool = True
    raw: bytes | None = None

    def then(self, *steps: Step) -> Self:
        """These steps follow."""
        return replace(self, steps=self.steps + steps)

    # --- how it begins

    @classmethod
    def answers(cls, *pieces: str) -> Self:
        """The answer begins with text, one read for each piece."""
        return cls().then_says(*pieces)

    @classmethod
    def thinks(cls, *pieces: str) -> Self:
        """The answer begins with reasoning."""
        return cls().then_thinks(*pieces)

    @classmethod
    def declines(cls, *pieces: str) -> Self:
        """The answer is a refusal."""
        return cls().then(*map(Declines, pieces))

    @classmethod
    def calls(cls, tool: str, arguments: Mapping[str, Any] | str = "{}") -> Self:
        """The answer begins with a tool call."""
        return cls().then_calls(tool, arguments)

    @classmethod
    def opens(cls) -> Self:
        """The answer has begun, and nothing of it has come: ids and role."""
        return cls().then(Opens())

    @classmethod
    def finishes(cls, reason: str = "stop") -> Self:
        """The answer is empty."""
        return cls().then_finishes(reason)

    @classmethod
    def waits(cls, seconds: float) -> Self:
        """It takes its time to begin."""
        return cls().then_waits(seconds)

    @classmethod
    def stalls(cls) -> Self:
        """It takes the call, and nothing comes."""
        return cls().then_stalls()

    @classmethod
    def breaks(cls) -> Self:
        """It takes the call, and breaks the connection off."""
        return cls().then_breaks()

    @classmethod
    def fails(
        cls,
        how: int | Exception,
        *,
        code: str | None = None,
        message: str = MADE_UP,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Self:
        """It answers with an error; the parameters are those of `then_fails`."""
        return cls().then_fails(how, code=code, message=message, headers=headers)

    @classmethod
    def refuses(cls) -> Self:
        """No connection comes about; in process only, since over a socket it is a port where nobody listens."""
        return cls().then_fails(UpstreamUnreachable())

    @classmethod
    def sends(cls, raw: bytes) -> Self:
        """The body begins with exactly these bytes; over a socket only."""
        return cls().then_sends(raw)

    @classmethod
    def speaks(cls, raw: bytes) -> Self:
        """The whole response is exactly these bytes, HTTP or not; over a socket only."""
        return cls(raw=raw)

    # --- how it goes on

    def then_says(self, *pieces: str, choice: int = 0) -> Self:
        """Text follows, one read for each piece."""
        return self.then(*(Says(piece, choice) for piece in pieces))

    def then_thinks(self, *pieces: str) -> Self:
        """Reasoning follows."""
        return self.then(*map(Thinks, pieces))

    def then_calls(self, tool: str, arguments: Mapping[str, Any] | str = "{}", *, choice: int = 0) -> Self:
        """A tool call follows; text as *arguments* is sent as it is, so it can be cut or broken JSON."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, separators=(",", ":"))
        return self.then(Calls(tool, text, choice))

    def then_pings(self, times: int = 1) -> Self:
        """Comments follow."""
        return self.then(*[Pings()] * times)

    def then_reports_usage(self, prompt_tokens: int, completion_tokens: int) -> Self:
        """The token counts follow."""
        return self.then(Reports(prompt_tokens, completion_tokens))

    def then_finishes(self, reason: str = "stop", *, choice: int = 0) -> Self:
        """The finish reason follows."""
        return self.then(Finishes(reason, choice))

    def then_waits(self, seconds: float) -> Self:
        """Silence follows, for a time."""
        return self.then(Waits(seconds))

    def then_stalls(self) -> Self:
        """Silence follows, without end."""
        return self.then(Stalls())

    def then_breaks(self) -> Self:
        """The connection breaks off."""
        return self.then(Breaks())

    def then_ends(self) -> Self:
        """The connection ends in good order, without finish reason or end mark unless they came before."""
        return self.then(Breaks(cleanly=True))

    def then_fails(
        self,
        how: int | Exception,
        *,
        code: str | None = None,
        message: str = MADE_UP,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Self:
        """A failure: an HTTP status with *code*, *message* and *headers*, or in process any exception."""
        if isinstance(how, int):
            return self.then(Fails(how, code=code, message=message, headers=dict(headers)))
        return self.then(Fails(error=how))

    def then_sends(self, raw: bytes) -> Self:
        """Exactly these bytes of the body follow."""
        return self.then(Sends(raw))

    # --- how it is told over a socket

    def told_as(self, form: Form, *, status: int = 200, **headers: str) -> Self:
        """The form of the response, its status and more headers (`Retry_After` stands for `Retry-After`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, form=form, status=status, headers={**self.headers, **named})

    def in_pieces_of(self, piece_bytes: int) -> Self:
        """The body comes in reads of that size."""
        return replace(self, piece_bytes=piece_bytes)

    def without_done(self) -> Self:
        """No `[DONE]` is sent."""
        return replace(self, done=False)
