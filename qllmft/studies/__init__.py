"""Studies: experiments of several runs, their table and their figure."""
