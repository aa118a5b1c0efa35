"""Image files as pixels: one file by itself, and many by processes; no torch, so that a process begins at once."""
