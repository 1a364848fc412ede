"""Where settings come from: one TOML file, the environment, the command line; merged into one tree of plain values."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from proxy.config.problems import ConfigError, KeyPath, dotted
from proxy.config.settings import Settings

_ENV_PREFIX = "turnstile_"
_ENV_NESTING = "__"
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")
ENV_FILE = "TURNSTILE_CONFIG"
DEFAULT_FILE = "turnstile.toml"


def find_file(flag: str | None, environ: Mapping[str, str], folder: Path) -> Path | None:
    """The file that *flag* or `TURNSTILE_CONFIG` names, else `turnstile.toml` in *folder* if it is there, else None."""
    named = flag or environ.get(ENV_FILE)
    if named:
        return folder / Path(named).expanduser()
    default = folder / DEFAULT_FILE
    return default if default.exists() else None


def read_file(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.  Raises `ConfigError` in one line, with line and column for bad syntax."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigError([f"cannot read {path}: {reason}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 (at byte {error.start})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from None


class Environment(EnvSettingsSource):
    """The settings among environment variables: `TURNSTILE_SERVER__PORT`, `TURNSTILE_UPSTREAMS__0__NAME`.

    Elements of an array go by their index; a whole array or table is JSON.  Only the mapping that is given is read, so
    that loading depends on nothing else.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.names = {name.lower(): name for name in environ if _is_setting(name.lower())}
        self._environ = environ
        super().__init__(
            cast("type[BaseSettings]", Settings),  # only its fields are looked at
            case_sensitive=False,
            env_prefix=_ENV_PREFIX,
            env_nested_delimiter=_ENV_NESTING,
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: self._environ[original] for name, original in self.names.items()}

    def next_field(self, field: Any, key: str, case_sensitive: bool | None = None) -> Any:  # noqa: FBT001 - as in the base class
        """The field that *key* leads to, or the type of an array's elements."""
        if field is not None and _INDEX.fullmatch(key):
            members = get_args(field.annotation if isinstance(field, FieldInfo) else field)
            return members[0] if members else None
        return super().next_field(field, key, case_sensitive)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """The array or table that a variable holds as JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            name = next(self.names[name] for name, held in self.env_vars.items() if held == value)
            raise ConfigError([f"{name}: not JSON: {error}"]) from None

    def __call__(self) -> dict[str, Any]:
        """The tree of what is set; unknown tables are in it too, so that they are refused as they are in a file."""
        for name in self.names:
            whole = next((other for other in self.names if other != name and _within(name, other)), None)
            if whole is not None:
                raise ConfigError([f"{self.names[name]}: is a part of {self.names[whole]}, which is also set"])
        tree = super().__call__()
        tables = {name.removeprefix(_ENV_PREFIX).split(_ENV_NESTING)[0] for name in self.names}
        return tree | {table: {} for table in tables - set(Settings.model_fields)}

    def variable(self, path: KeyPath) -> str | None:
        """The variable that the value at *path* came from, if one did."""
        wanted = _ENV_PREFIX + _ENV_NESTING.join(str(part).lower() for part in path)
        return next((name for key, name in self.names.items() if _within(key, wanted) or _within(wanted, key)), None)


def _within(name: str, whole: str) -> bool:
    """Whether the setting that *name* means is, or is a part of, what *whole* means."""
    return name == whole or name.startswith(whole + _ENV_NESTING)


def _is_setting(name: str) -> bool:
    """Whether a variable (in lower case) means a setting; `TURNSTILE_KEY` is left to be referred to by `env:`."""
    setting = name.removeprefix(_ENV_PREFIX)
    return setting != name and (_ENV_NESTING in setting or setting in Settings.model_fields)


def merge(base: Any, update: Any, path: KeyPath = ()) -> Any:
    """*update* laid over *base*: tables key by key, anything else as a whole.

    A table whose keys are all numbers sets elements of an array.  Raises `ConfigError` for an index that leaves a gap.
    """
    if not isinstance(update, dict):
        return update
    if path and update and all(_INDEX.fullmatch(key) for key in update):
        elements = list(base) if isinstance(base, list) else []
        for index in sorted(map(int, update)):
            place = (*path, index)
            if index > len(elements):
                raise ConfigError([f"{dotted(place)}: set by its index, and the next index is {len(elements)}"])
            before = elements[index] if index < len(elements) else None
            elements[index : index + 1] = [merge(before, update[str(index)], place)]
        return elements
    known = base if isinstance(base, dict) else {}
    return known | {key: merge(known.get(key), value, (*path, key)) for key, value in update.items()}
