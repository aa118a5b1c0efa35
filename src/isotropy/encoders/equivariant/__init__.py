"""Encoders whose features are functions on a group's base space, for views in feature space."""
