"""The HTTP side.

Rooms:
    front       the outermost ASGI app: hot routes by exact path, everything else to `management`
    inference   one inference request: read, decode, infer, encode; plain ASGI, no framework
    openai      the OpenAI API                      openai_documents  its lists of models, and its OpenAPI
    generate    V2 generate and generate_stream     generate_documents  their OpenAPI
    prompts     a prompt's text as tokens
    texts       answers that are generated: whole, or as events while they grow
    explained   explanations in the answers of V2 and V1
    body        reading a request body within its limit
    transport   one write to the socket for each answer
    guard, access, traced    before everything, when they are on: the key, a log line, a span
    health      health and metrics, plain      later  an app that is made when it is first asked for
    management  FastAPI: metadata, docs, and the error bodies of every other path
    repository  the index of models, load and unload
    documents   the schemas that OpenAPI shows
"""
