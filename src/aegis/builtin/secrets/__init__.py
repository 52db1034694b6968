"""Where `secret://` references in the configuration get their values."""
