"""Where actions come from: each surface translates in, governs, and translates out."""
