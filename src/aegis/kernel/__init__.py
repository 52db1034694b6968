"""Configuration in, a running governor out: discovery, composition, journal, runtime."""
