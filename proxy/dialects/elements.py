"""Values written as nested elements: `<file><path>a</path></file>` is `{"file":{"path":"a"}}`, read by a schema."""

import re
from dataclasses import dataclass, field

from proxy.dialects.json_text import dump
from proxy.dialects.shape import UNKNOWN, Shape, scalar_text

_TAG = re.compile(r"<(/?)([A-Za-z_][A-Za-z0-9_.:-]*)>")
_MAX_DEPTH = 64  # of elements; the reading of a shape goes less deep


@dataclass(slots=True)
class _Element:
    name: str
    children: list["_Element"] = field(default_factory=list)
    text: str = ""


def nested_elements(text: str, shape: Shape) -> str | None:
    """The JSON of a value written as well-formed elements, read by *shape*; None if *text* is something else."""
    root = _Element("")
    path, at = [root], 0
    for tag in _TAG.finditer(text):
        between, at = text[at : tag.start()], tag.end()
        here = path[-1]
        if tag[1]:
            if len(path) == 1 or here.name != tag[2] or (here.children and between.strip()):
                return None
            here.text = between
            path.pop()
        elif between.strip() or len(path) > _MAX_DEPTH:
            return None
        else:
            here.children.append(_Element(tag[2]))
            path.append(here.children[-1])
    if len(path) > 1 or not root.children or text[at:].strip():
        return None
    return _element_json(root, shape)


def _element_json(element: _Element, shape: Shape | None) -> str | None:
    """As an array, whose items are the children, or as an object, where a repeated child must be an array."""
    if not element.children:
        told = scalar_text(element.text, shape or UNKNOWN)
        return dump(element.text) if told is None else told
    types = shape.types if shape else frozenset()
    if shape and "array" in types:
        items = [_element_json(child, shape.items) for child in element.children]
        return None if None in items else f"[{','.join(item for item in items if item)}]"
    if types and "object" not in types:
        return None
    members: dict[str, list[str]] = {}
    for child in element.children:
        inner = shape.properties.get(child.name) if shape else None
        repeated = inner.items if inner and "array" in inner.types and not child.children else inner
        told = _element_json(child, repeated)
        if told is None:
            return None
        members.setdefault(child.name, []).append(told)
    parts = []
    for name, values in members.items():
        inner = shape.properties.get(name) if shape else None
        many = inner is not None and "array" in inner.types and not values[0].startswith("[")
        if len(values) > 1 and not many:
            return None
        parts.append(f"{dump(name)}:[{','.join(values)}]" if many else f"{dump(name)}:{values[0]}")
    return "{" + ",".join(parts) + "}"
