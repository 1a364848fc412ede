"""`turnstile migrate-env FILE`: the configuration that the environment of an older gateway means.

The TOML goes to standard output, what has no counterpart to standard error, a line each.  Exit codes: 0; 1 the file
can't be read.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from proxy.config.show import toml_value

UPSTREAM = "mix-main"

Tree = dict[str, Any]
Convert = Callable[[str], Any]


def number(value: str) -> int | float:
    """A number as it is written."""
    return float(value) if "." in value else int(value)


def seconds(value: str) -> float:
    """Milliseconds to seconds."""
    made = float(value) / 1000
    return int(made) if made.is_integer() else made


def flag(value: str) -> bool:
    """A switch, in any of the usual spellings."""
    return value.strip().lower() in ("1", "true", "yes", "on")


def size_bytes(value: str) -> int:
    """A size like `5mb`."""
    text = value.strip().lower().removesuffix("b")
    units = {"k": 1024, "m": 1024**2, "g": 1024**3}
    return int(float(text[:-1]) * units[text[-1]]) if text[-1:] in units else int(text)


def plus_one(value: str) -> int:
    """Retries to calls."""
    return int(value) + 1


def fraction(value: str) -> float:
    """A share."""
    return float(value)


RULES: Mapping[str, tuple[Convert, tuple[str, ...]]] = {
    "PORT": (number, ("server.port",)),
    "BODY_SIZE_LIMIT": (size_bytes, ("server.max_body_bytes",)),
    "UPSTREAM_API_BASE": (str, ("upstream.base_url",)),
    "UPSTREAM_CHAT_PATH": (str, ("upstream.chat_path",)),
    "UPSTREAM_REFERER": (str, ("upstream.referer",)),
    "UPSTREAM_ACCEPT_LANGUAGE": (str, ("upstream.accept_language",)),
    "DEFAULT_PERSONA_ID": (str, ("upstream.persona",)),
    "UPSTREAM_TIMEOUT_MS": (seconds, ("clocks.first_event", "clocks.idle")),
    "UPSTREAM_TOKEN_TIMEOUT_MS": (seconds, ("clocks.token",)),
    "UPSTREAM_AUTH_RECOVERY_RETRY": (number, ("credential.recoveries",)),
    "UPSTREAM_RETRY_COUNT": (plus_one, ("retry.attempts",)),
    "UPSTREAM_RETRY_BASE_MS": (seconds, ("retry.base_s",)),
    "UPSTREAM_AUTH_MODE": (str, ("credential.mode",)),
    "UPSTREAM_TOKEN_URL": (str, ("credential.token_url",)),
    "UPSTREAM_TOKEN_PATH": (str, ("credential.token_url",)),
    "UPSTREAM_TOKEN_METHOD": (str.upper, ("credential.method",)),
    "UPSTREAM_TOKEN_FIELD": (str, ("credential.token_field",)),
    "UPSTREAM_TOKEN_EXPIRES_IN_FIELD": (str, ("credential.expires_in_field",)),
    "UPSTREAM_TOKEN_EXPIRY_SKEW_MS": (seconds, ("credential.skew_s",)),
    "UPSTREAM_DYNAMIC_BASE_ENABLED": (flag, ("dynamic.enabled",)),
    "UPSTREAM_BASE_ALLOW_HTTP": (flag, ("dynamic.allow_http",)),
    "UPSTREAM_BASE_ALLOW_PRIVATE": (flag, ("dynamic.allow_private",)),
    "REDIS_CONNECT_TIMEOUT_MS": (seconds, ("session.redis_timeout_s",)),
    "REDIS_SESSION_PREFIX": (str, ("session.prefix",)),
    "SESSION_TTL_MS": (seconds, ("session.ttl_s",)),
    "SESSION_KEY_HEADER": (str, ("session.key_header",)),
    "QUERY_MAX_CHARS": (number, ("upstream.query_max_chars",)),
    "TOKEN_BUDGET_DEFAULT_RESERVED_OUTPUT_TOKENS": (number, ("budget.default_output_tokens",)),
    "BUDGET_TRIM_RECENT_MESSAGES": (number, ("budget.keep_messages",)),
    "BUDGET_HISTORY_SUMMARY_ENABLED": (flag, ("budget.summary",)),
    "BUDGET_HISTORY_SUMMARY_MAX_CHARS": (number, ("budget.summary_max_chars",)),
    "BUDGET_HISTORY_SUMMARY_MAX_LINES": (number, ("budget.summary_max_lines",)),
}
"""Variables that become settings one by one: how, and which."""

BY_HAND = (
    "INBOUND_AUTH_MODE", "INBOUND_BEARER_TOKEN", "UPSTREAM_BEARER_TOKEN", "UPSTREAM_TOKEN_HEADERS_JSON",
    "UPSTREAM_TOKEN_BODY_JSON", "UPSTREAM_BASE_ALLOWLIST", "SESSION_STORE_MODE", "REDIS_URL", "SESSION_KEY_MODE",
    "INCLUDE_CONTEXT_IN_QUERY", "SEND_UPSTREAM_TOOLS", "MODEL_LIST", "MODEL_PROFILE_JSON",
    "MODEL_PROFILE_DEFAULT_CONTEXT_WINDOW", "MODEL_PROFILE_DEFAULT_MAX_INPUT_TOKENS",
    "MODEL_PROFILE_DEFAULT_MAX_NEW_TOKENS",
)  # fmt: skip
"""Variables that mean something together, or in another form."""

ALWAYS_ON: Tree = {
    "retry": {"attempts": 1},
    "upstream": {"labels": "zh", "upstream_stream": "match"},
    "budget": {"trim": "oldest", "default_output_tokens": 1024},
    "session": {"key": "client", "key_header": "x-session-key"},
    "clocks": {"first_event": 180, "idle": 180},
    "server": {"port": 3001, "max_body_bytes": 5 * 1024**2},
}
"""What the older gateway did where nothing was said."""

LIMITS = {
    "context_window": "context_window_tokens",
    "max_input_tokens": "max_input_tokens",
    "max_new_tokens": "max_output_tokens",
}


def run(args: Namespace) -> int:
    """Print the configuration for the variables in `args.file`."""
    try:
        text = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"turnstile: cannot read {args.file}: {getattr(error, 'strerror', None) or 'not UTF-8'}\n")
        return 1
    tables, notes = migrated(variables(text))
    sys.stdout.write(as_text(tables))
    sys.stderr.writelines(f"turnstile: {note}\n" for note in notes)
    return 0


def variables(text: str) -> dict[str, str]:
    """The variables of a file: `NAME=value`, maybe quoted, maybe after `export`; a line with `#` first is a remark."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else value
    return found


