"""The head of an answer: what is the same in its body and in each of its chunks."""

from typing import NamedTuple


class AnswerHead(NamedTuple):
    """What never changes within one answer.

    *id* with its prefix (`chatcmpl-…`, `cmpl-…`); *created* in whole Unix seconds; *model* as it is told to the caller.
    *legacy_functions*: the request had `functions`, so calls are told as `function_call`.  *reasoning_field* is the key
    that reasoning is told under, `reasoning_content` or `reasoning`; None tells none.  *session_id* is told in the body
    of an answer that is not streamed; None is not.
    """

    id: str
    created: int
    model: str
    legacy_functions: bool = False
    include_usage: bool = False
    reasoning_field: str | None = "reasoning_content"
    session_id: str | None = None

    def told_finish(self, reason: str) -> str:
        """The finish reason in the words that the request was made in."""
        return "function_call" if self.legacy_functions and reason == "tool_calls" else reason
