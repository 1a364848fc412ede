"""Whether arguments keep the schema that their tool declares; nothing is done about it, since the caller validates."""

from collections.abc import Mapping
from typing import Any, Never

import jsonschema_rs

from proxy.dialects.schema import load


def _refuse(uri: str) -> Never:
    """No schema is fetched, neither from the network nor from a file."""
    raise LookupError(uri)


def conforms(arguments: str, schema: Mapping[str, Any]) -> bool | None:
    """Whether the JSON *arguments* keep *schema*; None if that can't be told: the schema is none, or points outside."""
    try:
        return jsonschema_rs.validator_for(dict(schema), retriever=_refuse).is_valid(load(arguments))
    except (ValueError, jsonschema_rs.ReferencingError):  # the library's other errors are among the former
        return None
