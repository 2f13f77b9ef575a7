"""Selection over Dask arrays, and embedding, on one machine or a cluster.

Importing this imports no Dask; a selector hands a Dask array over by itself.
"""

from skxssr.distributed._embed import embed, read_ids
from skxssr.distributed._select import check_fit as check_fit
from skxssr.distributed._select import select

__all__ = ["embed", "read_ids", "select"]
