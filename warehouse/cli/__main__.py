"""`python -m warehouse.cli`: the same as `nwh`."""

from warehouse.cli import main

main()
