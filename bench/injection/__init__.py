"""Learns what `classifiers.injection` weighs, and measures it on kinds of sources that were held apart."""
