"""The history: every message by its role, every tool call matched with its result, legacy forms made modern.

What is sloppy but clear is kept in its clear form: calls without a type, arguments as an object, `null` in a tool
message; the rest of a message, unknown keys included, stays as it came.
"""

from itertools import takewhile
from typing import Any

from proxy.errors import RequestRejected
from proxy.wire.request.body import JsonObject
from proxy.wire.request.calls import OpenCalls, call_of_function, check_calls
from proxy.wire.request.parts import check_content, text_of
from proxy.wire.request.rules import ModelRules
from proxy.wire.request.say import rejected, wrong_type

MAX_MESSAGES = 10_000

_ROLES = frozenset({"system", "user", "assistant", "tool", "developer", "function"})
_ROLE_RULE = "'system', 'user', 'assistant', 'tool', 'developer', or 'function'"


def check_messages(body: JsonObject, rules: ModelRules, model: str) -> list[JsonObject]:
    """Return the history of a request to *model*, checked in order, then as a whole; raises `RequestRejected`."""
    reader = _Reader(rules, model)
    checked = [reader.read(index, message) for index, message in enumerate(_messages_of(body))]
    reader.open_calls.close()
    if rules.require_user and not reader.has_user:
        raise RequestRejected("messages must contain at least one user message", param="messages")
    if rules.needs_new_text and not _ends_with_text(checked):
        raise RequestRejected("messages must end with a message to answer, with text in it", param="messages")
    return checked


def _ends_with_text(messages: list[JsonObject]) -> bool:
    """Whether anything is said after the last assistant message; system text alone is, where it goes on something."""
    new = list(takewhile(lambda message: message["role"] != "assistant", reversed(messages)))
    goes_on = len(new) < len(messages)
    return any(
        message["role"] == "tool" or ((goes_on or message["role"] == "user") and _says_something(message))
        for message in new
    )


def _says_something(message: JsonObject) -> bool:
    """Whether a checked message has text, or a part that something is put in the place of."""
    content = message["content"]
    return bool(text_of(message).strip()) or (
        type(content) is list and any(part["type"] not in ("text", "refusal") for part in content)
    )


def _messages_of(body: JsonObject) -> list[Any]:
    messages = body.get("messages")
    if messages is None:
        raise RequestRejected("messages must be an array", code="missing_required_parameter", param="messages")
    if type(messages) is not list:
        raise RequestRejected("messages must be an array", code="invalid_type", param="messages")
    if not messages:
        raise RequestRejected("messages array cannot be empty", code="empty_array", param="messages")
    if len(messages) > MAX_MESSAGES:
        raise rejected("messages", f"at most {MAX_MESSAGES} messages", f"{len(messages)}", "array_above_max_length")
    return messages


class _Reader:
    """One pass over the messages: what the next one may be depends on the calls that are still open."""

    __slots__ = ("has_user", "model", "open_calls", "rules")

    def __init__(self, rules: ModelRules, model: str) -> None:
        self.rules = rules
        self.model = model
        self.open_calls = OpenCalls()
        self.has_user = False

    def read(self, index: int, value: Any) -> JsonObject:
        """Check one message and return it as it is kept."""
        path = f"messages[{index}]"
        message, role = _message_at(path, value)
        if role == "tool" or role == "function":  # noqa: PLR1714 - twice as fast as a look into a set
            return self._result(path, role, message)
        if self.open_calls.paths:
            self.open_calls.close()
            self.open_calls = OpenCalls()
        if role == "assistant":
            return self._assistant(path, index, message)
        self.has_user |= role == "user"
        self._prompt(path, role, message)
        return message

    def _prompt(self, path: str, role: str, message: JsonObject) -> None:
        """A system, developer or user message says something, and calls nothing."""
        content = message.get("content")
        if content is None:
            raise _lacks(path, "content")
        if content == []:
            raise rejected(f"{path}.content", "at least one content part", "none", "empty_array")
        check_content(f"{path}.content", content, role, self.rules, self.model)
        _refuse_calls(path, role, message)

    def _assistant(self, path: str, index: int, message: JsonObject) -> JsonObject:
        """An assistant message is kept with its calls in modern form, and these are open from now on."""
        content = message.get("content")
        if content is not None:
            check_content(f"{path}.content", content, "assistant", self.rules, self.model)
        if "tool_calls" not in message and "function_call" not in message:
            return message
        kept = dict(message)
        calls = kept.pop("tool_calls", None)
        function = kept.pop("function_call", None)
        if calls is not None and calls != []:
            kept["tool_calls"] = check_calls(f"{path}.tool_calls", calls, self.rules, self.open_calls)
            if function is not None:
                raise rejected(f"{path}.function_call", "nothing beside tool_calls", "a call", "invalid_value")
        elif function is not None:
            made_id = f"call_of_message_{index}"
            kept["tool_calls"] = [call_of_function(f"{path}.function_call", function, made_id, self.open_calls)]
        return kept

    def _result(self, path: str, role: str, message: JsonObject) -> JsonObject:
        """A tool message answers an open call; a legacy function message does so in order, and becomes one."""
        content = message.get("content")
        if content is None:
            message = {**message, "content": ""}
        else:
            check_content(f"{path}.content", content, role, self.rules, self.model)
        _refuse_calls(path, role, message)
        if role == "tool":
            self.open_calls.answer(path, _tool_call_id(path, message), message.get("name"))
            return message
        kept = dict(message)
        call_id = self.open_calls.answer_in_order(path, kept.pop("name", None))
        return {**kept, "role": "tool", "tool_call_id": call_id}


def _message_at(path: str, message: Any) -> tuple[JsonObject, str]:
    """The message at *path*, and its role."""
    if type(message) is not dict:
        raise RequestRejected(f"{path} must be an object", code="invalid_type", param=path)
    role = message.get("role")
    if role is None:
        raise _lacks(path, "role")
    if type(role) is not str or role not in _ROLES:
        raise RequestRejected(f"{path}.role must be {_ROLE_RULE}", param=f"{path}.role")
    return message, role


def _tool_call_id(path: str, message: JsonObject) -> str:
    call_id = message.get("tool_call_id")
    if call_id is None or call_id == "":
        raise RequestRejected(
            f"{path} with role 'tool' is missing required field: tool_call_id",
            code="missing_tool_call_id",
            param=f"{path}.tool_call_id",
        )
    if type(call_id) is not str:
        raise wrong_type(f"{path}.tool_call_id", "a string", call_id)
    return call_id


def _refuse_calls(path: str, role: str, message: JsonObject) -> None:
    calls = message.get("tool_calls")
    if calls is not None and calls != []:
        raise rejected(
            f"{path}.tool_calls", "calls in assistant messages only", f"some in a {role} message", "invalid_value"
        )


def _lacks(path: str, name: str) -> RequestRejected:
    return RequestRejected(
        f"{path} is missing required field: {name}", code="missing_required_parameter", param=f"{path}.{name}"
    )
