"""The OpenAI API: bodies to generations and back. Pure but for clock and random ids, which come in.

Rooms:
    bodies      frozen structs of the requests, and their limits
    reading     bytes -> a checked body; what it says about sampling
    messages    a chat's messages as templates take them
    answers     choices, chunks, usage and log probabilities
    tools       calls of functions in what a model says
    failures    error objects, with documented codes only
    vectors     embeddings as lists or base64
Main flow: reading.chat -> messages.plain -> (template, generator) -> answers.chat.
"""
