"""What the network is told to make small, as functions from tensors to numbers or maps.

Every loss is unweighted; the weights of the terms live in the objective.
"""
