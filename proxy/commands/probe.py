"""`turnstile probe UPSTREAM`: what only a live account can tell: which of an upstream's settings is right for it.

A conversation of two turns is held under each setting: the model is asked for a number, then to say it again.  A
setting is right if the model knows its own words.  Exit codes: 0 one of them is; 1 none, or there was no asking.
"""

import asyncio
import re
import sys
from argparse import Namespace
from collections.abc import Mapping

from proxy.clock import LoopClock
from proxy.config import Settings
from proxy.config import Upstream as Configured
from proxy.errors import TurnstileError
from proxy.ports import Plan, Turn, Upstream
from proxy.upstreams import KINDS
from proxy.wire.events import TextDelta
from proxy.wire.request import ChatRequest, JsonObject, ModelRules, check_chat

ANSWER_S = 120.0  # a model that thinks in silence may take so long
FIRST = "Choose a random five-digit number, and answer with that number only."
SECOND = "Which number did you just answer with? Answer with that number only."

REMEMBERS = "remembers"
"""How the verdict begins on a setting that is right."""

_NUMBER = re.compile(r"(?<!\d)\d{5}(?!\d)")


def run(args: Namespace, settings: Settings) -> int:
    """Try every setting of the upstream that `args.upstream` names, with the model `args.model`, if that is given."""
    entry = settings.upstreams_by_name.get(args.upstream)
    if entry is None:
        return _refuse(f"unknown upstream {args.upstream!r}; there are: {', '.join(settings.upstreams_by_name)}")
    variants = entry.variants_to_probe()
    if not variants:
        return _refuse(f"nothing to find out about an upstream of kind {entry.kind!r}")
    model = args.model or _model_of(entry, settings)
    if model is None:
        return _refuse(f"no model entry names {entry.name!r}: say --model NAME, as the upstream calls it")
    return asyncio.run(_try_all(variants, model, settings))


def _model_of(entry: Configured, settings: Settings) -> str | None:
    """What the upstream calls the first model that is configured there."""
    mine = (model for model in settings.models if entry.name in model.upstream_names and model.prefix is None)
    return next((model.sent_as(model.id) for model in mine), None)


async def _try_all(variants: Mapping[str, Configured], model: str, settings: Settings) -> int:
    right = 0
    for setting, variant in variants.items():
        upstream = KINDS[variant.kind](variant, settings, LoopClock())
        try:
            async with asyncio.timeout(2 * ANSWER_S):
                verdict = await (branch if variant.probes_branch else hold)(upstream, model)
        except TurnstileError as error:
            verdict = f"no answer: {error.told_code} ({error.detail or error.message})"
        except TimeoutError:
            verdict = f"no answer within {2 * ANSWER_S:g} seconds"
        finally:
            await upstream.close()
        right += verdict.startswith(REMEMBERS)
        sys.stdout.write(f"{setting}: {verdict}\n")
    return 0 if right else 1


async def hold(upstream: Upstream, model: str) -> str:
    """Hold the conversation; tells how it went, beginning with `REMEMBERS` if the model knew its own words."""
    messages: list[JsonObject] = [{"role": "user", "content": FIRST}]
    first, plan = await _ask(upstream, model, messages, Plan())
    number = _NUMBER.search(first)
    if number is None:
        return "unclear: the first answer holds no five-digit number"
    if plan is None:
        return "unclear: the first answer can't be continued"
    messages += [{"role": "assistant", "content": first}, {"role": "user", "content": SECOND}]
    second, _plan = await _ask(upstream, model, messages, plan)
    if number[0] in second:
        return f"{REMEMBERS} its own words ({number[0]})"
    return f"does not remember ({number[0]}, then {' '.join(_NUMBER.findall(second)) or 'no number'})"


async def branch(upstream: Upstream, model: str) -> str:
    """Go on from a node twice: tells whether the second time knows nothing of the first."""
    messages: list[JsonObject] = [{"role": "user", "content": FIRST}]
    first, plan = await _ask(upstream, model, messages, Plan())
    number = _NUMBER.search(first)
    if number is None or plan is None:
        return "unclear: the first answer holds no five-digit number, or can't be continued"
    messages += [{"role": "assistant", "content": first}]
    other, _plan = await _ask(upstream, model, [*messages, {"role": "user", "content": FIRST}], plan)
    second, _plan = await _ask(upstream, model, [*messages, {"role": "user", "content": SECOND}], plan)
    if number[0] in second:
        return f"{REMEMBERS} its own words, from a turn that is not the last ({number[0]})"
    after = _NUMBER.search(other)
    if after is not None and after[0] in second:
        return "does not branch: whatever turn is named, the last one goes on"
    return f"does not remember ({number[0]}, then {' '.join(_NUMBER.findall(second)) or 'no number'})"


async def _ask(upstream: Upstream, model: str, messages: list[JsonObject], plan: Plan) -> tuple[str, Plan | None]:
    """One turn: what the model says, and how the next one goes on."""
    request: ChatRequest = check_chat({"model": model, "messages": messages, "stream": True}, ModelRules())
    call = await upstream.open(
        Turn(
            request=request,
            upstream_model=model,
            request_id="probe",
            stream=True,
            on_connected=lambda: None,
            plan=plan,
        )
    )
    try:
        text = ""
        while not call.complete:
            text += "".join(event.text for event in await call.receive() if isinstance(event, TextDelta))
        node = call.node
    finally:
        call.close()
    return text, None if node is None else Plan(node, len(messages) + 1)


def _refuse(why: str) -> int:
    sys.stderr.write(f"turnstile: {why}\n")
    return 1
