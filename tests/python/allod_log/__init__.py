"""Verifies exported logs of Allod identities, offline.

A second implementation, written from the pages in spec/ alone: spec/history.md and the pages it names. It shares
no code with the ledger, so that a mistake in one of them, or in the pages, shows up as a disagreement.
"""
