"""Gateways side by side: one mock provider, one load, the same two CPUs, in one run (`make bench-peers`)."""
