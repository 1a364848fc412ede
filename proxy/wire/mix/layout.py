"""Laying a turn out: as one text of labelled sections, and as messages; either alone is the whole turn.

The sections, each with its label on a line of its own, a blank line between: what operators say, the summary of what
was left out, the conversation so far, results of tools, the question; at the end, without a label, what is told of the
tools.  A single section needs no label.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from proxy.errors import ContextLengthExceeded
from proxy.wire.request import JsonObject
from proxy.wire.shorten import MARK, shortened

SYSTEM_ROLES = ("system", "developer")
SPEAKERS = {"user": "User: ", "assistant": "Assistant: ", "tool": ""}
SHORTEST_CHARS = 64
SEPARATOR = "\n\n"


class Labels(NamedTuple):
    """What stands above each section."""

    instructions: str
    summary: str
    past: str
    results: str
    question: str


LABELS = {
    "en": Labels(
        "[Instructions]", "[Summary of earlier turns]", "[Conversation so far]", "[Tool results]", "[Current question]"
    ),
    "zh": Labels("[系统指令]", "[历史摘要记忆]", "[对话历史]", "[工具执行结果]", "[当前问题]"),
}


class Layout(NamedTuple):
    """A turn: *query* is all of it as one text, *question* only what is asked; *messages* are all of it, too."""

    query: str
    question: str
    messages: list[JsonObject]


class _Sections(NamedTuple):
    instructions: str
    summary: str
    past: str
    results: str
    question: str


def lay_out(
    messages: Sequence[JsonObject],
    tail: int,
    *,
    fresh: bool,
    labels: Labels = LABELS["en"],
    tool_block: str = "",
    summary: str = "",
    query_max_chars: int = 0,
) -> Layout:
    """Lay out everything (*fresh*), or what is new: the messages from *tail* on.

    Raises `ContextLengthExceeded` where the query can't be made to fit into *query_max_chars* (0 = no limit).
    """
    forged = re.compile(rf"^(?=(?:{'|'.join(map(re.escape, labels))})[ \t\r]*$)", re.MULTILINE)

    def said(message: JsonObject) -> str:
        return forged.sub(" ", full_text(message))

    new = messages[tail:]
    told = messages if fresh else new
    results = [said(each) for each in new if each["role"] == "tool"]
    asked = [said(each) for each in new if each["role"] == "user"]
    if fresh and results and not asked:
        asked = [said(each) for each in messages if each["role"] == "user"][-1:]
    past = [f"{SPEAKERS[each['role']]}{said(each)}" for each in messages[:tail] if each["role"] not in SYSTEM_ROLES]
    sections = _Sections(
        joined(said(each) for each in told if each["role"] in SYSTEM_ROLES),
        forged.sub(" ", summary) if fresh else "",
        joined(past if fresh else ()),
        joined(results),
        joined(asked),
    )
    query = within(sections, labels, tool_block, query_max_chars)
    lead = joined((sections.instructions, sections.summary, tool_block))
    said_in_turn = [(each["role"], said(each)) for each in told if each["role"] not in SYSTEM_ROLES]
    return Layout(query, sections.question or sections.results or query, as_messages(lead, said_in_turn))


def as_messages(lead: str, said: Sequence[tuple[str, str]]) -> list[JsonObject]:
    """One leading message of the system's, if anything is to be led with; then what each has *said*, by role."""
    roles = {"assistant": "assistant"}
    listed = [{"role": roles.get(role, "user"), "content": text} for role, text in said if text]
    return [{"role": "system", "content": lead}, *listed] if lead else listed


def full_text(message: JsonObject) -> str:
    """All that a message says; what is no text has a placeholder, so that nothing vanishes without a word."""
    content = message.get("content")
    if type(content) is not str:
        content = "\n".join(_part(part) for part in content or ())
    calls = (call.get("function", {}) for call in message.get("tool_calls") or ())
    return joined([content, *(f"[called {call.get('name', '')}: {call.get('arguments', '')}]" for call in calls)])


def _part(part: JsonObject) -> str:
    text = part.get(part["type"])
    return text if part["type"] in ("text", "refusal") and type(text) is str else f"[{part['type']} omitted]"


def joined(texts: object) -> str:
    """The texts that say something, a blank line between."""
    return SEPARATOR.join(text for text in texts if text.strip())  # type: ignore[attr-defined]  # any iterable of texts


def within(sections: _Sections, labels: Labels, tool_block: str, limit: int) -> str:
    """The query; where it is over the *limit* the past is shortened, then results, then the question."""
    query = assembled(sections, labels, tool_block)
    if not limit or len(query) <= limit:
        return query
    for name in ("past", "results", "question"):
        text: str = getattr(sections, name)
        over = len(query) - limit
        if len(text) > SHORTEST_CHARS:
            keep = max(SHORTEST_CHARS, len(text) - over - len(MARK.format(len(text))))
            sections = sections._replace(**{name: shortened(text, keep)})
            query = assembled(sections, labels, tool_block)
        if len(query) <= limit:
            return query
    raise ContextLengthExceeded(
        f"The messages are too long for the upstream ({len(query)} > {limit} characters).", param="messages"
    )


def assembled(sections: _Sections, labels: Labels, tool_block: str) -> str:
    """The sections that there are, labelled where there are several."""
    there = [(label, text) for label, text in zip(labels, sections, strict=True) if text.strip()]
    told = [f"{label}\n{text}" for label, text in there] if len(there) > 1 else [text for _, text in there]
    return joined([*told, tool_block])
