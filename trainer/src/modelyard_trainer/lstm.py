"""Recipe: sections of software packages with an LSTM over words."""

from modelyard_server.package.architectures import Recurrent
from modelyard_trainer import packaging, text_recipe


def run(options: packaging.RunOptions) -> str:
    """Train, evaluate, package; returns the package digest."""
    return text_recipe.run("sections-lstm", options, _declare)


def _declare(words: int, labels: int) -> Recurrent:
    return Recurrent(
        cell="lstm", vocabulary=words, embedding=48, hidden=48, bidirectional=True, pooling="mean", out_features=labels
    )
