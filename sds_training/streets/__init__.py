"""Procedural streets with exact labels, depth and motion, written in Cityscapes layout."""
