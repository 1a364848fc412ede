"""Errors by what they say."""

import json

import pytest

from proxy.errors import (
    ConversationLost,
    CredentialStale,
    InsufficientQuota,
    PassThroughDenied,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
)
from proxy.wire.mix import Phrases, Told, http_fault
from tests.wire.mix.answers import read, whole

CLASSES = [
    ("Token expired", UpstreamAuthFailed),
    ("JWT EXPIRED", UpstreamAuthFailed),
    ("Forbidden", UpstreamAuthFailed),
    ("prompt too long", UpstreamContextLength),
    ("exceeds the token limit", UpstreamContextLength),
    ("quota used up", InsufficientQuota),
    ("Insufficient balance", InsufficientQuota),
    ("Rate limit", UpstreamRateLimited),
    ("too many requests", UpstreamRateLimited),
    ("server overloaded", UpstreamBusy),
    ("Try again later", UpstreamBusy),
    ("sensitive words", UpstreamContentFiltered),
    ("kaputt", UpstreamFailed),
]


@pytest.mark.parametrize(("text", "error"), CLASSES)
def test_an_error_is_classed_by_its_words_alike_in_every_form(text, error):
    with pytest.raises(error) as failed:
        whole({"error": text})
    assert type(failed.value) is error
    assert type(read({"type": "error", "errorText": text})[1].failure) is error
    fault = http_fault(500, "application/json", json.dumps({"error": text}).encode(), {}, now_s=0, told=Told())
    assert type(fault) is error
    assert fault.upstream_status == 500


@pytest.mark.parametrize(
    "text",
    ["session not found", "Conversation does not exist", "invalid session", "chat expired", "exchange is closed"],
)
def test_a_lost_session_is_lost_only_if_one_was_sent(text):
    assert type(read({"type": "error", "errorText": text}, told=Told(continued=True))[1].failure) is ConversationLost
    assert type(read({"type": "error", "errorText": text})[1].failure) is UpstreamFailed


@pytest.mark.parametrize("status", [404, 410])
def test_a_status_of_absence_means_the_session_where_one_was_sent(status):
    def fault(*, continued):
        return http_fault(status, "application/json", b"{}", {}, now_s=0, told=Told(continued=continued))

    assert type(fault(continued=True)) is ConversationLost
    assert type(fault(continued=False)) is not ConversationLost


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("managed", CredentialStale),
        ("pass_through", PassThroughDenied),
        ("static", UpstreamAuthFailed),
        ("none", UpstreamAuthFailed),
    ],
)
def test_whose_credential_is_refused(mode, error):
    for told in ({"error": "token expired"}, {"error": {"status": 401}}):
        with pytest.raises(error) as failed:
            whole(told, Told(credential=mode))
        assert type(failed.value) is error


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, UpstreamRateLimited), (401, UpstreamAuthFailed), (503, UpstreamFailed), (409, UpstreamBusy)],
)
def test_a_status_that_an_error_carries_counts_before_its_words(status, error):
    made = read({"type": "error", "error": {"message": "quota", "status": status}})[1]

    assert type(made.failure) is error


def test_a_class_that_is_given_replaces_its_list():
    told = Told(Phrases({"busy": ("come back",), "session": ("gone",)}), continued=True)

    assert type(read({"type": "error", "errorText": "Come back!"}, told=told)[1].failure) is UpstreamBusy
    assert type(read({"type": "error", "errorText": "overloaded"}, told=told)[1].failure) is UpstreamFailed
    assert type(read({"type": "error", "errorText": "gone"}, told=told)[1].failure) is ConversationLost


def test_words_are_told_to_the_log_only_and_redacted():
    told = {"type": "error", "errorText": "token=abc123 at https://in.example/x\n" + "y" * 500}
    failure = read(told)[1].failure

    assert "abc123" not in failure.detail
    assert "in.example" not in failure.detail
    assert "\n" not in failure.detail
    assert len(failure.detail) <= 300
    assert failure.message == UpstreamFailed.text


def test_pages_and_redirects():
    def fault(status, kind, body=b"<html>"):
        return type(http_fault(status, kind, body, {}, now_s=0, told=Told()))

    assert fault(200, "text/html") is UpstreamChallenge
    assert fault(302, "text/html") is UpstreamRedirected
    assert fault(200, "text/plain", b"hello") is UpstreamProtocolError


def test_retry_after_is_kept_when_words_say_more():
    body = b'{"error": "too many requests"}'
    fault = http_fault(503, "application/json", body, {"retry-after": "7"}, now_s=0, told=Told())

    assert (type(fault), fault.retry_after_s) == (UpstreamRateLimited, 7)
