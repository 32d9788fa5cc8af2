"""Recipe: breast cancer biopsies with scikit-learn, saved with skops."""

import skops.io  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_trainer import datasets, drawing, features, packaging, scores

INPUT = "measurements"


def run(options: packaging.RunOptions) -> str:
    """Train, evaluate, package; returns the package digest. `epochs` is the solver's limit of iterations."""
    dataset = datasets.tabular()
    print(f"breast cancer: {len(dataset.train_x)} biopsies to train, {len(dataset.test_x)} held out", flush=True)
    solver = LogisticRegression(max_iter=options.epochs, random_state=options.seed)
    pipeline = make_pipeline(StandardScaler(), solver).fit(dataset.train_x, dataset.train_y)
    predicted = pipeline.predict(dataset.test_x)
    accuracy = scores.accuracy(dataset.test_y, predicted)
    print(f"held-out accuracy {accuracy:.4f} after {int(solver.n_iter_[0])} iterations")
    print("\nconfusion (rows: truth)")
    print(drawing.confusion_table(scores.confusion(dataset.test_y, predicted, 2), dataset.labels), flush=True)
    card = ModelCard(
        name="breast-cancer",
        version=options.version,
        format="sklearn",
        description="Malignant or benign, from 30 measurements of a biopsy",
        inputs=(TensorSpec(name=INPUT, datatype="FP32", shape=(-1, len(dataset.features))),),
        outputs=(
            TensorSpec(name="label", datatype="BYTES", shape=(-1,)),
            TensorSpec(name="probabilities", datatype="FP64", shape=(-1, 2)),
        ),
        labels=dataset.labels,
        metrics={"accuracy": round(accuracy, 4), "heldOutRows": float(len(predicted))},
        origin=packaging.origin(dataset, options),
    )
    reference = features.reference(INPUT, dataset.features, dataset.train_x)
    return packaging.write(options.out, card, reference, lambda root: skops.io.dump(pipeline, root / "model.skops"))
