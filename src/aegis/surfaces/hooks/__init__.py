"""Coding agents' hooks: what they are about to do becomes an action, and so does its result."""
