"""Parts of a method's network besides its encoder: heads, EMA teachers, prototypes, segments, decoders."""
