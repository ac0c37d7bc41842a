"""Usage and price cards in, cost out. No network, no floats, no guesses."""
