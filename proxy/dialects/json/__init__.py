"""json: calls as JSON objects in the text, in the many shapes that models write.

Forms and what is mended: `forms`, `values`, `loose`; what may surround them: `scanner`; what they mean: `items`.
"""

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json.scanner import JsonScanner
from proxy.dialects.json.values import compact
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.schema import dump, members_of
from proxy.dialects.words import example_name, how_many, said, title, tool_lines

BLOCK = """\
# Tools
To use a tool, write one JSON object of exactly this shape, on a line of its own, with nothing around it, no code fence:
{{"tool_call":{{"name":"{example}","arguments":{{"PARAMETER":"value"}}}}}}
Copy names exactly, give every required parameter, and follow the schemas. Use double quotes, and write line breaks in
strings as \\n. {how_many} If no tool is needed, answer in plain text. The tools, one per line:
{tools}"""
SEVERAL = "Several calls are several such lines. Then stop: results come in the next message, never make them up."
ONE = "Make exactly one call, then stop: its result comes in the next message, never make it up."


class JsonDialect:
    """One canonical line for each call; all shapes are read."""

    def block(self, toolset: Toolset) -> str:
        """What the model is told of its tools."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE), tools=tool_lines(toolset)
        )

    def call_text(self, call: PastCall) -> str:
        """The canonical line; arguments that are no object stay a string."""
        try:
            members_of(call.arguments)
        except ValueError:
            arguments = dump(call.arguments)
        else:
            arguments = compact(call.arguments)
        return f'{{"tool_call":{{"name":{dump(call.name)},"arguments":{arguments}}}}}'

    def result_text(self, result: PastResult) -> str:
        """The result under a line that says which call it answers."""
        return f"{title(result)}\n{said(result)}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """One that reads all forms."""
        return TextDecoder(JsonScanner(toolset, options))
