"""Where is this document? A catalog that answers at any size, and that many may write to.

`catalog.py` is the way in; below it `commits.py` says which runs count, `run_files.py` how a run
is searched, `merge.py` how several become one, `rows.py` how rows lie in bytes;
`core/store.py` says where.
"""

from lodesmith.lineage.catalog.catalog import Catalog, Place, Snapshot
from lodesmith.lineage.catalog.rows import key_of
from lodesmith.lineage.catalog.writer import Writer

__all__ = ["Catalog", "Place", "Snapshot", "Writer", "key_of"]
