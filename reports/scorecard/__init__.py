"""The executive scorecard: a few lines with numerator, denominator and interval, one page. Pure."""
