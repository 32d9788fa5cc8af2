"""Text generation: many answers at once, token by token, on the process's one inference thread.

Main flow:
    generator (queue, deadlines) -> planner (who, how many tokens) -> runner (copies, decoder, sampling)
    -> generation (text, stop texts) -> whoever reads its pieces

Rooms without torch:
    requests       one answer: what is asked for and what comes back     chunks   what one sequence adds in a step
    planner        what the next step computes, and which slot a prompt gets (pure)
    sampling       from scores to a token (pure)       text      tokens to whole characters, stop texts (pure)
    configuration  config.json or GGUF metadata as one struct (pure)
    generation     one answer while it grows           generator  all of them, on the event loop
    limits         what a generator is given: bounds, who hears its figures
    runner         one step on the inference thread    model      what generation needs of a loaded model
    rows           a tensor of texts as answers        disconnect clients that go
    tokenizer, sentencepieces, chat, constraints   vocabulary, chat template, JSON schemas and calls
    gguf_file      metadata and stored tensors of a GGUF file
Rooms with torch:
    decoder        the network and its cache           attention  which token looks at what in a step
    linear         forms of a matrix                   precision  which form is worth it, measured at load
    weight_files   safetensors and GGUF under one set of names     weights  tensors that are read when asked for
"""
