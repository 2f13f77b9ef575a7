"""Named training recipes: a segmenter with parameters that were chosen together."""

from typing import Any

from skxssr.segmentation.smp import SMPSegmenter

__all__ = ["compact_segmenter"]


def compact_segmenter(**parameters: Any) -> SMPSegmenter:
    """A compact U-Net for few masks, which two CPU cores train in about half a minute.

    A fiftieth of the weights of a U-Net on a ResNet-18: four stages of 16 to 128 channels, 64
    pixels, 400 steps. ``skxssr train``, ``skxssr compare`` and ``skxssr demo`` train it unless told
    otherwise.

    Parameters
    ----------
    **parameters
        Of `SMPSegmenter`; they go before those of the recipe, such as ``image_size=128`` for thin
        structures.

    Returns
    -------
    SMPSegmenter
        Not fitted.

    See Also
    --------
    SMPSegmenter : Its defaults are the larger network, for a GPU or patience.

    Examples
    --------
    >>> from skxssr.segmentation import compact_segmenter
    >>> segmenter = compact_segmenter(steps=800, random_state=0)
    >>> segmenter.encoder_name, segmenter.image_size, segmenter.steps
    ('tu-resnet10t', 64, 800)
    """
    recipe: dict[str, Any] = {
        "encoder_name": "tu-resnet10t",
        "arch_kwargs": {
            "encoder_depth": 4,
            "decoder_channels": (64, 32, 16, 16),
            "channels": (16, 32, 64, 128),
            "stem_width": 16,
        },
        "image_size": 64,
        "steps": 400,
    }
    return SMPSegmenter(**recipe | parameters)
