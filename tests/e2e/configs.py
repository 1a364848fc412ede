"""Configurations that several modules build on."""

from typing import Any


def script_config(scripts: dict[str, list[Any]], **tables: Any) -> dict[str, Any]:
    """A model per script, or list of scripts, under its name; *tables* are added."""
    return {
        "auth": {"mode": "none"},
        "upstreams": [
            {"name": name, "kind": "scripted", ("scripts" if isinstance(script[0], list) else "script"): script}
            for name, script in scripts.items()
        ],
        "models": [{"id": name, "upstream": name} for name in scripts],
        "log": {"level": "debug"},
        **tables,
    }
