"""Examines a machine, a release and the cameras before a launch, with the node's own parts."""