def migrated(environ: Mapping[str, str]) -> tuple[Tree, list[str]]:
    """The tables of the configuration, and a note for each variable that has no counterpart, or can't be read."""
    tables: Tree = {name: dict(values) for name, values in ALWAYS_ON.items()}
    notes: list[str] = []
    for name, value in environ.items():
        if name in RULES:
            convert, paths = RULES[name]
            try:
                made = convert(value)
            except (ValueError, KeyError):
                notes.append(f"{name}: can't be read, and is left out")
                continue
            for table, _, field in (path.partition(".") for path in paths):
                tables.setdefault(table, {})[field] = made
        elif name not in BY_HAND:
            notes.append(f"{name}: has no counterpart, and is left out")
    _callers(environ, tables, notes)
    _credential(environ, tables, notes)
    _dynamic(environ, tables, notes)
    _session(environ, tables, notes)
    _upstream(environ, tables)
    tables["models"] = _models(environ, notes)
    return tables, notes


def _callers(environ: Mapping[str, str], tables: Tree, notes: list[str]) -> None:
    if environ.get("INBOUND_BEARER_TOKEN"):
        tables["auth"] = {"mode": "keys", "keys": ({"name": "default", "key": "env:INBOUND_BEARER_TOKEN"},)}
    else:
        tables["auth"] = {"mode": "none"}
        notes.append('auth: any caller was let in; mode = "none" needs a loopback address, or allow_open = true')


