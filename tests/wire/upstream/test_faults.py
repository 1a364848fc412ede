"""Error answers: each is the error that the failure contract names, told in words fit for its hearer."""

from typing import Any

import orjson
import pytest

from proxy.errors import (
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    PassThroughForbidden,
    TurnstileError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
    UpstreamRefused,
    UpstreamRejected,
    error_classes,
)
from proxy.wire.upstream import fault_of

NOW_S = 1_790_000_000.0
PAGE = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"


def fault(
    status: int, body: Any = b"", content_type: str | None = "application/json", **options: Any
) -> TurnstileError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = options.pop("headers", {})
    return fault_of(status, content_type, raw, headers, now_s=NOW_S, **options)


def told(message: str, **keys: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "param": None, "code": None} | keys}


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ([301, 302, 303, 304, 307, 308], UpstreamRedirected),
        ([400, 413, 422], UpstreamRefused),
        ([401, 403], UpstreamAuthFailed),
        ([402], InsufficientQuota),
        ([404], UpstreamModelNotFound),
        ([408, 409, 425], UpstreamBusy),
        ([429], UpstreamRateLimited),
        ([405, 406, 410, 411, 415, 418, 421, 423, 424, 426, 428, 431, 451, 499, 501, 505], UpstreamRejected),
        ([500, 502, 503, 504, *range(520, 530), 507, 530, 599], UpstreamFailed),
    ],
)
def test_every_status_is_the_error_of_its_row(statuses: list[int], kind: type[TurnstileError]) -> None:
    for status in statuses:
        for body in (b"", told("some words"), b"plain words", {"detail": "words"}):
            error = fault(status, body)
            assert type(error) is kind
            assert error.upstream_status == (None if kind is UpstreamRedirected else status)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_fault_of_the_request_keeps_status_code_param_and_words(status: int) -> None:
    error = fault(status, told("'n' must be 1.", code="bad_n", param="messages[0].n"))
    assert (error.told_status, error.told_code, error.param) == (status, "bad_n", "messages[0].n")
    assert error.message == "'n' must be 1."
    assert (error.retryable, error.falls_back) == (False, False)


@pytest.mark.parametrize(
    ("body", "message", "code", "param"),
    [
        pytest.param(told("m", code="c", param="p"), "m", "c", "p", id="OpenAI"),
        pytest.param({"object": "error", "message": "m", "code": 400, "param": "p"}, "m", None, "p", id="old vLLM"),
        pytest.param({"error": {"code": 400, "message": "m", "type": "x"}}, "m", None, None, id="llama.cpp"),
        pytest.param({"error": "m"}, "m", None, None, id="Ollama"),
        pytest.param([{"error": {"code": 400, "message": "m"}}], "m", None, None, id="Gemini"),
        pytest.param({"code": "Bad.Value", "message": "m"}, "m", "Bad.Value", None, id="DashScope"),
        pytest.param({"errors": [{"message": "m", "code": "c"}]}, "m", "c", None, id="a list of errors"),
        pytest.param({"detail": "m"}, "m", None, None, id="FastAPI"),
        pytest.param(
            {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "m", "type": "missing"}]},
            *("m", None, "messages[0].content"),
            id="FastAPI, validation",
        ),
        pytest.param(b"m", "m", None, None, id="plain text"),
        pytest.param(b"\xffm", "\ufffdm", None, None, id="bad bytes"),
        pytest.param(b"[1]", UpstreamRefused.text, None, None, id="no object"),
        pytest.param(told(""), UpstreamRefused.text, None, None, id="no message"),
        pytest.param(b"", UpstreamRefused.text, None, None, id="nothing"),
        pytest.param(PAGE, UpstreamRefused.text, None, None, id="a web page"),
        pytest.param(
            {"error": {"message": {"x": 1}}, "errors": [1], "detail": {}}, UpstreamRefused.text, None, None, id="x"
        ),
    ],
)
def test_error_bodies_of_every_known_shape_are_read(
    body: Any, message: str, code: str | None, param: str | None
) -> None:
    error = fault(400, body)
    assert (error.message, error.told_code, error.param) == (message, code or "invalid_value", param)


