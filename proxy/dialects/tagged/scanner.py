"""Reads calls whose parameters are elements, and tells their arguments as they come."""

import re
from functools import lru_cache

from proxy.dialects.port import DialectOptions, Toolset
from proxy.dialects.reader import Steps
from proxy.dialects.scanner import Scanner, beginnings
from proxy.dialects.schema import UNKNOWN, Shape, ToolSchema, dump, typed_text
from proxy.dialects.tagged.grammar import CDATA, CDATA_END, SPLIT_END, Grammar, element_text, trimmed, unsplit
from proxy.dialects.tagged.lookout import End, Lookout
from proxy.dialects.tagged.values import StringValue, Value, WholeValue, streams

READ_AGAIN_CALLS = 4  # calls' worth of text that may be read again, when ends are settled at the end of the answer

_SPACES = re.compile(r"[ \t\r\n]*")
_BLANKS = re.compile(r"[ \t]*")
_TAG_BODY = re.compile(r"[^<>\r\n]*")
_NEXT_TAG = re.compile(r"[ \t\r\n]*+(<[^<>\r\n\]]*+>)")
_IN_SECTION = re.compile(r"(?:[^\]]++|\](?=\]{4}|\]{0,3}[^\]>])|\]\]>(?=[^ \t\r\n<]))*+")


@lru_cache(maxsize=1024)
def certain(words: tuple[str, ...]) -> re.Pattern[str]:
    """What belongs to a value whatever follows.

    A tag that matters begins with one of *words*; a line end may belong to the closing tag behind it.
    """
    tags = "|".join(beginnings(word[1:]) for word in words)
    return re.compile(rf"(?:[^<\r\n]++|<(?!{tags}|\Z)|\r?\n[ \t]*+(?=[^ \t<])|\r(?=[^\n]))*+")


