"""Rows that are moved, and the bound."""
