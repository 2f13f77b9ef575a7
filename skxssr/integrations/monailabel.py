"""A selector as a strategy of a MONAI Label app."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from skxssr._utils.optional import import_optional
from skxssr.base import BaseSelector
from skxssr.integrations._selector import fitted_selector

import_optional("monailabel", extra="monailabel", caller="skxssr.integrations.monailabel")

from monailabel.interfaces.tasks.strategy import Strategy  # noqa: E402

__all__ = ["XSSRStrategy"]

_DAY = 24 * 60 * 60  # seconds; as long as MONAI Label's own Epistemic waits for a label

logger = logging.getLogger(__name__)


class XSSRStrategy(Strategy):
    """Any selector as a strategy of a MONAI Label app, from no label at all onwards.

    A viewer asks for one image at a time. The strategy selects a batch ahead and hands it out in
    pick order; when the batch is used up it selects the next one.

    Parameters
    ----------
    embeddings : mapping of str to array-like of shape (n_features,), or transformer
        The embedding of each image by its id in the datastore (of a folder: the file's name without
        suffix), or something that makes them: ``transform(paths)`` gives one row a path, as
        `MAEEmbedder` does for two-dimensional images. It is asked at the first request, and for
        images that are new.
    batch_size : int
        How many images to select ahead.
    selector : BaseSelector, optional
        What picks, by default ``XSSRSelector()``. A fitted one brings its source.
    source : array-like of shape (n_source, n_features), optional
        Embeddings of the source images. A clone of the selector is fitted on them.

    Attributes
    ----------
    selector : BaseSelector
        The one that picks; ``selector.selection_`` is the record of the last batch.

    Raises
    ------
    TypeError
        `embeddings` is neither a mapping nor a transformer.

    See Also
    --------
    skxssr.MAEEmbedder : Embeddings of two-dimensional images.

    Notes
    -----
    Labelled images count as covered. So does an image that was handed out within the last day and
    has no label yet: somebody may be at work on it, and nobody else is given it before all other
    images have been handed out. After a day it is open again. MONAI Label keeps these times in its
    datastore, one for each name under which the app registers a strategy.

    Images without an embedding come last, with a warning in the server's log.

    A batch is kept in memory. After a restart the rest of it is selected anew, around what has been
    labelled.

    Examples
    --------
    In the ``main.py`` of an app::

        class MyApp(MONAILabelApp):
            def init_strategies(self):
                stored = np.load("out/embeddings.npz")  # of `skxssr select`
                ids = [Path(name).stem for name in stored["target_files"]]
                embeddings = dict(zip(ids, stored["target"]))
                source = stored["source"]
                return {"xssr": XSSRStrategy(embeddings, 22, source=source)}

    >>> import numpy as np
    >>> from skxssr.integrations.monailabel import XSSRStrategy
    >>> ids = [f"case{i}" for i in range(40)]
    >>> X = np.random.default_rng(0).normal(size=(40, 8))
    >>> XSSRStrategy(dict(zip(ids, X)), batch_size=5).info()
    {'description': '5 images at a time by XSSRSelector'}
    """

    def __init__(
        self,
        embeddings: Any,
        batch_size: int,
        *,
        selector: BaseSelector | None = None,
        source: Any = None,
    ) -> None:
        if not isinstance(embeddings, Mapping) and not hasattr(embeddings, "transform"):
            raise TypeError(
                "embeddings must map the id of an image to its vector, or have a method transform "
                f"that takes paths. Got {type(embeddings).__name__} instead."
            )
        self.embeddings = embeddings
        self.batch_size = batch_size
        self.selector = fitted_selector(selector, source)
        super().__init__(f"{batch_size} images at a time by {type(self.selector).__name__}")
        self._vectors: dict[str, Any] = {}
        self._batch: list[str] = []

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, str] | None:
        """Name the image to annotate next; the app calls this.

        Parameters
        ----------
        request : mapping
            The request of the viewer: its `strategy`, the name this one is registered under, and
            maybe `label_tag` and `labels`, which the datastore is asked with.
        datastore : monailabel.interfaces.datastore.Datastore
            Says which images there are and which have no label.

        Returns
        -------
        dict or None
            ``{"id": image}``; None when everything is labelled.
        """
        unlabeled = datastore.get_unlabeled_images(request.get("label_tag"), request.get("labels"))
        if not unlabeled:
            return None
        name = request.get("strategy")
        served = {
            image: datastore.get_image_info(image).get("strategy", {}).get(name, {}).get("ts", 0)
            for image in unlabeled
        }
        now = time.time()
        free = {image for image, when in served.items() if now - when >= _DAY}
        waiting = [image for image in self._batch if image in free]
        if not waiting:
            self._batch = waiting = self._select(datastore, free)
        image = waiting[0] if waiting else min(sorted(unlabeled), key=served.__getitem__)
        logger.info(f"{name}: selected image {image}; {len(waiting)} of the batch were left")
        return {"id": image}

    def _select(self, datastore: Any, free: set[str]) -> list[str]:
        """The next batch, in pick order; empty if no free image has an embedding."""
        images = sorted(datastore.list_images())
        self._embed([image for image in images if image not in self._vectors], datastore)
        known = [image for image in images if image in self._vectors]
        if len(known) < len(images):
            logger.warning(f"{len(images) - len(known)} of {len(images)} images have no embedding")
        covered = np.array([image not in free for image in known], dtype=bool)
        budget = min(self.batch_size, int((~covered).sum()))
        if not budget:
            return []
        X = np.stack([self._vectors[image] for image in known])
        return [known[row] for row in self.selector.select(X, budget, labeled=covered)]

    def _embed(self, images: list[str], datastore: Any) -> None:
        if isinstance(self.embeddings, Mapping):
            self._vectors |= {i: self.embeddings[i] for i in images if i in self.embeddings}
        elif images:
            paths = [datastore.get_image_uri(image) for image in images]
            vectors = self.embeddings.transform(paths)
            self._vectors |= zip(images, vectors, strict=True)
