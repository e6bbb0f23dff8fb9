"""Wikitext of Korean Wikipedia to running text."""
