"""What a reload can't change while the daemon runs."""

from collections.abc import Iterator

from proxy.config.fields import NEEDS_RESTART, Section
from proxy.config.settings import Settings


def changes_needing_restart(old: Settings, new: Settings) -> list[str]:
    """The fields, like `server.port`, that differ between *old* and *new* and are read only at the start."""
    return list(_changed(old, new))


def _changed(old: Section, new: Section, prefix: str = "") -> Iterator[str]:
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Section):
            yield from _changed(before, after, f"{prefix}{name}.")
        elif NEEDS_RESTART in field.metadata and before != after:
            yield f"{prefix}{name}"
