"""Toys of the theorems, and the ladder."""
