"""From a Cityscapes-shaped folder to batches: which files, which frames, which pixels."""
