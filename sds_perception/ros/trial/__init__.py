"""The real node in a process of its own, tried: the demo, and whether every frame is delivered."""
