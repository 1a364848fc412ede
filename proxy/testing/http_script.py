"""Scripts as bytes: what each step of an upstream is in a stream of Chat Completions chunks, or in one JSON body."""

from typing import Any

import orjson

from proxy.testing.script import (
    Calls,
    Declines,
    Fails,
    Finishes,
    Opens,
    Pings,
    Reports,
    Says,
    Sends,
    Step,
    Thinks,
    Upstream,
)

ANSWER_ID = "chatcmpl-upstream"
CREATED = 1_790_000_000
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

Json = dict[str, Any]


class StreamScript:
    """The steps of one answer as server-sent events, in order."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._calls: dict[int, int] = {}
        self._choices: dict[int, bool] = {}  # whether a choice has a finish reason

    def bytes_of(self, step: Step) -> bytes:  # noqa: PLR0911 - a table of steps
        """The frames of *step*; none for a step that is no frame."""
        match step:
            case Opens():
                return self._delta({"role": "assistant", "content": ""}, 0)
            case Pings():
                return PING
            case Says(text, choice):
                return self._delta({"content": text}, choice)
            case Thinks(text, choice):
                return self._delta({"reasoning_content": text}, choice)
            case Declines(text):
                return self._delta({"refusal": text}, 0)
            case Calls():
                return self._call(step)
            case Reports():
                return self._frame({"choices": [], "usage": usage_of(step)})
            case Finishes(reason, choice):
                self._choices[choice] = True
                return self._frame({"choices": [{"index": choice, "delta": {}, "finish_reason": reason}]})
            case Fails():
                return b"data: %b\n\n" % orjson.dumps({"error": {**step.body["error"], "status": step.status}})
            case Sends(raw):
                return raw
            case _:
                return b""

    def ending(self) -> bytes:
        """The finish reasons that no step has given."""
        open_choices = [choice for choice, finished in (self._choices or {0: False}).items() if not finished]
        return b"".join(
            self.bytes_of(Finishes("tool_calls" if choice in self._calls else "stop", choice))
            for choice in open_choices
        )

    def _call(self, step: Calls) -> bytes:
        index = self._calls.get(step.choice, 0)
        self._calls[step.choice] = index + 1
        function = {"name": step.tool, "arguments": ""}
        start = {"index": index, "id": f"call_{step.choice}_{index}", "type": "function", "function": function}
        more = {"index": index, "function": {"arguments": step.arguments}}
        pieces = [start, more] if step.arguments else [start]
        return b"".join(self._delta({"tool_calls": [piece]}, step.choice) for piece in pieces)

    def _delta(self, delta: Json, choice: int) -> bytes:
        self._choices.setdefault(choice, False)
        return self._frame({"choices": [{"index": choice, "delta": delta, "finish_reason": None}]})

    def _frame(self, chunk: Json) -> bytes:
        head = {"id": ANSWER_ID, "object": "chat.completion.chunk", "created": CREATED, "model": self._model}
        return b"data: %b\n\n" % orjson.dumps({**head, **chunk})


def completion_of(script: Upstream, model: str) -> bytes:
    """The whole answer of *script* as one JSON body."""
    choices: dict[int, Json] = {}
    usage: Json | None = None
    for step in script.steps:
        match step:
            case Says(text, choice):
                message_of(choices, choice)["content"] = (message_of(choices, choice)["content"] or "") + text
            case Thinks(text, choice):
                told = message_of(choices, choice)
                told["reasoning_content"] = told.get("reasoning_content", "") + text
            case Declines(text):
                message_of(choices, 0)["refusal"] = text
            case Calls(tool, arguments, choice):
                calls = message_of(choices, choice).setdefault("tool_calls", [])
                function = {"name": tool, "arguments": arguments}
                calls.append({"id": f"call_{choice}_{len(calls)}", "type": "function", "function": function})
                choices[choice]["finish_reason"] = "tool_calls"
            case Finishes(reason, choice):
                message_of(choices, choice)
                choices[choice]["finish_reason"] = reason
            case Reports():
                usage = usage_of(step)
    message_of(choices, 0)
    body = {"id": ANSWER_ID, "object": "chat.completion", "created": CREATED, "model": model}
    told_choices = [choice for _index, choice in sorted(choices.items())]
    return orjson.dumps({**body, "choices": told_choices, **({"usage": usage} if usage else {})})


def message_of(choices: dict[int, Json], choice: int) -> Json:
    """The message of a choice, made when there is none yet."""
    made = {"index": choice, "message": {"role": "assistant", "content": None}, "finish_reason": "stop"}
    message: Json = choices.setdefault(choice, made)["message"]
    return message


def usage_of(step: Reports) -> Json:
    """Token counts as an object."""
    total = step.prompt_tokens + step.completion_tokens
    return {
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
        "total_tokens": total,
    }
