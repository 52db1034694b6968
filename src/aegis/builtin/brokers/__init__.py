"""Credential brokers that ship: each mints for one action, and takes back."""
