"""The field's claims on one bench: heads of other papers beside plain models of the same class, size and care."""
