"""Encoders: networks with a `width`."""
