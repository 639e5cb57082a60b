"""May two prompts share one answer? Embeddings, nearest neighbours, guards against near misses, and when to trust them.

Nothing here reads a clock, a network or a database, and the core installation loads none of it: `near_miss`,
`time_dependent` and `trust` need the standard library alone, `minilm` and `nearest` the extra `similarity`.
"""
