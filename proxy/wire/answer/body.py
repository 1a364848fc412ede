"""The body of a chat completion that is not streamed; it says the same as the frames of the same events."""

from typing import Any

from proxy.wire.answer.fold import Answer, FoldedCall, FoldedChoice
from proxy.wire.answer.head import AnswerHead
from proxy.wire.answer.json_out import dump
from proxy.wire.answer.usage import usage_object


def chat_body(head: AnswerHead, answer: Answer) -> bytes:
    """`{"id", "object":"chat.completion", "created", "model", "choices", "usage"}`, then what the upstream added.

    Choices are those of `answer.finishes`, by index.  Raises ValueError for an answer that is not settled.
    """
    return whole_body(
        head,
        answer,
        "chat.completion",
        [
            _choice(head, index, answer.choices.get(index) or FoldedChoice(), reason)
            for index, reason in sorted(answer.finishes.items())
        ],
    )


def whole_body(head: AnswerHead, answer: Answer, object_name: str, choices: list[dict[str, Any]]) -> bytes:
    """What surrounds the choices.  Raises ValueError if a choice has no finish reason, or if no usage was set."""
    if answer.usage is None or answer.choices.keys() - answer.finishes.keys():
        raise ValueError("the answer is not settled: a finish reason or the usage is missing")
    body = {
        "id": head.id,
        "object": object_name,
        "created": head.created,
        "model": head.model,
        "choices": choices,
        "usage": usage_object(answer.usage),
        **answer.chunk,
    }
    if head.session_id is not None:
        body["session_id"] = head.session_id
    return dump(body)


def _choice(head: AnswerHead, index: int, choice: FoldedChoice, reason: str) -> dict[str, Any]:
    return {
        "index": index,
        "message": _message(head, choice),
        "logprobs": choice.logprobs,
        "finish_reason": head.told_finish(reason),
        **choice.members,
    }


def _message(head: AnswerHead, choice: FoldedChoice) -> dict[str, Any]:
    text = choice.text
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls and not text else text,
        "refusal": choice.refusal or None,
        "annotations": [],
    }
    if head.reasoning_field and choice.reasoning_pieces:
        message[head.reasoning_field] = choice.reasoning
    if choice.calls and head.legacy_functions:
        message["function_call"] = _function(choice.calls[0])
    elif choice.calls:
        message["tool_calls"] = [_call(call) for call in choice.calls]
    message.update(choice.delta)
    return message


def _call(call: FoldedCall) -> dict[str, Any]:
    what = {"name": call.name, "input": call.arguments} if call.kind == "custom" else _function(call)
    return {"id": call.id, "type": call.kind, call.kind: what, **call.members}


def _function(call: FoldedCall) -> dict[str, str]:
    return {"name": call.name, "arguments": call.arguments or "{}"}
