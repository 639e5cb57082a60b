"""Measurements, not shipped. Quote ratios taken in one run; machines are shared and noisy."""
