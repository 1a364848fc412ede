"""The command line: `turnstile serve`, `config`, `sessions`, `probe`, `migrate-env`, `chart`.

What the operator can mend is told in plain lines on standard error, with an exit code: 2 for a wrong flag or
configuration, 1 for a daemon that can't start.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from proxy import __version__
from proxy.config import ConfigError, as_toml, find_file, load
from proxy.config.reference import reference, updated

_FLAGS = {
    "host": ("server", "host", "address or host name to listen on"),
    "port": ("server", "port", "TCP port to listen on; 0 = any free one"),
    "unix": ("server", "unix", "path of a Unix socket to listen on instead"),
    "workers": ("server", "workers", "processes that share the port"),
    "log-format": ("log", "format", "json, logfmt or console"),
    "log-level": ("log", "level", "debug, info, warning or error"),
}
"""The flags of `serve` that set a field: table, field, help."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong."""
        self.exit(2, f"turnstile: {message} (see '{self.prog} --help')\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except ConfigError as error:
        for line in error.lines:
            _tell(line)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="turnstile", description="An OpenAI-compatible chat gateway.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"turnstile {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the daemon", allow_abbrev=False)
    serve.set_defaults(run=_serve)
    _add_config(serve)
    for flag, (table, field, text) in _FLAGS.items():
        serve.add_argument(f"--{flag}", metavar=field.upper(), help=f"{text} ({table}.{field})")

    config = commands.add_parser("config", help="check the configuration, or look a field up", allow_abbrev=False)
    actions = config.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="print the settings in force, secrets masked", allow_abbrev=False)
    check.set_defaults(run=_config_check)
    _add_config(check)
    fields = actions.add_parser("reference", help="print every field with its meaning", allow_abbrev=False)
    fields.set_defaults(run=_config_reference)
    fields.add_argument(
        "--update", metavar="FILE", type=Path, help="bring the reference in a document up to date instead"
    )

    _add_sessions(commands)
    probe = commands.add_parser(
        "probe", help="find out which settings of an upstream are right, by asking it", allow_abbrev=False
    )
    probe.set_defaults(run=_probe)
    _add_config(probe)
    probe.add_argument("upstream", metavar="UPSTREAM", help="its name in the configuration")
    probe.add_argument("--model", metavar="NAME", help="the model to ask, as the upstream calls it")

    _add_migrate_env(commands)

    chart = commands.add_parser("chart", help="print the chart that every request walks", allow_abbrev=False)
    chart.set_defaults(run=_chart)
    chart.add_argument("--format", default="mermaid", help="mermaid, dot, svg, scxml, plantuml, json or markdown")
    return parser


def _add_migrate_env(commands: "argparse._SubParsersAction[_Parser]") -> None:
    migrate = commands.add_parser(
        "migrate-env", help="print the configuration that an older gateway's environment means", allow_abbrev=False
    )
    migrate.set_defaults(run=_migrate_env)
    migrate.add_argument("file", metavar="FILE", type=Path, help="its variables, a line NAME=value each")


def _add_sessions(commands: "argparse._SubParsersAction[_Parser]") -> None:
    sessions = commands.add_parser("sessions", help="conversations that upstreams keep", allow_abbrev=False)
    doings = sessions.add_subparsers(required=True, metavar="ACTION", dest="action")
    for action, text in (("list", "list them"), ("show", "show one"), ("delete", "forget one, or all of a caller")):
        doing = doings.add_parser(action, help=text, allow_abbrev=False)
        doing.set_defaults(run=_sessions)
        _add_config(doing)
        count = None if action == "show" else "?"
        doing.add_argument("session", nargs=count, metavar="SESSION", help="the beginning of its fingerprint")
        doing.add_argument("--caller", metavar="NAME", help="only those of this key, by its name or fingerprint")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="configuration file (default: turnstile.toml, if there is one)"
    )


def _serve(args: argparse.Namespace) -> int:
    read = partial(load, _config_file(args), os.environ, _overrides(args))
    settings = read()
    from proxy.server.lifecycle import serve  # noqa: PLC0415 - only this command needs an HTTP server

    try:
        return serve(settings, reload=read)
    except OSError as error:  # it could not listen, and says where
        _tell(error.strerror or str(error))
        return 1


def _overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The tree of settings that the flags give."""
    tree: dict[str, dict[str, Any]] = {}
    for flag, (table, field, _) in _FLAGS.items():
        value = getattr(args, flag.replace("-", "_"))
        if value is not None:
            tree.setdefault(table, {})[field] = value
    server = tree.get("server", {})
    if {"host", "port"} & server.keys():
        server.setdefault("unix", "")  # whoever asks for a port means it, whatever the file says of a socket
    return tree


def _config_file(args: argparse.Namespace) -> Path | None:
    return find_file(args.config, os.environ, Path.cwd())


def _config_check(args: argparse.Namespace) -> int:
    sys.stdout.write(as_toml(load(_config_file(args), os.environ, {})))
    return 0


def _config_reference(args: argparse.Namespace) -> int:
    document: Path | None = args.update
    if document is None:
        sys.stdout.write(reference())
        return 0
    try:
        document.write_text(updated(document.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        _tell(f"cannot update {document}: {error}")
        return 1
    return 0


def _sessions(args: argparse.Namespace) -> int:
    if args.action == "delete" and args.session is None and args.caller is None:
        _tell("sessions delete: say which: a session, or --caller NAME")
        return 2
    settings = load(_config_file(args), os.environ, {})
    from proxy.commands import sessions  # noqa: PLC0415 - only this command needs a store

    try:
        return sessions.run(args, settings)
    except OSError as error:  # the store can't be opened, and says why
        _tell(error.strerror or str(error))
        return 1


def _probe(args: argparse.Namespace) -> int:
    settings = load(_config_file(args), os.environ, {})
    from proxy.commands import probe  # noqa: PLC0415 - only this command calls an upstream by itself

    return probe.run(args, settings)


def _migrate_env(args: argparse.Namespace) -> int:
    from proxy.commands import migrate_env  # noqa: PLC0415 - only this command knows the older gateway

    return migrate_env.run(args)


def _chart(args: argparse.Namespace) -> int:
    from statechart.__main__ import main as statechart  # noqa: PLC0415 - only this command draws

    return statechart(["export", "--format", args.format])


def _tell(line: str) -> None:
    sys.stderr.write(f"turnstile: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
