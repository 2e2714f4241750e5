"""The tables and figures of a warehouse as one page without a server, for a paper's appendix."""

from nwh.dashboards.report.writing import write_report

__all__ = ["write_report"]
