"""The web application over our own engines: routes, pages, adapters."""
