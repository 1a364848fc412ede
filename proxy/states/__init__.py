"""The working states, one module each, in order of life.

A handler is an async function named after its state.  It does the work of the state and returns the event that has
happened; it never fires, never writes `state`, never calls another handler.  What goes wrong is raised as a typed
error, which knows its event.
"""

from collections.abc import Awaitable, Callable, Mapping

from proxy.exchange import Exchange
from proxy.ports import Ports
from proxy.states.auth import auth
from proxy.states.backoff import backoff
from proxy.states.read import read
from proxy.states.render import render
from proxy.states.resume import resume
from proxy.states.session import session
from proxy.states.stream import stream
from proxy.states.tool_parse import tool_parse
from proxy.states.upstream import upstream
from proxy.states.validate import validate
from statechart.vocabulary import Event, State

Handler = Callable[[Exchange, Ports], Awaitable[Event]]

HANDLERS: Mapping[State, Handler] = {
    State.VALIDATE: validate,
    State.AUTH: auth,
    State.SESSION: session,
    State.UPSTREAM: upstream,
    State.BACKOFF: backoff,
    State.STREAM: stream,
    State.RESUME: resume,
    State.READ: read,
    State.TOOL_PARSE: tool_parse,
    State.RENDER: render,
}
