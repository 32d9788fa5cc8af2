"""A network class that the image holds, found by entry point; never code from a package."""

from importlib.metadata import entry_points

from torch import nn

from modelyard_server.errors import StartupError
from modelyard_server.package.architectures import Installed

GROUP = "modelyard.networks"


def network(architecture: Installed) -> nn.Module:
    """Build it with the declared arguments; raises StartupError that lists what there is."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if architecture.name not in found:
        known = ", ".join(sorted(found)) or "none"
        message = (
            f"model.yaml: architecture.name: {architecture.name!r} is not in this image; entry points of {GROUP}: "
        )
        raise StartupError("LoadFailed", message + known)
    made = found[architecture.name].load()(**architecture.arguments)
    if not isinstance(made, nn.Module):
        raise StartupError(
            "LoadFailed", f"{GROUP}: {architecture.name}: gives {type(made).__name__}, not a torch module"
        )
    return made
