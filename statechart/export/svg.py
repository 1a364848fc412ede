"""The chart as a drawing, laid out by `graphviz-pure`: one self-contained program from the extra `svg`, run as it is.

It writes the same bytes on every platform, so the drawing in the documentation can be compared with the chart.
"""

import os
import shutil
import subprocess
import sysconfig

from statechart.export import dot
from statechart.model import Model

PROGRAM = "graphviz-pure"


class SvgUnavailable(RuntimeError):
    """There is no program to draw with, or it failed."""


def render(model: Model) -> str:
    """The picture of `dot`, drawn.  Raises SvgUnavailable."""
    program = _program()
    if program is None:
        raise SvgUnavailable(f"no drawing without '{PROGRAM}': pip install 'turnstile-gateway[svg]'")
    picture = dot.render(model).encode()
    drawn = subprocess.run([program, "-Tsvg"], input=picture, capture_output=True, check=False)  # noqa: S603 - no shell
    if drawn.returncode != 0:
        raise SvgUnavailable(f"'{PROGRAM}' failed: {drawn.stderr.decode(errors='replace').strip()}")
    return drawn.stdout.decode()  # what it says besides is that its font metrics lack the arrow sign


def _program() -> str | None:
    """The program of this very environment before any other, activated or not."""
    places = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
    return shutil.which(PROGRAM, path=os.pathsep.join(places))
