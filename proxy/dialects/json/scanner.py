"""The scanner of dialect `json`: where in the text a call may begin, and what may stand between two of them."""

import re

from proxy.dialects.json.data import JsonData
from proxy.dialects.json.forms import FormReader
from proxy.dialects.json.items import Call, Item, Tools
from proxy.dialects.json.loose import CLOSERS, LooseReader
from proxy.dialects.json.values import SPACES
from proxy.dialects.port import DialectOptions, Toolset
from proxy.dialects.reader import Mismatch, Steps
from proxy.dialects.scanner import FENCE_CHARS, Scanner, beginnings
from proxy.dialects.schema import ToolSchema

TAGS = ("<tool_call>", "<tool_calls>", "<function_call>")
CLOSING_TAGS = ("</tool_call>", "</tool_calls>", "</function_call>")
LOOSE = "tool_call"

_STRICT_KEY = r'"[^"\\\x00-\x1f]*(?:"[ \t\r\n]*(?::|\Z)|\\|\Z)'
_KEY = rf"(?:{_STRICT_KEY}|'(?:[tfnapirc]|\Z)|t|\Z)"
_OBJECT = rf"\{{(?=[ \t\r\n]*{_KEY})"
_ARRAY = rf"\[(?=[ \t\r\n]*(?:\{{[ \t\r\n]*(?:{_KEY}|\}})|[\[\"tfn0-9-]|\Z))"
"""What begins like this may be a call, or data that must not be looked into; whatever else begins with a bracket is
text at the first character behind it."""

_LOOSE = rf"t(?<![^ \t\r\n]t)(?:{beginnings(LOOSE[1:])}|\Z)"

_JOINERS = re.compile(r"[ \t\r\n,;]*")
_TICKS = re.compile(r"`*")
_BRACKET = re.compile(r"[{\[]")


class JsonScanner(Scanner):
    """Reads calls written as JSON, in a tag, in a fence or bare."""

    opener = "|".join((_OBJECT, _ARRAY, *map(beginnings, TAGS), _LOOSE))
    signs = ("{", "[", "<", LOOSE)
    fence_infos = ("", "json", "jsonc", "json5", "tool", "tool_call", "tool_calls", "function_call")
    default_fences = "calls"

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        self._tools = Tools({tool.name: ToolSchema(tool.parameters) for tool in toolset.tools})
        super().__init__(toolset, options)
        self._forms = FormReader(self.reader, self._tools, final=options.final)
        self._tagged = False  # what follows stands inside a tag
        self._owed = 0  # closers that may follow a loose call

    def candidate(self) -> Steps[None]:
        """Read one form."""
        reader = self.reader
        match (yield from reader.peek()):
            case "{":
                items = yield from self._object()
            case "[":
                items = yield from self._forms.read_list()
            case "<":
                items = yield from self._in_tag()
            case "t" if not self.fenced and self.at_line_start:
                items = [(yield from self._loose(in_bracket=False))]
            case _:
                raise Mismatch
        self._tell(items)

    def _tell(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Call):
                self.call(*item)
            else:
                self.say(item.text)

    def _object(self) -> Steps[list[Item]]:
        reader = self.reader
        reader.at += 1
        if not self.fenced and not self._tagged:
            yield from reader.skip(SPACES)
            if (yield from reader.peek()) == "t":
                return [(yield from self._loose(in_bracket=True))]
        return (yield from self._forms.read_object(bare=not self._tagged, marked=self._tagged))

    def _loose(self, *, in_bracket: bool) -> Steps[Call]:
        reader = self.reader
        yield from reader.expect(LOOSE)
        loose = LooseReader(reader, self._tools, in_bracket=in_bracket)
        call = yield from loose.call()
        self._owed = loose.owed
        self.options.count("loose")
        return call

    def _in_tag(self) -> Steps[list[Item]]:
        reader = self.reader
        if (yield from reader.word(TAGS)) not in TAGS:
            raise Mismatch
        yield from reader.skip(SPACES)
        char = yield from reader.peek()
        if char == "[":
            items = yield from self._forms.read_list(marked=True)
        else:
            yield from reader.expect("{")
            items = yield from self._forms.read_object(marked=True)
        self._tagged = True
        return items

    # --- what follows

    def abandoned(self) -> None:
        """What is open is no part of a call."""
        self._tagged, self._owed = False, 0

    def passed_over(self, text: str) -> Steps[None]:
        """Valid JSON that is no call is data: told up to its end or its first error, and not looked into."""
        bracket = _BRACKET.search(text)
        if bracket is None:
            return
        data = JsonData()
        if data.feed(text, bracket.start()) < len(text) or data.over:
            return
        reader = self.reader
        while not data.over and (yield from reader.more()):
            end = data.feed(reader.text, reader.at)
            self.say(reader.text[reader.at : end])
            reader.at = end

    def joined(self) -> Steps[None]:
        """Read what may stand between two calls; it is dropped if another call follows, or the end."""
        reader = self.reader
        while True:
            reader.hold()
            try:
                yield from self._closers()
                joiner = yield from self._joiner()
                char = yield from reader.peek()
                if not char:
                    reader.release()
                    return
                if not joiner or char not in "{[<":
                    break
                yield from self.candidate()
            except Mismatch:
                self.abandoned()
                text = reader.release()
                self.say(text)
                yield from self.passed_over(text)
                return
            reader.release()
        self.abandoned()
        if char == "`":
            yield from self._stray_fence()
        else:
            self.say(reader.release())

    def _closers(self) -> Steps[None]:
        """Read the closers that a loose call still owes."""
        reader = self.reader
        while self._owed:
            yield from reader.skip(SPACES)
            if (yield from reader.peek()) not in CLOSERS:
                break
            reader.at += 1
            self._owed -= 1
        self._owed = 0
        self.reader.hold()

    def _joiner(self) -> Steps[bool]:
        """Read separators and closing tags; whether there was anything else than white space, or a tag is open."""
        reader = self.reader
        seen = self._tagged
        while True:
            run = yield from reader.run(_JOINERS)
            seen = seen or bool(run.strip(" \t\r\n"))
            if (yield from reader.peek()) != "<" or (yield from reader.ahead(*CLOSING_TAGS)) == "":
                return seen
            reader.at += len((yield from reader.ahead(*CLOSING_TAGS)))
            if self._tagged:
                self._tagged = False
                reader.release()
                reader.hold()
                seen = False
            else:
                seen = True

    def _stray_fence(self) -> Steps[None]:
        """Read a closing fence that nothing but the end follows; any other is read again, as what it is."""
        reader = self.reader
        try:
            run = yield from reader.run(_TICKS)
            yield from reader.skip(SPACES)
            ended = len(run) >= FENCE_CHARS and not (yield from reader.peek())
        except Mismatch:
            ended = False
        text = reader.release()
        if not ended:
            reader.back(text)

    def joined_in_fence(self) -> Steps[None]:
        """The closing tag, if a tag is open."""
        reader = self.reader
        yield from reader.skip(SPACES)
        if self._tagged and (tag := (yield from reader.ahead(*CLOSING_TAGS))):
            reader.at += len(tag)
            self._tagged = False
