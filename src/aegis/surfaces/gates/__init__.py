"""Gates: Aegis performs for the caller what it decided, inside limits."""
