"""pythonic: calls as a Python list of function calls, as Llama 4 and small Llama 3.2 models write them.

    [set_alarm(time="07:30", days=["mon", "tue"]), now()]

The format: Meta's model cards and prompt formats for Llama 3.2 and Llama 4, “Zero-shot function calling”.  Llama 4 may
put `<|python_start|>` and `<|python_end|>` around it.

A list is one only at the beginning of a line, and a call only with keyword arguments that are literals.
"""

import re

from proxy.dialects.decoder import TextDecoder
from proxy.dialects.json_calls import ONE, SEVERAL, JsonCallScanner
from proxy.dialects.json_pieces import after_space
from proxy.dialects.port import Decoder, DialectOptions, PastCall, PastResult, Toolset
from proxy.dialects.python_text import read_literal
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import beginnings
from proxy.dialects.schema import members_of, object_of, typed_json
from proxy.dialects.words import arguments_json, example_name, how_many, said, signatures, title

START, END = "<|python_start|>", "<|python_end|>"
UNPACK = "**"

_KEYWORD = re.compile(r"[^\s=,()\[\]{}'\"*]*")
_JSON_WORD = re.compile(r'("(?:[^"\\]|\\.)*")|true|false|null')
_PYTHON_WORDS = {"true": "True", "false": "False", "null": "None"}

BLOCK = """\
# Tools
You can call the functions below, one per line. A call is a list of Python function calls with keyword arguments, on a
line of its own, outside code fences:
[{example}(PARAMETER="value")]
Copy names exactly, give every required parameter, and write every value as a Python literal. {how_many} If no function
is needed, just answer.

{tools}"""


class PythonicScanner(JsonCallScanner):
    """Reads lists of calls at the beginnings of lines."""

    opener = beginnings(START)
    line_opener = r"\["
    fence_infos = None

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        self._heads = {f"{name}(": name for name in self.schemas}

    def candidate(self) -> Steps[None]:
        """Read a list; each call in it leaves as soon as it is whole."""
        reader, at_line_start = self.reader, self.at_line_start
        if (yield from reader.peek()) == "<":
            yield from reader.expect(START)
            yield from after_space(reader)
        elif not at_line_start:
            raise Mismatch
        yield from reader.expect("[")
        yield from self._call()
        while (yield from self.going_on(self._next_call())):
            if self._list_ended:
                yield from self.swallow(END)
                return

    def _call(self) -> Steps[None]:
        """Read a call, and tell it."""
        reader = self.reader
        yield from after_space(reader)
        head = yield from reader.ahead(*self._heads)
        if not head:
            raise Mismatch
        reader.at += len(head)
        name = self._heads[head]
        members: dict[str, str] = {}
        while (yield from after_space(reader)) != ")":
            if members:
                yield from reader.expect(",")
                if (yield from after_space(reader)) == ")":
                    break
            for key, value in (yield from self._argument()):
                if key in members:
                    raise Mismatch
                members[key] = typed_json(value, self.schemas[name].shape(key))
        reader.at += 1
        if not self.fenced:
            reader.release()
        self.call(name, object_of(members.items()))

    def _argument(self) -> Steps[list[tuple[str, str]]]:
        """Read a keyword argument, or a dictionary of them."""
        reader, parts = self.reader, list[str]()
        if (yield from reader.peek()) == "*":
            yield from reader.expect(UNPACK)
            if (yield from after_space(reader)) != "{":
                raise Mismatch
            yield from read_literal(reader, parts.append)
            return members_of("".join(parts))
        key = yield from reader.run(_KEYWORD)
        yield from after_space(reader)
        if not key:
            raise Mismatch
        yield from reader.expect("=")
        yield from read_literal(reader, parts.append)
        return [(key, "".join(parts))]

    def _next_call(self) -> Steps[bool]:
        """Read the next call of a list, or its end."""
        reader = self.reader
        self._list_ended = (yield from after_space(reader)) == "]"
        if self._list_ended:
            reader.at += 1
            return True
        yield from reader.expect(",")
        yield from self._call()
        return True


def python_literal(json_text: str) -> str:
    """JSON as Python: three words differ."""
    return _JSON_WORD.sub(lambda found: found[1] or _PYTHON_WORDS[found[0]], json_text)


class PythonicDialect:
    """Calls as Python."""

    def block(self, toolset: Toolset) -> str:
        """The tools' whole schemas, and the form of a call."""
        if not toolset.tools:
            return ""
        return BLOCK.format(
            tools=signatures(toolset), example=example_name(toolset), how_many=how_many(toolset, SEVERAL, ONE)
        )

    def call_text(self, call: PastCall) -> str:
        """A list of this call alone."""
        try:
            members = members_of(call.arguments)
        except ValueError:
            return f"[{call.name}({arguments_json(call)})]"
        if all(name and _KEYWORD.fullmatch(name) for name, _ in members):
            arguments = ", ".join(f"{name}={python_literal(value)}" for name, value in members)
        else:
            arguments = UNPACK + python_literal(object_of(members))
        return f"[{call.name}({arguments})]"

    def result_text(self, result: PastResult) -> str:
        """What the tool has answered, under a line that says which."""
        return f"{title(result)}\n{said(result)}"

    def decoder(self, toolset: Toolset, options: DialectOptions) -> Decoder:
        """A decoder of one choice."""
        return TextDecoder(PythonicScanner(toolset, options))
