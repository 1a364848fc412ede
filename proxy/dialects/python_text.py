"""Python literals, read and told as JSON: strings, numbers, True, False, None, lists, tuples, dictionaries.

JSON's own spellings are taken, too.  Everything else is a `Mismatch`: names, calls, operators, f-strings.
"""

import re

from proxy.dialects.json_pieces import MAX_DEPTH, Tell, after_space, nothing
from proxy.dialects.reader import Mismatch, Reader, Steps
from proxy.dialects.schema import dump

_WORDS = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
_SCALAR = re.compile(r"[-+.0-9A-Za-z_]*")
_NUMBER = re.compile(r"(-?)\+?(0|[1-9](?:_?[0-9])*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_IN_STRING = {  # simple escapes included
    "'": re.compile(r"""(?:[^'\\]++|\\["'\\/nrtbfva])*+"""),
    '"': re.compile(r"""(?:[^"\\]++|\\["'\\/nrtbfva])*+"""),
}
_SIMPLE_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CLOSERS = {"[": "]", "(": "]", "{": "}"}  # what JSON closes them with
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "0": "\0", "\n": ""}
_ESCAPES |= {char: char for char in "\\'\"/"}
_HEX_CHARS = {"x": 2, "u": 4, "U": 8}
_HEX = re.compile(r"[0-9A-Fa-f]*")


def read_literal(reader: Reader, tell: Tell) -> Steps[None]:
    """Read a literal, and tell it as JSON."""
    open_brackets: list[str] = []
    while True:
        char = yield from after_space(reader)
        if char in _CLOSERS:
            if len(open_brackets) == MAX_DEPTH:
                raise Mismatch
            reader.at += 1
            tell("[" if char == "(" else char)
            open_brackets.append(char)
            if not (yield from _closed(reader, open_brackets, tell)):
                yield from _read_key(reader, open_brackets[-1], tell)
                continue
        elif char in _IN_STRING:
            tell(dump((yield from read_string(reader))))
        else:
            tell((yield from _read_scalar(reader)))
        while True:
            if not open_brackets:
                return
            if (yield from _closed(reader, open_brackets, tell)):
                continue
            yield from reader.expect(",")
            if not (yield from _closed(reader, open_brackets, tell)):  # a comma may stand before the end
                break
        tell(",")
        yield from _read_key(reader, open_brackets[-1], tell)


def read_string(reader: Reader) -> Steps[str]:
    """Read a string, whose opening quote is next."""
    quote = reader.text[reader.at]
    reader.at += 1
    closing = quote
    if (yield from reader.ahead(quote * 2)):
        reader.at += 2
        closing = quote * 3
    parts: list[str] = []
    while True:
        text = yield from reader.run(_IN_STRING[quote])
        parts.append(_SIMPLE_ESCAPE.sub(lambda escape: _ESCAPES[escape[1]], text) if "\\" in text else text)
        char = yield from reader.peek()
        if not char:
            raise Mismatch
        if char == "\\":
            reader.at += 1
            parts.append((yield from _read_escape(reader)))
        elif (yield from reader.ahead(closing)):
            reader.at += len(closing)
            return "".join(parts)
        else:
            reader.at += 1
            parts.append(quote)


def _closed(reader: Reader, open_brackets: list[str], tell: Tell) -> Steps[bool]:
    """Read the end of the innermost bracket, if it is next."""
    bracket = open_brackets[-1]
    if (yield from after_space(reader)) != {"[": "]", "(": ")", "{": "}"}[bracket]:
        return False
    reader.at += 1
    tell(_CLOSERS[bracket])
    open_brackets.pop()
    return True


def _read_key(reader: Reader, bracket: str, tell: Tell) -> Steps[None]:
    """Read the key of an item, if it needs one: JSON knows strings alone."""
    if bracket != "{":
        return
    if (yield from after_space(reader)) not in _IN_STRING:
        raise Mismatch
    tell(dump((yield from read_string(reader))))
    yield from after_space(reader, nothing)
    yield from reader.expect(":")
    tell(":")


def _read_scalar(reader: Reader) -> Steps[str]:
    text = yield from reader.run(_SCALAR)
    if text in _WORDS:
        return _WORDS[text]
    found = _NUMBER.fullmatch(text)
    if found is None or not (found[2] or (found[3] or "")[1:]):
        raise Mismatch
    sign, whole, fraction, exponent = (part or "" for part in found.groups())
    return f"{sign}{whole.replace('_', '') or '0'}{fraction if fraction[1:] else ''}{exponent}"


def _read_escape(reader: Reader) -> Steps[str]:
    """Read what follows a backslash; one that escapes nothing stands for itself."""
    char = yield from reader.peek()
    if char in _HEX_CHARS:
        reader.at += 1
        size = _HEX_CHARS[char]
        digits = ""
        while len(digits) < size and _HEX.fullmatch((yield from reader.peek()) or "-"):
            digits += reader.text[reader.at]
            reader.at += 1
        code = int(digits or "0", 16)
        return chr(code) if len(digits) == size and code < 0x110000 else f"\\{char}{digits}"
    if char not in _ESCAPES:
        return "\\"
    reader.at += 1
    return _ESCAPES[char]
