"""Our models beside those of other libraries, on the same split, in the same run: `make bench`."""
