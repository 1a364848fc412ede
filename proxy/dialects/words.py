"""Words that every dialect needs: the tools line by line, how many calls are wanted, and what results are called.

All of it is inserted as data: what a description says can't begin a line of its own.
"""

import re

from proxy.dialects.port import PastCall, PastResult, Tool, Toolset
from proxy.dialects.schema import dump, load

NO_OUTPUT = "(no output)"
"""Said of an empty result: a message that is empty makes models repeat the call."""


def tool_line(tool: Tool) -> str:
    """One tool as one line of compact JSON, its schema complete."""
    return dump({"name": tool.name, "description": tool.description, "parameters": tool.parameters})


def tool_lines(toolset: Toolset) -> str:
    """All tools, one per line, in the order declared."""
    return "\n".join(map(tool_line, toolset.tools))


def signatures(toolset: Toolset) -> str:
    """All tools, one per line, as OpenAI's own function objects: the form that most models have seen in training."""
    return "\n".join(map(_signature, toolset.tools))


def _signature(tool: Tool) -> str:
    function = {"name": tool.name, "description": on_one_line(tool.description), "parameters": tool.parameters}
    return dump({"type": "function", "function": {key: told for key, told in function.items() if told != ""}})


_LINE_ENDS = re.compile(r"[ \t]*[\r\n]\s*")


def on_one_line(text: str) -> str:
    """*text* without line ends: they become blanks."""
    text = text.strip()
    return _LINE_ENDS.sub(" ", text) if "\n" in text or "\r" in text else text


def arguments_json(call: PastCall) -> str:
    """The arguments of a past call as they came, if they are an object; else as a JSON string."""
    try:
        whole = isinstance(load(call.arguments), dict)
    except ValueError:
        whole = False
    return call.arguments.strip() if whole else dump(call.arguments)


def json_call(call: PastCall, key: str = "arguments") -> str:
    """A past call as one JSON object, the arguments under *key*."""
    return f'{{"name":{dump(call.name)},"{key}":{arguments_json(call)}}}'


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
