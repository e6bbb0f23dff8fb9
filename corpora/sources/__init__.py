"""From what the user names to raw documents: files of several formats, dumps and data sets that are fetched first."""
