"""The law as dated, sourced data, and its only reader."""
