"""Where audio comes from and goes to: inputs, outputs, voices, the cache. Knows no engine and no codec."""
