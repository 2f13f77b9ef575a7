"""The embedder that the options of a command name."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skxssr.embedding.by_name import NamedEmbedder


def named_embedder(args: argparse.Namespace) -> "NamedEmbedder":
    """Ready to fit, or loaded; whatever is wrong with it is found before any image is read."""
    from skxssr.embedding.by_name import embedder_by_name

    return embedder_by_name(
        args.embedder,
        image_size=args.image_size,
        steps=args.steps,
        n_seeds=args.seeds,
        random_state=args.seed,
        device=args.device,
        verbose=0 if args.quiet else 1,
    )
