"""The body for an upstream that itself speaks Chat Completions: the caller's, less what is ours, plus what we need."""

from dataclasses import replace

from proxy.wire.request.body import JsonObject, encode_json
from proxy.wire.request.chat import ChatRequest
from proxy.wire.request.choice import ToolChoice
from proxy.wire.request.parts import text_of


def upstream_body(
    request: ChatRequest,
    *,
    upstream_model: str,
    stream: bool,
    token_field: str = "max_completion_tokens",  # noqa: S107 - tokens of text
    developer_role: bool = True,
    max_output_tokens: int | None = None,
) -> bytes:
    """Return the JSON to send.

    *stream*: whether the answer is streamed upstream, whatever the caller asked; usage is then asked for always.
    *token_field*: the name that the upstream has for the token limit; *max_output_tokens* lowers the limit that the
    caller gave.  *developer_role*: false where developer messages must go as system messages.
    """
    body = {**request.body, "model": upstream_model, "stream": stream}
    if stream:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    else:
        body.pop("stream_options", None)
    if request.max_tokens is not None:
        body[token_field] = min(request.max_tokens, max_output_tokens or request.max_tokens)
    if not developer_role:
        body["messages"] = [_without_developer_role(message) for message in request.messages]
    return encode_json(body)


def prefilled(request: ChatRequest, text: str) -> ChatRequest:
    """Return the request with *text* as the beginning of the answer: its history ends with an assistant message.

    A beginning that the caller gave itself is continued, not followed by a second one.
    """
    *before, last = request.messages
    if last["role"] == "assistant":  # without calls: an open one is never let through
        messages = [*before, {**last, "content": text_of(last) + text}]
    else:
        messages = [*request.messages, {"role": "assistant", "content": text}]
    return replace(request, messages=messages, body={**request.body, "messages": messages})


def told_as_text(request: ChatRequest, tool_block: str) -> ChatRequest:
    """Return the request for a model that knows tools as text alone.

    *tool_block* follows the system text after a blank line.  Results, which are text already, become user messages:
    those that stand together become one.
    """
    messages: list[JsonObject] = []
    in_results = False
    for message in request.messages:
        if message["role"] != "tool":
            messages.append(message)
        elif in_results:
            messages[-1] = {"role": "user", "content": f"{messages[-1]['content']}\n\n{text_of(message)}"}
        else:
            messages.append({"role": "user", "content": text_of(message)})
        in_results = message["role"] == "tool"
    if tool_block:
        messages = _with_block(messages, tool_block)
    return replace(request, messages=messages, body={**request.body, "messages": messages})


def _with_block(messages: list[JsonObject], tool_block: str) -> list[JsonObject]:
    """Put the block behind the last of the system messages that a history begins with."""
    count = 0
    while count < len(messages) and messages[count]["role"] in ("system", "developer"):
        count += 1
    if not count:
        return [{"role": "system", "content": tool_block}, *messages]
    last = messages[count - 1]
    content = last.get("content")
    if type(content) is list:
        content = [*content, {"type": "text", "text": f"\n\n{tool_block}"}]
    else:
        content = f"{content}\n\n{tool_block}" if content else tool_block
    return [*messages[: count - 1], {**last, "content": content}, *messages[count:]]


def without_tools(request: ChatRequest) -> ChatRequest:
    """Return the request as if no tool had been declared; what was said of tools before stays as it is."""
    said = ("tools", "tool_choice", "parallel_tool_calls")
    body = {name: value for name, value in request.body.items() if name not in said}
    return replace(request, tools=[], tool_names=frozenset(), tool_choice=ToolChoice("none"), body=body)


def _without_developer_role(message: JsonObject) -> JsonObject:
    return {**message, "role": "system"} if message["role"] == "developer" else message
