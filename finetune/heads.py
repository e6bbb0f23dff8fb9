"""Heads on vectors: scikit-learn's estimators by a fixed table of names.

Each has one setting that says how closely it may follow the rows it learns from, and a few values of it, the most
cautious first: which one is taken is decided on dev. What a head gives is brought into the form of a model's outputs,
so that answers and scores are made of it as of a model's (`finetune.kinds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pipeline.errors import InputError

#: Kinds of tasks that say something of a row as a whole; the others need a vector for each token.
KINDS = ("classification", "multilabel", "regression")
#: Probabilities are kept this far from 0 and 1, so that their logarithms are numbers.
TINY = 1e-12
_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
_PENALTIES = (1e5, 1e4, 1e3, 1e2, 10.0, 1.0)
_LEAVES = (20, 5, 1)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """An estimator for classes and one for numbers (None: it has none), its open setting and the values that are tried.

    seeded: it draws, so that seeds differ. weighs: rare classes may count as much as frequent ones. dense: it takes no
    sparse matrix, so no TF-IDF.
    """

    classifier: type[Any] | None
    regressor: type[Any] | None
    setting: str = ""
    values: tuple[float, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    seeded: bool = False
    weighs: bool = False
    dense: bool = False


HEADS: dict[str, Head] = {
    "logistic": Head(LogisticRegression, None, "C", _STRENGTHS, (("max_iter", 1000),), weighs=True),
    "linear": Head(None, LinearRegression),
    "ridge": Head(RidgeClassifier, Ridge, "alpha", _PENALTIES, weighs=True),
    "linear-svm": Head(LinearSVC, LinearSVR, "C", _STRENGTHS[:4], (("max_iter", 5000),), weighs=True),
    "svm": Head(SVC, SVR, "C", (0.1, 1.0, 10.0), weighs=True),
    "mlp": Head(MLPClassifier, MLPRegressor, "alpha", (10.0, 1.0, 0.1, 1e-3), (("max_iter", 300),), seeded=True),
    "knn": Head(KNeighborsClassifier, KNeighborsRegressor, "n_neighbors", (51, 15, 5, 1)),
    "forest": Head(
        RandomForestClassifier, RandomForestRegressor, "min_samples_leaf", _LEAVES, seeded=True, weighs=True
    ),
    "extra-trees": Head(
        ExtraTreesClassifier, ExtraTreesRegressor, "min_samples_leaf", _LEAVES, seeded=True, weighs=True
    ),
    "tree": Head(
        DecisionTreeClassifier, DecisionTreeRegressor, "min_samples_leaf", (50, *_LEAVES), seeded=True, weighs=True
    ),
    "boosting": Head(
        HistGradientBoostingClassifier, HistGradientBoostingRegressor, "learning_rate", (0.03, 0.1, 0.3), seeded=True,
        weighs=True, dense=True,
    ),
    "adaboost": Head(AdaBoostClassifier, AdaBoostRegressor, "n_estimators", (25, 50, 100), seeded=True),
    "bayes": Head(GaussianNB, None, "var_smoothing", (1.0, 0.1, 1e-3, 1e-9), dense=True),
    "lda": Head(
        LinearDiscriminantAnalysis, None, "shrinkage", (0.9, 0.5, 0.1, 0.01), (("solver", "lsqr"),), dense=True
    ),
}  # fmt: skip


def default_head(kind: str) -> str:
    """The head of a kind of task if nobody names one."""
    return "ridge" if kind == "regression" else "logistic"


def find_head(name: str, kind: str, *, sparse: bool, balanced: bool) -> Head:
    """The head of this name; raises InputError if it cannot do what is asked of it."""
    head = HEADS[name]
    able = [each for each, other in HEADS.items() if _estimator(other, kind)]
    if _estimator(head, kind) is None:
        raise InputError(f"--head {name} does no {kind}; these do: {', '.join(able)}")
    if sparse and head.dense:
        raise InputError(f"--head {name} cannot be used on TF-IDF, whose matrix is sparse; take another head")
    if balanced and (kind == "regression" or not head.weighs):
        raise InputError(f"finetune.class_weights balanced: --head {name} has no weights of classes; set it to none")
    return head


def settings_of(head: Head, rows: int) -> tuple[float | None, ...]:
    """The values to try on so many rows; (None,) where nothing is open."""
    fitting = [value for value in head.values if head.setting != "n_neighbors" or value <= rows]
    return tuple(fitting) or (None,)


def make_head(head: Head, kind: str, value: float | None, seed: int, *, sparse: bool, balanced: bool) -> Pipeline:
    """The estimator, unfitted, behind a standardisation of each number (not of TF-IDF: it is scaled already)."""
    found = _estimator(head, kind)
    if found is None:
        raise ValueError(f"no estimator for {kind}")
    given = {**dict(head.fixed), **({head.setting: value} if value is not None else {})}
    if "random_state" in found().get_params():
        given["random_state"] = seed
    if balanced:
        given["class_weight"] = "balanced"
    estimator: BaseEstimator = found(**given)
    if kind == "multilabel":
        estimator = OneVsRestClassifier(estimator)
    return Pipeline([("scale", "passthrough" if sparse else StandardScaler()), ("head", estimator)])


def outputs_of(fitted: Pipeline, features: Any, kind: str, names: int) -> Numbers:
    """What a model would give for these rows: (rows, names) logits, or (rows, 1) numbers.

    Of a head without probabilities the margins stand for logits: their order is its own, their size is no probability.
    """
    if kind == "regression":
        return np.asarray(fitted.predict(features), dtype=np.float64).reshape(-1, 1)
    if hasattr(fitted, "predict_proba"):
        shares = np.asarray(fitted.predict_proba(features), dtype=np.float64)[:, -names:].clip(TINY, 1 - TINY)
        logits: Numbers = np.log(shares) - (np.log1p(-shares) if kind == "multilabel" else 0.0)
        return logits
    margins = np.asarray(fitted.decision_function(features), dtype=np.float64)
    if margins.ndim > 1:
        return margins
    return margins[:, None] if kind == "multilabel" else np.stack([np.zeros_like(margins), margins], axis=1)


def linear_parts(fitted: Pipeline) -> dict[str, NDArray[np.float32]] | None:
    """`weight` (names, width) and `bias` (names,) of a linear head, the standardisation within them: its outputs are
    `vectors @ weight.T + bias`. None of one that is not linear."""
    head, scale = fitted["head"], fitted["scale"]
    parts = head.estimators_ if isinstance(head, OneVsRestClassifier) else [head]
    if not all(hasattr(part, "coef_") and hasattr(part, "intercept_") for part in parts):
        return None
    weight = np.concatenate([np.atleast_2d(part.coef_) for part in parts])
    bias = np.concatenate([np.broadcast_to(part.intercept_, np.atleast_2d(part.coef_).shape[:1]) for part in parts])
    if isinstance(scale, StandardScaler):
        weight = weight / scale.scale_
        bias = bias - weight @ scale.mean_
    if len(parts) == 1 and len(getattr(head, "classes_", ())) == 2 and not isinstance(head, OneVsRestClassifier):
        weight, bias = np.concatenate([np.zeros_like(weight), weight]), np.concatenate([np.zeros_like(bias), bias])
    return {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}


def write_linear(parts: dict[str, NDArray[np.float32]], path: Any) -> None:
    """Write them as safetensors."""
    save_file({name: np.ascontiguousarray(values) for name, values in parts.items()}, str(path))


def _estimator(head: Head, kind: str) -> type[Any] | None:
    return head.regressor if kind == "regression" else head.classifier
