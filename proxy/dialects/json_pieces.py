"""JSON read character by character, and told as it comes, mended where models often break it.

What is mended: raw control characters in strings, and backslashes that escape nothing.  Everything else that is no JSON
is a `Mismatch`.  What is told is strict JSON, and no piece of it ends within an escape or between two surrogates.
"""

import re
from collections.abc import Callable

from proxy.dialects.reader import SPACE, Mismatch, Reader, Steps
from proxy.dialects.schema import Shape, ToolSchema, dump, load

MAX_DEPTH = 200  # what the rest of the gateway reads of JSON that comes from an upstream

_SPACES = re.compile(r"[ \t\r\n]*")
_IN_STRING = re.compile(  # whole escapes included, but for surrogates
    r'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})*+'
)
_SCALAR = re.compile(r"[-+.0-9A-Za-z]*")
_WHOLE_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WS = r"[ \t\r\n]*+"
_STRING = r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt])*+"'
_SIMPLE = rf"{_STRING}|true|false|null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?"
_MEMBER = re.compile(rf"({_STRING}){_WS}:{_WS}(?:{_SIMPLE})(?={_WS}[,}}])")  # a simple one, if all of it has come
_HEX = frozenset("0123456789abcdefABCDEF")
_SIMPLE_ESCAPES = frozenset('"\\/bfnrt')

Tell = Callable[[str], None]


def nothing(_text: str) -> None:
    """For what nobody wants to be told."""


def after_space(reader: Reader, tell: Tell = nothing) -> Steps[str]:
    """The next character that is no white space; at the end of the answer a `Mismatch`."""
    char = yield from reader.peek()
    if char in SPACE and char:
        space = yield from reader.run(_SPACES)
        tell(space)
        char = yield from reader.peek()
    if not char:
        raise Mismatch
    return char


def read_value(reader: Reader, tell: Tell) -> Steps[None]:
    """Read a value."""
    closers: list[str] = []  # of what is open
    while True:
        char = yield from after_space(reader, tell)
        if char == '"':
            yield from read_string(reader, tell)
        elif char in "{[":
            if len(closers) == MAX_DEPTH:
                raise Mismatch
            take(reader, char, tell)
            closers.append("}" if char == "{" else "]")
            if (yield from after_space(reader, tell)) != closers[-1]:
                if char == "{":
                    yield from read_key(reader, tell)
                continue
        else:
            yield from _read_scalar(reader, tell)
        while True:
            if not closers:
                return
            char = yield from after_space(reader, tell)
            if char != closers[-1]:
                break
            take(reader, char, tell)
            closers.pop()
        if char != ",":
            raise Mismatch
        take(reader, char, tell)
        if closers[-1] == "}":
            yield from read_key(reader, tell)


def read_key(reader: Reader, tell: Tell) -> Steps[str]:
    """Read the key of a member, and the colon."""
    if (yield from after_space(reader, tell)) != '"':
        raise Mismatch
    parts: list[str] = []
    yield from read_string(reader, parts.append)
    key = "".join(parts)
    tell(key)
    if (yield from after_space(reader, tell)) != ":":
        raise Mismatch
    take(reader, ":", tell)
    name: str = load(key)
    return name


def read_string(reader: Reader, tell: Tell) -> Steps[None]:
    """Read a string, whose opening quote is next."""
    take(reader, '"', tell)
    while (yield from reader.more()):
        found = _IN_STRING.match(reader.text, reader.at)
        assert found is not None  # a star matches the empty text  # noqa: S101 - narrows the type
        if found[0]:
            tell(found[0])
            reader.at = found.end()
            if reader.at == len(reader.text):
                continue
        char = reader.text[reader.at]
        if char == '"':
            take(reader, char, tell)
            return
        if char == "\\":
            reader.at += 1
            yield from _read_escape(reader, tell)
        else:
            reader.at += 1
            tell(dump(char)[1:-1])
    raise Mismatch


