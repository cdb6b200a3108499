"""Accounts and notes, with tokens and scopes: `fasterapi run accounts.main:app` in `examples`."""
