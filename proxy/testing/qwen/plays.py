"""What the site does with a completion: it answers, in one of many ways, or refuses."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias

from proxy.testing.qwen.tree import Exchange
from proxy.testing.raw import KeepAlive, Reset, Script, Send, Sleep, Stall, event, head, response

Json = dict[str, Any]

FUNCTION_FRAMES = (
    {"role": "function", "content": "looking it up", "phase": "answer", "status": "typing", "name": "web_search"},
    {"role": "function", "content": "", "phase": "answer", "status": "finished"},
)
"""The site's own tools at work, which look as if the answer had ended."""

SSE = {"Content-Type": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Says:
    """An answer: *thinking* first, as the site does if asked for it, then *text*, piece by piece.

    *first*: deltas before all others.  *last*: an event in place of the end.  *ids*: which ids the answer has.
    *tells_created*: else the ids stand in every event.  *usage*: whether token counts come.  *in_finish*: the last
    piece comes in the event that says `finished`.  *ends*: `finished`, or after *after* events by an end of the
    connection, a reset or silence; with *stays_open* the connection does not end with the answer.  *form*: what it is
    sent as, whatever was asked for.  *bytewise*: each byte in a write of its own.  *pause_s* lies between two events.
    """

    text: Sequence[str] | str = "Hello."
    thinking: Sequence[str] = ()
    summaries: Sequence[Sequence[str]] = ()
    first: Sequence[Json] = ()
    last: Json | None = None
    ids: Sequence[str] = ("parent_id", "response_id")
    chat_id: str | None = None
    tells_created: bool = True
    usage: bool = True
    in_finish: bool = False
    finish_reason: str | None = None
    mark: bool = False
    ends: Literal["finished", "eof", "reset", "stall"] = "finished"
    after: int | None = None
    form: Literal["asked", "sse", "json"] = "asked"
    content_type: str | None = None
    bytewise: bool = False
    pause_s: float = 0.0
    stays_open: bool = False

    @property
    def pieces(self) -> list[str]:
        """The text, as it is divided among events."""
        return [self.text] if isinstance(self.text, str) else list(self.text)

    @property
    def whole(self) -> str:
        """All of the text."""
        return "".join(self.pieces)

    def script(self, chat_id: str, taken: Exchange, *, stream: bool, thinks: bool) -> Script:
        """What is done on the wire."""
        if self.form == "json" or (self.form == "asked" and not stream):
            return self._in_one_piece(taken)
        events = [event(json.dumps(each, ensure_ascii=False)) for each in self.events(chat_id, taken, thinks=thinks)]
        if self.mark:
            events.append(event("[DONE]"))
        if self.ends != "finished":
            events = events[: self.after]
        actions: list[Any] = [head(200, SSE if self.content_type is None else {"Content-Type": self.content_type})]
        for each in events:
            cuts = tuple(range(1, len(each.data))) if self.bytewise else ()
            actions.append(Send(each.data, cuts))
            if self.pause_s:
                actions.append(Sleep(self.pause_s))
        if self.ends == "reset":
            actions.append(Reset())
        elif self.ends == "stall" or self.stays_open:
            actions.append(Stall())
        return tuple(actions)

    def events(self, chat_id: str, taken: Exchange, *, thinks: bool) -> Iterator[Json]:
        """The events of a stream, decoded."""
        ids = {name: getattr(taken, name) for name in self.ids}
        told = {"chat_id": chat_id if self.chat_id is None else self.chat_id, **ids}
        if self.tells_created:
            yield {"response.created": told}
        every = {} if self.tells_created else {name: told[name] for name in self.ids}
        tokens = 0
        for delta in self._deltas(thinks=thinks):
            tokens += bool(delta["content"])
            choice: Json = {"delta": delta}
            if delta["status"] == "finished" and self.finish_reason is not None:
                choice["finish_reason"] = self.finish_reason
            counted = {"usage": usage(21, tokens)} if self.usage and delta["status"] == "typing" else {}
            yield {**every, "choices": [choice], **counted}
        if self.last is not None:
            yield self.last

    def _deltas(self, *, thinks: bool) -> Iterator[Json]:
        yield from ({"content": "", "phase": "answer", "status": "typing", **delta} for delta in self.first)
        if thinks:
            for piece in self.thinking:
                yield delta_of(piece, "think")
            if self.thinking:
                yield delta_of("", "think", "finished")
            for thoughts in self.summaries:
                yield {
                    **delta_of("", "thinking_summary"),
                    "extra": {"summary_thought": {"content": list(thoughts)}},
                }
        pieces = [piece for piece in self.pieces if piece]
        last = pieces.pop() if self.in_finish and pieces else ""
        for piece in pieces:
            yield delta_of(piece, "answer")
        if self.last is None:
            yield delta_of(last, "answer", "finished")

    def _in_one_piece(self, taken: Exchange) -> Script:
        if self.ends != "finished":
            broken = (head(200, {"Content-Type": "application/json"}), Send(b'{"success":true,"da'))
            return (*broken, *((Reset(),) if self.ends == "reset" else (Stall(),) if self.ends == "stall" else ()))
        ids = {"parent_id": taken.parent_id, "message_id": taken.response_id}
        named = {"parent_id", *(["message_id"] if "response_id" in self.ids else [])} & ids.keys()
        data = {
            "chat_id": self.chat_id or "",
            **{name: ids[name] for name in named if name != "parent_id" or "parent_id" in self.ids},
            "messages": None,
            "choices": [{"message": {"role": "assistant", "content": self.whole}}],
        }
        return (response(200, {"success": True, "request_id": "9d1e", "data": data}, self.content_type or JSON),)


JSON = "application/json"


def delta_of(content: str, phase: str, status: str = "typing") -> Json:
    """A delta as the site writes it."""
    return {"role": "assistant", "content": content, "phase": phase, "status": status}


def usage(input_tokens: int, output_tokens: int) -> Json:
    """Token counts as the site writes them."""
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": {"text_tokens": input_tokens},
        "output_tokens_details": {"text_tokens": output_tokens},
        "cached_tokens": 0,
        "characters": 0,
    }


