"""InferenceKeys: makes keys, replaces them, and says what became of them.

    lifecycle   PURE: one InferenceKey and the time -> whether it needs a new key, and its status
    material    PURE: random bytes -> a key, its Secret
    keeper      watches InferenceKeys, writes Secrets and statuses

A key is in its Secret and in nobody's memory: the object keeps a SHA-256. The Secret is written first. What a crash
in between leaves is a Secret with a key that opens nothing, and the next look makes another one.
Design: docs/design/0011-inference-keys.md.
"""
