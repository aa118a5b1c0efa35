"""Cases with a known verdict, and rankings without labels."""
