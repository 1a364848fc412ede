"""Loading: file, environment and command line become settings that hold together, or plain lines of what is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proxy.config.checks import cross_checks
from proxy.config.problems import ConfigError, KeyPath, dotted
from proxy.config.secret import Origin
from proxy.config.settings import Settings
from proxy.config.sources import Environment, merge, read_file

_COMMAND_LINE = "command line"


def load(config_path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """The settings in force: *overrides* beat *environ*, which beats the file, which beats defaults.

    *overrides* are the command line's, as a tree: `{"server": {"port": 9000}}`.  Nothing but the arguments and the
    files that they name is looked at, so that this can be called again for a reload.  Without a file (None), a scripted
    model is served to this host alone.  Raises `ConfigError`, with one line per fault.
    """
    file = read_file(config_path) if config_path is not None else None
    environment = Environment(environ)
    given = merge(environment(), dict(overrides))
    tree = merge(file if file is not None else _embedded(given), given)

    def line(path: KeyPath, text: str) -> str:
        origin = _COMMAND_LINE if _leads_into(overrides, path) else environment.variable(path) or config_path
        return f"{origin}: {dotted(path)}: {text}" if origin else f"{dotted(path)}: {text}"

    origin = Origin(environ, config_path.parent if config_path is not None else Path())
    try:
        settings = Settings.model_validate(tree, context=origin)
    except ValidationError as refused:
        raise ConfigError([line(error["loc"], error["msg"]) for error in refused.errors()]) from None
    found = [line(path, text) for path, text in cross_checks(settings)]
    if found:
        raise ConfigError(found)
    return settings


def _embedded(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is served without a file, as far as it is not *given* in another way."""
    tree: dict[str, Any] = {}
    if not {"upstreams", "models"} & given.keys():
        tree["upstreams"] = [{"name": "scripted", "kind": "scripted"}]
        tree["models"] = [{"id": "scripted", "upstream": "scripted"}]
    if not _leads_into(given, ("auth", "keys")):
        tree["auth"] = {"mode": "none"}
    return tree


def _leads_into(tree: Any, path: KeyPath) -> bool:
    """Whether *tree* has a value at the end of *path*."""
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True