class TaggedScanner(Scanner):
    """What `xml_tags` and its relatives have in common."""

    def __init__(self, toolset: Toolset, options: DialectOptions) -> None:
        super().__init__(toolset, options)
        self.schemas = {tool.name: ToolSchema(tool.parameters) for tool in toolset.tools}
        self._entities = options.entities == "xml"
        self._read_again_chars = READ_AGAIN_CALLS * options.max_call_bytes

    def empty_call(self, name: str, wrapper_end: str) -> Steps[None]:
        """Tell a call without parameters, which has been read."""
        self.call(name, "{}")
        if wrapper_end:
            yield from self.swallow(wrapper_end)

    def parameters(self, tool: str, grammar: Grammar, first: str) -> Steps[None]:
        """Read a call from behind the opening tag of its *first* parameter, and tell it."""
        schema, given, items = self.schemas[tool], set[str](), list[str]()
        self.begin_call(tool)
        self.fragment("{")
        name, head = first, dump(first) + ":"
        while True:
            given.add(name)
            shape = schema.shape(name)
            value = self._value(shape, f"{head}[{','.join(items)}," if items else head)
            end = yield from self._read(value, Lookout(grammar, schema, grammar.tags(name), name, given))
            if end is None:
                self.half = True
                return
            if isinstance(value, WholeValue):
                if items or end.following == name:
                    items.append(typed_value(value, (shape and shape.items) or UNKNOWN))
                    if end.following == name:
                        continue
                    self.fragment(f"{head}[{','.join(items)}]")
                    items.clear()
                else:
                    self.fragment(head + typed_value(value, shape))
            if end.following is None:
                break
            name, head = end.following, f",{dump(end.following)}:"
        for element, text in end.elements:
            self.fragment(f",{dump(element)}:{typed_element(text, schema.shape(element))}")
        self.fragment("}")
        self.reader.unbind()
        if end.rest:
            self._read_again(end.rest)
        if grammar.wrapper_end:
            yield from self.swallow(grammar.wrapper_end)

    def _value(self, shape: Shape | None, head: str) -> Value:
        if not streams(shape):
            return WholeValue(self.fragment, head, entities=self._entities)
        nullable = shape is not None and "null" in shape.types
        return StringValue(self.fragment, head, nullable=nullable, entities=self._entities)

    def _read_again(self, text: str) -> None:
        """Have *text* read once more, since the call before it ended earlier than it seemed."""
        self._read_again_chars -= len(text)
        if self._read_again_chars >= 0:
            self.reader.back(text)
        else:
            self.say(text)

    # --- one value

    def _read(self, value: Value, lookout: Lookout) -> Steps[End | None]:
        """Read a value from behind its opening tag, and put it into *value*; None if the answer ends in it."""
        reader = self.reader
        on_new_line = bool((yield from self._line_end()))
        if (yield from reader.ahead(CDATA)):
            reader.at += len(CDATA)
            value.literal = True
            end = yield from self._section(value, lookout)
            return end
        plain, space = certain(lookout.tags.words), ""
        while (yield from reader.more()):
            found = plain.match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            if found[0]:
                value.put(space + found[0])
                space, on_new_line = "", False
                reader.at = found.end()
            if reader.at == len(reader.text):
                continue
            if reader.text[reader.at] != "<":
                value.put(space)
                space = yield from self._space_before_tag(value)
                continue
            tag = yield from self._tag(lookout.tags.words)
            if tag in (lookout.tags.value, lookout.tags.call):
                if (end := self._plain_end(tag, lookout)) is not None:
                    value.end("")
                    return end
                lookout.put(space)
                end = yield from self._ending(value, lookout)
                return end
            if (space or on_new_line) and (name := lookout.next_on_line(tag)) is not None:
                value.end("")
                return End("", name)
            lookout.depth += lookout.grammar.opens_call(tag)
            value.put(space + tag)
            space, on_new_line = "", False
        value.leave_open(space)
        return None

    def _plain_end(self, tag: str, lookout: Lookout) -> End | None:
        """How the value ends at its closing *tag*, if that is plain, as it mostly is, and all of it has come."""
        reader = self.reader
        if lookout.depth or tag != lookout.tags.value:
            return None
        found = _NEXT_TAG.match(reader.text, reader.at + len(tag))
        end = lookout.plain_end(found[1]) if found else None
        if found and end is not None:
            reader.at = found.end()
        return end

    def _space_before_tag(self, value: Value) -> Steps[str]:
        """Read a line end, and the blanks behind it, which belong to the closing tag if one follows."""
        line_end = yield from self._line_end()
        if not line_end:
            value.put("\r")
            self.reader.at += 1
            return ""
        blanks = yield from self.reader.run(_BLANKS)
        return line_end + blanks

    def _section(self, value: Value, lookout: Lookout) -> Steps[End | None]:
        """Read a CDATA section, and what follows it, as `_read` does."""
        reader = self.reader
        while (yield from reader.more()):
            found = _IN_SECTION.match(reader.text, reader.at)
            assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
            value.put(found[0])
            reader.at = found.end()
            if reader.at == len(reader.text):
                continue
            word = yield from reader.ahead(SPLIT_END, CDATA_END)
            reader.at += len(word) or 1
            if word != CDATA_END:
                value.put(CDATA_END if word else "]")
                continue
            space = yield from reader.run(_SPACES)
            if (yield from reader.ahead(lookout.tags.value)):
                lookout.literal, lookout.section_at = True, 0
                lookout.put(word + space)
                end = yield from self._ending(value, lookout)
                return end
            value.put(word + space)
        value.leave_open("")
        return None

    def _ending(self, value: Value, lookout: Lookout) -> Steps[End | None]:
        """Read on from a tag that may end the value."""
        end = yield from lookout.look(self.reader)
        if end is None and self.reader.settled:
            end = lookout.settle()
        if end is None:
            value.leave_open(lookout.text())
            return None
        value.end(unsplit(end.text) if value.literal else trimmed(end.text))
        return end

    def _line_end(self) -> Steps[str]:
        """Read a line end, if there is one."""
        found = yield from self.reader.ahead("\n", "\r\n")
        self.reader.at += len(found)
        return found

    def _tag(self, words: tuple[str, ...]) -> Steps[str]:
        """Read a tag that begins with one of *words*, or a `<` that begins none; the value's and the call's stay."""
        reader = self.reader
        word = yield from reader.ahead(*words)
        if word.startswith("</"):
            return word
        reader.at += len(word) or 1
        if not word or word.endswith(">"):
            return word or "<"
        body = yield from reader.run(_TAG_BODY)
        if (yield from reader.peek()) == ">":
            reader.at += 1
            body += ">"
        return word + body


def typed_value(value: WholeValue, shape: Shape | None) -> str:
    """The JSON of a value; what stood in a CDATA section is a string, unless the schema says otherwise."""
    return dump(value.text) if value.literal and shape == UNKNOWN else typed_text(value.text, shape)


def typed_element(raw: str, shape: Shape | None) -> str:
    """The JSON of a value as it stands between its tags."""
    text = element_text(raw)
    if text.startswith(CDATA) and text.endswith(CDATA_END):
        return dump(unsplit(text[len(CDATA) : -len(CDATA_END)]))
    return typed_text(text, shape)
