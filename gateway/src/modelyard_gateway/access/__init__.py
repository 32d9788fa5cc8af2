"""Who asks, for which model, and whether they may.

target       path and host -> model                    PURE
tokens       what a token says of itself, unchecked    PURE
remembering  answers that hold for a while, asked for once at a time
reviews      TokenReview and SubjectAccessReview
authorizer   one request -> allowed or refused
"""
