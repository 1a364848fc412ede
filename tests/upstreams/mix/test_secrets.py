"""Secrets planted everywhere, all that can fail made to fail at DEBUG, and every output searched for them."""

import json
import logging
from contextlib import AsyncExitStack

import pytest
import structlog
from structlog.testing import capture_logs

from proxy.config import as_toml
from proxy.observe.request_line import request_fields
from proxy.testing.gateway import GatewayServer
from proxy.testing.mix_site import DONE, FINISH, START, Cut, Event, MixSite, Script, Stall, delta
from proxy.testing.token_endpoint import FakeTokenEndpoint, Misbehaviour
from tests.upstreams.mix.world import Caller, settings

GRANT, HEADER, SITE, BODY, SHARE = "grant-s3cret", "header-s3cret", "site-s3cret", "body-s3cret", "5e" * 32
CALLERS = "sk-callers-s3cret"
SECRETS = (GRANT, HEADER, SITE, BODY, SHARE, CALLERS, "tok-1-secret", "tok-2-secret", "sess-1", "exch-1", "exch-2")
WORDS = (
    "Bearer tok-1-secret failed for tok-1-secret, access_token=tok-2-secret; header-s3cret site-s3cret; "
    "session_id='sess-1', exchangeId: exch-1, exchange_id=exch-2 cookie: sid=sk-callers-s3cret"
)

FAULTS = {
    **{
        str(status): Script(status=status, body={"error": {"message": WORDS}})
        for status in (400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 425, 429, 500, 501, 502, 503, 504, 520)
    },
    "text": Script(status=500, body=WORDS.encode(), headers={"Content-Type": "text/plain"}),
    "page": Script(body=f"<html>{WORDS}".encode(), headers={"Content-Type": "text/html"}),
    "other": Script(body=WORDS.encode(), headers={"Content-Type": "text/plain"}),
    "redirect": Script(status=302, headers={"Location": f"http://u:{GRANT}@127.0.0.1:9/"}, body=b""),
    "JSON error": Script(body={"error": WORDS}),
    "JSON code": Script(body={"code": 7, "msg": WORDS}),
    "odd JSON": Script(body={"answer": WORDS}),
    **{
        word: Script(steps=(START, Event({"type": "error", "errorText": f"{word} {WORDS}"})))
        for word in ("token expired", "context length", "quota", "rate limit", "busy", "policy", "kaputt")
    },
    "late error": Script(steps=(START, delta("x"), Event({"type": "error", "errorText": WORDS}))),
    "bad event": Script(steps=(START, delta("x"), Event({"type": "text-delta", "delta": {"x": WORDS}}))),
    "cut": Script(steps=(START, delta("x"), Cut())),
    "cut at once": Script(steps=(Cut(),)),
    "stall": Script(steps=(START, Stall())),
    "none": Script(steps=(START, delta("x"), FINISH, DONE)),
}
ENDPOINT_FAULTS = {
    "none": (),
    "status": (Misbehaviour(status=500, body=f'{{"error":"{GRANT}"}}'.encode()),),
    "no token": (Misbehaviour(body=json.dumps({"access_tokens": "tok-1-secret"}).encode()),),
    "stall": (Misbehaviour(stalls=True),),
    "redirect": (Misbehaviour(status=302, location=f"http://127.0.0.1:9/{GRANT}"),),
    "too large": (Misbehaviour(body=b"x" * 70_000 + GRANT.encode()),),
}


@pytest.fixture
def everything(caplog):
    """All that is logged, however."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        structlog.get_logger("turnstile.test").debug("capturing")
        yield lambda: repr(logs) + caplog.text


def expect_no_secret(text, where):
    found = [secret for secret in SECRETS if secret in text]
    assert found == [], f"{where}: {text[max(0, text.find(found[0]) - 80) :][:200]}"


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_failure_of_the_site_tells_a_secret(fault, everything):
    await walk(FAULTS[fault], (), everything)


@pytest.mark.parametrize("fault", ENDPOINT_FAULTS)
async def test_no_failure_of_the_token_endpoint_tells_a_secret(fault, everything):
    await walk(FAULTS["none"], ENDPOINT_FAULTS[fault], everything)


async def walk(script, endpoint_faults, everything):
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(FakeTokenEndpoint(*endpoint_faults))
        site = await stack.enter_async_context(MixSite(script))
        credential = {
            "mode": "managed",
            "token_url": endpoint.url,
            "body": {"grant": GRANT},
            "headers": {"x-app": HEADER},
            "share_key": SHARE,
        }
        upstream = {"credential": credential, "extra_headers": {"x-site": SITE}, "extra_body": {"key": BODY}}
        config = settings(site, upstream=upstream, clocks={"first_event": 0.1, "token": 0.1})
        gateway = await stack.enter_async_context(GatewayServer(config))
        told = ""
        for stream in (False, True):
            caller = Caller(gateway, stream=stream)
            caller.messages = [{"role": "user", "content": "Hi."}]
            answer = await caller.sends(headers={"Authorization": f"Bearer {CALLERS}", "Cookie": f"a={CALLERS}"})
            told += answer.body.decode() + repr(list(answer.headers.items()))
        upstream_made = gateway.gateway.upstreams["mix-main"]
        for x in gateway.ended:
            told += repr(request_fields(x)) + repr(x.failure) + str(x.failure) + repr(x.failure and x.failure.__dict__)
        told += repr(upstream_made.bearer.keeper._token) + repr(gateway.settings) + as_toml(gateway.settings)
        if site.turns:
            assert site.turns[0].headers["x-site"] == SITE, "they were sent where they belong"
            assert site.turns[0].body["key"] == BODY

    expect_no_secret(told, "told")
    expect_no_secret(everything(), "logged")
