"""Where is this document? A catalog that answers at any size, and that many may write to.

`catalog.py` is the way in. Below it `commits.py` says which runs count; `writer.py` takes rows in,
`run_writer.py` makes a run of them or of other runs, `runs.py` searches one; `rows.py` says what a
row holds, `pages.py` where it stands; `core/store.py` says where all that lies.
"""

from lodesmith.lineage.catalog.catalog import Catalog, Place, Snapshot
from lodesmith.lineage.catalog.rows import key_of
from lodesmith.lineage.catalog.writer import Writer

__all__ = ["Catalog", "Place", "Snapshot", "Writer", "key_of"]
