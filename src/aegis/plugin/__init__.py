"""What plugin authors implement."""
