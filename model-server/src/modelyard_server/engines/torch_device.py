"""Which device torch computes on, and the memory of an accelerator."""

from collections.abc import Mapping

import torch

from modelyard_server.engines.model import LoadOptions
from modelyard_server.errors import StartupError


def choose(options: LoadOptions) -> str:
    """`cpu` or `cuda:0`; raises StartupError when CUDA was asked for and is not there."""
    if options.device == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda:0"
    if options.device == "cuda":
        built = f"torch {torch.__version__}, CUDA {torch.version.cuda or 'not built in'}"
        raise StartupError("LoadFailed", f"device cuda was asked for, but no GPU is usable ({built})")
    return "cpu"


def memory(device: str) -> Mapping[str, int]:
    """Figures that differ: live tensors, torch's cache, and what the driver counts for everybody; none on a CPU."""
    if device == "cpu":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    return {
        "allocated": torch.cuda.memory_allocated(device),
        "reserved": torch.cuda.memory_reserved(device),
        "used": total - free,
        "total": total,
    }
