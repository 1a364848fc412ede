"""The chart in other people's languages: one renderer for each format, all of them pure functions of one model."""

from collections.abc import Callable, Mapping

from statechart.export import document, dot, json, markdown, mermaid, plantuml, scxml, svg
from statechart.model import Model

FORMATS: Mapping[str, Callable[[Model], str]] = {
    "mermaid": mermaid.render,
    "dot": dot.render,
    "svg": svg.render,
    "scxml": scxml.render,
    "plantuml": plantuml.render,
    "json": json.render,
    "markdown": markdown.render,
    "document": document.render,
}
