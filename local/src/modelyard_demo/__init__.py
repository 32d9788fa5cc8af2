"""`make demo`: from an empty machine, or a cluster of yours, to right predictions from a pod with a GPU.

`target` says which cluster and which images, `kube` runs kubectl and helm on it, `story` tells what happens, `scenes`
are the steps in their order, `__main__` is the command. Manifests are in `local/demo`. Standard library only: the demo
runs before anything is installed.
"""
