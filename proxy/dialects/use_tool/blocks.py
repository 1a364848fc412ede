"""What a block says: its text in, a call out, or nothing where it breaks a rule."""

import re
from collections.abc import Iterator

from proxy.dialects.schema import UNKNOWN, ToolSchema, load, members_of, object_of, typed_text

CDATA, CDATA_END = "<![CDATA[", "]]>"

_ELEMENT = re.compile(r"[ \t\r\n]*<([A-Za-z_][A-Za-z0-9_.:-]*)>")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos);")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&apos;": "'"}
_LAST_LINE_END = re.compile(r"\r?\n[ \t]*\Z")
_WRAPPERS = ("arguments", "args", "parameters")


def call_of(name: str | None, body: str, schemas: dict[str, ToolSchema], *, entities: bool) -> tuple[str, str] | None:
    """The name and the arguments of a block, or None where it breaks a rule."""
    text = body.strip(" \t\r\n")
    if text.startswith("{"):
        return call_of_json(name, text, schemas)
    elements = list(elements_of(text))
    if None in elements:
        return None
    members = [element for element in elements if element is not None]
    if name is None:
        first = next((number for number, (tag, _) in enumerate(members) if tag == "name"), None)
        if first is None:
            return None
        name = value_of(members.pop(first)[1], entities=entities).strip()
    if name not in schemas:
        return None
    arguments = arguments_of(members, schemas[name], entities=entities)
    return None if arguments is None else (name, arguments)


def call_of_json(name: str | None, text: str, schemas: dict[str, ToolSchema]) -> tuple[str, str] | None:
    """The call that a JSON body is: its arguments, or besides its name, too."""
    try:
        members = members_of(text)
    except ValueError:
        return None
    if name is None:
        told = [load(value) for key, value in members if key == "name"]
        if not told or not isinstance(told[-1], str):
            return None
        name = told[-1]
        rest = [(key, value) for key, value in members if key != "name"]
        wrapped = len(rest) == 1 and rest[0][0] in _WRAPPERS and rest[0][1].startswith("{")
        text = rest[0][1] if wrapped else object_of(rest)
    return (name, text) if name in schemas else None


def elements_of(text: str) -> Iterator[tuple[str, str] | None]:
    """Each element's tag, and what stands inside as it is written; None where something else stands."""
    at, close_at, cdata_at = 0, -1, -1
    while at < len(text):
        opening = _ELEMENT.match(text, at)
        if opening is None:
            yield None
            return
        tag, start = opening[1], opening.end()
        close, at, close_at = f"</{tag}>", start, -1
        while True:  # what was found stays found, so that nothing is searched twice
            close_at = text.find(close, at) if close_at < at else close_at
            if close_at < 0:
                yield None
                return
            if -1 < cdata_at < at or cdata_at == -1:
                cdata_at = text.find(CDATA, at)
                cdata_at = len(text) if cdata_at < 0 else cdata_at
            if close_at < cdata_at:
                break
            at = text.find(CDATA_END, cdata_at) + len(CDATA_END)
            if at < len(CDATA_END):
                yield None
                return
        yield tag, text[start:close_at]
        at = close_at + len(close)


def arguments_of(members: list[tuple[str, str]], schema: ToolSchema, *, entities: bool) -> str | None:
    """The arguments as one JSON object; None for a repetition that the schema does not allow."""
    if [tag for tag, _ in members] == ["args"] and schema.shape("args") is None:
        text = value_of(members[0][1], entities=entities).strip()
        if is_object(text):
            return text
    values: dict[str, list[str]] = {}
    for tag, raw in members:
        values.setdefault(tag, []).append(value_of(raw, entities=entities))
    told = []
    for tag, texts in values.items():
        shape = schema.shape(tag)
        if len(texts) == 1:
            told.append((tag, typed_text(texts[0], shape)))
        elif shape is not None and "array" in shape.types:
            told.append((tag, f"[{','.join(typed_text(text, shape.items or UNKNOWN) for text in texts)}]"))
        else:
            return None
    return object_of(told)


def is_object(text: str) -> bool:
    """Whether *text* is a JSON object."""
    try:
        return isinstance(load(text), dict)
    except ValueError:
        return False


def value_of(raw: str, *, entities: bool) -> str:
    """What an element holds: without its outer line ends, markers of CDATA removed, entities decoded outside of it."""
    if raw.startswith(("\n", "\r\n")):
        raw = raw[raw.index("\n") + 1 :]
        raw = raw if raw.strip(" \t") else ""
    raw = _LAST_LINE_END.sub("", raw)
    if CDATA not in raw:
        return decoded(raw) if entities else raw
    pieces, at = [], 0
    while (start := raw.find(CDATA, at)) >= 0:
        end = raw.find(CDATA_END, start)
        before = raw[at:start]
        pieces += [decoded(before) if entities else before, raw[start + len(CDATA) : end]]
        at = end + len(CDATA_END)
    return "".join([*pieces, decoded(raw[at:]) if entities else raw[at:]])


def decoded(text: str) -> str:
    """*text* with its five named entities decoded, once."""
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], text)


def escaped(text: str) -> str:
    """*text* with what markup is made of as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
