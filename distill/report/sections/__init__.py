"""The sections of a report: each module makes one from all entries, and says what an entry lacks for it."""
