"""Configurations as an operator writes them: a TOML text, variables, flags."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.config import ConfigError, Settings, load

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

LEAST = {
    "auth": '[auth]\nmode = "none"\n',
    "upstreams": '[[upstreams]]\nname = "up"\nbase_url = "http://127.0.0.1:8000/v1"\n',
    "models": '[[models]]\nid = "m"\nupstream = "up"\n',
}


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Load a text that is whole but for the tables that it does not mention; those are the least that is needed."""

    def run(
        text: str = "", environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Settings:
        path = tmp_path / "turnstile.toml"
        missing = [
            part for name, part in LEAST.items() if not re.search(rf"\A{name} =|^\[+{name}\]", text, re.MULTILINE)
        ]
        path.write_text("\n".join([text, *missing]), encoding="utf-8")
        return load(path, environ or {}, overrides or {})

    return run


@pytest.fixture
def refused(loaded: Load, tmp_path: Path) -> Refused:
    """The lines that a text is refused with, without the name of the file."""

    def run(*args: Any, **kwargs: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(*args, **kwargs)
        lines = caught.value.lines
        assert all(line == line.strip() and "\n" not in line for line in lines)
        return [line.removeprefix(f"{tmp_path / 'turnstile.toml'}: ") for line in lines]

    return run
