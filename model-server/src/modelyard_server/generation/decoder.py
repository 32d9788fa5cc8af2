"""A decoder of the Llama family in torch, with the keys and values of several sequences in slots.

One call computes one step of many sequences at once: the tokens of all of them, one after the other, go through the
matrices together, and each attends to its own slot only. Architecture: Touvron et al., "LLaMA" (2023); grouped-query
attention, RMS norm, rotary embedding, SwiGLU; query and key norms of Qwen3 and biases of Qwen2 where the weights
hold them.
"""

import mmap
from collections.abc import Callable, Mapping, Sequence
from math import prod

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from modelyard_server.generation import attention, configuration
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.configuration import DecoderConfig
from modelyard_server.generation.linear import Linear

Pack = Callable[[Tensor, Tensor | None], Linear]


class Layer(msgspec.Struct, frozen=True):
    """Weights of one block."""

    attention_norm: Tensor
    queries_keys_values: Linear
    query_norm: Tensor | None
    key_norm: Tensor | None
    attention_out: Linear
    feed_forward_norm: Tensor
    gate_up: Linear
    down: Linear


class Decoder:
    """The network. Weights have transformers' names; `pack` lays the matrices out."""

    def __init__(self, config: DecoderConfig, weights: Mapping[str, Tensor], dtype: torch.dtype, pack: Pack) -> None:
        self.config = config
        self.dtype = dtype
        self._embedding = weights["model.embed_tokens.weight"].to(dtype)
        self.device = self._embedding.device
        self._layers = [_layer(weights, f"model.layers.{n}.", (dtype, pack)) for n in range(config.layers)]
        self._norm = weights["model.norm.weight"].to(dtype)
        output = self._embedding if config.tied else weights["lm_head.weight"].to(dtype)
        self._output = pack(output, None)
        self._cosines, self._sines = _angles(config, dtype, self.device, weights.get("rope_factors"))

    @property
    def nbytes(self) -> int:
        """Bytes of all weights."""
        matrices = [m.nbytes for one in self._layers
                    for m in (one.queries_keys_values, one.attention_out, one.gate_up, one.down)]  # fmt: skip
        norms = 2 * self.config.layers * self._norm.nbytes
        return sum(matrices) + norms + self._embedding.nbytes + self._output.nbytes

    def cache(self, slots: int, context: int) -> "Cache":
        """Room for `slots` sequences of `context` tokens."""
        shape = (slots * context, self.config.kv_heads, self.config.head_size)
        tensors = [
            (_zeros(shape, self.dtype, self.device), _zeros(shape, self.dtype, self.device))
            for _ in range(self.config.layers)
        ]
        return Cache(tensors, slots, context)

    def step(self, cache: "Cache", chunks: Sequence[Chunk], wanted: Sequence[int]) -> Tensor:
        """Compute all chunks, fill their slots; float32 scores [len(wanted), vocabulary] of the chunks in `wanted`.

        `wanted` are positions in `chunks`; the score is that of the chunk's last token, for the token after it.
        """
        with torch.inference_mode():
            plan = attention.plan(chunks, cache.context, self.dtype, self.device)
            hidden = functional.embedding(plan.tokens, self._embedding)
            angles = self._cosines[plan.positions], self._sines[plan.positions]
            for layer, (keys, values) in zip(self._layers, cache.tensors, strict=True):
                hidden = self._block(layer, hidden, angles, (keys, values, plan))
            if not wanted:
                return torch.empty((0, self.config.vocabulary))
            last = hidden[plan.last[list(wanted)]]
            last = functional.rms_norm(last, (self.config.hidden,), self._norm, self.config.norm_epsilon)
            return self._output(last).float().cpu()

    def _block(
        self, layer: Layer, hidden: Tensor, angles: tuple[Tensor, Tensor], state: tuple[Tensor, Tensor, attention.Plan]
    ) -> Tensor:
        config = self.config
        heads, kv_heads, size, epsilon = config.heads, config.kv_heads, config.head_size, config.norm_epsilon
        keys, values, plan = state
        normed = functional.rms_norm(hidden, (config.hidden,), layer.attention_norm, epsilon)
        mixed = layer.queries_keys_values(normed).view(-1, heads + 2 * kv_heads, size)
        turned = mixed[:, : heads + kv_heads]
        if layer.query_norm is not None and layer.key_norm is not None:
            queries = functional.rms_norm(turned[:, :heads], (size,), layer.query_norm, epsilon)
            own = functional.rms_norm(turned[:, heads:], (size,), layer.key_norm, epsilon)
            turned = torch.cat((queries, own), 1)
        turned = torch.addcmul(turned * angles[0], turned.roll(size // 2, -1), angles[1])
        keys.index_copy_(0, plan.places, turned[:, heads:])
        values.index_copy_(0, plan.places, mixed[:, heads + kv_heads :])
        found = attention.attend(plan, turned[:, :heads], keys, values)
        hidden = hidden + layer.attention_out(found.reshape(-1, heads * size))
        normed = functional.rms_norm(hidden, (config.hidden,), layer.feed_forward_norm, epsilon)
        gate, up = layer.gate_up(normed).chunk(2, -1)
        return hidden + layer.down(functional.silu(gate).mul_(up))


class Cache:
    """Keys and values: per layer two tensors [slots * context, kv_heads, head_size], a slot's tokens in a row."""

    def __init__(self, tensors: list[tuple[Tensor, Tensor]], slots: int, context: int) -> None:
        self.tensors = tensors
        self.slots = slots
        self.context = context

    @property
    def nbytes(self) -> int:
        """Bytes when every slot is full."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.tensors)

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of one slot to another."""
        begin, end = source * self.context, target * self.context
        with torch.inference_mode():
            for pair in self.tensors:
                for tensor in pair:
                    tensor[end : end + tokens] = tensor[begin : begin + tokens]


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros, since a masked NaN is still a NaN. On a CPU the kernel gives a page of memory at its first write only; a
    huge page would be given whole for the first token of a slot."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    memory = mmap.mmap(-1, prod(shape) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(shape)


def _layer(weights: Mapping[str, Tensor], prefix: str, how: tuple[torch.dtype, Pack]) -> Layer:
    dtype, pack = how

    def vector(name: str) -> Tensor:
        return weights[prefix + name].to(dtype)

    def matrix(*names: str) -> Linear:
        joined = torch.cat([weights[f"{prefix}{name}.weight"].to(dtype) for name in names])
        biases = [weights.get(f"{prefix}{name}.bias") for name in names]
        bias = None
        if any(one is not None for one in biases):
            sizes = [weights[f"{prefix}{name}.weight"].shape[0] for name in names]
            filled = [
                torch.zeros(size) if one is None else one.float() for one, size in zip(biases, sizes, strict=True)
            ]
            bias = torch.cat(filled).to(joined)
        return pack(joined, bias)

    normed = prefix + "self_attn.q_norm.weight" in weights
    return Layer(
        vector("input_layernorm.weight"),
        matrix("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        vector("self_attn.q_norm.weight") if normed else None,
        vector("self_attn.k_norm.weight") if normed else None,
        matrix("self_attn.o_proj"),
        vector("post_attention_layernorm.weight"),
        matrix("mlp.gate_proj", "mlp.up_proj"),
        matrix("mlp.down_proj"),
    )


def _angles(
    config: DecoderConfig, dtype: torch.dtype, device: torch.device, factors: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Cosines and sines [context, 1, head_size]; the first half of the sines is negative, as the rotation needs it."""
    frequencies = torch.tensor(configuration.frequencies(config), dtype=torch.float64)
    if factors is not None:
        frequencies = frequencies / factors.double().cpu()
    angles = torch.outer(torch.arange(config.context, dtype=torch.float64), frequencies)
    cosines, sines = angles.cos(), angles.sin()
    pair = (torch.cat((cosines, cosines), 1), torch.cat((-sines, sines), 1))
    first, second = (table[:, None, :].to(device=device, dtype=dtype) for table in pair)
    return first, second