@pytest.mark.parametrize("code", ["a b", "x" * 65, "é", "<b>", "400", "", 7, None, {"a": 1}])
def test_a_code_is_told_only_if_it_is_a_safe_identifier(code: Any) -> None:
    assert fault(400, told("m", code=code)).told_code == "invalid_value"


@pytest.mark.parametrize("code", sorted({cls.code for cls in error_classes()}))
def test_a_code_of_ours_is_not_told_under_another_ending(code: str) -> None:
    """A code belongs to exactly one ending, whoever says it."""
    error = fault(400, told("m", code=code))
    endings = {cls.end_reason for cls in error_classes() if cls.code == error.told_code}
    assert endings == {error.end_reason}


@pytest.mark.parametrize("param", ["a b", "x" * 129, "é", "", 7, None, ["a"]])
def test_a_param_is_told_only_if_it_is_a_path(param: Any) -> None:
    assert fault(400, told("m", param=param)).param is None


@pytest.mark.parametrize(
    "body",
    [
        told(
            "This model's maximum context length is 4097 tokens. However, your messages resulted in 6988 tokens.",
            type="invalid_request_error",
            code="context_length_exceeded",
        ),
        {
            "object": "error",
            "message": "This model's maximum context length is 131072 tokens. However, you …",
            "code": 400,
        },
        {"error": {"code": 400, "message": "request (4390 tokens) exceeds …", "type": "exceed_context_size_error"}},
        {"error": {"code": 400, "message": "the request exceeds the available context size. try increasing …"}},
        told("prompt is too long: 208310 tokens > 200000 maximum", type="invalid_request_error"),
        told("input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000"),
        told("Your input exceeds the context window of this model. Please adjust your input and try again."),
        [
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (1200000) exceeds the maximum number of tokens allowed",
                }
            }
        ],
        told("Range of input length should be [1, 129024]", code="invalid_parameter_error"),
        {"error": "Requested tokens (2285) exceed context window of 2048"},
    ],
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_context_length_is_known_by_the_words_of_every_server(status: int, body: Any) -> None:
    error = fault(status, body)
    assert type(error) is UpstreamContextLength
    assert (error.told_status, error.told_code, error.param) == (400, "context_length_exceeded", "messages")


def test_a_named_context_length_is_believed_at_any_status() -> None:
    """llama.cpp told it as a 500 for a while; words alone are not believed there."""
    body = {"error": {"code": 500, "message": "…", "type": "exceed_context_size_error"}}
    assert type(fault(500, body)) is UpstreamContextLength
    assert type(fault(500, told("context length of the cache"))) is UpstreamFailed
    assert type(fault(429, told("context window"))) is UpstreamRateLimited


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            400,
            told(
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                param="prompt",
                code="content_filter",
                innererror={"code": "ResponsibleAIPolicyViolation"},
            ),
            "content_filter",
        ),
        (400, told("…", innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter"),
        (
            400,
            told("Rejected as a result of our safety system.", code="content_policy_violation"),
            "content_policy_violation",
        ),
        (400, told("Invalid prompt: your prompt was flagged", code="invalid_prompt"), "invalid_prompt"),
        (400, told("your prompt was flagged as potentially violating our usage policy"), "content_filter"),
        (400, told("…", type="data_inspection_failed", code="data_inspection_failed"), "data_inspection_failed"),
        (403, told("…", code="moderation_blocked"), "moderation_blocked"),
        (422, told("Input data may contain inappropriate content."), "content_filter"),
    ],
)
def test_content_policy_is_a_400_under_the_upstreams_code(status: int, body: Any, code: str) -> None:
    error = fault(status, body)
    assert type(error) is UpstreamContentFiltered
    assert (error.told_status, error.told_code, error.falls_back) == (400, code, False)


