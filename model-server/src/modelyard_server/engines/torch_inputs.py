"""Arrays of a batch to the tensors that a declared network takes, and what it gives to the declared outputs."""

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path

import torch

from modelyard_server.engines import preprocessing, sequences
from modelyard_server.engines.heads import Head
from modelyard_server.errors import BadRequestError
from modelyard_server.package.architectures import Encoder, Seq2Seq, TokenArchitecture
from modelyard_server.package.card import ModelCard
from modelyard_server.protocol.datatypes import NUMPY, Array

Arrays = Mapping[str, Array]


class FloatInputs:
    """Numbers, scaled to float32."""

    def __init__(self, card: ModelCard) -> None:
        self._inputs = [(spec.name, preprocessing.scalers(card).get(spec.name)) for spec in card.inputs]

    def __call__(self, inputs: Arrays) -> tuple[torch.Tensor, ...]:
        """One tensor for each input, in declared order."""
        return tuple(torch.from_numpy(preprocessing.as_floats(inputs[name], scaler)) for name, scaler in self._inputs)

    def probe(self, inputs: Arrays) -> tuple[torch.Tensor, ...]:
        """Numbers drawn by a fixed seed in the place of zeros, which many a network treats alike."""
        draw = torch.Generator().manual_seed(0)
        return tuple(torch.randn(tensor.shape, generator=draw) for tensor in self(inputs))


class TokenInputs:
    """Token ids: ragged rows of text, or ids that a client has sent itself."""

    def __init__(self, card: ModelCard, architecture: TokenArchitecture) -> None:
        self._name = card.inputs[0].name
        self._padding = architecture.padding
        self._vocabulary = architecture.vocabulary
        self._longest = architecture.positions if isinstance(architecture, Encoder) else inf

    def __call__(self, inputs: Arrays) -> tuple[torch.Tensor, ...]:
        """Ids [rows, longest] and lengths [rows]; raises BadRequestError for ids that the network does not know."""
        rows = inputs[self._name]
        ids, lengths = sequences.padded(
            rows if rows.dtype.kind == "O" else sequences.trimmed(rows, self._padding), self._padding
        )
        if problem := sequences.problem(ids, self._vocabulary, self._longest):
            raise BadRequestError(f"input {self._name!r}: {problem}")
        return torch.from_numpy(ids), torch.from_numpy(lengths)

    def probe(self, inputs: Arrays) -> tuple[torch.Tensor, ...]:
        """Ids drawn by a fixed seed."""
        ids, lengths = self(inputs)
        return torch.randint(self._vocabulary, ids.shape, generator=torch.Generator().manual_seed(0)), lengths


class ByLength:
    """Computes long and short rows apart; which rows came together still changes no answer."""

    def __init__(self, network: Callable[..., torch.Tensor]) -> None:
        self._network = network

    def __call__(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """What the network gives for ids [rows, longest] of `lengths`."""
        groups = [torch.from_numpy(group).to(ids.device) for group in sequences.groups(lengths.cpu().numpy())]
        if len(groups) == 1:
            return self._network(ids, lengths)
        parts = [self._network(ids[group, : int(lengths[group].max())], lengths[group]) for group in groups]
        return torch.cat(parts)[torch.cat(groups).argsort()]


class Scores:
    """Scores, values or embeddings, by the rules of `Head`."""

    def __init__(self, card: ModelCard) -> None:
        self._head = Head(card)

    def __call__(self, found: torch.Tensor) -> Arrays:
        """The declared outputs."""
        return self._head.from_scores(found.float().cpu().numpy())


class Answers:
    """Text, ids and log probability that a seq2seq network has written."""

    def __init__(self, card: ModelCard, root: Path) -> None:
        self._outputs = card.outputs
        self._writer = None
        if card.postprocessing:
            from modelyard_server.engines.tokens import Writer  # noqa: PLC0415 (tokenizers)

            self._writer = Writer(root, card.postprocessing[0].tokens)

    def __call__(self, found: tuple[torch.Tensor, torch.Tensor]) -> Arrays:
        """The declared outputs."""
        tokens, scores = (part.cpu().numpy() for part in found)
        made = {"tokens": tokens, "score": scores}
        if self._writer is not None:
            made["text"] = self._writer(tokens)
        return {spec.name: made[spec.name].astype(NUMPY[spec.datatype], copy=False) for spec in self._outputs}


def inputs_of(card: ModelCard) -> FloatInputs | TokenInputs:
    """How the inputs of a card become tensors."""
    declared = card.architecture
    return TokenInputs(card, declared) if isinstance(declared, TokenArchitecture) else FloatInputs(card)


def outputs_of(card: ModelCard, root: Path) -> Scores | Answers:
    """How what the network gives becomes the outputs of a card."""
    return Answers(card, root) if isinstance(card.architecture, Seq2Seq) else Scores(card)
