"""Money: prices, exchange rate, and integer arithmetic with one rounding per call."""
