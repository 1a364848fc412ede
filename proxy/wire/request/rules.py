"""What checking a request depends on of the model that it names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.wire.request.body import JsonObject
from proxy.wire.request.say import missing, rejected, wrong_type

_MAX_MODEL_CHARS = 256
_A_MODEL = f"a string of 1 to {_MAX_MODEL_CHARS} characters"


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What the entry of a model, and the kind of its upstream, take.

    *openai*: the upstream speaks Chat Completions itself, so that what we don't know passes through; every other kind
    takes what is listed here.  *content_parts*: types of content parts taken beside text.  *any_part*: the adapter puts
    a placeholder for parts that it can't send, so none is refused.  *honoured*: fields that the kind does something
    with, beyond those that every kind does.  *refused*: fields that the kind rejects rather than ignores.  *id_fields*:
    fields with ids of the kind's own conversations; they are checked and never forwarded.  *needs_new_text*: only what
    follows the last assistant message is sent, so there must be something that says something.
    """

    openai: bool = False
    require_user: bool = True
    content_parts: frozenset[str] = frozenset()
    any_part: bool = False
    honoured: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    id_fields: frozenset[str] = frozenset()
    needs_new_text: bool = False

    def takes_part(self, kind: str) -> bool:
        """Whether a content part of this type can be sent."""
        return self.openai or self.any_part or kind == "text" or kind in self.content_parts


def common_rules(rules: Sequence[ModelRules], *, require_user: bool) -> ModelRules:
    """What may be sent wherever a request may go: what each one of several upstreams takes."""
    others = [each for each in rules if not each.openai]
    if len(others) < 2:
        return replace(others[0] if others else rules[0], require_user=require_user)
    return ModelRules(
        require_user=require_user,
        content_parts=frozenset.intersection(*(each.content_parts for each in others)),
        any_part=all(each.any_part for each in others),
        honoured=frozenset.intersection(*(each.honoured for each in others)),
        refused=frozenset.union(*(each.refused for each in others)),
        id_fields=frozenset.union(*(each.id_fields for each in others)),
        needs_new_text=any(each.needs_new_text for each in others),
    )


def model_of(body: JsonObject) -> str:
    """The id of the model asked for; raises `RequestRejected` with param `model`."""
    model = body.get("model")
    if model is None or model == "":
        raise missing("model", _A_MODEL)
    if type(model) is not str:
        raise wrong_type("model", _A_MODEL, model)
    if len(model) > _MAX_MODEL_CHARS:
        raise rejected("model", _A_MODEL, f"one of {len(model)}", "string_above_max_length")
    return model
