"""Resolved revision -> Kubernetes objects. Pure: the same input gives the same bytes.

One file for each kind; `pod` is the large one, with `fetch` and `server` for its two containers and `merge` for the
user's podTemplate. `decide` chooses which of them a model needs.
"""

from typing import Any

Manifest = dict[str, Any]
