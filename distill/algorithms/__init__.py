"""The mathematics: kernel ridge regression, its losses and gradient, KIP's step, Label Solve, random features."""
