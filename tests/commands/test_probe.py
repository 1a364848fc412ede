"""`turnstile probe`: which setting lets the model remember its own words."""

import re
from argparse import Namespace
from typing import Any

import pytest

from proxy.commands.probe import _try_all, run
from proxy.config import Settings, load
from proxy.testing.qwen import QwenSite, Refuses

CREDENTIAL = {"mode": "static", "token": "umid-token-1", "cookies": "cna=abcdef12"}
NUMBER = "48213"


def settings(base_url: str, **tables: Any) -> Settings:
    config = {
        "auth": {"mode": "none"},
        "upstreams": [
            {"name": "site", "kind": "qwen", "base_url": base_url, "credential": CREDENTIAL},
            {"name": "plain", "kind": "scripted"},
        ],
        "models": [{"id": "mine", "upstream": "site", "upstream_model": "qwen3-max"}],
        **tables,
    }
    return load(None, {}, config)


def remembering(shown: list[tuple[str, str]]) -> str:
    """A model that repeats the number that it is shown as its own, and makes one up otherwise."""
    own = [text for role, text in shown if role == "assistant"]
    if len(shown) == 1:
        return f"The number is {NUMBER}."
    found = re.search(r"\d{5}", " ".join(own))
    return found[0] if found else "I have not said any number."


async def probed(site: QwenSite) -> int:
    configured = settings(site.url)
    return await _try_all(configured.upstreams[0].variants_to_probe(), "qwen3-max", configured)


@pytest.mark.parametrize("chain", ["parent_id", "response_id"])
async def test_the_setting_under_which_the_model_knows_its_own_words_is_found(chain, capsys):
    async with QwenSite(chain=chain, replies=remembering) as site:
        code = await probed(site)

    told = capsys.readouterr().out.splitlines()
    good, bad = f"remembers its own words ({NUMBER})", f"does not remember ({NUMBER}, then no number)"
    assert code == 0
    assert told == [
        f'chain = "parent_id": {good if chain == "parent_id" else bad}',
        f'chain = "response_id": {good if chain == "response_id" else bad}',
    ]
    assert len(site.chats) == 2, "each setting has a chat of its own"
    assert all(NUMBER not in text for body in site.completions for text in [body["messages"][0]["content"]])


async def test_what_goes_wrong_is_told_for_each_setting(capsys):
    async with QwenSite(replies=lambda _shown: "No.") as site:
        site.answers(Refuses(401, {}))
        code = await probed(site)

    assert code == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "no answer: upstream_auth_failed" in first
    assert "umid-token-1" not in first
    assert "unclear: the first answer holds no five-digit number" in second


@pytest.mark.parametrize(
    ("upstream", "tables", "why"),
    [
        ("nobody", {}, "unknown upstream 'nobody'; there are: site, plain"),
        ("plain", {}, "nothing to find out about an upstream of kind 'scripted'"),
        ("site", {"models": [{"id": "m", "upstream": "plain"}]}, "no model entry names 'site'"),
    ],
)
def test_what_cannot_be_probed_is_refused(upstream, tables, why, capsys):
    assert run(Namespace(upstream=upstream, model=None), settings("http://127.0.0.1:1", **tables)) == 1
    assert why in capsys.readouterr().err
