"""Recordings: long series that are cut into windows, of files, folders, frames and arrays."""
