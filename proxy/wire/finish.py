"""Finish reasons: the words that upstreams use, and what they become."""

from proxy.errors import UpstreamTruncated

FAILED = "failed"
"""What a word means by which the upstream says that it broke: not a finish, but an error."""

UNKNOWN_MEANS = "length"
"""What a word that nobody knows is read as: that the answer may be cut is the one guess that can't do harm."""

_WORDS: dict[str, tuple[str, ...]] = {
    "stop": ("stop", "end_turn", "stop_sequence", "eos", "eos_token", "completed", "complete", "finished"),
    "length": (
        "length",
        "max_tokens",
        "max_output_tokens",
        "model_length",
        "token_limit",
        "incomplete",
        "truncated",
    ),
    "content_filter": (
        "content_filter",
        "safety",
        "sensitive",
        "moderation",
        "blocked",
        "recitation",
        "refusal",
    ),
    "tool_calls": ("tool_calls", "tool_use", "function_call"),
    FAILED: (
        "error",
        "failed",
        "abort",
        "aborted",
        "cancelled",
        "network_error",
        "insufficient_system_resource",
        "malformed_function_call",
    ),
}

FINISH_WORDS: dict[str, str] = {word: meaning for meaning, words in _WORDS.items() for word in words}
"""Each known word, in lower case, and the finish reason that it means, or FAILED."""

_NO_FINISH = ("", "null", "none")  # how servers that print their empty value spell "not finished"


def names_no_finish(word: str) -> bool:
    """Whether *word* stands where a finish reason goes, but means that there is none yet."""
    return word.strip().lower() in _NO_FINISH


def read_finish(word: str) -> str | None:
    """Give the finish reason that *word* means, in any case, or FAILED; None for a word that nobody knows."""
    return FINISH_WORDS.get(word.strip().lower())


def settle_finish(reason: str | None, *, calls_whole: bool, calls_cut: bool) -> str:
    """Give the finish reason to tell, now that the tool calls of the answer are known.

    *reason* is the upstream's (`stop`, `length`, `content_filter`, `tool_calls`; None: the upstream ended without one);
    *calls_whole*: at least one whole call was told; *calls_cut*: the last call's arguments are the beginning of a JSON
    text.  Calls override `stop` alone: an answer that was cut or filtered stays one.

    Raises UpstreamTruncated for a cut call without any finish reason: nothing says that the upstream meant to end.
    """
    if reason is None and calls_cut:
        raise UpstreamTruncated(detail="the answer ended inside a tool call, without a finish reason")
    if reason in ("length", "content_filter"):
        return reason
    if calls_cut:
        return "length"
    if calls_whole or reason == "tool_calls":
        return "tool_calls"
    return "stop"
