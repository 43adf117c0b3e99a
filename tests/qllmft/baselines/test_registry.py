"""The baselines that a run can name: what they are called, how they are made, and what is said of other names."""

import pytest

from qllmft.baselines import (
    BASELINES,
    check_baselines,
    fit_and_score,
    left_out_baselines,
    make_baselines,
)
from qllmft.baselines.head import MAX_SUPPORT_VECTOR_TEXTS
from qllmft.config import RunConfig, parse_config
from qllmft.training import Examples
from qllmft_base.errors import UserError

CLASSIFIERS = {
    name: baseline for name, baseline in BASELINES.items() if "classification" in baseline.tasks
}


def examples(n: int, seed: int) -> Examples:
    import torch

    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    return Examples(x, (x.sum(dim=1) > 0).long())


def named_baselines(*names: str) -> RunConfig:
    return parse_config(
        {"baselines": {"names": list(names), "grid": "small"}, "train": {"epochs": 2}}, "the test"
    )


def test_a_run_names_them():
    names = [
        "logistic_regression",
        "logistic_regression_c1",
        "logistic_regression_same_vectors",
        "svc",
        "svc_full",
    ]
    names += [
        "svc_quadratic",
        "mlp",
        "low_rank",
        "pca",
        "random_projection",
        "quantised",
        "ridge",
        "svr",
        "linear",
    ]
    names += ["logistic_regression_ovr", "svc_ovr", "tfidf"]
    assert list(BASELINES) == names
    tuned = ["logistic_regression", "svc", "svc_full"]
    assert [name for name, baseline in CLASSIFIERS.items() if baseline.tuned] == [
        *tuned,
        "svc_quadratic",
        "tfidf",
    ]
    assert [name for name, baseline in CLASSIFIERS.items() if baseline.is_grid] == tuned
    assert RunConfig().baselines.names == ("logistic_regression", "svc", "mlp")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_one_is_fitted_and_scored(name):
    (head,) = make_baselines(named_baselines(name), 50, 6, 2)
    assert head.name.partition(",")[0] == BASELINES[name].label
    train = examples(30, 1)
    validation = examples(13, 2)
    assert head.settings == {}
    fitted = fit_and_score(head, train, validation)
    predicted = head.predict(validation.x.numpy())
    assert (predicted.shape, predicted.dtype) == ((13,), "int64")
    assert head.n_parameters > 0 < len(head.settings)
    right = int((predicted == validation.y.numpy()).sum())
    assert (fitted.validation.right, fitted.validation.total) == (right, 13)
    assert (fitted.head, fitted.validation_exact, head.interrupted) == (head, None, False)
    assert fitted.seconds > 0


def test_they_come_in_the_order_of_the_configuration():
    assert [head.name for head in make_baselines(named_baselines("svc_full", "logistic_regression"), 20, 6, 2)] == [
        "SVC (most vectors)", "logistic regression",
    ]  # fmt: skip


def test_an_unknown_name_is_refused_with_the_list_of_the_known_ones():
    names = (
        "logistic_regression, logistic_regression_c1, logistic_regression_same_vectors, svc, svc_full, svc_quadratic, "
        "mlp, low_rank, pca, random_projection, quantised, ridge, svr, linear, logistic_regression_ovr, svc_ovr, tfidf"
    )
    message = rf"baselines.names has 'knn', expected some of {names}, or none: \[\]."
    for refused in (
        lambda: check_baselines(["svc", "knn"]),
        lambda: make_baselines(named_baselines("knn"), 20, 6, 2),
    ):
        with pytest.raises(UserError, match=message):
            refused()
    check_baselines([])


def test_a_name_that_repeats_is_refused():
    with pytest.raises(
        UserError, match=r"baselines.names has 'svc' 2 times, expected each name once"
    ):
        make_baselines(named_baselines("svc", "mlp", "svc"), 20, 6, 2)


def test_support_vectors_are_left_out_beyond_what_their_time_allows():
    config = parse_config({"baselines": {"names": ["svc", "logistic_regression_c1"]}}, "the test")
    assert left_out_baselines(config, MAX_SUPPORT_VECTOR_TEXTS) == []
    assert left_out_baselines(config, MAX_SUPPORT_VECTOR_TEXTS + 1) == ["svc"]
    names = [head.name for head in make_baselines(config, 9, 4, 2, MAX_SUPPORT_VECTOR_TEXTS + 1)]
    assert names == ["logistic regression (C = 1)"]
