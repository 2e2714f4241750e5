"""`python -m nwh`: the same as `nwh`."""

from nwh.cli import main

main()