@dataclass(frozen=True, slots=True)
class Refuses:
    """No answer, but this: bytes as they are, anything else as JSON; *cut* breaks the connection off instead."""

    status: int = 200
    body: Any = field(default_factory=dict)
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    cut: Literal["", "eof", "reset", "stall"] = ""

    @property
    def script(self) -> Script:
        """What is done on the wire."""
        if self.cut == "eof":
            return ()
        if self.cut == "reset":
            return (Reset(),)
        if self.cut == "stall":
            return (Stall(),)
        return (response(self.status, self.body, self.content_type, **self.headers),)

    @classmethod
    def with_code(cls, code: str, details: str = "", *, status: int = 200, num: float | None = None) -> Self:
        """As the site tells it."""
        data: Json = {"code": code, "details": details} | ({} if num is None else {"num": num})
        return cls(status, {"success": False, "request_id": "9d1e", "data": data})

    @classmethod
    def busy(cls) -> Self:
        """The last turn has not ended yet."""
        return cls.with_code("Bad_Request", "The chat is in progress!")

    @classmethod
    def page(cls, status: int = 200, content_type: str = "text/html") -> Self:
        """The challenge page."""
        return cls(status, b"<!doctype html><title>Are you human? secret-cookie</title>", content_type)

    def at(self, status: int) -> "Refuses":
        """The same under another status."""
        return replace(self, status=status)


Answers: TypeAlias = Says | Refuses

KEPT_OPEN = {"Connection": "keep-alive"}


def told(body: Any) -> Script:
    """A whole JSON answer on a connection that stays open."""
    return (response(200, body, JSON, **KEPT_OPEN), KeepAlive())
