"""How reading tool calls from text came out, counted: for whoever tunes a model's instructions."""

from proxy.dialects import declared_tools, toolset_of
from proxy.dialects.conforming import conforms
from proxy.exchange import Exchange
from proxy.ports import Ports


def count_outcomes(x: Exchange, ports: Ports) -> None:
    """Count an answer's calls, and how they keep the declared schemas.

    Words: `call`, `none`, `required_missing`, `schema_mismatch`, `schema_unknown`.
    """
    toolset = toolset_of(x.request)
    if not toolset.tools:
        return
    counts, dialect = ports.tool_outcomes, x.course.place.dialect
    tools = declared_tools(x.request)
    for choice in x.answer.choices.values():
        if not choice.calls:
            counts[dialect, "required_missing" if toolset.must_call else "none"] += 1
        for call in choice.calls:
            counts[dialect, "call"] += 1
            if call.name in tools and call.whole:
                kept = conforms(call.arguments or "{}", tools[call.name].parameters)
                if not kept:
                    counts[dialect, "schema_unknown" if kept is None else "schema_mismatch"] += 1
