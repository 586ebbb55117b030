"""Accounting of DP-SGD: what a training spends, and the noise that a budget needs."""

from ._syntrace import Accounting, epsilon, noise_multiplier

__all__ = ["Accounting", "epsilon", "noise_multiplier"]
