"""Augmentations drawn from an explicit generator into frozen plans, applied by pure functions."""
