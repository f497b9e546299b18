"""How the network is learnt, offline; imports sds_perception, never the other way round."""
