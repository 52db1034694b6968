"""`python -m aegis.cli`: the command line where the `aegis` script is not on the path."""

from .main import main

main()
