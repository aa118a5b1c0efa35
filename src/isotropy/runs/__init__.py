"""A run: the recipe, what it trains with, its directory, its verdict, and several runs side by side."""
