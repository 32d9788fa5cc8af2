"""InferenceKeys at the door: which key it is, what it opens, how fast and how much.

ring        keys by their digest, from a watch
buckets     how fast: a bucket that fills evenly                        PURE
limits      buckets of this replica, or of all in a shared store
gatekeeper  one request with a key -> whether it may

Design: docs/design/0011-inference-keys.md.
"""
