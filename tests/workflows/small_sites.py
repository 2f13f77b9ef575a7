"""Two sites of a few small films, and an embedder that is trained in no time."""

from skxssr import (
    MAEEmbedder,
    XSSRSelector,
)
from skxssr.workflows.select import select_from_folders

N_SOURCE, N_TARGET = 6, 14


def tiny_embedder(**parameters):
    return MAEEmbedder(
        image_size=32,
        patch_size=8,
        embed_dim=24,
        depth=1,
        num_heads=2,
        decoder_dim=24,
        decoder_depth=1,
        steps=2,
        batch_size=4,
        random_state=0,
        device="cpu",
        **parameters,
    )


def select(folders, out, budget=4, **options):
    # one of these phantoms is a negative, which would be left out
    options = {"selector": XSSRSelector(), "keep_junk": True, "verbose": 0} | options
    options = {"embedder": tiny_embedder()} | options
    return select_from_folders(folders / "A", folders / "B", budget, out, **options)
