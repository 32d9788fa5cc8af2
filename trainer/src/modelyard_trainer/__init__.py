"""The Modelyard trainer: real data in, a sealed model package out.

Main flow of a training run:
    datasets (load, split) -> recipes (train, evaluate) -> packaging (card, weights, manifest) -> publishing (S3)
Main flow of an evaluation:
    datasets (the held-out part) -> client (V2 requests) -> scores -> drawing (what a person sees)

Rooms:
    datasets    bundled data of scikit-learn and the one fixed split of any data
    features    standardisation and reference statistics (pure)
    scores      accuracy, confusion, RMSE, R2 (pure)
    sections    one-line descriptions of packages (real text)        numerals   numbers in words (generated, pure)
    vocabulary  tokenizers of words and digits        training   loops in torch
    digits, digits_variants, regression, tabular, lstm, encoder (text_recipe), bayes, seq2seq, minilm   the recipes
    language    a language model from a GGUF file, as it is or as safetensors
    packaging   a trained model as a package directory
    publishing  a package directory to S3, the manifest last
    client      V2 inference over HTTP
    evaluation  the held-out set through a server, with a verdict
    drawing     digits and tables for a terminal (pure)
    commands    the command line
"""

__version__ = "0.1.0"
