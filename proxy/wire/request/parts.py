"""The content of a message: a string, or an array of parts of known types."""

from typing import Any

from proxy.errors import RequestRejected
from proxy.wire.request.body import JsonObject
from proxy.wire.request.rules import ModelRules
from proxy.wire.request.say import missing, printable, rejected, wrong_type
from proxy.wire.request.values import object_in, string_in, word_in

_TYPE_OF_PART = "the type of a content part"
_AUDIO_FORMATS = ("wav", "mp3")
_URL_SCHEMES = ("http:", "https:", "data:")


def text_of(message: JsonObject) -> str:
    """The text of a checked message: its string, or its text parts joined by a newline; "" for none."""
    content = message.get("content")
    if type(content) is str:
        return content
    return "\n".join(part["text"] for part in content or () if part["type"] == "text")


def check_content(path: str, content: Any, role: str, rules: ModelRules, model: str) -> None:
    """Check what a message says; *path* is that of the content, *content* is not null."""
    if type(content) is str:
        return
    if type(content) is not list:
        raise wrong_type(path, "a string or an array of content parts", content)
    for index, part in enumerate(content):
        _check_part(f"{path}[{index}]", part, role, rules, model)


def _check_part(path: str, part: Any, role: str, rules: ModelRules, model: str) -> None:
    if type(part) is not dict:
        raise wrong_type(path, "an object", part)
    kind = part.get("type")
    if kind is None:
        raise missing(f"{path}.type", _TYPE_OF_PART)
    if type(kind) is not str:
        raise wrong_type(f"{path}.type", _TYPE_OF_PART, kind)
    if not (rules.takes_part(kind) or (kind == "refusal" and role == "assistant")):
        raise RequestRejected(
            f"{path} has type '{printable(kind)}', which model '{printable(model)}' does not support",
            code="unsupported_content_part",
            param=path,
        )
    if kind == "text" or kind == "refusal":  # noqa: PLR1714 - the hot line of long histories
        string_in(path, part, kind, may_be_empty=True)
    elif kind == "image_url":
        _check_image(f"{path}.image_url", object_in(path, part, "image_url"))
    elif kind == "input_audio":
        _check_audio(f"{path}.input_audio", object_in(path, part, "input_audio"))


def _check_image(path: str, image: JsonObject) -> None:
    url = string_in(path, image, "url", may_be_empty=True)
    if not url[:6].lower().startswith(_URL_SCHEMES):
        raise rejected(f"{path}.url", "an http, https or data URL", "another string", "invalid_value")


def _check_audio(path: str, audio: JsonObject) -> None:
    string_in(path, audio, "data", may_be_empty=True)
    word_in(path, audio, "format", _AUDIO_FORMATS)
