"""What pages and commands ask, each with the statement that nwh sql takes."""
