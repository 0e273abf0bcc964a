"""Loss laws against their papers, and how a budget is split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.plan.whole_run.loss import HOFFMANN, LAWS, REFIT, LossLaw, predict_losses

laws = st.sampled_from(LAWS)
budgets = st.floats(1e18, 1e27)


def test_the_first_law_gives_chinchillas_published_loss():
    # Hoffmann et al., arXiv 2203.15556, equation 10, at 70 B parameters and 1.4 T tokens.
    assert HOFFMANN.loss(70e9, tokens=1.4e12) == pytest.approx(1.94, abs=0.01)


def test_the_refit_spends_gophers_budget_as_chinchilla_did():
    # 70 B parameters on 1.4 T tokens: arXiv 2203.15556, section 4; about 20 tokens a parameter.
    parameters, tokens = REFIT.split(5.76e23)
    assert parameters == pytest.approx(70e9, rel=0.05)
    assert tokens == pytest.approx(1.4e12, rel=0.1)


def test_the_published_fit_would_train_less_than_half_the_model_on_more_text():
    # What made Besiroglu et al. (arXiv 2404.10102) fit it again.
    parameters, tokens = HOFFMANN.split(5.76e23)
    assert tokens / parameters > 4 * 20
    assert parameters < REFIT.split(5.76e23)[0] / 2


@given(law=laws, flops=budgets, factor=st.floats(0.2, 5.0))
def test_no_other_split_of_a_budget_reaches_a_lower_loss(law: LossLaw, flops, factor):
    parameters, tokens = law.split(flops)
    best = law.loss(parameters, tokens=tokens)
    assert best <= law.loss(parameters * factor, tokens=tokens / factor) * (1 + 1e-12)


@given(law=laws, flops=budgets)
def test_a_split_spends_the_budget(law: LossLaw, flops):
    parameters, tokens = law.split(flops)
    assert 6 * parameters * tokens == pytest.approx(flops)


@given(law=laws, shift=st.floats(-0.5, 2.0))
def test_a_calibrated_law_meets_a_shifted_curve_and_splits_alike(law: LossLaw, shift):
    points = [(1e8, tokens, law.loss(1e8, tokens=tokens) + shift) for tokens in (1e9, 4e9)]
    own = law.calibrated(points)
    assert own.loss(1e9, tokens=1e10) == pytest.approx(law.loss(1e9, tokens=1e10) + shift)
    assert own.split(1e21) == law.split(1e21)
    assert "own runs" in own.name


def test_calibrating_on_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one measured loss"):
        REFIT.calibrated([])


def test_below_the_fitted_range_no_loss_is_predicted():
    assert predict_losses(5e6, tokens=1e11) == {}
    assert predict_losses(1e9, tokens=1e7) == {}
    assert list(predict_losses(1e9, tokens=2e10)) == [law.name for law in LAWS]