@pytest.mark.parametrize(
    "body",
    [
        told("The model `x` does not exist", type="invalid_request_error", code="model_not_found"),
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
        told("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        told('model "x" not found, try pulling it first', type="api_error"),
    ],
)
def test_a_404_is_about_the_model(body: Any) -> None:
    error = fault(404, body)
    assert type(error) is UpstreamModelNotFound
    assert (error.told_code, error.told_status, error.param) == ("model_not_found", 404, "model")
    assert error.message == UpstreamModelNotFound.text
    assert error.falls_back


@pytest.mark.parametrize(
    "body",
    [
        b"404 page not found",
        {"detail": "Not Found"},
        told("Unknown request URL: POST /x"),
        told("Invalid URL (POST /x)"),
        PAGE,
    ],
)
def test_a_404_about_the_path_is_the_operators_fault(body: Any) -> None:
    assert type(fault(404, body)) is UpstreamRejected


@pytest.mark.parametrize(
    ("credential", "of_401", "of_403"),
    [
        ("none", UpstreamAuthFailed, UpstreamAuthFailed),
        ("static", UpstreamAuthFailed, UpstreamAuthFailed),
        ("managed", CredentialStale, CredentialStale),
        ("pass_through", PassThroughDenied, PassThroughForbidden),
    ],
)
def test_a_refused_credential_is_whose_it_was(credential: Any, of_401: type[Any], of_403: type[Any]) -> None:
    assert type(fault(401, told("no"), credential=credential)) is of_401
    assert type(fault(403, told("no"), credential=credential)) is of_403
    assert type(fault(400, told("Incorrect key", code="invalid_api_key"), credential=credential)) is of_401


@pytest.mark.parametrize(
    "body",
    [
        told("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"),
        told("You exceeded your current quota", type="insufficient_quota"),
        told("Hard limit", code="billing_hard_limit_reached"),
    ],
)
def test_a_429_so_coded_is_out_of_quota(body: Any) -> None:
    error = fault(429, body, headers={"retry-after": "60"})
    assert type(error) is InsufficientQuota
    assert (error.retry_after_s, error.retryable, error.falls_back) == (60.0, False, True)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529])
def test_the_wait_that_an_upstream_asks_for_is_kept(status: int) -> None:
    assert fault(status, headers={"retry-after": "7"}).retry_after_s == 7.0
    assert fault(status, headers={"retry-after": "Mon, 21 Sep 2026 14:13:30 GMT"}).retry_after_s == 10.0
    assert fault(status).retry_after_s is None


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8", "application/json", None])
def test_a_200_with_a_web_page_is_a_challenge(content_type: str | None) -> None:
    assert type(fault(200, PAGE, content_type)) is UpstreamChallenge


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (told("boom"), UpstreamFailed),
        (told("slow down", code=429), UpstreamRateLimited),
        ({"type": "error", "message": "m", "status": 400}, UpstreamRefused),
        ({"error": {"message": "m", "code": 401}}, UpstreamAuthFailed),
        ({"answer": 42}, UpstreamProtocolError),
        (b"plain", UpstreamProtocolError),
        ({"errors": []}, UpstreamProtocolError),
        (b"", UpstreamDisconnected),
        (b"\n", UpstreamDisconnected),
    ],
)
@pytest.mark.parametrize("status", [200, 202, 600])
def test_a_200_that_is_no_answer_is_what_it_tells(status: int, body: Any, kind: type[TurnstileError]) -> None:
    assert type(fault(status, body, "text/plain")) is kind


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 418, 429, 500, 503])
def test_the_upstreams_words_are_for_the_log_unless_the_request_is_at_fault(status: int) -> None:
    error = fault(status, told("disk full, key sk-abcdefgh12345678"))
    assert error.message == type(error).text
    assert error.detail == f"status {status}: disk full, key [key]"


def test_the_upstreams_words_are_redacted_and_short() -> None:
    words = "bad at https://10.0.0.1/v1?key=sk-abcdefgh12345678 " + "x " * 400
    error = fault(400, told(words))
    assert error.message.startswith("bad at [url] x x")
    assert len(error.message) == 500
