"""Files on disk: written whole or not at all, logs that are cut to a checkpoint, tables written in pieces."""
