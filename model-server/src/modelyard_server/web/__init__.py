"""The HTTP side.

Rooms:
    front       the outermost ASGI app: hot routes by exact path, everything else to `management`
    inference   one inference request: read, decode, infer, encode; plain ASGI, no framework
    body        reading a request body within its limit
    management  FastAPI: health, metadata, metrics, docs, and the error bodies of every other path
    repository  the index of models, load and unload
    documents   the schemas that OpenAPI shows
"""
