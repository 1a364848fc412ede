"""What must hold between the tables of a configuration; each broken rule is one line, with its path."""

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from proxy.config.problems import KeyPath, nearest
from proxy.config.settings import Settings
from proxy.config.upstreams import Credential, Dynamic

MAX_FALLBACK_LINKS = 4

Found: TypeAlias = Iterator[tuple[KeyPath, str]]


def cross_checks(settings: Settings) -> Found:
    """Every rule that *settings* break."""
    yield from _auth(settings)
    yield from _upstreams(settings)
    yield from _models(settings)
    yield from _fallbacks(settings)


def _auth(settings: Settings) -> Found:
    auth, local = settings.auth, settings.server.is_local
    if auth.mode == "none" and not (local or auth.allow_open):
        yield (
            ("auth", "mode"),
            f'"none" needs a loopback address, a socket or auth.allow_open = true; the host is {settings.server.host}',
        )
    if auth.mode == "keys" and not auth.keys:
        way_out = '; here auth.mode = "none" would do, as only this host calls' if local else ""
        yield ("auth", "keys"), f'mode "keys" needs at least one key{way_out}'
    yield from _twice(((("auth", "keys", i, "name"), key.name) for i, key in enumerate(auth.keys)), "name")
    holders: dict[object, str] = {}
    for i, key in enumerate(auth.keys):
        holder = holders.setdefault(key.key, key.name)
        if holder != key.name:
            yield ("auth", "keys", i, "key"), f"is the same as the key of {holder!r}"


def _upstreams(settings: Settings) -> Found:
    if not settings.upstreams:
        yield ("upstreams",), "at least one is needed"
    yield from _twice(((("upstreams", i, "name"), each.name) for i, each in enumerate(settings.upstreams)), "name")
    for i, each in enumerate(settings.upstreams):
        credential, dynamic = getattr(each, "credential", None), getattr(each, "dynamic", None)
        if not isinstance(credential, Credential):
            continue
        path: KeyPath = ("upstreams", i, "credential")
        if credential.open_in_store and settings.session.over_network:
            yield (*path, "share_key"), "is required, since tokens would cross a network; or set share = false"
        if isinstance(dynamic, Dynamic) and dynamic.enabled and credential.token_url.startswith("/"):
            yield (*path, "token_url"), "must be a whole URL where callers may name the base URL"


def _models(settings: Settings) -> Found:
    if not settings.models:
        yield ("models",), "at least one is needed"
    names: list[tuple[KeyPath, str]] = []
    for i, model in enumerate(settings.models):
        names.append((("models", i, "id"), model.id))
        names += [(("models", i, "aliases", j), alias) for j, alias in enumerate(model.aliases)]
        if model.prefix is not None and model.aliases:
            yield ("models", i, "aliases"), "an entry for a prefix can't have aliases"
        for j, name in enumerate(model.upstream_names):
            if name not in settings.upstreams_by_name:
                path: KeyPath = ("models", i, "upstreams", j) if model.upstreams else ("models", i, "upstream")
                known = nearest(name, settings.upstreams_by_name, of="upstreams")
                yield path, f"unknown upstream {name!r}; {known}"
    yield from _twice(names, "id or alias")


def _fallbacks(settings: Settings) -> Found:
    paths: dict[str, KeyPath] = {model.id: ("models", i, "fallback") for i, model in enumerate(settings.models)}
    links: dict[str, list[str]] = {}
    for model in settings.models:
        entries = {name: settings.models_by_name.get(name) for name in model.fallback}
        links[model.id] = [entry.id for entry in entries.values() if entry is not None]
        for j, (name, entry) in enumerate(entries.items()):
            if entry is None:
                known = nearest(name, settings.models_by_name, of="models")
                yield (*paths[model.id], j), f"unknown model {name!r}; {known}"
    try:
        from_the_end = tuple(TopologicalSorter(links).static_order())
    except CycleError as error:
        circle: list[str] = error.args[1]
        yield paths[circle[-1]], f"goes in a circle: {' → '.join(reversed(circle))}"
        return
    chain: dict[str, int] = {}
    for name in from_the_end:
        chain[name] = max([len(links[name]), *(1 + chain[following] for following in links[name])])
        if chain[name] > MAX_FALLBACK_LINKS:
            yield paths[name], f"leads over {chain[name]} links, and {MAX_FALLBACK_LINKS} are the most"


def _twice(named: Iterable[tuple[KeyPath, str]], what: str) -> Found:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            yield path, f"{name!r} is the {what} of another entry"
        seen.add(name)
