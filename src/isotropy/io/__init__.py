"""Files on disk: atomic writes, logs that a resume truncates to its checkpoint, tables written in pieces."""
