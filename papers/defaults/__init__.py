"""What the default methods are worth at a user's budget."""
