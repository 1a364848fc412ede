"""The chart as State Chart XML (https://www.w3.org/TR/scxml/), to be run or drawn by other tools.

The guards stand as boolean data, which whoever runs the chart sets; what ends a request anywhere is a transition of the
parent state, which SCXML tries after those of the state itself.
"""

from xml.etree.ElementTree import Comment, Element, SubElement, indent, tostring

from statechart.guards import always
from statechart.model import Edge, Model
from statechart.truth import meaning
from statechart.vocabulary import TERMINAL_STATES, WORKING_STATES, State

NAMESPACE = "http://www.w3.org/2005/07/scxml"
PARENT = "working"


def render(model: Model) -> str:
    """One `<state>` for each working state inside `working`, one `<final>` for each ending."""
    root = Element("scxml", xmlns=NAMESPACE, version="1.0", name="turnstile", initial=PARENT, datamodel="ecmascript")
    datamodel = SubElement(root, "datamodel")
    for guard in model.guards:
        if guard is not always:
            datamodel.append(Comment(f" {meaning(guard)} "))
            SubElement(datamodel, "data", id=guard.__name__, expr="false")
    parent = SubElement(root, "state", id=PARENT, initial=model.initial)
    for state in WORKING_STATES:
        child = SubElement(parent, "state", id=state)
        for edge in model.edges:
            if edge.source is state and edge.event not in model.everywhere:
                _transition(child, edge)
    for event, target in model.everywhere.items():
        SubElement(parent, "transition", event=event, target=target)
    for state in State:
        if state in TERMINAL_STATES:
            SubElement(root, "final", id=state)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _transition(parent: Element, edge: Edge) -> None:
    condition = {} if edge.guard is always else {"cond": edge.guard.__name__}
    SubElement(parent, "transition", {"event": edge.event, **condition, "target": edge.target})
