"""Recipe: sections of software packages with a small Transformer encoder."""

from modelyard_server.package.architectures import Encoder
from modelyard_trainer import packaging, text_recipe


def run(options: packaging.RunOptions) -> str:
    """Train, evaluate, package; returns the package digest."""
    return text_recipe.run("sections-encoder", options, _declare)


def _declare(words: int, labels: int) -> Encoder:
    return Encoder(
        vocabulary=words,
        positions=text_recipe.TOKENS,
        token_types=0,
        hidden=48,
        layers=2,
        heads=4,
        intermediate=96,
        out_features=labels,
    )
