"""What the evidence amounts to: the why answer and the evidence pack. Pure over ports."""
