"""Parts of a method's network beside its encoder: heads, averaged copies, prototypes, segments, decoders."""
