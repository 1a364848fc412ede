"""What callers send: bytes and headers in, one checked `ChatRequest` or one typed error out."""

from proxy.wire.request.base_url import named_base_url
from proxy.wire.request.body import JsonObject, decode_body, encode_json
from proxy.wire.request.chat import ChatRequest, ResponseFormat, check_chat
from proxy.wire.request.choice import ToolChoice, ToolMode
from proxy.wire.request.completions import completions_to_chat
from proxy.wire.request.controls import ControlHeaders, control_headers
from proxy.wire.request.forward import prefilled, told_as_text, upstream_body, without_tools
from proxy.wire.request.headers import (
    NEVER_FORWARDED,
    Delivery,
    check_content_encoding,
    check_content_type,
    delivery,
    forwarded_headers,
    presented_key,
    request_id,
    session_id,
)
from proxy.wire.request.parts import text_of
from proxy.wire.request.rules import ModelRules, common_rules, model_of
from proxy.wire.request.say import printable, rejected

__all__ = [
    "NEVER_FORWARDED",
    "ChatRequest",
    "ControlHeaders",
    "Delivery",
    "JsonObject",
    "ModelRules",
    "ResponseFormat",
    "ToolChoice",
    "ToolMode",
    "check_chat",
    "check_content_encoding",
    "check_content_type",
    "common_rules",
    "completions_to_chat",
    "control_headers",
    "decode_body",
    "delivery",
    "encode_json",
    "forwarded_headers",
    "model_of",
    "named_base_url",
    "prefilled",
    "presented_key",
    "printable",
    "rejected",
    "request_id",
    "session_id",
    "text_of",
    "told_as_text",
    "upstream_body",
    "without_tools",
]
