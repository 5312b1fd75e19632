"""How well a model does where it was not made: resampling, hold-outs, sub-groups, stability, sample size."""
