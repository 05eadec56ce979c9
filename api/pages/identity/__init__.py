"""Who looks at a page: sessions of keys, visitors of the public demo, and the tokens of their forms."""
