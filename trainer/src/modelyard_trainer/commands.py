"""The command line of the trainer."""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import modelyard_trainer
from modelyard_server.errors import FetchError, PackageError
from modelyard_server.fetch.uri import UriError
from modelyard_trainer import packaging

# Name of the subcommand -> function of the recipe, default epochs, one line of help, name of the model; none
# where no held-out set judges it.
RECIPES = {
    "digits": ("digits:run", 30, "handwritten digits, a small convolutional network in torch", "digits"),
    "digits-mlp": ("digits_variants:mlp", 30, "handwritten digits, a multi-layer perceptron in torch", "digits-mlp"),
    "digits-pictures": (
        "digits_variants:pictures", 20, "handwritten digits sent as PNG or JPEG, a residual network", "digits-pictures"
    ),
    "digits-onnx": (
        "digits_variants:onnx", 20, "handwritten digits, exported to ONNX (needs the library onnx)", "digits-onnx"
    ),
    "digits-torchscript": (
        "digits_variants:torchscript", 20, "handwritten digits as TorchScript: a program, to be pinned by its digest",
        "digits-torchscript"
    ),
    "digits-torch-export": (
        "digits_variants:torch_export", 20, "handwritten digits by torch.export: a program, to be pinned by its digest",
        "digits-torch-export"
    ),
    "regression": ("regression:run", 500, "disease progression, linear regression in torch", "diabetes"),
    "tabular": ("tabular:run", 500, "breast cancer biopsies, logistic regression in scikit-learn", "breast-cancer"),
    "lstm": ("lstm:run", 12, "sections of software packages from their descriptions, an LSTM", "sections-lstm"),
    "encoder": (
        "encoder:run", 12, "sections of software packages from their descriptions, a Transformer", "sections-encoder"
    ),
    "bayes": (
        "bayes:run", 1, "the same by naive Bayes, served by the class of examples/word-scores", "sections-bayes"
    ),
    "seq2seq": ("seq2seq:run", 12, "numbers in words to digits (generated pairs), attention", "numerals"),
    "smollm2": ("language:gguf", 1, "SmolLM2-135M-Instruct as GGUF, packaged and not trained", ""),
    "smollm2-tensors": ("language:safetensors", 1, "the same in bfloat16, as transformers lays it out", ""),
    "minilm": ("minilm:run", 1, "sentence embeddings of all-MiniLM-L6-v2, packaged and not trained", "minilm"),
}  # fmt: skip
MODELS = {recipe: name for recipe, (_, _, _, name) in RECIPES.items() if name}


def parser() -> argparse.ArgumentParser:
    """All subcommands and flags."""
    root = argparse.ArgumentParser(prog="modelyard-trainer", description="Train, package, publish and evaluate models.")
    root.add_argument("--version", action="version", version=f"modelyard-trainer {modelyard_trainer.__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, epochs, text, _) in RECIPES.items():
        _train_flags(commands.add_parser(name, help=f"train: {text}", description=f"Train on {text}."), epochs)
    corpus = commands.add_parser(
        "corpus", help="write the texts of lstm, encoder and bayes, from the package lists of Debian"
    )
    corpus.add_argument("out", type=Path, metavar="FILE", help="a .tsv.gz file")
    evaluate = commands.add_parser(
        "evaluate", help="send a held-out set through a running server and judge the answers"
    )
    evaluate.add_argument("recipe", choices=tuple(MODELS))
    evaluate.add_argument("--url", required=True, help="http://host[:port][/path] of the server or gateway")
    evaluate.add_argument("--token", type=Path, metavar="FILE", help="file with a bearer token, for a gateway")
    evaluate.add_argument("--model", help="name in URLs (the recipe's own name when absent)")
    evaluate.add_argument("--samples", type=int, default=4, help="rows to show (4)")
    evaluate.add_argument("--batch", type=int, default=32, help="rows per request (32)")
    evaluate.add_argument("--data", type=Path, metavar="PATH", help="as for the training")
    evaluate.add_argument(
        "--min-accuracy", type=float, help="share of right answers: exit 1 below (0.95; lstm, encoder, bayes 0.6)"
    )
    evaluate.add_argument("--max-rmse", type=float, default=60.0, help="regression: exit 1 above (60)")
    evaluate.add_argument("--wait", type=float, default=120.0, help="seconds to wait for readiness (120)")
    return root


def _train_flags(command: argparse.ArgumentParser, epochs: int) -> None:
    command.add_argument("--out", type=Path, metavar="DIR", help="package directory (a temporary one when absent)")
    command.add_argument("--publish", default="", metavar="s3://BUCKET/PREFIX", help="upload the package")
    command.add_argument("--create-bucket", action="store_true", help="create the bucket when it does not exist")
    command.add_argument(
        "--credentials", type=Path, metavar="DIR", help="mounted Secret; its keys win over AWS_ variables"
    )
    command.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="lstm, encoder, bayes: the corpus; minilm: directory of weights; smollm2, smollm2-tensors: a GGUF file",
    )
    command.add_argument("--epochs", type=int, default=epochs, help=f"({epochs})")
    command.add_argument("--seed", type=int, default=0, help="equal seeds give equal packages (0)")
    command.add_argument("--model-version", "--version", default="1", help="version in model.yaml (1)")


def train(arguments: argparse.Namespace) -> int:
    """Train one recipe; with --publish, upload it."""
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary) / "package"
        options = packaging.RunOptions(
            out, arguments.model_version, arguments.epochs, arguments.seed, data=arguments.data
        )
        module, function = RECIPES[arguments.command][0].split(":")
        recipe = getattr(importlib.import_module(f"modelyard_trainer.{module}"), function)
        run = cast("Callable[[packaging.RunOptions], str]", recipe)
        digest = run(options)
        print(f"\npackage {out if arguments.out else '(temporary)'}\ndigest  {digest}", flush=True)
        if arguments.publish:
            from modelyard_trainer import publishing  # noqa: PLC0415 (training alone needs no store)

            publishing.publish(out, arguments.publish, arguments.credentials, create_bucket=arguments.create_bucket)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """0 when the model is good enough, 1 when it is not."""
    from modelyard_trainer import evaluation  # noqa: PLC0415 (training needs no client)

    options = evaluation.Options(
        url=arguments.url,
        model=arguments.model or MODELS[arguments.recipe],
        samples=arguments.samples,
        batch=arguments.batch,
        min_accuracy=arguments.min_accuracy or (0.6 if arguments.recipe in {"lstm", "encoder", "bayes"} else 0.95),
        max_rmse=arguments.max_rmse,
        wait=arguments.wait,
        data=arguments.data,
        token=arguments.token,
    )
    verdict = evaluation.JUDGES[arguments.recipe](options)
    print(f"{'PASSED' if verdict.passed else 'FAILED'}: {verdict.text}", flush=True)
    return 0 if verdict.passed else 1


def corpus(arguments: argparse.Namespace) -> int:
    """Write the texts of lstm, encoder and bayes."""
    from modelyard_trainer import sections  # noqa: PLC0415

    print(f"{sections.write(arguments.out)} descriptions in {arguments.out}", flush=True)
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Run a subcommand; expected faults become one line."""
    from modelyard_trainer.client import ServerError  # noqa: PLC0415
    from modelyard_trainer.publishing import PublishError  # noqa: PLC0415

    run_command = {"evaluate": evaluate, "corpus": corpus}.get(arguments.command, train)
    try:
        return run_command(arguments)
    except (PackageError, FetchError, PublishError, ServerError, UriError, OSError) as error:
        print(f"modelyard-trainer {arguments.command}: {error}", file=sys.stderr, flush=True)
        return 1
