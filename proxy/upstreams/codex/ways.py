"""How the processes of one upstream are worked with."""

from dataclasses import dataclass

from proxy.config import CodexUpstream as Configured


@dataclass(frozen=True, slots=True)
class Ways:
    """What everything about one process goes by.

    *inst* names this run of the daemon; *work* is the empty folder that threads are told as theirs; *tool_grace_s* ends
    a burst of calls of which nothing else tells the end.
    """

    entry: Configured
    inst: str
    work: str
    tool_grace_s: float
