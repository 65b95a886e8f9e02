"""The sections of a report: each module makes one from all subjects, and says what a subject lacks for it."""
