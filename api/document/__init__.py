"""The OpenAPI document, put together from what each route declares, and the page made from it."""
