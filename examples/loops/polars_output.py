"""polars in, polars out. Needs: pip install polars."""

import polars as pl
from sklearn.datasets import load_wine

from isotropy import SelfSupervisedEncoder


def main():
    """Return the embeddings as a frame of polars."""
    wine = load_wine()
    frame = pl.DataFrame(dict(zip(wine.feature_names, wine.data.T, strict=True)))
    encoder = SelfSupervisedEncoder(epochs=3, random_state=0).set_output(transform="polars")
    return encoder.fit(frame).transform(frame)


if __name__ == "__main__":
    print(main().head())
