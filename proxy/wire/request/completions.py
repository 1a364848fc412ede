"""`POST /v1/completions`, the old text form: a body becomes that of a chat request, or is refused."""

from proxy.wire.request.body import JsonObject
from proxy.wire.request.rules import model_of
from proxy.wire.request.say import json_type, missing, rejected
from proxy.wire.request.values import integer

_A_PROMPT = "a string or an array of one string"
_UNSUPPORTED = ("echo", "suffix", "logprobs", "tools", "functions", "messages")
_best_of = integer(1)


def completions_to_chat(body: JsonObject) -> JsonObject:
    """Return the chat body that asks for the same as the completions *body*; its prompt becomes one user message.

    Raises `RequestRejected` for a model or prompt in bad form and for what chat has no counterpart of; all other fields
    are left for the chat checks.
    """
    model_of(body)
    message = {"role": "user", "content": _prompt_of(body)}
    for name in _UNSUPPORTED:
        value = body.get(name)
        if not (value is None or value is False or value == []):
            raise rejected(name, "it left out with completions", "a value", "unsupported_parameter")
    best_of = body.get("best_of")
    if best_of is not None and _best_of("best_of", best_of) > 1:
        raise rejected("best_of", "1", "more", "unsupported_parameter")
    kept = {name: value for name, value in body.items() if name not in (*_UNSUPPORTED, "best_of", "prompt")}
    return {**kept, "messages": [message]}


def _prompt_of(body: JsonObject) -> str:
    match body.get("prompt"):
        case None:
            raise missing("prompt", _A_PROMPT)
        case str(prompt) | [str(prompt)]:
            return prompt
        case [_, _, *_]:
            raise rejected("prompt", _A_PROMPT, "an array of more", "unsupported_value")
        case prompt:
            raise rejected("prompt", _A_PROMPT, json_type(prompt), "unsupported_value")
