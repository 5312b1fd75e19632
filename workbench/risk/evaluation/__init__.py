"""How good predictions are: accuracy, calibration, net benefit."""
