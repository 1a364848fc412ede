"""The deltas of tool calls: what stands between the braces of a delta, in today's form and in the legacy one."""

from typing import Literal

from proxy.wire.answer.extras import Members
from proxy.wire.answer.json_out import dump, splice
from proxy.wire.events import ToolCallDelta

Kind = Literal["function", "custom"]


def call_start(event: ToolCallDelta, members: Members, *, legacy: bool) -> bytes:
    """The delta that opens a call, with empty arguments; *members* are unknown keys beside it."""
    if legacy:
        return b'"function_call":' + dump({"name": event.name, "arguments": ""})
    argument_key = "input" if event.kind == "custom" else "arguments"
    call = {
        "index": event.index,
        "id": event.id,
        "type": event.kind,
        event.kind: {"name": event.name, argument_key: ""},
        **members,
    }
    return b'"tool_calls":' + dump([call])


def around_arguments(number: int, kind: Kind, *, legacy: bool) -> tuple[bytes, bytes]:
    """What stands before and after a piece of a call's arguments."""
    if legacy:
        return b'"function_call":{"arguments":', b"}"
    if kind == "custom":
        return b'"tool_calls":[{"index":%d,"custom":{"input":' % number, b"}}]"
    return b'"tool_calls":[{"index":%d,"function":{"arguments":' % number, b"}}]"


def call_members_alone(number: int, kind: Kind, members: Members) -> bytes:
    """The delta that adds unknown keys to an open call; official clients insist on a piece of arguments in each."""
    before, after = around_arguments(number, kind, legacy=False)
    return before + b'""' + after.removesuffix(b"}]") + splice(members) + b"}]"
