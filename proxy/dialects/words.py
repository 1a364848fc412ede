"""Words that every dialect needs: the tools line by line, how many calls are wanted, and what results are called.

All of it is inserted as data: what a description says can't begin a line of its own.
"""

from proxy.dialects.port import PastResult, Tool, Toolset
from proxy.dialects.schema import dump

NO_OUTPUT = "(no output)"
"""Said of an empty result: a message that is empty makes models repeat the call."""


def tool_line(tool: Tool) -> str:
    """One tool as one line of compact JSON, its schema complete."""
    return dump({"name": tool.name, "description": tool.description, "parameters": tool.parameters})


def tool_lines(toolset: Toolset) -> str:
    """All tools, one per line, in the order declared."""
    return "\n".join(map(tool_line, toolset.tools))


def how_many(toolset: Toolset, several: str, one: str) -> str:
    """The sentence about several calls, or about a single one, and whether one must be made."""
    sentence = several if toolset.parallel else one
    if not toolset.must_call:
        return sentence
    if len(toolset.tools) == 1:
        return f"{sentence}\nYou must call the tool {toolset.tools[0].name} in this answer."
    return f"{sentence}\nYou must call at least one tool in this answer."


def example_name(toolset: Toolset, name: str = "TOOL") -> str:
    """A name for examples, which no declared tool bears."""
    declared = {tool.name for tool in toolset.tools}
    while name in declared:
        name += "_X"
    return name


def said(result: PastResult) -> str:
    """The text of a result, or that there is none."""
    return result.text if result.text.strip() else NO_OUTPUT


def title(result: PastResult) -> str:
    """Which call a result answers."""
    if result.tool is None:
        return "Result of a tool:"
    return f"Result of tool {result.tool} (call {result.position} of {result.calls}):"
