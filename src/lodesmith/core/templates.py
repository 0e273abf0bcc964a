"""Templates of HTML pages: whatever is put in is escaped, and a name that is not there is an error.

`style.css` beside this file is the looks of all pages that include it.

Only who writes a page loads the library.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def open_templates(folder: Path) -> "Environment":
    """Return the templates of a folder; the caller adds filters of its own."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
