"""Usage: the upstream's count of tokens as it is told, or an estimate that says that it is one."""

from typing import Any

from proxy.wire.answer.fold import Answer
from proxy.wire.events import Usage

ASCII_CHARS_PER_TOKEN = 4  # English prose and code, common vocabularies; https://platform.openai.com/tokenizer


def estimate_tokens(text: str) -> int:
    """About how many tokens *text* is: one for every four ASCII characters begun, one for each other character."""
    if text.isascii():
        return -(-len(text) // ASCII_CHARS_PER_TOKEN)
    ascii_chars = len(text.encode("ascii", "ignore"))
    return -(-ascii_chars // ASCII_CHARS_PER_TOKEN) + len(text) - ascii_chars


def estimate_usage(answer: Answer, prompt_tokens: int) -> Usage:
    """The usage of an answer whose upstream did not count; *prompt_tokens* is the estimate for what was asked."""
    completion_tokens = sum(
        estimate_tokens(text)
        for choice in answer.choices.values()
        for text in (
            choice.text,
            choice.reasoning,
            choice.refusal,
            *(part for call in choice.calls for part in (call.name, call.arguments)),
        )
    )
    return Usage(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens, estimated=True)


def usage_object(usage: Usage) -> dict[str, Any]:
    """`{"prompt_tokens", "completion_tokens", "total_tokens"}`, then the upstream's details, then `"estimated":true`.

    Details of unknown size (null) are left out: the public schema has integers there.
    """
    told: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    details = (("prompt_tokens_details", usage.prompt_details), ("completion_tokens_details", usage.completion_details))
    for key, counts in details:
        if counts is not None:
            told[key] = {name: count for name, count in counts.items() if count is not None}
    if usage.estimated:
        told["estimated"] = True
    return told
