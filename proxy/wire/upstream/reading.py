"""How an upstream's answer is to be read, and what is counted while it is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

PieceMode = Literal["delta", "snapshot"]
CredentialMode = Literal["none", "static", "pass_through", "managed"]


class Anomaly(StrEnum):
    """What is put right or passed over without a word to the caller, and counted: labels of a metric."""

    NOISE = "noise"  # an event's data is neither JSON nor the end mark
    UNKNOWN_FINISH = "unknown_finish"
    FINISH_REPEATED = "finish_repeated"
    CONTENT_AFTER_FINISH = "content_after_finish"
    AFTER_END = "after_end"  # an event after the one that completed the answer
    PART_IGNORED = "part_ignored"  # a content part that is no text
    CALL_DROPPED = "call_dropped"  # the answer was cut before the name of a call came
    CHOICES_MISSING = "choices_missing"  # the end mark came before anything of some choice
    EMPTY = "empty"  # a choice finished without text or calls


@dataclass(frozen=True, slots=True)
class Reading:
    """How an upstream's answer is to be read.

    *make_call_id* makes the id of a call that has no usable one.  *n* choices were asked for.  *text*, *arguments*:
    whether each piece is new, or repeats all before it.  *think_tags*: an answer begins with its reasoning in `<think>`
    tags.  *credential*: whose key was sent, which decides what a 401 or 403 inside the answer is.
    """

    make_call_id: Callable[[], str]
    n: int = 1
    text: PieceMode = "delta"
    arguments: PieceMode = "delta"
    think_tags: bool = False
    credential: CredentialMode = "static"
