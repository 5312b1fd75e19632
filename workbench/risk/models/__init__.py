"""Models of risk, each a scikit-learn estimator with ``predict_risk``, and the equations that they come down to."""
