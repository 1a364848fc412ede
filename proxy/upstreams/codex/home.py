"""The folders of a codex process, its configuration, and how it is started.

The configuration keeps everything out of the prompt that is not the caller's, every built-in tool away from the model,
and the process from trying again by itself: what it has already told would be told twice.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from proxy.config import CodexUpstream as Configured
from proxy.upstreams.child import Command

KEY_VARIABLE = "UPSTREAM_KEY"
PASSED = ("PATH", "LANG", "TZ")
TOOL_OUTPUT_TOKENS = 100_000_000  # the default cuts results of tools to about 12 000 characters
THREAD_UNLOAD_S = 60  # the default keeps what nobody subscribes to for half an hour
BUILTIN_TOOLS = (
    "shell_tool",
    "unified_exec",
    "goals",
    "apps",
    "plugins",
    "hooks",
    "skill_search",
    "sleep_tool",
    "tool_suggest",
    "view_image",
    "image_generation",
)

Setting: TypeAlias = str | int | bool


class Homes:
    """The private folders of one upstream, a pair per slot, and the commands that use them.

    Conversations that are to outlive the daemon are kept in the user's state folder, all else in a temporary one.
    """

    def __init__(self, entry: Configured, environ: Mapping[str, str] = os.environ) -> None:
        self._entry = entry
        self._environ = environ
        self._temporary: Path | None = None

    def command(self, slot: int) -> Command:
        """Prepare the folders of *slot*.  Raises OSError."""
        entry = self._entry
        folder = self._root() / f"slot-{slot}"
        home, work = folder / "home", folder / "work"
        for each in (home, work):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = [shutil.which(entry.bin, path=self._environ.get("PATH")) or entry.bin, "app-server"]
        if entry.codex_home:  # with a configuration of its own, which is not ours to write
            codex_home = Path(entry.codex_home).expanduser()
            argv += [word for name, value in settings_of(entry) for word in ("-c", f"{name}={literal(value)}")]
        else:
            codex_home = folder / "codex"
            codex_home.mkdir(mode=0o700, exist_ok=True)
            write_private(codex_home / "config.toml", "".join(f"{n} = {literal(v)}\n" for n, v in settings_of(entry)))
        key = entry.credential.token.reveal() if entry.credential.token else None
        names = (*PASSED, *entry.env_pass)
        return Command(
            tuple(argv),
            cwd=work,
            env={
                **{name: self._environ[name] for name in names if name in self._environ},
                "HOME": str(home),
                "CODEX_HOME": str(codex_home),
                **({KEY_VARIABLE: key} if key is not None else {}),
            },
            secrets=(key,) if key is not None else (),
        )

    def work(self, slot: int) -> str:
        """The empty folder that threads of *slot* are told as theirs."""
        return str(self._root() / f"slot-{slot}" / "work")

    def remove(self) -> None:
        """Take the temporary folder away."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _root(self) -> Path:
        if self._entry.persist:
            state = self._environ.get("XDG_STATE_HOME", "")
            base = Path(state) if state.startswith("/") else Path.home() / ".local/state"
            return base / "turnstile" / "codex" / self._entry.name.replace("/", "_")
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="turnstile-codex-"))
        return self._temporary


def settings_of(entry: Configured) -> Iterator[tuple[str, Setting]]:
    """The configuration, by dotted names."""
    yield "web_search", "disabled"
    yield "project_doc_max_bytes", 0
    yield "tool_output_token_limit", TOOL_OUTPUT_TOKENS
    yield "thread_unload_delay_secs", THREAD_UNLOAD_S
    yield "check_for_update_on_startup", False
    yield "include_environment_context", False
    yield "include_permissions_instructions", False
    yield "include_apps_instructions", False
    yield "include_collaboration_mode_instructions", False
    yield "skills.include_instructions", False
    yield "tools.experimental_request_user_input.enabled", False
    yield "tools.update_plan.enabled", False
    yield "agents.enabled", False
    yield "analytics.enabled", False
    if not entry.allow_builtin_tools:
        for tool in BUILTIN_TOOLS:
            yield f"features.{tool}", False
    if entry.base_url is not None:
        yield "model_provider", "up"
        yield "model_providers.up.name", "up"
        yield "model_providers.up.base_url", entry.base_url
        yield "model_providers.up.wire_api", "responses"
        if entry.credential.token is not None:
            yield "model_providers.up.env_key", KEY_VARIABLE
        yield "model_providers.up.request_max_retries", 0
        yield "model_providers.up.stream_max_retries", 0


def literal(value: Setting) -> str:
    """A value as TOML has it, which is JSON for these types, but for an unescaped DEL."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def write_private(path: Path, text: str) -> None:
    """Write *text*, for the eyes of this user alone."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
