"""Where the ledger and the state are kept."""
