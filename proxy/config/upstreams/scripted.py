"""scripted: an upstream inside the daemon."""

from typing import Literal, Self

from pydantic import model_validator

from proxy.config.problems import problems
from proxy.config.script import Script
from proxy.config.upstreams.base import UpstreamBase


class ScriptedUpstream(UpstreamBase):
    """An upstream inside the daemon that says what a script tells it to: for a first start, and for tests."""

    kind: Literal["scripted"]
    """What it speaks."""
    script: Script = ()
    """The steps of every answer; without any script it answers with a text of its own."""
    scripts: tuple[Script, ...] = ()
    """One script per call, in turn; the last one repeats."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.script and self.scripts:
            raise problems(type(self).__name__, [(("scripts",), "is given along with `script`; keep one of them")])
        return self

    @property
    def turns(self) -> tuple[Script, ...]:
        """One script per call, in turn, the last one repeats; none when nothing is scripted."""
        return self.scripts or ((self.script,) if self.script else ())
