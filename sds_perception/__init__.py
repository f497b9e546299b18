"""What a vehicle runs: one network that gives a camera image its meaning and its distance."""