def read_arguments(reader: Reader, tell: Tell, schema: ToolSchema) -> Steps[None]:
    """Read the object of a call's arguments, whose `{` is next.  Its `}` is read, but not told.

    A parameter that must be an object or an array, and was given as a string that holds one, becomes that.
    """
    take(reader, "{", tell)
    char = yield from after_space(reader, tell)
    while char != "}":
        simple = _MEMBER.match(reader.text, reader.at)
        if simple and not wants_json(schema.shape(load(simple[1]))):
            tell(simple[0])
            reader.at = simple.end()
        else:
            yield from _read_member(reader, tell, schema)
        char = yield from after_space(reader, tell)
        if char == ",":
            take(reader, char, tell)
            if (yield from after_space(reader, tell)) != '"':
                raise Mismatch
        elif char != "}":
            raise Mismatch
    reader.at += 1


def _read_member(reader: Reader, tell: Tell, schema: ToolSchema) -> Steps[None]:
    shape = schema.shape((yield from read_key(reader, tell)))
    if (yield from after_space(reader, tell)) == '"' and wants_json(shape):
        parts: list[str] = []
        yield from read_string(reader, parts.append)
        tell(once_decoded("".join(parts), shape))
    else:
        yield from read_value(reader, tell)


def arguments_of(text: str, schema: ToolSchema) -> str | None:
    """The JSON object of arguments that is all of *text*, as `read_arguments` gives it; None for anything else."""
    text = text.strip(" \t\r\n")
    reader = Reader(len(text) + 1)
    reader.feed(text)
    reader.ended = True
    told: list[str] = []
    if not text.startswith("{"):
        return None
    try:
        next(reader.more(), None)
        next(read_arguments(reader, told.append, schema), None)
        rest = next(reader.more(), None) or reader.text[reader.at :]
    except Mismatch:
        return None
    return None if rest else "".join(told) + "}"


def wants_json(shape: Shape | None) -> bool:
    """Whether a string can't be meant, but an object or an array may be."""
    return shape is not None and "string" not in shape.types and bool(shape.types & {"object", "array"})


def once_decoded(string: str, shape: Shape | None) -> str:
    """The JSON of an object or array that the JSON *string* holds, if *shape* allows it; else the string."""
    text: str = load(string)
    text = text.strip(" \t\r\n")
    wanted = {"{": "object", "[": "array"}.get(text[:1])
    if shape is None or wanted not in shape.types:
        return string
    try:
        load(text)
    except ValueError:
        return string
    return text


def take(reader: Reader, char: str, tell: Tell) -> None:
    """Read *char*, which is known to be next."""
    reader.at += 1
    tell(char)


def _read_scalar(reader: Reader, tell: Tell) -> Steps[None]:
    text = yield from reader.run(_SCALAR)
    if not _WHOLE_SCALAR.fullmatch(text):
        reader.back(text)
        raise Mismatch
    tell(text)


def _read_escape(reader: Reader, tell: Tell) -> Steps[None]:
    """Read what follows a backslash."""
    char = yield from reader.peek()
    if char in _SIMPLE_ESCAPES and char:
        reader.at += 1
        tell("\\" + char)
    elif char != "u":
        tell("\\\\")  # it escapes nothing, so it stands for itself
    else:
        yield from _read_unicode_escape(reader, tell)


def _read_unicode_escape(reader: Reader, tell: Tell) -> Steps[None]:
    """Read from the `u` of an escape; half a pair of surrogates becomes U+FFFD, as anywhere in the gateway."""
    unit = yield from _read_unit(reader)
    while True:
        if len(unit) < 5:
            tell("\\\\" + unit)
            return
        if not 0xD800 <= int(unit[1:], 16) < 0xE000:
            tell("\\" + unit)
            return
        if int(unit[1:], 16) >= 0xDC00 or not (yield from reader.ahead("\\u")):
            tell("\\ufffd")
            return
        reader.at += 1
        second = yield from _read_unit(reader)
        if len(second) == 5 and 0xDC00 <= int(second[1:], 16) < 0xE000:
            tell(f"\\{unit}\\{second}")
            return
        tell("\\ufffd")
        unit = second


def _read_unit(reader: Reader) -> Steps[str]:
    """Read `u` and up to four hexadecimal digits."""
    unit = "u"
    reader.at += 1
    while len(unit) < 5 and (yield from reader.peek()) in _HEX:
        unit += reader.text[reader.at]
        reader.at += 1
    return unit
