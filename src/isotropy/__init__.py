"""isotropy."""