def _credential(environ: Mapping[str, str], tables: Tree, notes: list[str]) -> None:
    credential = tables.setdefault("credential", {})
    credential.setdefault("mode", "static")
    if credential["mode"] == "static":
        credential["token"] = "env:UPSTREAM_BEARER_TOKEN"  # noqa: S105 - a reference
    if credential["mode"] != "managed":
        given = [name for name in credential if name not in ("mode", "token")]
        for name in given:
            del credential[name]
        return
    credential.setdefault("token_url", "/v2/token")
    for name, field in (("UPSTREAM_TOKEN_HEADERS_JSON", "headers"), ("UPSTREAM_TOKEN_BODY_JSON", "body")):
        try:
            value = json.loads(environ.get(name) or "{}")
        except ValueError:
            notes.append(f"{name}: is not JSON, and is left out")
            continue
        if value:
            credential[field] = value
            notes.append(f"{name}: holds secrets in plain; give them as env:NAME or file:PATH")


def _dynamic(environ: Mapping[str, str], tables: Tree, notes: list[str]) -> None:
    dynamic = tables.get("dynamic", {})
    if not dynamic.get("enabled"):
        tables.pop("dynamic", None)
        return
    hosts = [host.strip() for host in environ.get("UPSTREAM_BASE_ALLOWLIST", "").split(",") if host.strip()]
    dynamic["allow_hosts"] = tuple(entry for host in hosts for entry in (f"{host}:*", f"*.{host}:*")) or ("*:*",)
    if not hosts:
        notes.append("dynamic.allow_hosts: any host is allowed, as before; name those that are meant")


def _session(environ: Mapping[str, str], tables: Tree, notes: list[str]) -> None:
    session = tables["session"]
    mode = environ.get("SESSION_STORE_MODE", "auto")
    if mode == "memory":
        session["store"] = "memory:"
    elif environ.get("REDIS_URL"):
        session["store"] = "env:REDIS_URL"
    if environ.get("SESSION_KEY_MODE", "auth_model_client") != "auth_model_client":
        notes.append('SESSION_KEY_MODE: has no counterpart but session.key = "client"')


def _upstream(environ: Mapping[str, str], tables: Tree) -> None:
    upstream = tables["upstream"]
    upstream["text_in"] = "both" if flag(environ.get("INCLUDE_CONTEXT_IN_QUERY", "true")) else "messages"
    upstream.setdefault("query_max_chars", 30_000)


def _models(environ: Mapping[str, str], notes: list[str]) -> tuple[Tree, ...]:
    """An entry for each model, and one for the prefix, with the limits that held for all."""
    tools = {"tools": "native"} if flag(environ.get("SEND_UPSTREAM_TOOLS", "false")) else {}
    defaults = {
        field: int(environ[variable])
        for field, variable in (
            ("context_window_tokens", "MODEL_PROFILE_DEFAULT_CONTEXT_WINDOW"),
            ("max_input_tokens", "MODEL_PROFILE_DEFAULT_MAX_INPUT_TOKENS"),
            ("max_output_tokens", "MODEL_PROFILE_DEFAULT_MAX_NEW_TOKENS"),
        )
        if environ.get(variable, "").isdecimal()
    }
    try:
        profiles: Tree = json.loads(environ.get("MODEL_PROFILE_JSON") or "{}")
    except ValueError:
        notes.append("MODEL_PROFILE_JSON: is not JSON, and is left out")
        profiles = {}
    listed = [name.strip() for name in environ.get("MODEL_LIST", "").split(",") if name.strip()]
    models = []
    for name in dict.fromkeys([*listed, *profiles]):
        profile = profiles.get(name, {})
        limits = {LIMITS[key]: value for key, value in profile.items() if key in LIMITS}
        models.append({"id": name, "upstream": UPSTREAM, "upstream_model": name.rpartition("/")[2], **tools, **limits})
    return (*models, {"id": "mix/*", "upstream": UPSTREAM, **tools, **defaults})


def as_text(tables: Tree) -> str:
    """The tables as TOML."""
    upstream = {"name": UPSTREAM, "kind": "mix", **tables["upstream"]}
    upstream |= {name: tables[name] for name in ("credential", "dynamic") if tables.get(name)}
    plain = [name for name in ("server", "auth", "session", "clocks", "retry", "budget") if tables.get(name)]
    blocks = [_block(f"[{name}]", tables[name]) for name in plain]
    blocks += [_block("[[upstreams]]", upstream), *(_block("[[models]]", model) for model in tables["models"])]
    return "\n\n".join(blocks) + "\n"


def _block(title: str, fields: Tree) -> str:
    return "\n".join([title, *(f"{name} = {toml_value(value)}" for name, value in fields.items())])
