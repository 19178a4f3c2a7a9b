"""What the product means: errors, tools, adapters, the guard, the engine, the ledger, syncs. No wire library, no web framework."""
