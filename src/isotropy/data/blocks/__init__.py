"""Rows that stay in their files: read block by block, in an order that needs few blocks at a time."""
