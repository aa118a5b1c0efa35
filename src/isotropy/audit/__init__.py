"""Audit: what is wrong with the rows of a data set, found on the values and in the embedding."""

from isotropy.audit.audit import audit
from isotropy.audit.issue import KINDS, Audit, Issue
from isotropy.audit.run import audit_run

__all__ = ["KINDS", "Audit", "Issue", "audit", "audit_run"]
