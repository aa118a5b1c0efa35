"""MUSIC beside its peers, a toy, and what the views of a data set share."""
