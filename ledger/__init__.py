"""What happened, provably: entries, chain, tree, notes, keys, sealing, store, verify.

Importing this package loads nothing but the pure value types; `ledger.log` and `ledger.store` bring the
database and are imported by the programs that need them.
"""

from ledger.checkpoint import Checkpoint
from ledger.entry import Draft, Entry, decode, encode
from ledger.errors import LedgerError

__all__ = ["Checkpoint", "Draft", "Entry", "LedgerError", "decode", "encode"]
