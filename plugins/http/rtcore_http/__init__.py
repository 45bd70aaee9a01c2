"""The one HTTP port of an rtcore server: routes, CORS, TLS, health."""
