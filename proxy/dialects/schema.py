"""Values typed by the schema that a tool declares, never by what they look like."""

from proxy.dialects.elements import nested_elements
from proxy.dialects.json_text import dump, items_of, load, members_of, object_of
from proxy.dialects.shape import (
    ANYTHING,
    TYPES,
    UNKNOWN,
    Shape,
    ToolSchema,
    json_of,
    literal_of,
    properties_of,
    resolved,
    scalar_text,
    shape_of,
    type_of,
)


def typed_text(text: str, shape: Shape | None) -> str:
    """The JSON of a value that was written as plain *text*; one that does not fit its *shape* stays a string.

    *shape* is None for a parameter that is not declared.
    """
    if shape is None:
        return dump(text)
    told = scalar_text(text, shape)
    if told is None and (shape.types or ANYTHING) & {"array", "object"} and shape.enum is None:
        told = nested_elements(text.strip(), shape)
    return dump(text) if told is None else told


def typed_json(raw: str, shape: Shape | None, *, bare: bool = False) -> str:
    """The JSON of a value that came as the JSON *raw*; *bare*: as text without quotes, *raw* being its JSON string.

    Strings become what alone the schema allows, if they are exactly that; nothing else is changed.
    """
    types = shape.types if shape else frozenset()
    if raw[:1] == '"':
        text: str = load(raw)
        if "string" in types or not (types or bare):
            return raw
        told = literal_of(text, types or TYPES)
        return told or json_of(text, types) or raw
    if types == {"string"} and raw[:1] not in "[{n":
        return dump(raw)
    return raw


__all__ = [
    "ANYTHING",
    "TYPES",
    "UNKNOWN",
    "Shape",
    "ToolSchema",
    "dump",
    "items_of",
    "json_of",
    "literal_of",
    "load",
    "members_of",
    "nested_elements",
    "object_of",
    "properties_of",
    "resolved",
    "shape_of",
    "type_of",
    "typed_json",
    "typed_text",
]
