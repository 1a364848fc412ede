"""codex: an agent process, `codex app-server`, as a chat model."""

import re
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from proxy.config.fields import Name, Names, Positive, Seconds, Section, Text, Unit, unique
from proxy.config.problems import problem, problems
from proxy.config.secret import SecretField
from proxy.config.upstreams.base import UpstreamBase
from proxy.config.upstreams.http import BaseUrl
from proxy.wire.request import ModelRules

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEVER_PASSED = re.compile(r"TURNSTILE_.*|CODEX_HOME|UPSTREAM_KEY|HOME")

OPTIONAL_PARAMS = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "logit_bias",
    "user",
    "store",
    "metadata",
    "verbosity",
    "service_tier",
    "prediction",
)
"""Parameters that are ignored, and named to the caller, unless they are rejected."""

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise problem(f"{name!r} is not the name of an environment variable")
    if _NEVER_PASSED.fullmatch(name):
        raise problem(f"{name!r} is set by the gateway, or must not reach a child process")
    return name


def _optional_param(name: str) -> str:
    if name not in OPTIONAL_PARAMS:
        raise problem(f"{name!r} is not a parameter that could be ignored; those are {', '.join(OPTIONAL_PARAMS)}")
    return name


Variables: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(_variable)], ...], AfterValidator(unique)]
OptionalParam: TypeAlias = Annotated[str, AfterValidator(_optional_param)]


class CodexCredential(Section):
    """How the child process shows who it is to its model provider."""

    mode: Literal["none", "static"] = "none"
    """`static`: by `token`."""
    token: SecretField | None = None
    """The provider's key: the token itself, or `env:NAME` or `file:PATH`; it reaches the child by its environment."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.mode == "static") != (self.token is not None):
            raise problem('mode "static" needs `token`, and `token` needs mode = "static"')
        return self


class CodexUpstream(UpstreamBase):
    """An agent process, `codex app-server`, as a chat model."""

    connect_s: ClassVar[float | None] = 10.0  # a cold start of the process, on a busy host

    kind: Literal["codex"]
    """What it speaks."""
    bin: Name = "codex"
    """The native program, by path or by name; not the launcher that npm installs beside it."""
    codex_home: Text = ""
    """A folder with a login of its own, as `CODEX_HOME`; empty = a private folder per process."""
    base_url: BaseUrl | None = None
    """URL of the model provider that `/responses` is appended to; unset: the program's own, by its login."""
    credential: CodexCredential = CodexCredential()
    """How it shows who it is to the provider."""
    env_pass: Variables = ()
    """Names of further environment variables that the process gets."""
    processes: Positive = 1
    """Processes, per worker."""
    min_ready: Positive = 1
    """Processes that must be ready for the upstream to be."""
    max_turns: Annotated[Positive, Unit("turns")] = 16
    """Turns at a time, per process."""
    max_inflight_rpc: Annotated[Positive, Unit("calls")] = 32
    """Unanswered calls at a time, per process."""
    rpc_s: Annotated[Seconds, Field(gt=0)] = 15.0
    """How long the reply to one call may take."""
    max_threads: Annotated[Positive, Unit("threads")] = 256
    """Conversations that one process keeps; the least recently used one goes first."""
    thread_idle_s: Annotated[Seconds, Field(gt=0)] = 1800.0
    """How long a process keeps a conversation that nobody continues."""
    max_threads_started: Annotated[Positive, Unit("threads")] = 5000
    """Conversations begun, after which a process is replaced."""
    max_rss_mb: Annotated[Positive, Unit("MiB")] = 2048
    """Memory, above which a process is replaced."""
    persist: bool = False
    """Keep conversations on disk, so that they outlive their process."""
    park_s: Annotated[Seconds, Field(gt=0)] = 300.0
    """How long a turn waits for the results of the caller's tools; after that it is told anew."""
    max_parked: Annotated[Positive, Unit("turns")] = 64
    """Turns that wait so, per process; the oldest one goes first."""
    interrupt_s: Annotated[Seconds, Field(gt=0)] = 2.0
    """How long an interrupt may take, before the process is replaced."""
    approvals: Literal["decline", "cancel", "accept"] = "decline"
    """What the process is told when it asks for approval of an action of its own."""
    allow_builtin_tools: bool = False
    """Leave the process its own tools."""
    allow_basic: bool = False
    """Take a process that lacks what a plain chat model needs: its own tools stay, and history is told as one text."""
    reasoning: Literal["summary", "raw", "off"] = "summary"
    """Which reasoning is told."""
    message_joiner: str = "\n\n"
    """Put between two messages of the model within one answer."""
    on_compaction: Literal["fail", "allow"] = "fail"
    """What happens when a history outgrows the model's window: `allow` lets the process replace it by a summary."""
    efforts: Names = EFFORTS
    """Reasoning efforts that may be asked for."""
    unsupported: dict[OptionalParam, Literal["reject", "ignore"]] = Field(default_factory=dict)
    """Optional parameters that are rejected instead of ignored: `{ temperature = "reject" }`."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        found = []
        if self.approvals == "accept" and not self.allow_builtin_tools:
            found.append((("approvals",), '"accept" needs allow_builtin_tools = true'))
        if self.base_url is None and not self.codex_home:
            found.append((("base_url",), "is required, unless `codex_home` has a login"))
        if self.min_ready > self.processes:
            found.append((("min_ready",), f"{self.min_ready} is above `processes`, which is {self.processes}"))
        if found:
            raise problems(type(self).__name__, found)
        return self

    @property
    def rules(self) -> ModelRules:
        """What requests may hold."""
        return ModelRules(
            require_user=self.requires_user,
            content_parts=frozenset({"image_url"}),
            honoured=frozenset({"reasoning_effort", "reasoning", "response_format"}),
            refused=frozenset(name for name, what in self.unsupported.items() if what == "reject"),
        )

    @property
    def shares_credential(self) -> bool:
        """All callers' requests go there under one credential."""
        return True

    @property
    def calls_at_a_time(self) -> int:
        """What its processes take together, or fewer where that is set."""
        most = self.processes * self.max_turns
        return min(self.max_parallel, most) if self.max_parallel else most
